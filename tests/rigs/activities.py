"""Runs single activities as Temporal would, with the resources of `RestoreResources` and inputs built from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio.testing import ActivityEnvironment

from activities.clusters.replacement import ClusterActivities
from activities.clusters.restored import RestoredClusterActivities
from activities.clusters.swap import SwapActivities
from activities.databases.connectors import DatabaseConnectors
from activities.leftovers import LeftoverActivities
from activities.snapshots import SnapshotActivities
from audit.intents import TrailIntents
from audit.numbers import OperationNumbersTable
from audit.rows import AuditRow, Phase
from audit.table import AuditTable
from models.archive import Archive, Notification
from models.clusters import CheckRestoreInput, DeleteClusterInput, Endpoint, RestoreClusterInput, SwapClustersInput
from models.configuration import merge_configuration
from models.leftovers import RemoveLeftoversInput, RemoveOrphansInput
from models.snapshots import (
    ArchiveSnapshotInput,
    CheckCopyInput,
    CopySnapshotInput,
    SnapshotCheckInput,
    SnapshotCopy,
    SourceSnapshot,
)
from models.steps import Status, Step
from tests.rigs.activity_resources import ENGINE, OPERATIONS, TARGET_REGION, TRAIL, RestoreResources

Outcome = TypeVar("Outcome")
MAX_POLLS = 29
NEVER_USED: Any = None
"""In place of a connector to a database."""


def temporal_environment(now: datetime, attempt: int = 1) -> ActivityEnvironment:
    """Temporal as an activity sees it: its attempt, scheduled at `now`."""
    environment = ActivityEnvironment()
    environment.info = replace(
        environment.info,
        attempt=attempt,
        current_attempt_scheduled_time=now,
        scheduled_time=now,
        started_time=now,
        workflow_id="aurora-restore:test",
        workflow_run_id="run-1",
    )
    return environment


class ActingTrail:
    """A trail; right after it has written an intent, someone else acts."""

    def __init__(self, intents: TrailIntents, action: Callable[[], object]) -> None:
        self._intents = intents
        self._action = action

    def __getattr__(self, name: str) -> Any:
        return getattr(self._intents, name)

    def declare(self, *args: Any) -> None:
        self._intents.declare(*args)
        self._action()


@dataclass
class ActivityRig(RestoreResources):
    """The activities of one operation, and everything to run them with."""

    # The activities

    @property
    def intents(self) -> TrailIntents:
        dynamodb = self.aws.dynamodb(TARGET_REGION)
        return TrailIntents(AuditTable(dynamodb, TRAIL), OperationNumbersTable(dynamodb, OPERATIONS))

    @property
    def snapshots(self) -> SnapshotActivities:
        return SnapshotActivities(self.aws, self.intents)

    @property
    def clusters(self) -> ClusterActivities:
        return ClusterActivities(self.aws, self.intents)

    @property
    def restored(self) -> RestoredClusterActivities:
        return RestoredClusterActivities(self.aws)

    @property
    def leftovers(self) -> LeftoverActivities:
        return LeftoverActivities(self.aws, self.intents)

    @property
    def swap(self) -> SwapActivities:
        """Of a worker that logs in to no database."""
        return SwapActivities(self.aws, self.intents, DatabaseConnectors(self.aws, NEVER_USED, NEVER_USED))

    def run(self, activity: Callable[[Any], Outcome], step_input: Any, attempt: int = 1) -> Outcome:
        """Run one attempt of an activity."""
        return temporal_environment(self.now, attempt).run(activity, step_input)

    def poll_until_done(self, activity: Callable[[Any], Outcome], step_input: Any) -> Outcome:
        """Poll as the workflow does, a minute between two polls."""
        for poll in range(1, MAX_POLLS + 1):
            outcome: Any = self.run(activity, step_input.model_copy(update={"poll": poll}))
            if outcome.done:
                return outcome  # type: ignore[no-any-return]  # every step's outcome has `done`
            self.advance_clock(timedelta(minutes=1))
        raise AssertionError(f"not done after {MAX_POLLS} polls: {outcome.details}")

    def make_copy(self, snapshot: SourceSnapshot) -> SnapshotCopy:
        """Copy a snapshot with copy-snapshot; the copy is available."""
        outcome = self.run(self.snapshots.copy_snapshot, self.copy_input(snapshot))
        self.advance_clock()
        assert outcome.snapshot_copy is not None
        return outcome.snapshot_copy

    def restore_beside(self, snapshot: SourceSnapshot) -> str:
        """Restore a snapshot beside the target; returns the resource id of the new cluster."""
        self.make_copy(snapshot)
        beside = self.target.restored_as(self.operation_id)
        restored = self.run(self.clusters.restore_snapshot, self.restore_input(snapshot, target=beside))
        self.advance_clock()
        step_input = self.check_restore_input(restored.cluster_resource_id, target=beside)
        self.poll_until_done(self.restored.check_restore_status, step_input)
        assert restored.cluster_resource_id is not None
        return restored.cluster_resource_id

    def record_users_set(self, at: datetime) -> None:
        """Write the row of a successful setup-db-users that began at this time."""
        self.shared.table.put(
            AuditRow(
                operation_id=self.operation_id,
                step=Step.SETUP_DB_USERS,
                phase=Phase.OUTCOME,
                status=Status.SUCCESS,
                details="Users configured",
                step_started_at=at,
                timestamp=at,
                workflow_id="aurora-restore:test",
                run_id="run-0",
            )
        )

    # The inputs of the steps

    def _step(self) -> dict[str, Any]:
        return {"operation_id": self.operation_id, "step_started_at": self.started_at}

    def check_input(self, **more: Any) -> SnapshotCheckInput:
        """For snapshot-check, with a topic that exists."""
        topic = self.aws.sns(self.target, "owner", f"arn:aws:sns:{TARGET_REGION}:1:x").create_topic(Name="outcomes")
        notification = Notification(topic_arn=topic["TopicArn"])
        given = {"users": (), "notification": notification, "copy_needed": True}
        given |= {"source": self.source, "target": self.target, **more}
        return SnapshotCheckInput(**(self._step() | given))

    def copy_input(self, snapshot: SourceSnapshot, **more: Any) -> CopySnapshotInput:
        given = {
            "source": self.source,
            "target": self.target,
            "copy_needed": True,
            "kms_key_id": self.target.kms_key_id,
            **more,
        }
        return CopySnapshotInput(**self._step(), snapshot=snapshot, **given)

    def check_copy_input(self, snapshot: SourceSnapshot, **more: Any) -> CheckCopyInput:
        given = {"snapshot_copy": self.copy_of(snapshot), "target": self.target, **self._step(), **more}
        return CheckCopyInput(snapshot=snapshot, **given)

    def delete_input(self, snapshot: SourceSnapshot, resource_id: str | None, **more: Any) -> DeleteClusterInput:
        given = {
            "source": self.source,
            "target": self.target,
            "snapshot_copy": self.copy_of(snapshot),
            "source_resource_id": snapshot.cluster_resource_id,
            **more,
        }
        return DeleteClusterInput(**self._step(), snapshot=snapshot, target_resource_id=resource_id, **given)

    def restore_input(self, snapshot: SourceSnapshot, **more: Any) -> RestoreClusterInput:
        given = {"target": self.target, "snapshot_copy": self.copy_of(snapshot), **more}
        given["configuration"] = merge_configuration(given["target"], None)
        return RestoreClusterInput(**self._step(), source_arn=self.source.arn, snapshot=snapshot, **given)

    def check_restore_input(self, resource_id: str | None, **more: Any) -> CheckRestoreInput:
        assert resource_id is not None
        given = {"target": self.target, "engine": ENGINE, **self._step(), **more}
        given["configuration"] = merge_configuration(given["target"], None)
        return CheckRestoreInput(cluster_resource_id=resource_id, **given)

    def archive_input(
        self, copy: SnapshotCopy, keep: int = 2, snapshot: SourceSnapshot | None = None
    ) -> ArchiveSnapshotInput:
        given = {"snapshot": snapshot or self.snapshot_of(copy), "target": self.target, "archive": Archive(keep=keep)}
        return ArchiveSnapshotInput(**(self._step() | given), snapshot_copy=copy)

    def swap_input(self, old: str | None, new: str, **more: Any) -> SwapClustersInput:
        """For swap-clusters and swap-back, which log in to no database unless `more` says otherwise."""
        master = {"master_username": "boss", "master_user_secret_id": "-"}
        endpoint = Endpoint(host="-", port=5432, engine=ENGINE, database_name=None, **master)
        given = {"source": self.source, "target": self.target, "endpoint": endpoint, "users": (), "logs_in": False}
        ids = {"old_resource_id": old, "new_resource_id": new}
        return SwapClustersInput(**(self._step() | given | ids | more))

    def leftovers_input(self, **more: Any) -> RemoveLeftoversInput:
        """For remove-leftovers, which begins now and has nothing to remove unless `more` says otherwise."""
        given = {
            "source": self.source,
            "target": self.target,
            "snapshot_arn": None,
            "unfinished_copy": False,
            "cluster_resource_id": None,
        }
        return RemoveLeftoversInput(**(self._step() | {"step_started_at": self.now} | given | more))

    def orphans_input(self, keep: int = 1, **more: Any) -> RemoveOrphansInput:
        given = {"target": self.target, "archive": Archive(keep=keep), **self._step(), **more}
        return RemoveOrphansInput(**given)
