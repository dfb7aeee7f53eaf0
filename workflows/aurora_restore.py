"""One restore, from the choice of the snapshot to a cluster that its users can log in to. Read it as the runbook."""

from __future__ import annotations

import asyncio
from functools import partial

from temporalio import workflow
from temporalio.exceptions import FailureError

from models.workflow_names import DECIDE_UPDATE, POLL_NOW_SIGNAL, RESTORE_WORKFLOW, STATE_QUERY
from workflows import steps
from workflows.cancellation import is_cancelled, shield
from workflows.canonical_run import as_failure, has_canonical_id, require_canonical_id, run_under_canonical_id
from workflows.drill import remove_drill
from workflows.due_time import due_at, is_scheduled
from workflows.leftovers import remove_leftovers
from workflows.operation import open_operation
from workflows.pings import ping_monitor
from workflows.policies import AWS_CALL, DATABASE_CALL, DATABASE_WORK, TRAIL_CALL
from workflows.started_by import started_by
from workflows.step_runner import StepRunner
from workflows.swap import keep_old_cluster, swap_clusters

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from activities.clusters.replacement import ClusterActivities
    from activities.clusters.restored import RestoredClusterActivities
    from activities.database_users import DatabaseUserActivities
    from activities.snapshots import SnapshotActivities
    from audit import trail
    from errors import InvalidRequest, RestoreAlreadyRunning, fault_of
    from models.clusters import CheckRestoreOutcome
    from models.decisions import OperatorDecision
    from models.pings import Ping
    from models.request import RestoreRequest
    from models.restore_state import RestoreState
    from models.snapshots import SnapshotCheckOutcome, SnapshotCopy
    from models.steps import Step
    from models.validation_errors import describe_validation_errors


@workflow.defn(name=RESTORE_WORKFLOW)
class AuroraRestoreWorkflow:
    """Replaces the target cluster with a snapshot of the source.

    Workflow id: ``aurora-restore:ACCOUNT:REGION:CLUSTER`` of the target. Temporal runs one workflow of an id at a time,
    which keeps two restores of one target apart; the next restore reuses the id of a closed one (ALLOW_DUPLICATE).
    A run with any other id, such as a schedule's, which has a time in it, starts a child with that id.
    """

    def __init__(self) -> None:
        """Runs before the first task; `run` begins the restore."""
        self._runner = StepRunner()

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> RestoreState:
        """Run one restore and return its final state. Raises the error of the step that failed."""
        request = _require_request(request)
        if not has_canonical_id(request):
            try:
                return await run_under_canonical_id(request)
            except RestoreAlreadyRunning:
                if not is_scheduled():
                    raise
                # Nobody waits for a schedule's run: snapshot-check ends it, so that trail and notification have it.
        self._runner.start(request)
        try:
            return await self._run_nine_steps(request)
        except (FailureError, asyncio.CancelledError) as error:
            # A defect of ours raises neither: then Temporal repeats the task until a fixed worker continues the restore.
            raise await self._compensate(request, error) from error

    async def _run_nine_steps(self, request: RestoreRequest) -> RestoreState:
        runner = self._runner
        operation = await open_operation(request.target.arn)
        runner.progress.set_operation(operation)
        await ping_monitor(request, runner.progress, Ping.START)
        checked = await runner.run_step(self._snapshot_check, request)
        require_canonical_id(request)
        copy = await runner.run_step(self._copy_snapshot, request, checked)
        await runner.run_step(self._check_copy_status, request, checked, copy)
        # With a swap the snapshot is restored beside the target, which answers until the restored cluster is proven; with a
        # drill the target is not touched.
        swaps, restore_request = request.target.swaps, request
        if request.target.restores_beside:
            restored_target = request.target.restored_as(runner.progress.operation_id)
            restore_request = request.model_copy(update={"target": restored_target})
        else:
            await runner.run_step(self._delete_rds, request, checked, copy)
        resource_id = await runner.run_step(self._restore_snapshot, restore_request, checked, copy)
        restored = await runner.run_step(self._check_restore_status, restore_request, checked, resource_id)
        await runner.run_step(self._setup_db_users, restore_request, resource_id, restored)
        if swaps:
            await runner.run_step(partial(swap_clusters, runner), request, checked, resource_id, restored)
        if swaps and not request.target.swap_limits.keeps_old:
            await runner.run_step(self._delete_rds, request, checked, copy, resource_id)
        await runner.run_step(self._archive_snapshot, request, checked, copy, resource_id)
        if request.target.drills:
            await runner.run_step(self._remove_drill, request, checked, resource_id)
        runner.progress.succeed()
        # Shielded: everything is done, and a cancellation could only suppress the notification.
        await shield(runner.notify(request))
        await runner.seal(request, TRAIL_CALL)
        await ping_monitor(request, runner.progress, Ping.SUCCESS)
        if request.target.swap_limits.keeps_old:
            await keep_old_cluster(runner, request, checked, resource_id, restored)
            await runner.run_step(self._delete_rds, request, checked, copy, resource_id)
            await runner.seal(request, TRAIL_CALL)
        return runner.progress.end()

    async def _snapshot_check(self, request: RestoreRequest) -> SnapshotCheckOutcome:
        # An operator who lets it run again wants it now.
        due = None if self._runner.progress.state.steps else due_at()
        running = None if has_canonical_id(request) else request.target.workflow_id
        start, operation_started_at = self._runner.begin(Step.SNAPSHOT_CHECK), self._runner.progress.operation_opened_at
        step_input = steps.snapshot_check_input(start, request, operation_started_at, due, running, started_by())
        summary = f"snapshot of {request.source.cluster}"
        checked = await self._runner.call(SnapshotActivities.snapshot_check, step_input, AWS_CALL, summary)
        snapshot = checked.snapshot
        self._runner.progress.record(snapshot_arn=snapshot.arn, snapshot_created_at=snapshot.created_at)
        return checked

    async def _copy_snapshot(self, request: RestoreRequest, checked: SnapshotCheckOutcome) -> SnapshotCopy:
        step_input = steps.copy_snapshot_input(self._runner.begin(Step.COPY_SNAPSHOT), request, checked)
        wait = request.waits.copy_snapshot
        outcome = await self._runner.poll(Step.COPY_SNAPSHOT, SnapshotActivities.copy_snapshot, step_input, wait)
        if outcome.snapshot_copy is None:
            raise RuntimeError("copy-snapshot was done without a copy")
        self._runner.progress.record(snapshot_copy_arn=outcome.snapshot_copy.arn)
        return outcome.snapshot_copy

    async def _check_copy_status(
        self, request: RestoreRequest, checked: SnapshotCheckOutcome, copy: SnapshotCopy
    ) -> None:
        step_input = steps.check_copy_status_input(self._runner.begin(Step.CHECK_COPY_STATUS), request, checked, copy)
        wait = request.waits.copy_snapshot
        await self._runner.poll(Step.CHECK_COPY_STATUS, SnapshotActivities.check_copy_status, step_input, wait)

    async def _delete_rds(
        self,
        request: RestoreRequest,
        checked: SnapshotCheckOutcome,
        copy: SnapshotCopy,
        successor: str | None = None,
    ) -> None:
        """`successor` is the resource id of the restored cluster, if it has the target's name already."""
        start, operation_started_at = self._runner.begin(Step.DELETE_RDS), self._runner.progress.operation_opened_at
        step_input = steps.delete_rds_input(start, request, checked, copy, operation_started_at, successor)
        # No trail, no deletion: the trail must hold every outcome so far.
        await trail.wait_until_written()
        wait = request.waits.delete_rds
        await self._runner.poll(Step.DELETE_RDS, ClusterActivities.delete_rds, step_input, wait)

    async def _restore_snapshot(
        self, request: RestoreRequest, checked: SnapshotCheckOutcome, copy: SnapshotCopy
    ) -> str:
        """Returns the resource id of the restored cluster."""
        step_input = steps.restore_snapshot_input(self._runner.begin(Step.RESTORE_SNAPSHOT), request, checked, copy)
        activity, wait = ClusterActivities.restore_snapshot, request.waits.restore_snapshot
        restored = await self._runner.poll(Step.RESTORE_SNAPSHOT, activity, step_input, wait)
        if restored.cluster_resource_id is None:
            raise RuntimeError("restore-snapshot was done without a cluster")
        self._runner.progress.record(cluster_arn=restored.cluster_arn, cluster_resource_id=restored.cluster_resource_id)
        return restored.cluster_resource_id

    async def _check_restore_status(
        self, request: RestoreRequest, checked: SnapshotCheckOutcome, cluster_resource_id: str
    ) -> CheckRestoreOutcome:
        start = self._runner.begin(Step.CHECK_RESTORE_STATUS)
        step_input = steps.check_restore_status_input(start, request, checked, cluster_resource_id)
        activity, wait = RestoredClusterActivities.check_restore_status, request.waits.restore_snapshot
        restored = await self._runner.poll(Step.CHECK_RESTORE_STATUS, activity, step_input, wait)
        endpoint = restored.required_endpoint
        self._runner.progress.record(
            endpoint=endpoint.host,
            port=endpoint.port,
            master_user_secret_id=endpoint.master_user_secret_id,
            differences=restored.differences,
        )
        return restored

    async def _setup_db_users(
        self, request: RestoreRequest, cluster_resource_id: str, restored: CheckRestoreOutcome
    ) -> None:
        start = self._runner.begin(Step.SETUP_DB_USERS)
        step_input = steps.setup_db_users_input(start, request, cluster_resource_id, restored)
        policy = DATABASE_WORK if request.masking or request.sql_files or request.checks else DATABASE_CALL
        summary = f"{len(request.users)} users"
        await self._runner.call(DatabaseUserActivities.setup_db_users, step_input, policy, summary)

    async def _remove_drill(
        self, request: RestoreRequest, checked: SnapshotCheckOutcome, cluster_resource_id: str
    ) -> None:
        step_input = steps.remove_drill_input(
            self._runner.begin(Step.REMOVE_DRILL), request, checked, cluster_resource_id
        )
        await remove_drill(self._runner, step_input, request.waits.delete_rds)

    async def _archive_snapshot(
        self, request: RestoreRequest, checked: SnapshotCheckOutcome, copy: SnapshotCopy, cluster_resource_id: str
    ) -> None:
        start = self._runner.begin(Step.ARCHIVE_SNAPSHOT)
        step_input = steps.archive_snapshot_input(start, request, checked, copy, cluster_resource_id)
        await trail.wait_until_written()
        activity, wait = SnapshotActivities.archive_snapshot, request.waits.restore_snapshot
        await self._runner.poll(Step.ARCHIVE_SNAPSHOT, activity, step_input, wait)

    async def _compensate(self, request: RestoreRequest, error: BaseException) -> BaseException:
        """End a failed or cancelled restore: remove its leftovers, notify, seal. Returns the error to end with."""
        progress, cancelled = self._runner.progress, is_cancelled()
        fault, failed_step = fault_of(error), progress.state.failed_step
        progress.fail(fault, cancelled=cancelled)
        if failed_step is not Step.SNS_NOTIFICATION:
            await remove_leftovers(request, progress)
            await self._runner.notify_failure(request)
        await self._runner.seal(request, TRAIL_CALL)
        await ping_monitor(request, progress, Ping.FAIL)
        progress.end()
        return asyncio.CancelledError() if cancelled else as_failure(fault, failed_step)

    @workflow.query(name=STATE_QUERY, description="The progress: steps, percentage, resources, and the fault, if any.")
    def state(self) -> RestoreState | None:
        """None in a run that waits for its child with the target's own id."""
        return self._runner.state

    @workflow.update(name=DECIDE_UPDATE, description="While a failed step waits for an operator: retry, skip or abort.")
    def decide(self, decision: OperatorDecision) -> None:
        """Pass an operator's decision to the step that waits for it."""
        self._runner.operator.decide(decision)

    @decide.validator
    def _validate_decision(self, decision: OperatorDecision) -> None:
        self._runner.operator.validate(decision)

    @workflow.signal(name=POLL_NOW_SIGNAL, description="Poll now instead of at the end of the current pause.")
    def poll_now(self) -> None:
        """Only shortens a pause; what the poll finds decides."""
        self._runner.pause.end_early()


def _require_request(request: RestoreRequest | None) -> RestoreRequest:
    """Raises `InvalidRequest` if there is no request; the error lists everything that a request needs."""
    if request is not None:
        return request
    try:
        return RestoreRequest.model_validate({})
    except ValidationError as error:
        raise InvalidRequest("Invalid request", f"no input was given.\n{describe_validation_errors(error)}") from None
