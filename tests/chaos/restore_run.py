"""Run one restore with planned faults, and observe it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from devstack.pipeline import ROOT, own_environment
from models.workflow_names import RESTORE_WORKFLOW
from tests.chaos.environment import TASK_QUEUE, CampaignEnvironment
from tests.chaos.login_watch import LoginWatch
from tests.chaos.observation import Clusters, Observation, observe
from tests.chaos.observed_restore import RPC_TIMEOUT, WORKFLOW_ID, MomentMissed, ObservedRestore
from tests.chaos.plans import PlannedFault
from tests.rigs.durations import TENTHS

OTHER_WORKFLOW_ID = "aurora-restore:111122223333:eu-central-1:orders-elsewhere"
STUCK_AFTER = 330.0
"""Seconds until a restore counts as stuck: the longest fault takes 190 s, and no retry comes later than a minute."""
OUTCOMES = {
    WorkflowExecutionStatus.COMPLETED: "succeeded",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "cancelled",
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed out",
}


async def run_restore(
    environment: CampaignEnvironment,
    faults: Sequence[PlannedFault],
    random: Random,
    swap: Mapping[str, Any] | None = None,
) -> Observation:
    """Prepare the environment, run a restore while the faults are injected, and observe what it leaves.

    With `swap`, its limits, or a fault that has them, the restored cluster takes the target's name, and a client logs in
    all the time.
    """
    swap = next((fault.fault.swap for fault in faults if fault.fault.swap is not None), swap)
    if swap is not None and not environment.has_users:
        await run_restore(environment, [], random)  # so that the old cluster has the users as whom the client logs in
    durations = next((fault.durations for fault in faults if fault.durations), TENTHS)
    snapshot = await asyncio.to_thread(environment.prepare_restore, durations)
    client = await environment.connect()
    restore = ObservedRestore(environment, client, random, snapshot)
    restore.swap = dict(swap) if swap is not None else None
    for fault in faults:
        await fault.prepare(restore)
    before = await asyncio.to_thread(Clusters.describe, environment)
    with LoginWatch(environment) if restore.swap is not None else nullcontext() as watch:
        outcome, seconds = await _run(restore, faults)
    environment.has_users |= outcome == "succeeded"
    # A worker with a stale read would make its call in this time.
    await asyncio.sleep(0.3)
    return await observe(restore, outcome, seconds, before, watch)


async def _run(restore: ObservedRestore, faults: Sequence[PlannedFault]) -> tuple[str, float]:
    """How the restore ended, and after how many seconds."""
    environment, client = restore.environment, restore.client
    environment.emulator.calls.clear()
    injectors = [asyncio.create_task(fault.inject(restore), name=fault.name) for fault in faults]
    await asyncio.sleep(0)
    restore.started_at, began = datetime.now(UTC), time.monotonic()
    await client.start_workflow(
        RESTORE_WORKFLOW, environment.request(restore.swap, **restore.waits), id=WORKFLOW_ID, task_queue=TASK_QUEUE
    )
    if restore.with_concurrent_restore:
        await _start_concurrent_restore(restore)
    outcome = await _wait_for_outcome(restore)
    seconds = time.monotonic() - began
    restore.ended = True
    for result in await asyncio.gather(*injectors, return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, MomentMissed):
            restore.anomalies.append(f"the injector itself failed: {result!r}")
    environment.emulator.faults.clear()
    await asyncio.to_thread(environment.ensure_one_worker)
    return outcome, seconds


async def _start_concurrent_restore(restore: ObservedRestore) -> None:
    request = restore.environment.request()
    request["target"] = {**request["target"], "cluster": "orders-elsewhere"}
    await restore.client.start_workflow(RESTORE_WORKFLOW, request, id=OTHER_WORKFLOW_ID, task_queue=TASK_QUEUE)


async def _wait_for_outcome(restore: ObservedRestore) -> str:
    """How the workflow ended, once the operator has done everything; `stuck` if it did not end in time."""
    deadline = time.monotonic() + STUCK_AFTER
    while time.monotonic() < deadline:
        if restore.is_deleted:
            return "deleted"
        acts, was_acting = len(restore.acts), restore.is_operator_acting
        statuses = await _statuses(restore)
        # If the operator has acted meanwhile, the answer may be about an earlier run.
        has_acted = was_acting or restore.is_operator_acting or len(restore.acts) > acts
        if statuses and not has_acted:
            if statuses[0] is WorkflowExecutionStatus.FAILED and restore.retry_after_failure:
                await _retry(restore)
            elif WorkflowExecutionStatus.RUNNING not in statuses:
                if restore.act_after_end is None:
                    return OUTCOMES.get(statuses[0], statuses[0].name)
                act, restore.act_after_end = restore.act_after_end, None
                await act(restore)
        await asyncio.sleep(0.1)
    return "stuck"


async def _statuses(restore: ObservedRestore) -> list[WorkflowExecutionStatus]:
    """The status of the restore, then that of the concurrent one; empty while Temporal does not answer."""
    handles = [restore.handle]
    if restore.with_concurrent_restore:
        handles.append(restore.client.get_workflow_handle(OTHER_WORKFLOW_ID))
    try:
        statuses = [(await handle.describe(rpc_timeout=RPC_TIMEOUT)).status for handle in handles]
    except RPCError:
        return []
    return [status for status in statuses if status is not None]


async def _retry(restore: ObservedRestore) -> None:
    """Run `starter.py retry`, as the operator does after fixing the cause."""
    restore.retry_after_failure = False
    await restore.add_newest_run()
    command: list[str | Path] = [sys.executable, ROOT / "starter.py", "retry", "orders-staging", "--no-wait"]
    variables = own_environment(restore.environment.stack.environment)
    completed = await asyncio.to_thread(
        subprocess.run, command, env=variables, capture_output=True, text=True, check=False
    )
    if completed.returncode != 0:
        restore.anomalies.append(f"starter.py retry ended with {completed.returncode}: {completed.stderr}")
