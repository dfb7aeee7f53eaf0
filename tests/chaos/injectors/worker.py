"""Faults of the worker process."""

from __future__ import annotations

import asyncio
import signal

from temporalio.service import RPCError

from devstack.demo_environment import TARGET_REGION, USERS
from models.steps import Step
from tests.chaos.campaign_fault import (
    MOMENTS,
    STEP_CALLS,
    STEPS,
    CampaignFault,
    Injector,
    always_fails,
    delay_step_call,
    deny_call,
    wait_for_moment,
)
from tests.chaos.observed_restore import RPC_TIMEOUT, ObservedRestore
from tests.chaos.worker_process import WorkerProcess

PAST_HEARTBEAT_TIMEOUT = 17.0
"""Seconds; the heartbeat timeout is 15 s, after which Temporal starts another attempt."""
CREATING_OPERATIONS = ("CopyDBClusterSnapshot", "RestoreDBClusterFromSnapshot", "Publish")


async def replace_worker(restore: ObservedRestore) -> None:
    """SIGKILL the worker, and start another one."""
    await asyncio.to_thread(restore.environment.kill_worker)
    await asyncio.to_thread(restore.environment.start_worker)


def _kill_in_call(kind: str) -> Injector:
    async def inject(restore: ObservedRestore, place: str) -> None:
        await restore.wait_until_fired(delay_step_call(restore, place, 2.0, kind))
        # The effect comes within milliseconds, the response would come after two seconds: the kill is in between.
        await asyncio.sleep(0.2)
        await replace_worker(restore)

    return inject


async def _kill_at_moment(restore: ObservedRestore, place: str) -> None:
    await wait_for_moment(restore, place)
    await replace_worker(restore)


async def _kill_in_compensation(restore: ObservedRestore, place: str) -> None:
    deny_call(restore, "rds.RestoreDBClusterFromSnapshot")
    kind = "no-response" if place == "before-the-message" else "late-response"
    await restore.wait_until_fired(delay_step_call(restore, Step.SNS_NOTIFICATION, 2.0, kind))
    await asyncio.sleep(0.2)
    await replace_worker(restore)


async def _stop_in_call(restore: ObservedRestore, place: str) -> None:
    """SIGTERM during a call: the stopping worker finishes the call, and no other worker repeats it."""
    await restore.wait_until_fired(delay_step_call(restore, place, 1.5))
    status = await asyncio.to_thread(restore.environment.stop_worker)
    if status != 0:
        restore.anomalies.append(f"a worker that received SIGTERM ended with {status}")
    service, operation, _ = STEP_CALLS[place]
    calls_before = len(restore.environment.emulator.calls.of(operation, service))
    await asyncio.to_thread(restore.environment.start_worker)
    if operation in CREATING_OPERATIONS:
        await asyncio.sleep(1)
        if len(restore.environment.emulator.calls.of(operation, service)) != calls_before:
            restore.anomalies.append(f"the stopping worker finished {operation}, and another worker repeated it")


async def _start_second_worker(restore: ObservedRestore, _place: str) -> None:
    await asyncio.to_thread(restore.environment.start_worker)


async def _kill_active_worker(restore: ObservedRestore, place: str) -> None:
    await restore.wait_until_fired(delay_step_call(restore, place, 2.0))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(restore.environment.kill_worker, await _find_active_worker(restore))


async def _find_active_worker(restore: ObservedRestore) -> WorkerProcess | None:
    """The worker that runs the restore's activity; None if none does."""
    try:
        pending = (await restore.handle.describe(rpc_timeout=RPC_TIMEOUT)).raw_description.pending_activities
    except RPCError:
        return None
    pids = {each.last_worker_identity.partition("@")[0] for each in pending}
    running = (worker for worker in restore.environment.workers if worker.exit_status() is None)
    return next((worker for worker in running if str(worker.pid) in pids), None)


async def _freeze(restore: ObservedRestore, place: str) -> None:
    """Freeze the worker past the heartbeat timeout, then resume it: its late result belongs to an attempt that is over."""
    await restore.wait_until_fired(delay_step_call(restore, place, 1.0))
    await asyncio.sleep(0.2)
    worker = restore.worker
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(PAST_HEARTBEAT_TIMEOUT)
    worker.signal(signal.SIGCONT)


async def _freeze_and_replace(restore: ObservedRestore, place: str) -> None:
    """Freeze the worker and start another; resume the frozen one when the restore is some steps further, or over."""
    await restore.wait_until_fired(delay_step_call(restore, place, 1.0))
    await asyncio.sleep(0.2)
    worker = restore.worker
    worker.signal(signal.SIGSTOP)
    await asyncio.to_thread(restore.environment.start_worker)
    await asyncio.sleep(restore.random.uniform(PAST_HEARTBEAT_TIMEOUT, PAST_HEARTBEAT_TIMEOUT + 8))
    worker.signal(signal.SIGCONT)
    await asyncio.sleep(2)


def _freeze_in_read(read_seconds: float) -> Injector:
    """Freeze delete-rds in a read that takes `read_seconds`, and resume it after another worker has restored."""

    async def inject(restore: ObservedRestore, _place: str) -> None:
        read = restore.add_fault(
            "rds", "DescribeDBClusters", "latency", seconds=read_seconds, skip=1, region=TARGET_REGION
        )
        await restore.wait_until_fired(read)
        await asyncio.sleep(0.1)
        worker = restore.worker
        worker.signal(signal.SIGSTOP)
        try:
            await asyncio.to_thread(restore.environment.start_worker)
            # When the frozen worker resumes, the restore must be past restore-snapshot and not over.
            delay_step_call(restore, Step.SETUP_DB_USERS, 8.0)
            calls = restore.environment.emulator.calls
            await restore.wait_until(lambda: len(calls.of("GetSecretValue", "secretsmanager")) > len(USERS))
        finally:
            worker.signal(signal.SIGCONT)
        await asyncio.sleep(4)

    return inject


FAULTS = (
    CampaignFault(
        "killed-before-effect", "SIGKILL of the worker; AWS never receives its call", STEPS, _kill_in_call("no-response")
    ),
    CampaignFault(
        "killed-after-effect", "SIGKILL of the worker between the effect of its call and the response", STEPS,
        _kill_in_call("late-response"),
    ),
    CampaignFault("killed-at-random", "SIGKILL of the worker at a random moment", MOMENTS, _kill_at_moment),
    CampaignFault(
        "killed-in-compensation", "SIGKILL of the worker while it reports a failure",
        ("before-the-message", "after-the-message"), _kill_in_compensation, outcomes=always_fails,
    ),
    CampaignFault(
        "stopped", "SIGTERM of the worker; it finishes the running activity, which is not repeated", STEPS, _stop_in_call
    ),
    CampaignFault(
        "one-of-two-killed", "two workers, of which the active one gets SIGKILL", STEPS, _kill_active_worker,
        prepare=_start_second_worker,
    ),
    CampaignFault("frozen", "SIGSTOP of the worker past the heartbeat timeout, then SIGCONT", STEPS, _freeze),
    CampaignFault(
        "replaced-while-frozen", "SIGSTOP of the worker; another worker continues, then SIGCONT", STEPS, _freeze_and_replace
    ),
    CampaignFault(
        "resumed-in-a-read", "a worker frozen in a read of delete-rds resumes after the restore", (Step.DELETE_RDS,),
        _freeze_in_read(60.0),
    ),
    CampaignFault(
        "resumed-with-a-stale-read", "a worker frozen between its read and its deletion resumes after the restore",
        (Step.DELETE_RDS,), _freeze_in_read(0.5),
    ),
)  # fmt: skip
