"""Runs a scenario: the real workflows and the real activities, with this module in place of Temporal.

It does what Temporal and a dying worker may do to a restore: an attempt dies and runs again, a result is lost and the
attempt runs twice, and an attempt of an earlier step runs late.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.common import Priority, TypedSearchAttributes
from temporalio.exceptions import ApplicationError, FailureError

from activities.clusters.drill import DrillActivities
from activities.clusters.replacement import ClusterActivities
from activities.clusters.restored import RestoredClusterActivities
from activities.inventory import TAKE_INVENTORY, InventoryActivities
from activities.leftovers import LeftoverActivities
from activities.notifications.delivery import NotificationActivities
from activities.snapshots import SnapshotActivities
from audit import trail
from audit.activities import SEAL_TRAIL
from clients.aws import AwsClients
from errors import Final, StepFailed, Transient
from models.identifiers import DEFAULT_ENVIRONMENT, copy_identifier
from models.leftovers import CleanupState
from models.operation import OpenOperationInput, Operation
from models.restore_state import RestoreState
from models.seal import Seal, SealInput
from models.snapshots import SnapshotCheckOutcome
from models.step_call import StepOutcome
from models.steps import Housekeeping, Outcome, Step, audited_step
from tests.properties.no_harm.concurrent_actor import ConcurrentActor
from tests.properties.no_harm.in_process_trail import InProcessTrail
from tests.properties.no_harm.scenario_setup import ScenarioSetup
from tests.rigs.activities import temporal_environment
from tests.rigs.crash_injector import WorkerCrash
from workflows.aurora_restore import AuroraRestoreWorkflow
from workflows.cleanup import AuroraCleanupWorkflow

MAX_ATTEMPTS = 4
"""Of one activity, before Temporal gives up."""
BACKOFF = timedelta(minutes=1)


@dataclass(frozen=True)
class Attempt:
    """One attempt of an activity, which a lost worker could run again."""

    activity: str
    step_input: Any


class ScenarioRun:
    """One operation in a scenario, and what the workflow believed of it."""

    def __init__(self, setup: ScenarioSetup, clients: AwsClients) -> None:
        """`clients` are the worker's."""
        self.setup = setup
        self.actor = ConcurrentActor(setup)
        self.checked: SnapshotCheckOutcome | None = None
        """The outcome of snapshot-check, as the workflow has it."""
        self.clusters_after_deletion: set[str] = set()
        """The resource ids of the clusters that existed when delete-rds reported the target as gone."""
        self.wrongly_reported_removed: set[str] = set()
        """The ARNs of resources that existed when a removal reported them as removed."""
        self.users_are_set = False
        """Whether setup-db-users succeeded."""
        self.outcome = Outcome.RUNNING
        self.error: BaseException | None = None
        self._attempts: list[Attempt] = []
        self._operation_numbers = itertools.count(1)
        self._trail = intents = InProcessTrail(setup.aws)
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
            Step.REMOVE_DRILL: DrillActivities(clients, intents).remove_drill,
            SEAL_TRAIL: _seal_trail,
            TAKE_INVENTORY: InventoryActivities(clients, intents).take_inventory,
            Housekeeping.REMOVE_LEFTOVERS: leftovers.remove_leftovers,
            Housekeeping.REMOVE_ORPHANS: leftovers.remove_orphans,
            Step.SNS_NOTIFICATION: NotificationActivities(clients).sns_notification,
        }

    def run(self) -> None:
        """Run the restore to its end, then a cleanup if the scenario has one, then every late attempt."""
        self.outcome, self.error = self._run_workflow(AuroraRestoreWorkflow())
        if self.setup.scenario.cleanup:
            self._run_workflow(AuroraCleanupWorkflow())
        for _, number in self.setup.scenario.late:
            self._run_late(number)

    def _run_workflow(
        self, instance: AuroraRestoreWorkflow | AuroraCleanupWorkflow
    ) -> tuple[Outcome, BaseException | None]:
        loop = asyncio.new_event_loop()
        try:
            running: Awaitable[RestoreState | CleanupState] = instance.run(self.setup.request)
            return loop.run_until_complete(running).outcome, None
        except FailureError as error:
            return Outcome.FAILED, error
        finally:
            loop.close()

    # In place of Temporal

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Let the workflow's calls of Temporal's SDK come to this object."""
        patch.setattr(workflow, "execute_activity_method", self._execute)
        patch.setattr(workflow, "start_activity_method", self._start)
        patch.setattr(workflow, "wait_condition", self._wait)
        patch.setattr(workflow, "now", lambda: self.setup.now)
        patch.setattr(workflow, "info", self._info)
        patch.setattr(workflow, "memo_value", lambda _name, default, **_: default)
        patch.setattr(workflow, "cancellation_reason", lambda: None)
        patch.setattr(workflow, "upsert_search_attributes", lambda _: None)
        patch.setattr(workflow, "set_current_details", lambda _: None)
        patch.setattr(workflow, "logger", logging.getLogger(__name__))
        patch.setattr(trail, "wait_until_written", _written)
        patch.setattr(trail, "wait_until_written_within", _written_within)

    def _info(self) -> Any:
        workflow_id = self.setup.request.target.workflow_id
        return SimpleNamespace(
            workflow_id=workflow_id,
            run_id="run-1",
            first_execution_run_id="run-1",
            typed_search_attributes=TypedSearchAttributes.empty,
            priority=Priority.default,
        )

    async def _wait(self, condition: Callable[[], bool], *, timeout: timedelta | None = None, **_: Any) -> None:
        if timeout is not None:
            self.setup.advance(timeout)
            raise TimeoutError
        while not condition():  # noqa: ASYNC110 - in place of Temporal's own loop
            await asyncio.sleep(0)

    def _start(self, method: Callable[..., Any], step_input: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.ensure_future(self._execute(method, step_input, **options))

    async def _execute(self, method: Callable[..., Any], step_input: Any, **_: Any) -> Any:
        """Run attempts, as Temporal does, until one succeeds. Raises `ApplicationError` after the last one."""
        name = str(activity._Definition.must_from_callable(method).name)
        for _attempt in range(MAX_ATTEMPTS):
            try:
                result = self._run_numbered_attempt(Attempt(name, step_input))
            except (Transient, WorkerCrash):
                self.setup.advance(BACKOFF)
            else:
                if isinstance(result, SnapshotCheckOutcome):
                    self._record_check(result)
                self._record_result(name, step_input, result)
                return result
        raise ApplicationError("Temporal gave up", type="Timeout")

    # What the workflow believes

    def _record_check(self, checked: SnapshotCheckOutcome) -> None:
        """From now on the operation has a snapshot, and its copy a name."""
        self.checked = checked
        self.setup.copy_name = copy_identifier(
            DEFAULT_ENVIRONMENT, self.setup.request.target.arn, checked.snapshot.arn, checked.snapshot.created_at
        )

    def _record_result(self, name: str, step_input: Any, result: Any) -> None:
        """Compare what a finished step reported with what exists now."""
        if not (isinstance(result, StepOutcome) and result.done):
            return
        if (step := audited_step(name)) is None:
            return
        self._trail.record_success(step, step_input.step_started_at)
        self.users_are_set |= step is Step.SETUP_DB_USERS
        region = self.setup.target_region
        if step is Step.DELETE_RDS:
            self.clusters_after_deletion = {cluster.resource_id for cluster in region.clusters.values()}
        if step in (Housekeeping.REMOVE_LEFTOVERS, Housekeeping.REMOVE_ORPHANS):
            existing = {snapshot.arn for snapshot in region.snapshots.values()}
            self.wrongly_reported_removed |= set(result.resource_arns) & existing
        restored = self.setup.request.target.restored_as("op-001").arn
        if step in (Housekeeping.REMOVE_LEFTOVERS, Step.REMOVE_DRILL) and restored in result.resource_arns:
            # Compared by resource id: an actor who took the cluster over may have renamed it too.
            self.wrongly_reported_removed |= {
                cluster.arn
                for cluster in region.clusters.values()
                if cluster.resource_id == step_input.cluster_resource_id
            }

    # Attempts

    def _run_numbered_attempt(self, attempt: Attempt) -> Any:
        """Run an attempt, with what the scenario has for its number."""
        scenario, number = self.setup.scenario, len(self._attempts)
        for action_number, action in scenario.actions:
            if action_number == number:
                self.actor.do(action)
        for late_number, earlier in scenario.late:
            if late_number == number:
                self._run_late(earlier)
        self._attempts.append(attempt)
        result = self._run_attempt(attempt)
        if number in scenario.repeated:
            self._run_again(attempt)
        return result

    def _run_late(self, number: int) -> None:
        """Run an attempt that Temporal gave up long ago; nothing receives its result."""
        if self._attempts:
            self._run_again(self._attempts[number % len(self._attempts)])

    def _run_again(self, attempt: Attempt) -> None:
        try:
            self._run_attempt(attempt)
        except (Transient, Final, WorkerCrash):
            return

    def _run_attempt(self, attempt: Attempt) -> Any:
        self.setup.begin_attempt(attempt.activity)
        try:
            return temporal_environment(self.setup.now).run(self._activities[attempt.activity], attempt.step_input)
        finally:
            self.setup.end_attempt()

    # Activities that are not the real ones

    def _open_operation(self, step_input: OpenOperationInput) -> Operation:
        return Operation(operation_id=f"op-{next(self._operation_numbers):03d}", opened_at=step_input.opened_at)

    def _setup_db_users(self, _: Any) -> StepOutcome:
        """The real one speaks SQL and reads secrets; it calls nothing that changes a cluster."""
        if self.setup.scenario.setup_users_fails:
            raise StepFailed("Connection timeout", "no database answers here", code="")
        return StepOutcome(details="Users configured")


async def _written() -> None:
    """Other tests check the rows of outcomes."""


async def _written_within(_: timedelta | None) -> bool:
    return True


def _seal_trail(seal_input: SealInput) -> Seal:
    return Seal(digest="0" * 64, number=1, row_count=1, sealed_at=seal_input.sealed_at)
