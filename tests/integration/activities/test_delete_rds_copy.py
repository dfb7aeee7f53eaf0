"""delete-rds deletes nothing unless there is a copy of the right snapshot that is young enough."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.checks import read_checks
from models.clusters import DeleteClusterInput
from models.snapshots import SnapshotCopy, SourceSnapshot
from models.steps import Step
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import SOURCE_REGION
from tests.rigs.deletions import delete, refusal

DAY = timedelta(hours=24)


def break_copy(rig: ActivityRig, snapshot: SourceSnapshot, status: str) -> None:
    copy = rig.copy_of(snapshot)
    if status == "gone":
        rig.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copy.identifier)
    else:
        rig.force_status(copy.arn, status)


@pytest.mark.parametrize("status", ["gone", "copying", "failed"])
def test_nothing_is_deleted_without_an_available_copy(rig: ActivityRig, snapshot: SourceSnapshot, status: str) -> None:
    """The copy must be available at the moment of the deletion, not only hours before."""
    resource_id = rig.make_target()
    break_copy(rig, snapshot, status)
    text = refusal(rig, snapshot, resource_id)
    assert "[copy-available]" in text
    assert f"is {status}, expected available" in text


def test_another_snapshot_under_the_copys_name_is_no_replacement(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A snapshot of another cluster that took the copy's name since."""
    resource_id = rig.make_target()
    copy = rig.copy_of(snapshot)
    break_copy(rig, snapshot, "gone")
    rig.rds().create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=copy.identifier, DBClusterIdentifier=rig.target.cluster
    )
    rig.advance_clock()
    assert "[copy-source]" in refusal(rig, snapshot, resource_id)


def test_a_source_snapshot_created_again_is_no_replacement(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Without a copy, the snapshot itself must still be the one that snapshot-check saw."""
    rig.target = rig.target.model_copy(update={"region": SOURCE_REGION})
    of_target = [{"Key": "aurora-restore:replaced-by", "Value": rig.source.arn}]
    rig.make_cluster(SOURCE_REGION, rig.target.cluster, Tags=of_target)
    rds = rig.rds(SOURCE_REGION)
    cluster = rds.describe_db_clusters(DBClusterIdentifier=rig.target.cluster)["DBClusters"][0]
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=snapshot.identifier)
    rig.make_snapshot(snapshot.identifier, cluster=rig.target.cluster)
    source_snapshot = SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
    text = refusal(rig, snapshot, cluster["DbClusterResourceId"], snapshot_copy=source_snapshot)
    assert "[copy-source]" in text


def test_a_snapshot_that_became_too_old_replaces_nothing(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A restore that was delayed for days refuses before its first call; the message has the ages in hours."""
    resource_id = rig.make_target()
    rig.advance_clock(3 * DAY)
    text = refusal(rig, snapshot, resource_id, max_snapshot_age=DAY)
    assert "[snapshot-age]" in text
    assert "is 72 h old, expected at most 24 h" in text
    assert not delete(rig, snapshot, resource_id, max_snapshot_age=4 * DAY).done


def test_a_deletion_that_has_begun_continues_at_any_age_and_says_so(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Its row does not say that an old snapshot is young enough."""
    step_input = rig.delete_input(snapshot, rig.make_target(), max_snapshot_age=DAY)

    def declare_and_die(step_input: DeleteClusterInput) -> None:
        rig.intents.declare(Step.DELETE_RDS, step_input, "the worker dies after this", (rig.target.arn,))

    rig.run(declare_and_die, step_input)
    rig.advance_clock(3 * DAY)
    rig.run(rig.clusters.delete_rds, step_input.model_copy(update={"step_started_at": rig.now}))
    [age] = [
        check for check in read_checks(rig.shared.table.list_rows(rig.operation_id)[-1].facts) if "age" in check.name
    ]
    assert age.expected == "at most 1 day, 0:00:00 when the deletion begins"
    assert age.actual.startswith("3 days, ")
    assert age.actual.endswith(", and the deletion had begun before")
