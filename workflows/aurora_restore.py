"""One night, from last night's snapshot to a cluster that its users can log in to. Read it as the runbook."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from temporalio import workflow
from temporalio.exceptions import FailureError
from temporalio.types import MethodSyncSingleParam
from temporalio.workflow import ActivityConfig

from workflows.answers import await_outcome
from workflows.canonical_run import as_failure, run_under_the_targets_id, runs_under_its_targets_id
from workflows.leftovers import leftovers_to_remove, remove_leftovers, take_inventory
from workflows.operator_wait import OperatorWait
from workflows.policies import AWS_CALL, DATABASE_CALL, DATABASE_WORK, NOTIFICATION, SEAL_CALL, TRAIL_CALL, with_summary
from workflows.polling import Answer, Input, Pause, poll_until_done, shielded
from workflows.progress import Progress
from workflows.sealing import seal_trail

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from activities.clusters import ClusterActivities
    from activities.database_users import DatabaseUserActivities
    from activities.notifications import NotificationActivities
    from activities.operations import OperationActivities
    from activities.restored_cluster import RestoredClusterActivities
    from activities.snapshots import SnapshotActivities
    from audit import trail
    from errors import InvalidRequest, fault_of
    from models.clusters import (
        CheckRestoreInput,
        DeleteClusterInput,
        Endpoint,
        RestoreClusterInput,
        RestoreClusterOutcome,
    )
    from models.database_users import SetupUsersInput
    from models.decisions import Decision, OperatorDecision
    from models.notifications import NotificationInput
    from models.operation import OpenOperationInput, RestoreState
    from models.request import RestoreRequest, Wait
    from models.snapshots import (
        ArchiveSnapshotInput,
        CheckCopyInput,
        CopySnapshotInput,
        SnapshotCheckInput,
        SnapshotCheckOutcome,
        SnapshotCopy,
    )
    from models.steps import Step
    from models.validation_errors import describe_validation_errors

T = TypeVar("T")
P = ParamSpec("P")


@workflow.defn(name="AuroraRestoreWorkflow")
class AuroraRestoreWorkflow:
    """Replaces the target cluster by a snapshot of the source.

    Workflow id: ``aurora-restore:ACCOUNT:REGION:CLUSTER`` of the target. One such workflow runs at a time, which is
    what keeps two restores of one target apart; a closed one may be followed by the next night (ALLOW_DUPLICATE).
    Started under any other id, as a schedule does, which appends a time, the run makes itself a child under that id.
    """

    def __init__(self) -> None:
        """Before the first task; `run` does the rest."""
        self._pause = Pause()
        self._operator = OperatorWait()
        self._progress: Progress | None = None

    @workflow.run
    async def run(self, request: RestoreRequest | None = None) -> RestoreState:
        """The night. Input: one restore request; result: how the night stood when it ended."""
        request = request or _missing_request()
        if not runs_under_its_targets_id(request):
            return await run_under_the_targets_id(request)
        self._progress = Progress(request)
        try:
            return await self._nine_steps(request, self._progress)
        except (FailureError, asyncio.CancelledError) as error:
            # An error of our own code is neither: Temporal repeats the task, and a mended worker takes the night up again.
            raise await self._compensate(request, self._progress, error) from error

    async def _nine_steps(self, request: RestoreRequest, progress: Progress) -> RestoreState:
        await self._open_operation(request, progress)
        checked = await self._take(self._snapshot_check, request)
        copy = await self._take(self._copy_snapshot, request, checked)
        await self._take(self._check_copy_status, request, checked, copy)
        await self._take(self._delete_rds, request, checked, copy)
        restored = await self._take(self._restore_snapshot, request, checked, copy)
        endpoint = await self._take(self._check_restore_status, request, checked, restored)
        await self._take(self._setup_db_users, request, restored, endpoint)
        await self._take(self._archive_snapshot, request, checked, copy)
        progress.succeeding()
        # Whoever cancels now cancels nothing but the telling.
        await shielded(self._sns_notification(request))
        await self._seal(request, TRAIL_CALL)
        return progress.ended()

    async def _open_operation(self, request: RestoreRequest, progress: Progress) -> None:
        info = workflow.info()
        wanted = OpenOperationInput(
            workflow_id=info.workflow_id,
            first_run_id=info.first_execution_run_id,
            target_arn=request.target.arn,
            opened_at=workflow.now(),
        )
        policy = with_summary(TRAIL_CALL, "take the next operation number")
        opening = workflow.start_activity_method(OperationActivities.open_operation, wanted, **policy)
        progress.opened(await await_outcome(opening))

    async def _snapshot_check(self, request: RestoreRequest) -> SnapshotCheckOutcome:
        step_input = SnapshotCheckInput(
            **self._begin(Step.SNAPSHOT_CHECK),
            source=request.source,
            target=request.target,
            users=request.users,
            sql_files=request.sql_files,
            notification=request.notification,
            copy_needed=request.copy_needed,
        )
        checked = await self._call(
            SnapshotActivities.snapshot_check, step_input, AWS_CALL, f"snapshot of {request.source.cluster}"
        )
        self._night.found(snapshot=checked.snapshot.arn)
        return checked

    async def _copy_snapshot(self, request: RestoreRequest, checked: SnapshotCheckOutcome) -> SnapshotCopy:
        step_input = CopySnapshotInput(
            **self._begin(Step.COPY_SNAPSHOT),
            snapshot=checked.snapshot,
            source=request.source,
            target=request.target,
            copy_needed=request.copy_needed,
            archive=request.archive,
        )
        wait = request.waits.copy_snapshot
        copied = await self._wait(Step.COPY_SNAPSHOT, SnapshotActivities.copy_snapshot, step_input, wait)
        if copied.snapshot_copy is None:
            raise RuntimeError("copy-snapshot was done without a copy")
        self._night.found(snapshot_copy=copied.snapshot_copy.arn)
        return copied.snapshot_copy

    async def _check_copy_status(
        self, request: RestoreRequest, checked: SnapshotCheckOutcome, copy: SnapshotCopy
    ) -> None:
        step_input = CheckCopyInput(
            **self._begin(Step.CHECK_COPY_STATUS), snapshot=checked.snapshot, snapshot_copy=copy, target=request.target
        )
        wait = request.waits.copy_snapshot
        await self._wait(Step.CHECK_COPY_STATUS, SnapshotActivities.check_copy_status, step_input, wait)

    async def _delete_rds(self, request: RestoreRequest, checked: SnapshotCheckOutcome, copy: SnapshotCopy) -> None:
        step_input = DeleteClusterInput(
            **self._begin(Step.DELETE_RDS),
            source=request.source,
            target=request.target,
            snapshot=checked.snapshot,
            snapshot_copy=copy,
            source_resource_id=checked.source_resource_id,
            target_resource_id=checked.target_resource_id,
            operation_started_at=self._night.state.started_at,
            max_snapshot_age=request.max_snapshot_age,
            target_settings=checked.target_settings,
        )
        # No trail, no deletion: everything so far must stand in it.
        await trail.written()
        await self._wait(Step.DELETE_RDS, ClusterActivities.delete_rds, step_input, request.waits.delete_rds)

    async def _restore_snapshot(
        self, request: RestoreRequest, checked: SnapshotCheckOutcome, copy: SnapshotCopy
    ) -> RestoreClusterOutcome:
        step_input = RestoreClusterInput(
            **self._begin(Step.RESTORE_SNAPSHOT),
            source_arn=request.source.arn,
            configuration=checked.configuration,
            target=request.target,
            snapshot=checked.snapshot,
            snapshot_copy=copy,
        )
        restored = await self._call(
            ClusterActivities.restore_snapshot, step_input, AWS_CALL, f"{request.target.cluster} from {copy.identifier}"
        )
        self._night.found(cluster=restored.cluster_arn, cluster_resource_id=restored.cluster_resource_id)
        return restored

    async def _check_restore_status(
        self, request: RestoreRequest, checked: SnapshotCheckOutcome, restored: RestoreClusterOutcome
    ) -> Endpoint:
        step_input = CheckRestoreInput(
            **self._begin(Step.CHECK_RESTORE_STATUS),
            target=request.target,
            configuration=checked.configuration,
            cluster_resource_id=restored.cluster_resource_id,
            engine=checked.snapshot.engine,
        )
        look = RestoredClusterActivities.check_restore_status
        up = await self._wait(Step.CHECK_RESTORE_STATUS, look, step_input, request.waits.restore_snapshot)
        if up.endpoint is None:
            raise RuntimeError("check-restore-status was done without an endpoint")
        self._night.found(endpoint=up.endpoint.host, port=up.endpoint.port)
        return up.endpoint

    async def _setup_db_users(
        self, request: RestoreRequest, restored: RestoreClusterOutcome, endpoint: Endpoint
    ) -> None:
        step_input = SetupUsersInput(
            **self._begin(Step.SETUP_DB_USERS),
            target=request.target,
            cluster_resource_id=restored.cluster_resource_id,
            endpoint=endpoint,
            users=request.users,
            other_logins=request.other_logins,
            keep_logins=request.keep_logins,
            sql_files=request.sql_files,
            checks=request.checks,
        )
        policy = DATABASE_WORK if request.sql_files or request.checks else DATABASE_CALL
        await self._call(DatabaseUserActivities.setup_db_users, step_input, policy, f"{len(request.users)} users")

    async def _archive_snapshot(
        self, request: RestoreRequest, checked: SnapshotCheckOutcome, copy: SnapshotCopy
    ) -> None:
        step_input = ArchiveSnapshotInput(
            **self._begin(Step.ARCHIVE_SNAPSHOT),
            snapshot=checked.snapshot,
            snapshot_copy=copy,
            target=request.target,
            archive=request.archive,
        )
        await trail.written()
        await self._call(
            SnapshotActivities.archive_snapshot, step_input, AWS_CALL, f"keep {request.archive.keep} copies"
        )

    async def _sns_notification(self, request: RestoreRequest) -> None:
        state = self._night.state
        self._night.found(
            inventory=await shielded(take_inventory(request, self._night.operation_id, state.snapshot_copy_arn))
        )
        await self._seal(request, SEAL_CALL)
        started_at = self._night.began(Step.SNS_NOTIFICATION)
        step_input = NotificationInput(
            operation_id=self._night.operation_id,
            step_started_at=started_at,
            notification=request.notification,
            target=request.target,
            workflow_id=workflow.info().workflow_id,
            state=self._night.state,
        )
        summary = f"tell that {step_input.operation_id} {step_input.state.outcome}"
        await self._call(NotificationActivities.sns_notification, step_input, NOTIFICATION, summary)

    async def _compensate(self, request: RestoreRequest, progress: Progress, error: BaseException) -> BaseException:
        """Tell people, whatever happens to us meanwhile; returns what the workflow ends with: the step's error."""
        cancelled = workflow.cancellation_reason() is not None
        fault, failed = fault_of(error), progress.state.failed_step
        progress.failed(fault, cancelled)
        if failed is not Step.SNS_NOTIFICATION:
            await self._remove_leftovers(request)
            await self._tell_of_failure(request, progress)
        await self._seal(request, TRAIL_CALL)
        progress.ended()
        return asyncio.CancelledError() if cancelled else as_failure(fault, failed)

    async def _tell_of_failure(self, request: RestoreRequest, progress: Progress) -> None:
        try:
            await shielded(self._sns_notification(request))
        except Exception as unsent:  # noqa: BLE001 - whatever it is, the step's error is the one that counts
            workflow.logger.error("error notification not sent: %s", fault_of(unsent).message)
            progress.warned(f"The error notification was not sent: {fault_of(unsent).short}")

    async def _remove_leftovers(self, request: RestoreRequest) -> None:
        """What the request wants removed, if there can be any; the step's error is the one that counts."""
        if (step_input := leftovers_to_remove(request, self._night.state)) is None:
            return
        try:
            self._night.found(removed=await shielded(remove_leftovers(step_input, request.waits.delete_rds)))
        except FailureError as error:
            fault = fault_of(error)
            workflow.logger.error("leftovers not removed: %s", fault.message)
            self._night.warned(f"Leftovers were not removed: {fault.short}: {fault.message}")

    async def _seal(self, request: RestoreRequest, policy: ActivityConfig) -> None:
        if self._night.state.operation_id and (
            seal := await shielded(seal_trail(self._night.state.operation_id, request.target.arn, policy))
        ):
            self._night.found(seal=seal.digest)

    async def _take(
        self,
        step: Callable[Concatenate[RestoreRequest, P], Awaitable[T]],
        request: RestoreRequest,
        *found: P.args,
        **named: P.kwargs,
    ) -> T:
        """Take a step; if it fails and the request says so, an operator decides how it goes on."""
        while True:
            try:
                return await step(request, *found, **named)
            except FailureError as error:
                failed = self._night.state.failed_step
                decided = await self._decision(request, failed, error) if failed else None
                if failed is None or decided is None or decided.decision is Decision.ABORT:
                    raise
                self._night.goes_on()
                if decided.decision is Decision.SKIP:
                    self._night.skipped(failed, decided.by)
                    return cast("T", None)  # only a step whose answer nobody needs can be skipped

    async def _decision(self, request: RestoreRequest, failed: Step, error: FailureError) -> OperatorDecision | None:
        """What an operator says to a failed step; None if nobody is to be asked, or nobody answers in time."""
        length = request.on_failure.wait_for_operator
        if length is None or workflow.cancellation_reason() is not None:
            return None
        self._operator.begin(failed)
        self._night.waits(fault_of(error), workflow.now() + length)
        await self._tell_of_failure(request, self._night)
        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError
        asked_at = self._night.state.steps[-1].started_at
        decided = await self._operator.decision(length)
        if decided is not None:
            await trail.decided(self._night.operation_id, failed, decided, asked_at)
        return decided

    def _begin(self, step: Step) -> dict[str, Any]:
        """What every step is told; a cancelled night begins no step."""
        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError
        return {"step_started_at": self._night.began(step), "operation_id": self._night.operation_id}

    async def _call(
        self,
        activity: MethodSyncSingleParam[Any, Input, Answer],
        step_input: Input,
        policy: ActivityConfig,
        summary: str,
    ) -> Answer:
        answer: Answer = await await_outcome(
            workflow.start_activity_method(activity, step_input, **with_summary(policy, summary))
        )
        self._night.looked(answer)
        return answer

    async def _wait(
        self, step: Step, activity: MethodSyncSingleParam[Any, Input, Answer], step_input: Input, wait: Wait
    ) -> Answer:
        async def look(at: Input) -> Answer:
            return await self._call(activity, at, AWS_CALL, f"look {at.poll}")

        return await poll_until_done(look, step_input, wait, self._pause, step)

    @property
    def _night(self) -> Progress:
        if self._progress is None:
            raise RuntimeError("the night has not begun")
        return self._progress

    @workflow.query(description="How the night stands: step, percentage, what was found, what went wrong.")
    def state(self) -> RestoreState | None:
        """None for a run that waits for the one under the target's own id."""
        return self._progress.state if self._progress else None

    @workflow.update(description="After a failed step, while the outcome is waiting: retry, skip or abort.")
    def decide(self, decided: OperatorDecision) -> None:
        """An operator's word on a failed step."""
        self._operator.decide(decided)

    @decide.validator
    def _decision_fits(self, decided: OperatorDecision) -> None:
        self._operator.refuse_unless_fitting(decided)

    @workflow.signal(description="Look now instead of at the end of the current wait.")
    def poll_now(self) -> None:
        """A signal only shortens a wait; the look decides."""
        self._pause.end_early()


def _missing_request() -> RestoreRequest:
    """Raises `InvalidRequest` with everything that a request needs."""
    try:
        return RestoreRequest.model_validate({})
    except ValidationError as error:
        raise InvalidRequest("Invalid request", f"no input was given.\n{describe_validation_errors(error)}") from None
