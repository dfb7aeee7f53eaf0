"""A restore under the policies: the steps in the workflow's order."""

from __future__ import annotations

from typing import Any, Self

from activities.inventory import TAKE_INVENTORY
from audit.rows import AuditRow, Phase
from models.archive import Archive
from models.clusters import CheckRestoreInput, DeleteClusterInput, RestoreClusterInput
from models.database_users import SetupUsersInput
from models.inventory import InventoryInput
from models.leftovers import RemoveDrillInput, RemoveLeftoversInput, RemoveOrphansInput
from models.notifications import NotificationInput
from models.operation import OpenOperationInput
from models.quarantine import OwnNetwork
from models.request import Target
from models.restore_state import RestoreState
from models.snapshots import ArchiveSnapshotInput, CheckCopyInput, CopySnapshotInput, SnapshotCheckInput
from models.steps import Housekeeping, Outcome, Status, Step
from tests.rigs.activity_resources import ENGINE
from tests.rigs.iam.deployments import Deployment
from tests.rigs.iam.operations import AuthorizedOperation


class AuthorizedSteps(AuthorizedOperation):
    """Each method runs one step; a step that waits is polled until it is done."""

    def open_operation(self) -> None:
        """open-operation."""
        target = self.request.target
        step_input = OpenOperationInput(
            workflow_id=target.workflow_id,
            first_run_id=str(self.number),
            target_arn=target.arn,
            opened_at=self.owners.now,
        )
        self.operation_id = self._run("open-operation", step_input).operation_id

    def check_snapshot(self) -> Any:
        """snapshot-check; returns its outcome."""
        request = self.request
        step_input = SnapshotCheckInput(
            **self._step(),
            source=request.source,
            target=request.target,
            users=request.users,
            notification=request.notification,
            copy_needed=request.copy_needed,
            archive=self.archive,
        )
        return self._run(Step.SNAPSHOT_CHECK, step_input)

    def start_copy(self, checked: Any, **more: Any) -> Any:
        """One poll of copy-snapshot; returns the copy."""
        return self._run(Step.COPY_SNAPSHOT, self._copy_input(checked).model_copy(update=more)).snapshot_copy

    def copy_snapshot(self, checked: Any) -> Any:
        """copy-snapshot and check-copy-status; returns the copy."""
        copy = self._run_until_done(Step.COPY_SNAPSHOT, self._copy_input(checked)).snapshot_copy
        step_input = CheckCopyInput(
            **self._step(), snapshot=checked.snapshot, snapshot_copy=copy, target=self.request.target
        )
        self._run_until_done(Step.CHECK_COPY_STATUS, step_input)
        return copy

    def _copy_input(self, checked: Any) -> CopySnapshotInput:
        request = self.request
        return CopySnapshotInput(
            **self._step(),
            source=request.source,
            target=request.target,
            snapshot=checked.snapshot,
            copy_needed=request.copy_needed,
            kms_key_id=checked.configuration.kms_key_id,
        )

    def delete_target(self, checked: Any, copy: Any) -> None:
        """delete-rds."""
        step_input = DeleteClusterInput(
            **self._step(),
            source=self.request.source,
            target=self.request.target,
            snapshot=checked.snapshot,
            snapshot_copy=copy,
            source_resource_id=checked.source_resource_id,
            target_resource_id=checked.target_resource_id,
            target_settings=checked.target_settings,
        )
        self._run_until_done(Step.DELETE_RDS, step_input)

    def restore_target(self, checked: Any, copy: Any) -> Any:
        """restore-snapshot and check-restore-status; returns the endpoint."""
        restore_input = RestoreClusterInput(
            **self._step(),
            **self._configured(checked),
            source_arn=self.request.source.arn,
            snapshot=checked.snapshot,
            snapshot_copy=copy,
        )
        self._restored_id = self._run(Step.RESTORE_SNAPSHOT, restore_input).cluster_resource_id
        return self.complete_target(checked)

    def complete_target(self, checked: Any) -> Any:
        """check-restore-status; returns the endpoint."""
        assert self._restored_id is not None
        check_input = CheckRestoreInput(
            **self._step(),
            **self._configured(checked),
            engine=ENGINE,
            cluster_resource_id=self._restored_id,
        )
        return self._run_until_done(Step.CHECK_RESTORE_STATUS, check_input).endpoint

    def _configured(self, checked: Any) -> dict[str, Any]:
        target, own = self._restored_as, checked.configuration
        return {"target": target, "configuration": target.quarantine.applied_to(own) if target.quarantine else own}

    @property
    def _restored_as(self) -> Target:
        """The target under the name with which it is restored."""
        target = self.request.target
        return target.restored_as(self.operation_id) if target.drills else target

    def remove_drill(self, checked: Any) -> Any:
        """remove-drill; returns its outcome."""
        assert self._restored_id is not None
        step_input = RemoveDrillInput(
            **self._step(),
            source=self.request.source,
            target=self.request.target,
            cluster_resource_id=self._restored_id,
            target_resource_id=checked.target_resource_id,
            source_resource_id=checked.source_resource_id,
        )
        return self._run_until_done(Step.REMOVE_DRILL, step_input)

    def _own_network(self, checked: Any) -> OwnNetwork | None:
        """What the target gets when it leaves its quarantine, if it has one."""
        quarantine = self.request.target.quarantine
        assert self._restored_id is not None
        return quarantine.own_network(checked.configuration, self._restored_id) if quarantine else None

    def set_up_users(self, endpoint: Any) -> None:
        """setup-db-users. Raises `DatabaseUnreachable`, since no database listens at the endpoint."""
        step_input = SetupUsersInput(
            **self._step(),
            target=self._restored_as,
            cluster_resource_id=self._restored_id,
            endpoint=endpoint,
            users=self.request.users,
        )
        self._run(Step.SETUP_DB_USERS, step_input)

    def archive_snapshot(self, checked: Any, copy: Any) -> None:
        """archive-snapshot; for a masked archive the trail has the success of setup-db-users, without a database."""
        if self.archive.masked:
            self._record_users_set()
        step_input = ArchiveSnapshotInput(
            **self._step(),
            snapshot=checked.snapshot,
            snapshot_copy=copy,
            target=self.request.target,
            archive=self.archive,
            own_network=self._own_network(checked),
            masked_cluster_resource_id=self._restored_id if self.archive.masked else None,
        )
        self._run_until_done(Step.ARCHIVE_SNAPSHOT, step_input)

    def _record_users_set(self) -> None:
        now = self.owners.now
        self._table.put(
            AuditRow(
                operation_id=self.operation_id,
                step=Step.SETUP_DB_USERS,
                phase=Phase.OUTCOME,
                status=Status.SUCCESS,
                details="Users configured",
                step_started_at=now,
                timestamp=now,
                workflow_id="aurora-restore:test",
                run_id="run-0",
            )
        )

    def notify(self) -> None:
        """sns-notification."""
        request = self.request
        state = RestoreState(
            source_arn=request.source.arn,
            target_arn=request.target.arn,
            started_at=self._started_at,
            outcome=Outcome.SUCCEEDED,
        )
        step_input = NotificationInput(
            **self._step(),
            target=request.target,
            notification=request.notification,
            workflow_id=request.target.workflow_id,
            state=state,
        )
        self._run(Step.SNS_NOTIFICATION, step_input)


class AuthorizedRestore(AuthorizedSteps):
    """One operation, and the housekeeping that follows it."""

    @classmethod
    def with_target(cls, deployment: Deployment, **target: Any) -> Self:
        """An operation whose target exists; `target` are values for the request's target."""
        restore = cls(deployment, **target)
        restore.owners.create_target()
        return restore

    def take_inventory(self, copy: Any) -> Any:
        """take-inventory; returns the inventory."""
        step_input = InventoryInput(
            operation_id=self.operation_id,
            target=self.request.target,
            archive=self.request.archive,
            snapshot_copy_arn=copy.arn,
        )
        return self._run(TAKE_INVENTORY, step_input)

    def remove_leftovers(self, checked: Any, resource_id: str | None = None) -> Any:
        """remove-leftovers; returns its outcome."""
        step_input = RemoveLeftoversInput(
            **self._step(),
            source=self.request.source,
            target=self.request.target,
            snapshot_arn=checked.snapshot.arn,
            unfinished_copy=True,
            cluster_resource_id=resource_id,
        )
        return self._run_until_done(Housekeeping.REMOVE_LEFTOVERS, step_input)

    def remove_orphans(self, keep: int = 1) -> Any:
        """remove-orphans; returns its outcome."""
        step_input = RemoveOrphansInput(**self._step(), target=self.request.target, archive=Archive(keep=keep))
        return self._run(Housekeeping.REMOVE_ORPHANS, step_input)
