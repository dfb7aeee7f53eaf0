"""The inputs of the nine steps: pure functions of the request and of what earlier steps returned."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from models.clusters import (
        CheckRestoreInput,
        CheckRestoreOutcome,
        DeleteClusterInput,
        RestoreClusterInput,
        Successor,
        SwapClustersInput,
    )
    from models.configuration import ClusterConfiguration
    from models.database_users import SetupUsersInput, closing_of
    from models.leftovers import RemoveDrillInput
    from models.notifications import NotificationInput
    from models.quarantine import OwnNetwork
    from models.request import RestoreRequest
    from models.restore_state import RestoreState
    from models.snapshots import (
        ArchiveSnapshotInput,
        CheckCopyInput,
        CopySnapshotInput,
        SnapshotCheckInput,
        SnapshotCheckOutcome,
        SnapshotCopy,
    )


class StepStart(TypedDict):
    """What the input of every step has: fields of `StepInput`."""

    operation_id: str
    step_started_at: datetime


def snapshot_check_input(
    start: StepStart,
    request: RestoreRequest,
    operation_started_at: datetime,
    due: datetime | None = None,
    running_workflow_id: str | None = None,
    started_by: str | None = None,
) -> SnapshotCheckInput:
    """The input of snapshot-check; `due` is when the restore should have begun, None if at no certain time."""
    return SnapshotCheckInput(
        **start,
        source=request.source,
        target=request.target,
        users=request.users,
        sql_files=request.sql_files,
        masking=request.masking,
        notification=request.notification,
        archive=request.archive,
        copy_needed=request.copy_needed,
        operation_started_at=operation_started_at,
        due_at=due,
        begin_before=due + request.start_before if due else None,
        running_workflow_id=running_workflow_id,
        started_by=started_by,
    )


def copy_snapshot_input(start: StepStart, request: RestoreRequest, checked: SnapshotCheckOutcome) -> CopySnapshotInput:
    """The input of copy-snapshot."""
    return CopySnapshotInput(
        **start,
        snapshot=checked.snapshot,
        source=request.source,
        target=request.target,
        copy_needed=request.copy_needed,
        archive=request.archive,
        kms_key_id=checked.configuration.kms_key_id,
        priority=workflow.info().priority.priority_key,
    )


def check_copy_status_input(
    start: StepStart, request: RestoreRequest, checked: SnapshotCheckOutcome, copy: SnapshotCopy
) -> CheckCopyInput:
    """The input of check-copy-status."""
    return CheckCopyInput(**start, snapshot=checked.snapshot, snapshot_copy=copy, target=request.target)


def delete_rds_input(
    start: StepStart,
    request: RestoreRequest,
    checked: SnapshotCheckOutcome,
    copy: SnapshotCopy,
    operation_started_at: datetime,
    cluster_resource_id: str | None = None,
) -> DeleteClusterInput:
    """The input of delete-rds: the target, and everything that its guards compare it with.

    `cluster_resource_id` is that of the restored cluster which has taken the target's name, None if none has yet.
    """
    target, successor, settings = request.target, None, checked.target_settings
    if cluster_resource_id is not None:
        successor = Successor(cluster=target.cluster, cluster_resource_id=cluster_resource_id)
        # The settings need no record for a restore that never comes: it has come.
        target, settings = target.replaced, None
    return DeleteClusterInput(
        **start,
        source=request.source,
        target=target,
        successor=successor,
        snapshot=checked.snapshot,
        snapshot_copy=copy,
        source_resource_id=checked.source_resource_id,
        target_resource_id=checked.target_resource_id,
        operation_started_at=operation_started_at,
        max_snapshot_age=None if successor else request.max_snapshot_age,
        target_settings=settings,
    )


def restore_snapshot_input(
    start: StepStart, request: RestoreRequest, checked: SnapshotCheckOutcome, copy: SnapshotCopy
) -> RestoreClusterInput:
    """The input of restore-snapshot."""
    return RestoreClusterInput(
        **start,
        source_arn=request.source.arn,
        configuration=_before_it_is_ready(request, checked),
        target=request.target,
        snapshot=checked.snapshot,
        snapshot_copy=copy,
    )


def check_restore_status_input(
    start: StepStart, request: RestoreRequest, checked: SnapshotCheckOutcome, cluster_resource_id: str
) -> CheckRestoreInput:
    """The input of check-restore-status."""
    return CheckRestoreInput(
        **start,
        target=request.target,
        on_difference=request.on_difference,
        configuration=_before_it_is_ready(request, checked),
        cluster_resource_id=cluster_resource_id,
        engine=checked.snapshot.engine,
        closing=closing_of(request),
        in_quarantine=request.target.quarantine is not None,
    )


def setup_db_users_input(
    start: StepStart, request: RestoreRequest, cluster_resource_id: str, restored: CheckRestoreOutcome
) -> SetupUsersInput:
    """The input of setup-db-users."""
    return SetupUsersInput(
        **start,
        target=request.target,
        cluster_resource_id=cluster_resource_id,
        endpoint=restored.required_endpoint,
        users=request.users,
        other_logins=request.other_logins,
        keep_logins=request.keep_logins,
        keep_side_effects=request.keep_side_effects,
        sql_files=request.sql_files,
        masking=request.masking,
        checks=request.checks,
        closed=restored.closed,
    )


def swap_clusters_input(
    start: StepStart,
    request: RestoreRequest,
    checked: SnapshotCheckOutcome,
    cluster_resource_id: str,
    restored: CheckRestoreOutcome,
) -> SwapClustersInput:
    """The input of swap-clusters and of swap-back."""
    return SwapClustersInput(
        **start,
        source=request.source,
        target=request.target,
        old_resource_id=checked.target_resource_id,
        new_resource_id=cluster_resource_id,
        own_network=_own_network(request, checked, cluster_resource_id),
        endpoint=restored.required_endpoint,
        users=request.users,
        logs_in=closing_of(request) is not None,
    )


def archive_snapshot_input(
    start: StepStart,
    request: RestoreRequest,
    checked: SnapshotCheckOutcome,
    copy: SnapshotCopy,
    cluster_resource_id: str,
) -> ArchiveSnapshotInput:
    """The input of archive-snapshot. After a swap the cluster has left its quarantine already; that of a drill stays there."""
    return ArchiveSnapshotInput(
        **start,
        snapshot=checked.snapshot,
        snapshot_copy=copy,
        target=request.target,
        archive=request.archive,
        own_network=None if request.target.restores_beside else _own_network(request, checked, cluster_resource_id),
        masked_cluster_resource_id=cluster_resource_id if request.archive.masked else None,
        cluster_resource_id=cluster_resource_id,
    )


def remove_drill_input(
    start: StepStart, request: RestoreRequest, checked: SnapshotCheckOutcome, cluster_resource_id: str
) -> RemoveDrillInput:
    """The input of remove-drill."""
    return RemoveDrillInput(
        **start,
        source=request.source,
        target=request.target,
        cluster_resource_id=cluster_resource_id,
        target_resource_id=checked.target_resource_id,
        source_resource_id=checked.source_resource_id,
    )


def sns_notification_input(
    start: StepStart, request: RestoreRequest, workflow_id: str, state: RestoreState
) -> NotificationInput:
    """The input of sns-notification: the outcome, and everything that the message says about it."""
    return NotificationInput(
        **start, notification=request.notification, target=request.target, workflow_id=workflow_id, state=state
    )


def _own_network(request: RestoreRequest, checked: SnapshotCheckOutcome, cluster_resource_id: str) -> OwnNetwork | None:
    quarantine = request.target.quarantine
    return quarantine.own_network(checked.configuration, cluster_resource_id) if quarantine else None


def _before_it_is_ready(request: RestoreRequest, checked: SnapshotCheckOutcome) -> ClusterConfiguration:
    """The restored cluster's configuration until archive-snapshot: in quarantine, if the request has one."""
    quarantine = request.target.quarantine
    return quarantine.applied_to(checked.configuration) if quarantine else checked.configuration
