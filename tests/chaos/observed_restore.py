"""A running restore of the campaign, which the injectors disturb."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle

from devstack.aws.fault_injection import InjectedFault
from tests.chaos.environment import CampaignEnvironment
from tests.chaos.worker_process import WorkerProcess
from tests.rigs.requests import CANONICAL_ID

WORKFLOW_ID = CANONICAL_ID
RPC_TIMEOUT = timedelta(seconds=3)


class MomentMissed(Exception):
    """The restore ended before the moment of the fault."""


@dataclass
class ObservedRestore:
    """One restore in an environment, with what its injectors have requested and recorded."""

    environment: CampaignEnvironment
    client: Client
    random: Random
    snapshot: str
    """The source snapshot that it restores."""
    waits: dict[str, dict[str, str]] = field(default_factory=dict)
    """Waits of the request that an injector has changed."""
    swap: dict[str, Any] | None = None
    """The limits of its swap; None: the target is deleted first."""
    with_concurrent_restore: bool = False
    """Whether a restore of another target starts at the same moment."""
    retry_after_failure: bool = False
    """Whether the operator retries it once it has failed."""
    is_operator_acting: bool = False
    """Whether the operator is in the middle of something, so that the newest run may not be the last one."""
    act_after_end: Callable[[ObservedRestore], Awaitable[None]] | None = None
    """What the operator does once it has ended."""
    earlier_run_ids: list[str] = field(default_factory=list)
    """The other runs under its workflow id that the plan is about, the oldest first."""
    is_deleted: bool = False
    """Whether the operator has deleted the restore itself in Temporal."""
    deleted_run_ids: set[str] = field(default_factory=set)
    """The runs that the operator has deleted in Temporal."""
    histories: dict[str, list[HistoryEvent]] = field(default_factory=dict)
    """The histories of these runs, as they were just before."""
    acts: list[str] = field(default_factory=list)
    """What the operator has done, for the report."""
    ended: bool = False
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    injections: list[tuple[str, str | datetime]] = field(default_factory=list)
    """Each injected fault, with its step or its time."""
    anomalies: list[str] = field(default_factory=list)
    """What an injector itself found wrong."""

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """The handle of the target's workflow."""
        return self.client.get_workflow_handle(WORKFLOW_ID)

    @property
    def worker(self) -> WorkerProcess:
        """The oldest running worker. Raises MomentMissed if none runs."""
        running = [worker for worker in self.environment.workers if worker.exit_status() is None]
        if not running:
            raise MomentMissed
        return running[0]

    async def add_newest_run(self) -> str:
        """Add the newest run to the earlier ones, because another one follows; returns its id."""
        run_id = (await self.handle.describe(rpc_timeout=RPC_TIMEOUT)).run_id
        self.earlier_run_ids.append(run_id)
        return run_id

    def add_fault(self, service: str, operation: str, kind: Any, **options: Any) -> InjectedFault:
        """Add a fault to the emulator."""
        return self.environment.emulator.faults.add(service, operation, kind, **options)

    async def wait_until_fired(self, fault: InjectedFault) -> None:
        """Wait until a fault of the emulator has fired, and record it. Raises MomentMissed."""
        await self.wait_until(lambda: fault.fired > 0)
        self.record_injection()

    def record_injection(self, step: str | None = None) -> None:
        """Record that the fault of the current task disturbed the restore, by default in the step that is running now."""
        task = asyncio.current_task()
        self.injections.append((task.get_name() if task else "", step or datetime.now(UTC)))

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds. Raises MomentMissed if the restore ends before."""
        while not condition():
            if self.ended:
                raise MomentMissed
            await asyncio.sleep(0.01)
