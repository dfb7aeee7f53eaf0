"""A night through a world: the real workflow and the real activities, with this module in place of Temporal.

What Temporal and a dying worker may do to a night is done to this one: an attempt dies and is made again, an answer
is lost and the attempt made twice, and an attempt of an earlier step comes late.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError, FailureError

from activities.clusters import ClusterActivities
from activities.inventory import TAKE_INVENTORY, InventoryActivities
from activities.leftovers import LeftoverActivities
from activities.notifications import NotificationActivities
from activities.restored_cluster import RestoredClusterActivities
from activities.snapshots import SnapshotActivities
from audit import trail
from audit.seal import SEAL_TRAIL
from clients.aws import AwsClients
from errors import Final, StepFailed, Transient
from models.identifiers import copy_identifier
from models.leftovers import CleanupState
from models.operation import OpenOperationInput, Operation, RestoreState, StepInput, StepOutcome
from models.seal import Seal, SealInput
from models.snapshots import SnapshotCheckOutcome
from models.steps import AuditedStep, Housekeeping, Outcome, Step, audited_step
from tests.properties.no_harm.concurrent_actor import Meddler
from tests.properties.no_harm.in_process_aws import AwsAtHand
from tests.properties.no_harm.scenario_setup import Stage
from tests.rigs.activities import temporal_environment
from tests.rigs.crash_injector import WorkerCrash
from workflows.aurora_restore import AuroraRestoreWorkflow
from workflows.cleanup import AuroraCleanupWorkflow

ATTEMPTS = 4
"""Of one call, before Temporal gives up."""
MINUTE = timedelta(minutes=1)


class TrailAtHand:
    """The trail as an activity that deletes needs it, kept where the witness sees it."""

    def __init__(self, aws: AwsAtHand) -> None:
        """`aws` remembers which steps were declared."""
        self._aws = aws
        self._resources: dict[AuditedStep, tuple[str, ...]] = {}
        self._ended: dict[AuditedStep, datetime] = {}

    def declare(self, step: AuditedStep, step_input: StepInput, details: str, arns: tuple[str, ...], *_: Any) -> None:
        """See `Intents`."""
        self._aws.declared.add(step.value)
        self._resources[step] = tuple(dict.fromkeys((*self._resources.get(step, ()), *arns)))

    def declared(self, step: AuditedStep, operation_id: str) -> bool:
        """See `Intents`."""
        return step in self._resources

    def declared_resources(self, step: AuditedStep, step_input: StepInput) -> tuple[str, ...]:
        """See `Intents`; each step is taken once here."""
        return self._resources.get(step, ())

    def ended(self, step: AuditedStep, began: datetime) -> None:
        """The row of an outcome that was a success."""
        self._ended[step] = began

    def succeeded(self, step: AuditedStep, operation_id: str, since: datetime) -> bool:
        """See `Intents`."""
        return step in self._ended and self._ended[step] >= since

    def left_deleted(self, *_: Any) -> str | None:
        """See `Intents`: there was no night before."""


@dataclass(frozen=True)
class Attempt:
    """One attempt, as a late worker would make it again."""

    step: str
    of: Any


class Night:
    """One operation on a stage."""

    def __init__(self, stage: Stage, clients: AwsClients) -> None:
        """`clients` are the worker's."""
        self.stage = stage
        self.meddler = Meddler(stage)
        self.checked: SnapshotCheckOutcome | None = None
        """What snapshot-check answered to the workflow."""
        self.called_gone: set[str] = set()
        """The clusters that were there when delete-rds said that the target is gone."""
        self.called_removed: set[str] = set()
        """The resources that were there when a removal said that they are gone."""
        self.users_set = False
        """Whether the restored target has been handed over."""
        self.outcome = Outcome.RUNNING
        self.ended_with: BaseException | None = None
        self._attempts: list[Attempt] = []
        self._numbers = itertools.count(1)
        self._trail = intents = TrailAtHand(stage.aws)
        leftovers = LeftoverActivities(clients, intents)
        snapshots, clusters = SnapshotActivities(clients, intents), ClusterActivities(clients, intents)
        self._activities: dict[str, Callable[[Any], Any]] = {
            "open-operation": self._open_operation,
            Step.SNAPSHOT_CHECK: snapshots.snapshot_check,
            Step.COPY_SNAPSHOT: snapshots.copy_snapshot,
            Step.CHECK_COPY_STATUS: snapshots.check_copy_status,
            Step.DELETE_RDS: clusters.delete_rds,
            Step.RESTORE_SNAPSHOT: clusters.restore_snapshot,
            Step.CHECK_RESTORE_STATUS: RestoredClusterActivities(clients).check_restore_status,
            Step.SETUP_DB_USERS: self._setup_db_users,
            Step.ARCHIVE_SNAPSHOT: snapshots.archive_snapshot,
            SEAL_TRAIL: _seal_trail,
            TAKE_INVENTORY: InventoryActivities(clients).take_inventory,
            Housekeeping.REMOVE_LEFTOVERS: leftovers.remove_leftovers,
            Housekeeping.REMOVE_ORPHANS: leftovers.remove_orphans,
            Step.SNS_NOTIFICATION: NotificationActivities(clients).sns_notification,
        }

    def play(self) -> None:
        """The night to its end, an operator's cleanup after it, and then whatever comes late."""
        self.outcome, self.ended_with = self._to_its_end(AuroraRestoreWorkflow())
        if self.stage.scenario.cleanup:
            self._to_its_end(AuroraCleanupWorkflow())
        for _, number in self.stage.scenario.stale:
            self._late(number)

    def _to_its_end(self, begun: AuroraRestoreWorkflow | AuroraCleanupWorkflow) -> tuple[Outcome, BaseException | None]:
        loop = asyncio.new_event_loop()
        try:
            running: Awaitable[RestoreState | CleanupState] = begun.run(self.stage.request)
            return loop.run_until_complete(running).outcome, None
        except FailureError as error:
            return Outcome.FAILED, error
        finally:
            loop.close()

    # In place of Temporal

    def put_in_place(self, patch: pytest.MonkeyPatch) -> None:
        """Let the workflow's calls of Temporal come here."""
        patch.setattr(workflow, "execute_activity_method", self._execute)
        patch.setattr(workflow, "start_activity_method", self._start)
        patch.setattr(workflow, "wait_condition", self._wait)
        patch.setattr(workflow, "now", lambda: self.stage.now)
        patch.setattr(workflow, "info", self._info)
        patch.setattr(workflow, "cancellation_reason", lambda: None)
        patch.setattr(workflow, "upsert_search_attributes", lambda _: None)
        patch.setattr(workflow, "set_current_details", lambda _: None)
        patch.setattr(workflow, "logger", logging.getLogger(__name__))
        patch.setattr(trail, "written", _written)
        patch.setattr(trail, "written_within", _written_within)

    def _info(self) -> Any:
        workflow_id = self.stage.request.target.workflow_id
        return SimpleNamespace(workflow_id=workflow_id, run_id="run-1", first_execution_run_id="run-1")

    async def _wait(self, condition: Callable[[], bool], *, timeout: timedelta | None = None, **_: Any) -> None:
        if timeout is not None:
            self.stage.later(timeout)
            raise TimeoutError
        while not condition():  # noqa: ASYNC110 - a loop that stands in for Temporal's
            await asyncio.sleep(0)

    def _start(self, method: Callable[..., Any], of: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.ensure_future(self._execute(method, of, **options))

    async def _execute(self, method: Callable[..., Any], of: Any, **_: Any) -> Any:
        """Attempts, as Temporal makes them, until one answers."""
        name = activity._Definition.must_from_callable(method).name
        for _attempt in range(ATTEMPTS):
            try:
                answer = self._attempt(Attempt(str(name), of))
            except (Transient, WorkerCrash):
                self.stage.later(MINUTE)
            else:
                if isinstance(answer, SnapshotCheckOutcome):
                    self._check_answered(answer)
                self._answered(str(name), of, answer)
                return answer
        raise ApplicationError("Temporal gave up", type="Timeout")

    def _answered(self, name: str, of: Any, answer: Any) -> None:
        """What the workflow, and the trail, now take for true."""
        if not (isinstance(answer, StepOutcome) and answer.done):
            return
        if (step := audited_step(name)) is None:
            return
        self._trail.ended(step, of.step_started_at)
        self.users_set |= step is Step.SETUP_DB_USERS
        there = self.stage.home
        if step is Step.DELETE_RDS:
            self.called_gone = {cluster.resource_id for cluster in there.clusters.values()}
        if step in (Housekeeping.REMOVE_LEFTOVERS, Housekeeping.REMOVE_ORPHANS):
            copies = {snapshot.arn for snapshot in there.snapshots.values()}
            self.called_removed |= set(answer.resource_arns) & copies
        if step is Housekeeping.REMOVE_LEFTOVERS and self.stage.request.target.arn in answer.resource_arns:
            # By its resource id: whoever took it over may have renamed it too.
            restored = of.cluster_resource_id
            self.called_removed |= {each.arn for each in there.clusters.values() if each.resource_id == restored}

    def _check_answered(self, checked: SnapshotCheckOutcome) -> None:
        """From now on it is known which snapshot the night is about."""
        target, chosen = self.stage.request.target.arn, checked.snapshot
        self.checked = checked
        self.stage.tonight = copy_identifier(target, chosen.arn, chosen.created_at)

    def _attempt(self, attempt: Attempt) -> Any:
        number = len(self._attempts)
        for moment, meddling in self.stage.scenario.meddling:
            if moment == number:
                self.meddler.do(meddling)
        for moment, earlier in self.stage.scenario.stale:
            if moment == number:
                self._late(earlier)
        self._attempts.append(attempt)
        answer = self._make(attempt)
        if number in self.stage.scenario.twice:
            self._again(attempt)
        return answer

    def _late(self, number: int) -> None:
        """An attempt that was given up long ago is made after all; nobody waits for its answer."""
        if self._attempts:
            self._again(self._attempts[number % len(self._attempts)])

    def _again(self, attempt: Attempt) -> None:
        try:
            self._make(attempt)
        except (Transient, Final, WorkerCrash):
            return

    def _make(self, attempt: Attempt) -> Any:
        self.stage.begin(attempt.step)
        try:
            return temporal_environment(self.stage.now).run(self._activities[attempt.step], attempt.of)
        finally:
            self.stage.end()

    def _open_operation(self, wanted: OpenOperationInput) -> Operation:
        return Operation(operation_id=f"op-{next(self._numbers):03d}", opened_at=wanted.opened_at)

    def _setup_db_users(self, _: Any) -> StepOutcome:
        """It speaks SQL and reads secrets; no call of it can touch a cluster, and there is no database here."""
        if self.stage.scenario.users_fail:
            raise StepFailed("Connection timeout", "no database answers here", code="")
        return StepOutcome(details="Users configured")


async def _written() -> None:
    """The rows of outcomes are somebody else's tests."""


async def _written_within(_: timedelta | None) -> bool:
    return True


def _seal_trail(seal_input: SealInput) -> Seal:
    return Seal(digest="0" * 64, number=1, row_count=1, sealed_at=seal_input.sealed_at)
