"""What befalls a worker."""

from __future__ import annotations

import asyncio
import signal

from temporalio.service import RPCError

from devstack.demo_environment import TARGET_REGION
from devstack.processes import Server
from models.steps import Step
from tests.chaos.entry import GATES, MOMENTS, STEPS, Entry, Strike, deny, fails, hold, some_time
from tests.chaos.observed_restore import RPC, Night

MISSED = 17.0
"""Longer than the heartbeat timeout of 15 s: the attempt counts as lost."""


def _killing(kind: str) -> Strike:
    async def strike(night: Night, place: str) -> None:
        held = hold(night, place, 2.0, kind)
        await night.fired(held)
        # The effect is made by another thread within milliseconds; the answer would come after two seconds.
        await asyncio.sleep(0.2)
        await asyncio.to_thread(night.stage.kill_worker)
        await asyncio.to_thread(night.stage.new_worker)

    return strike


async def _killed_at_random(night: Night, place: str) -> None:
    await some_time(night, place)
    await asyncio.to_thread(night.stage.kill_worker)
    await asyncio.to_thread(night.stage.new_worker)


async def _killed_in_compensation(night: Night, place: str) -> None:
    deny(night, "rds.RestoreDBClusterFromSnapshot")
    held = hold(night, Step.SNS_NOTIFICATION, 2.0, "no-response" if place == "before-the-message" else "late-response")
    await night.fired(held)
    await asyncio.sleep(0.2)
    await asyncio.to_thread(night.stage.kill_worker)
    await asyncio.to_thread(night.stage.new_worker)


async def _stopped(night: Night, place: str) -> None:
    """SIGTERM while a call is under way: it is finished, counted, and not made again."""
    held = hold(night, place, 1.5)
    await night.fired(held)
    status = await asyncio.to_thread(night.stage.stop_worker)
    if status != 0:
        night.strange.append(f"a worker that was asked to stop ended with {status}")
    service, operation, _ = GATES[place]
    made = [call for call in night.stage.emulator.calls if (call.service, call.operation) == (service, operation)]
    calls_before = len(made)
    await asyncio.to_thread(night.stage.new_worker)
    if operation in ("CopyDBClusterSnapshot", "RestoreDBClusterFromSnapshot", "Publish"):
        await asyncio.sleep(1)
        again = len(night.stage.emulator.calls.of(operation, service))
        if again != calls_before:
            night.strange.append(f"{operation} was finished by the stopping worker, and made again")


async def _second_worker(night: Night, _place: str) -> None:
    await asyncio.to_thread(night.stage.new_worker)


async def _one_of_two_killed(night: Night, place: str) -> None:
    held = hold(night, place, 2.0)
    await night.fired(held)
    await asyncio.sleep(0.2)
    await asyncio.to_thread(night.stage.kill_worker, await _who_works(night))


async def _who_works(night: Night) -> Server | None:
    """The worker that has the night's running activity; any if none has."""
    try:
        pending = (await night.handle.describe(rpc_timeout=RPC)).raw_description.pending_activities
    except RPCError:
        return None
    pids = {each.last_worker_identity.partition("@")[0] for each in pending}
    return next((worker for worker in night.stage.workers if str(worker.pid) in pids), None)


async def _frozen(night: Night, place: str) -> None:
    """Frozen past the heartbeat timeout and woken: its late answer is one that nobody waits for."""
    held = hold(night, place, 1.0)
    await night.fired(held)
    await asyncio.sleep(0.2)
    worker = night.worker
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(MISSED)
    worker.signal(signal.SIGCONT)


async def _replaced_while_frozen(night: Night, place: str) -> None:
    """Another worker takes over; the frozen one wakes when the night is some steps on, or over."""
    held = hold(night, place, 1.0)
    await night.fired(held)
    await asyncio.sleep(0.2)
    worker = night.worker
    worker.signal(signal.SIGSTOP)
    await asyncio.to_thread(night.stage.new_worker)
    await asyncio.sleep(night.chance.uniform(MISSED, MISSED + 8))
    worker.signal(signal.SIGCONT)
    await asyncio.sleep(2)


async def _stale_delete(night: Night, place: str, seconds: float) -> None:
    looks = night.arm("rds", "DescribeDBClusters", "latency", seconds=seconds, skip=1, region=TARGET_REGION)
    await night.fired(looks)
    await asyncio.sleep(0.1)
    worker = night.worker
    worker.signal(signal.SIGSTOP)
    try:
        await asyncio.to_thread(night.stage.new_worker)
        # The night must be past the restore, and not over, when the old worker wakes.
        hold(night, Step.SETUP_DB_USERS, 8.0)
        await night.until(lambda: bool(night.stage.emulator.calls.of("GetSecretValue", "secretsmanager")))
    finally:
        worker.signal(signal.SIGCONT)
    await asyncio.sleep(4)


async def _woken_without_a_look(night: Night, place: str) -> None:
    """Frozen while it asks for the target; it is answered, if at all, with what is there by then."""
    await _stale_delete(night, place, 60.0)


async def _woken_with_an_old_look(night: Night, place: str) -> None:
    """Frozen with the old target's description in hand, just before it would delete."""
    await _stale_delete(night, place, 0.5)


ENTRIES = (
    Entry("killed-before-effect", "SIGKILL of the worker; its request never arrived", STEPS, _killing("no-response")),
    Entry("killed-after-effect", "SIGKILL of the worker between an effect and its answer", STEPS, _killing("late-response")),
    Entry("killed-at-random", "SIGKILL of the worker at a random moment", MOMENTS, _killed_at_random),
    Entry(
        "killed-in-compensation", "SIGKILL of the worker while it tells of a failure",
        ("before-the-message", "after-the-message"), _killed_in_compensation, endings=fails,
    ),
    Entry("stopped", "SIGTERM: the running activity is finished and not made again", STEPS, _stopped),
    Entry("one-of-two-killed", "two workers, the one at work is killed", STEPS, _one_of_two_killed, prepare=_second_worker),
    Entry("frozen", "SIGSTOP of the worker past the heartbeat timeout, then SIGCONT", STEPS, _frozen),
    Entry("replaced-while-frozen", "another worker takes over, then SIGCONT", STEPS, _replaced_while_frozen),
    Entry(
        "woken-without-a-look", "a worker frozen in delete-rds wakes after the restore", (Step.DELETE_RDS,),
        _woken_without_a_look,
    ),
    Entry(
        "woken-with-an-old-look", "a worker frozen between its look and its deletion wakes after the restore",
        (Step.DELETE_RDS,), _woken_with_an_old_look,
    ),
)  # fmt: skip
