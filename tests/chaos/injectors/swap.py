"""Faults of a restore that swaps names; each plan has one of them, and the old cluster may not be hurt by any.

A place is a call of swap-clusters by its name, `rename-2+3` the third call after it. At these places the worker is killed at
every call that it makes from the last password of setup-db-users to the end of the proof.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devstack.aws.fault_injection import InjectedFault
from devstack.demo_environment import TARGET_REGION
from devstack.pipeline import ROOT, own_environment
from models.search_attributes import KEEPING_OLD, STEP
from models.steps import Step
from tests.chaos.campaign_fault import FAILED, CampaignFault, Injector, always_fails
from tests.chaos.environment import longer_durations
from tests.chaos.injectors.operator import deny_step_call, repeat_until_accepted
from tests.chaos.injectors.worker import PAST_HEARTBEAT_TIMEOUT, replace_worker
from tests.chaos.observed_restore import ObservedRestore

LIMITS: Mapping[str, Any] = {"deadline": "PT90S", "restart": True}
"""Of the swaps: clients verify the name, and so the restored cluster has to be restarted."""
CALLS: dict[str, tuple[str, str, int]] = {
    "users-set": ("secretsmanager", "GetSecretValue", 7),
    "rename-1": ("rds", "ModifyDBCluster", 1),
    "rename-2": ("rds", "ModifyDBCluster", 2),
    "stop": ("rds", "StopDBCluster", 0),
    "start": ("rds", "StartDBCluster", 0),
    "rename-back-1": ("rds", "ModifyDBCluster", 3),
    "rename-back-2": ("rds", "ModifyDBCluster", 4),
}
"""Service, operation, and how many such calls in the target's region a restore makes before."""
CALLS_AFTER = {"users-set": 12, "rename-1": 10, "rename-2": 10, "stop": 8, "start": 6}
"""How many calls follow until the next one with a name."""
CHANGES = ("rename-1", "rename-2", "stop", "start")
EVERY_CALL = tuple(
    place
    for name, calls in CALLS_AFTER.items()
    for place in ((name,) if name in CHANGES else ()) + tuple(f"{name}+{number}" for number in range(1, calls + 1))
)
BEFORE_THE_SWAP = (Step.COPY_SNAPSHOT, Step.RESTORE_SNAPSHOT, Step.CHECK_RESTORE_STATUS, Step.SETUP_DB_USERS)
OUTAGE_SECONDS = 6.0
TRIES = 600


def _add_fault(restore: ObservedRestore, place: str, kind: Any, **options: Any) -> InjectedFault:
    service, operation, earlier_calls = CALLS[place]
    return restore.add_fault(service, operation, kind, skip=earlier_calls, region=TARGET_REGION, **options)


async def _delay_call(restore: ObservedRestore, place: str, kind: Any = "late-response") -> None:
    """Delay the call at a place by two seconds of real time; returns when it has been made."""
    name, _, number = place.partition("+")
    if not number:
        await restore.wait_until_fired(_add_fault(restore, name, kind, seconds=2.0))
        return
    # While the named call takes its time, no other one comes: then the calls are counted from here.
    named = _add_fault(restore, name, "latency", seconds=0.5)
    await restore.wait_until(lambda: named.fired > 0)
    await restore.wait_until_fired(restore.add_fault("*", "*", kind, seconds=2.0, skip=int(number) - 1))


async def _record(restore: ObservedRestore, place: str) -> None:
    """Nothing is disturbed."""
    restore.record_injection(place)


def _kill_in_call(kind: str) -> Injector:
    async def inject(restore: ObservedRestore, place: str) -> None:
        await _delay_call(restore, place, kind)
        # The effect comes within milliseconds, the response would come after two seconds: the kill is in between.
        await asyncio.sleep(0.2)
        await replace_worker(restore)

    return inject


async def _kill_in_swap_back(restore: ObservedRestore, place: str) -> None:
    """The proof fails because the cluster may not be stopped; the worker is killed while the names are put back."""
    _deny(restore, "stop")
    await _delay_call(restore, place)
    await asyncio.sleep(0.2)
    await replace_worker(restore)


async def _freeze(restore: ObservedRestore, place: str) -> None:
    await _delay_call(restore, place)
    worker = restore.worker
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(PAST_HEARTBEAT_TIMEOUT)
    worker.signal(signal.SIGCONT)


def _deny(restore: ObservedRestore, place: str) -> InjectedFault:
    return _add_fault(restore, place, "error", code="AccessDenied", message="Not authorized", status=403)


async def _deny_once(restore: ObservedRestore, place: str) -> None:
    await restore.wait_until_fired(_deny(restore, place))


async def _deny_before_the_swap(restore: ObservedRestore, place: str) -> None:
    is_users_step = place == Step.SETUP_DB_USERS
    await restore.wait_until_fired(_deny(restore, "users-set") if is_users_step else deny_step_call(restore, place))


def _fail(kind: str) -> Injector:
    async def inject(restore: ObservedRestore, place: str) -> None:
        await restore.wait_until_fired(_add_fault(restore, place, kind, count=4 if kind == "reset-before" else 1))

    return inject


async def _throttle(restore: ObservedRestore, place: str) -> None:
    fault = _add_fault(restore, place, "throttle", count=None)
    await restore.wait_until_fired(fault)
    await asyncio.sleep(OUTAGE_SECONDS)
    restore.environment.emulator.faults.remove(fault)


async def _cancel(restore: ObservedRestore, place: str) -> None:
    await _delay_call(restore, place)
    await repeat_until_accepted(restore.handle.cancel)


async def _roll_back(restore: ObservedRestore, place: str) -> None:
    """Run `starter.py rollback`, as an operator does who finds the data wrong while the old cluster is kept."""
    for _ in range(TRIES):
        described = await restore.handle.describe()
        if described.typed_search_attributes.get(STEP) == KEEPING_OLD:
            break
        await asyncio.sleep(0.1)
    restore.record_injection(place)
    command: list[str | Path] = [
        sys.executable,
        ROOT / "starter.py",
        "rollback",
        "orders-staging",
        "--reason",
        "prices are wrong",
    ]
    variables = own_environment(restore.environment.stack.environment)
    ended = await asyncio.to_thread(subprocess.run, command, env=variables, capture_output=True, text=True, check=False)
    restore.acts.append(f"starter.py rollback ended with {ended.returncode}: {ended.stderr}")


FAULTS = (
    CampaignFault("swapped", "none: only the swap", tuple(str(n) for n in range(1, 101)), _record, swap=LIMITS),
    CampaignFault(
        "swap-killed-after-effect", "SIGKILL of the worker between the effect of its call and the response", EVERY_CALL,
        _kill_in_call("late-response"), swap=LIMITS,
    ),
    CampaignFault(
        "swap-killed-before-effect", "SIGKILL of the worker; AWS never receives its call", CHANGES,
        _kill_in_call("no-response"), swap=LIMITS,
    ),
    CampaignFault(
        "swap-back-killed", "SIGKILL of the worker while the names are put back", ("rename-back-1", "rename-back-2"),
        _kill_in_swap_back, outcomes=always_fails, swap=LIMITS,
    ),
    CampaignFault(
        "swap-frozen", "SIGSTOP of the worker past the heartbeat timeout, then SIGCONT", ("rename-1", "rename-2"), _freeze,
        swap=LIMITS,
    ),
    CampaignFault(
        "swap-denied", "AWS denies access once", CHANGES, _deny_once, outcomes=always_fails, swap=LIMITS,
    ),
    CampaignFault(
        "swap-failed-before", "AWS denies access once, before the swap", BEFORE_THE_SWAP, _deny_before_the_swap,
        outcomes=always_fails, swap=LIMITS,
    ),
    CampaignFault("swap-throttled", "AWS throttles the call for 6 s", CHANGES, _throttle, swap=LIMITS),
    CampaignFault(
        "swap-reset-before-effect", "four connections are reset before the effect", CHANGES, _fail("reset-before"),
        swap=LIMITS,
    ),
    CampaignFault(
        "swap-reset-after-effect", "the connection is reset after the effect", CHANGES, _fail("reset-after"), swap=LIMITS,
    ),
    CampaignFault(
        "swap-cancelled", "the operator cancels", CHANGES, _cancel, outcomes=lambda _: frozenset({"cancelled"}), swap=LIMITS,
    ),
    CampaignFault(
        "swap-deadline", "a rename takes longer than the swap may", ("rename-1",), _record, outcomes=always_fails,
        durations=longer_durations(cluster_rename=6), swap={**LIMITS, "deadline": "PT4S"},
    ),
    CampaignFault(
        "swap-kept", "none: the old cluster is kept for 5 s", ("1",), _record, swap={**LIMITS, "keep_old": "PT5S"},
    ),
    CampaignFault(
        "swap-rolled-back", "the operator rolls the swap back with starter.py rollback", ("1",), _roll_back,
        outcomes=lambda _: FAILED, swap={**LIMITS, "keep_old": "PT1H"},
    ),
)  # fmt: skip
