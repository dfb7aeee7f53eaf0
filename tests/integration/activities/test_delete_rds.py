"""delete-rds: nothing but the very target is ever deleted, and it is deleted once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from activities.clusters import ClusterActivities
from clients.aws import AwsClients
from errors import Cancelled, DeadlinePassed, Refused, StepFailed, TrailUnavailable
from models.operation import FinalPoll
from models.snapshots import SnapshotCopy, SourceSnapshot
from tests.rigs.activities import ACCOUNT, OTHER_ACCOUNT, SOURCE_REGION, ActivityRig, session_of

DELETIONS = ("DeleteDBInstance", "DeleteDBCluster", "DeleteDBClusterSnapshot")


@pytest.fixture
def snapshot(rig: ActivityRig) -> SourceSnapshot:
    """Last night's snapshot, copied into the target's region."""
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    return snapshot


def delete(rig: ActivityRig, snapshot: SourceSnapshot, resource_id: str | None, **more: Any) -> Any:
    return rig.run(rig.clusters.delete_rds, rig.delete_input(snapshot, resource_id, **more))


def refusal(rig: ActivityRig, snapshot: SourceSnapshot, resource_id: str | None, **more: Any) -> str:
    """The text of a refusal that made no call that deletes and left every instance available."""
    before = rig.instances()
    rig.clear_calls()
    with pytest.raises(Refused) as refused:
        delete(rig, snapshot, resource_id, **more)
    assert rig.calls(*DELETIONS) == []
    assert rig.instances() == before
    assert not rig.rows(), "a refusal is no intent"
    return f"{refused.value.fault.short}: {refused.value.fault.message}"


def test_the_target_is_deleted_readers_first(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Readers, writer, cluster; done when RDS no longer knows the cluster, with the seed's text."""
    resource_id = rig.make_target(instances=3)
    rig.clear_calls()
    answer = rig.poll_until_done(rig.clusters.delete_rds, rig.delete_input(snapshot, resource_id))
    assert (answer.details, answer.resource_arns) == ("Deleted existing cluster", (rig.target.arn,))
    assert rig.changes() == [
        "DeleteDBInstance staging-2",
        "DeleteDBInstance staging-3",
        "DeleteDBInstance staging-1",
        "DeleteDBCluster staging",
    ]
    assert rig.cluster() is None
    assert rig.instances() == {}


def test_a_cluster_without_instances_is_deleted(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A target whose restore failed last night has no instances, and is replaced like any other."""
    resource_id = rig.make_target(instances=0)
    rig.poll_until_done(rig.clusters.delete_rds, rig.delete_input(snapshot, resource_id))
    assert rig.cluster() is None


def test_a_second_run_deletes_nothing_more(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Run again while it is being deleted, and after it is gone: no second call, no second intent, success."""
    of = rig.delete_input(snapshot, rig.make_target())
    rig.run(rig.clusters.delete_rds, of)
    rig.clear_calls()
    again = rig.run(rig.clusters.delete_rds, of, attempt=2)
    assert not again.done
    rig.advance_clock()
    assert rig.run(rig.clusters.delete_rds, of, attempt=3).details == "Deleted existing cluster"
    assert rig.calls(*DELETIONS) == []
    assert rig.rows() == ["delete-rds intent"]


def test_the_intent_is_written_before_the_first_deletion(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The trail says what will be deleted before anything is."""
    resource_id = rig.make_target()
    rig.clear_calls()
    delete(rig, snapshot, resource_id)
    order = [call.operation for call in rig.emulator.calls]
    assert order.index("PutItem") < order.index("DeleteDBInstance")
    (row,) = rig.shared.table.list_rows(rig.operation_id)
    assert row.details == f"Deleting {rig.target.cluster} ({resource_id})"
    assert row.resource_arns == (rig.target.arn,)


@pytest.mark.parametrize("operation", ["Query", "PutItem"])
def test_without_the_trail_nothing_is_deleted(rig: ActivityRig, snapshot: SourceSnapshot, operation: str) -> None:
    """No trail, no deletion: a DynamoDB that does not answer stops the step before its first call."""
    resource_id = rig.make_target()
    rig.emulator.faults.add("dynamodb", operation, "http500", count=None)
    rig.clear_calls()
    with pytest.raises(TrailUnavailable):
        delete(rig, snapshot, resource_id)
    assert rig.calls(*DELETIONS) == []
    assert set(rig.instances().values()) == {"available"}


# Guards


def no_tag(rig: ActivityRig) -> str:
    return rig.make_target(Tags=[])


def tag_of_another_source(rig: ActivityRig) -> str:
    other = rig.source.arn + "-eu"
    return rig.make_target(Tags=[{"Key": "aurora-restore:replaced-by", "Value": other}])


def protected(rig: ActivityRig) -> str:
    return rig.make_target(DeletionProtection=True)


def in_global_database(rig: ActivityRig) -> str:
    resource_id = rig.make_target()
    rig.rds().create_global_cluster(
        GlobalClusterIdentifier=f"world-{rig.number}", SourceDBClusterIdentifier=rig.target.arn
    )
    return resource_id


def replica(rig: ActivityRig) -> str:
    return rig.make_target(ReplicationSourceIdentifier=rig.source.arn)


def stopped(rig: ActivityRig) -> str:
    resource_id = rig.make_target()
    rig.rds().stop_db_cluster(DBClusterIdentifier=rig.target.cluster)
    rig.advance_clock()
    return resource_id


def in_a_status_nobody_knows(rig: ActivityRig) -> str:
    resource_id = rig.make_target()
    rig.force_status(rig.target.arn, "quantum-tunnelling")
    return resource_id


GUARDED = [
    (no_tag, "opt-in-tag", "Target has not opted in"),
    (tag_of_another_source, "opt-in-tag", "Target has not opted in"),
    (protected, "deletion-protection", "Deletion protection is on"),
    (in_global_database, "not-replicated", "Target is replicated"),
    (replica, "not-replicated", "Target is replicated"),
    (stopped, "deletable-status", "Target cannot be deleted now"),
    (in_a_status_nobody_knows, "deletable-status", "Target cannot be deleted now"),
]


@pytest.mark.parametrize(("make", "rule", "short"), GUARDED, ids=lambda case: getattr(case, "__name__", ""))
def test_a_guarded_target_is_not_touched(
    rig: ActivityRig, snapshot: SourceSnapshot, make: Callable[[ActivityRig], str], rule: str, short: str
) -> None:
    """A guard says no before the first DeleteDBInstance: protection of a cluster does not protect its instances."""
    text = refusal(rig, snapshot, make(rig))
    assert text.startswith(short)
    assert f"[{rule}]" in text


@pytest.mark.parametrize(("make", "rule", "short"), GUARDED, ids=lambda case: getattr(case, "__name__", ""))
def test_a_guarded_target_is_refused_before_the_copy(
    rig: ActivityRig, make: Callable[[ActivityRig], str], rule: str, short: str
) -> None:
    """The same guards stop the night at snapshot-check."""
    rig.make_source()
    snapshot = rig.make_snapshot()
    make(rig)
    source = rig.named_source(identifier=snapshot.identifier)
    with pytest.raises(Refused, match=short) as refused:
        rig.run(rig.snapshots.snapshot_check, rig.check_input(source=source))
    assert f"[{rule}]" in refused.value.fault.message


def test_every_broken_guard_is_listed(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """An owner sees at once all that stands in the way, not one reason a night."""
    text = refusal(rig, snapshot, rig.make_target(Tags=[], DeletionProtection=True))
    assert "(and 1 more)" in text
    assert "[opt-in-tag]" in text
    assert "[deletion-protection]" in text
    assert f"Key=aurora-restore:replaced-by,Value={rig.source.arn}" in text


def test_another_cluster_of_the_name_is_not_touched(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Only the cluster that snapshot-check saw may go: one made since under its name has another resource id."""
    rig.make_target()
    assert "Another cluster has the target's name" in refusal(rig, snapshot, "cluster-SEENATDUSK")
    assert "expected no cluster" in refusal(rig, snapshot, None)


def test_a_cluster_that_this_operation_restored_is_not_deleted(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A late retry of delete-rds, after the restore, refuses the restored cluster."""
    of = rig.delete_input(snapshot, rig.make_target())
    rig.poll_until_done(rig.clusters.delete_rds, of)
    rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.advance_clock()
    rig.clear_calls()
    with pytest.raises(Refused, match="Another cluster has the target's name"):
        rig.run(rig.clusters.delete_rds, of, attempt=2)
    assert rig.calls(*DELETIONS) == []


def test_the_source_is_never_deleted(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Even tagged, and named by a request that was not checked, the source is refused."""
    rds = rig.rds(SOURCE_REGION)
    tag = [{"Key": "aurora-restore:replaced-by", "Value": rig.source.arn}]
    rds.add_tags_to_resource(ResourceName=rig.source.arn, Tags=tag)
    rig.target = rig.target.model_copy(update={"region": SOURCE_REGION, "cluster": rig.source.cluster})
    text = refusal(rig, snapshot, snapshot.cluster_resource_id)
    assert "[not-the-source]" in text


def test_a_renamed_source_is_known_by_its_resource_id(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Production, renamed to the target's name and tagged, is still production."""
    rds = rig.rds(SOURCE_REGION)
    tag = [{"Key": "aurora-restore:replaced-by", "Value": rig.source.arn}]
    rds.add_tags_to_resource(ResourceName=rig.source.arn, Tags=tag)
    rds.modify_db_cluster(
        DBClusterIdentifier=rig.source.cluster, NewDBClusterIdentifier=rig.target.cluster, ApplyImmediately=True
    )
    rig.advance_clock()
    rig.target = rig.target.model_copy(update={"region": SOURCE_REGION})
    assert "[not-the-source]" in refusal(rig, snapshot, snapshot.cluster_resource_id)


def test_a_renamed_source_is_known_by_its_snapshot(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Also if nothing had the source's name when the night began: the snapshot says whose it is."""
    rds = rig.rds(SOURCE_REGION)
    tag = [{"Key": "aurora-restore:replaced-by", "Value": rig.source.arn}]
    rds.add_tags_to_resource(ResourceName=rig.source.arn, Tags=tag)
    rds.modify_db_cluster(
        DBClusterIdentifier=rig.source.cluster, NewDBClusterIdentifier=rig.target.cluster, ApplyImmediately=True
    )
    rig.advance_clock()
    rig.target = rig.target.model_copy(update={"region": SOURCE_REGION})
    text = refusal(rig, snapshot, snapshot.cluster_resource_id, source_resource_id=None)
    assert "[not-the-source]" in text


def test_the_wrong_credentials_delete_nothing(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A worker in another account, where a cluster of the same name is, refuses: by account and by ARN."""
    resource_id = rig.make_target()
    rig.target = rig.target.model_copy(update={"account_id": OTHER_ACCOUNT})
    text = refusal(rig, snapshot, resource_id)
    assert f"[target-account] the credentials for the target belong to account {ACCOUNT}" in text
    assert "[target-arn]" in text


def test_the_worker_of_another_account_sees_no_target(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """In another account the target is not there, which is no licence to go on."""
    of = rig.delete_input(snapshot, rig.make_target())
    rig.aws = AwsClients(session_of(OTHER_ACCOUNT))
    with pytest.raises(Refused, match="Wrong AWS account"):
        rig.run(rig.clusters.delete_rds, of)
    assert rig.calls(*DELETIONS) == []


def test_what_another_account_does_not_have_is_not_called_deleted(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Credentials that change while the target is being deleted end the step: nobody has seen that it is gone."""
    of = rig.delete_input(snapshot, rig.make_target())
    rig.run(rig.clusters.delete_rds, of)
    trail = rig.intents
    rig.aws = AwsClients(session_of(OTHER_ACCOUNT))
    with pytest.raises(Refused, match="Wrong AWS account"):
        rig.run(ClusterActivities(rig.aws, trail).delete_rds, of, attempt=2)


# The copy


def broken_copy(rig: ActivityRig, snapshot: SourceSnapshot, status: str) -> None:
    copy = rig.copy_of(snapshot)
    if status == "gone":
        rig.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copy.identifier)
    else:
        rig.force_status(copy.arn, status)


@pytest.mark.parametrize("status", ["gone", "copying", "failed"])
def test_nothing_is_deleted_without_its_replacement(rig: ActivityRig, snapshot: SourceSnapshot, status: str) -> None:
    """The copy must be available at the moment of the deletion, not only hours before."""
    resource_id = rig.make_target()
    broken_copy(rig, snapshot, status)
    text = refusal(rig, snapshot, resource_id)
    assert "[copy-available]" in text
    assert f"is {status}, expected available" in text


def test_a_stranger_under_the_copys_name_is_no_replacement(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A snapshot of something else that took the copy's name since does not license the deletion."""
    resource_id = rig.make_target()
    copy = rig.copy_of(snapshot)
    broken_copy(rig, snapshot, "gone")
    rig.rds().create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=copy.identifier, DBClusterIdentifier=rig.target.cluster
    )
    rig.advance_clock()
    assert "[copy-source]" in refusal(rig, snapshot, resource_id)


def test_a_source_snapshot_made_anew_is_no_replacement(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Without a copy, the snapshot itself must still be the one that snapshot-check saw."""
    rig.target = rig.target.model_copy(update={"region": SOURCE_REGION})
    of_target = [{"Key": "aurora-restore:replaced-by", "Value": rig.source.arn}]
    rig._make_cluster(SOURCE_REGION, rig.target.cluster, Tags=of_target)
    rds = rig.rds(SOURCE_REGION)
    found = rds.describe_db_clusters(DBClusterIdentifier=rig.target.cluster)["DBClusters"][0]
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=snapshot.identifier)
    rig.make_snapshot(snapshot.identifier, cluster=rig.target.cluster)
    there = SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
    text = refusal(rig, snapshot, found["DbClusterResourceId"], snapshot_copy=there)
    assert "[copy-source]" in text


# Gone


def test_a_target_that_vanished_without_us_fails(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Gone without this operation's intent is the seed's failure: Cluster not found."""
    with pytest.raises(StepFailed) as failed:
        delete(rig, snapshot, "cluster-SEENATDUSK")
    assert failed.value.fault.short == "Cluster not found"
    assert failed.value.fault.code == "DBClusterNotFoundFault"


def rename(rig: ActivityRig, name: str) -> None:
    rig.rds().modify_db_cluster(
        DBClusterIdentifier=rig.target.cluster, NewDBClusterIdentifier=name, ApplyImmediately=True
    )
    rig.advance_clock()


def test_a_target_that_is_renamed_is_kept(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Renamed after the intent it is not gone: whoever renames it wants it, and nothing more of it is deleted."""
    of = rig.delete_input(snapshot, rig.make_target())
    rig.emulator.faults.add("rds", "DeleteDBCluster", "error", code="InvalidDBClusterStateFault", message="busy")
    assert not rig.run(rig.clusters.delete_rds, of).done
    rename(rig, kept := f"kept-{rig.number}")
    rig.clear_calls()
    with pytest.raises(Refused) as refused:
        rig.run(rig.clusters.delete_rds, of)
    assert refused.value.fault.short == "Target was renamed"
    assert f"is now named {kept}" in refused.value.fault.message
    assert rig.calls(*DELETIONS) == []
    assert rig.rds().describe_db_clusters(DBClusterIdentifier=kept)["DBClusters"]


def test_a_target_that_is_renamed_before_the_intent_is_named(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Without any deletion of ours too, the operator hears where his cluster is."""
    resource_id = rig.make_target()
    rename(rig, kept := f"kept-{rig.number}")
    with pytest.raises(Refused, match=f"is now named {kept}"):
        delete(rig, snapshot, resource_id)


def test_a_target_that_is_renamed_while_it_goes_is_waited_for(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """RDS may show the old name no more and the cluster still under another: it is deleting, and so not gone yet."""
    of = rig.delete_input(snapshot, rig.make_target(instances=0))
    rename(rig, f"going-{rig.number}")
    rig.rds().delete_db_cluster(DBClusterIdentifier=f"going-{rig.number}", SkipFinalSnapshot=True)
    assert not rig.run(rig.clusters.delete_rds, of).done


# The snapshot's age

DAY = timedelta(hours=24)


def test_a_snapshot_that_grew_too_old_replaces_nothing(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A night that was held up for days refuses before its first call; the message says the ages in hours."""
    resource_id = rig.make_target()
    rig.advance_clock(3 * DAY)
    text = refusal(rig, snapshot, resource_id, max_snapshot_age=DAY)
    assert "[snapshot-age]" in text
    assert "is 72 h old, expected at most 24 h" in text
    assert not delete(rig, snapshot, resource_id, max_snapshot_age=4 * DAY).done


def test_a_deletion_that_has_begun_is_not_stopped_by_age(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Half a target is no use to anybody: once the intent stands, the limit is no longer asked."""
    of = rig.delete_input(snapshot, rig.make_target(), max_snapshot_age=DAY)
    rig.emulator.faults.add("rds", "DeleteDBCluster", "error", code="InvalidDBClusterStateFault", message="busy")
    assert not rig.run(rig.clusters.delete_rds, of).done
    rig.advance_clock(3 * DAY)
    assert rig.poll_until_done(rig.clusters.delete_rds, of).details == "Deleted existing cluster"


def test_no_target_on_the_first_night_is_fine(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A request that says so may begin without a target."""
    assert delete(rig, snapshot, None).details == "No cluster to delete"


# Refusals in the middle


def test_protection_switched_on_in_the_middle_ends_the_night(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """RDS's own refusal of DeleteDBCluster is reported as what it is."""
    resource_id = rig.make_target(instances=0)
    rig.emulator.faults.add(
        "rds",
        "DeleteDBCluster",
        "error",
        code="InvalidParameterCombination",
        message="Cannot delete protected Cluster, please disable deletion protection and try again.",
    )
    with pytest.raises(Refused, match="Deletion protection is on"):
        delete(rig, snapshot, resource_id)
    assert rig.cluster() is not None


@pytest.mark.parametrize(
    ("final_poll", "error"), [(FinalPoll.DEADLINE, DeadlinePassed), (FinalPoll.CANCELLED, Cancelled)]
)
def test_a_final_look_says_how_far_it_was(
    rig: ActivityRig, snapshot: SourceSnapshot, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """A deletion that is under way when the wait ends is reported, with what becomes of it."""
    resource_id = rig.make_target()
    delete(rig, snapshot, resource_id)
    rig.clear_calls()
    with pytest.raises(error, match="(?i)deletion under way.*retry when the target is gone"):
        delete(rig, snapshot, resource_id, final_poll=final_poll)
    assert rig.calls(*DELETIONS) == []


@pytest.mark.parametrize(
    ("final_poll", "error"), [(FinalPoll.DEADLINE, DeadlinePassed), (FinalPoll.CANCELLED, Cancelled)]
)
def test_a_final_look_begins_no_deletion(
    rig: ActivityRig, snapshot: SourceSnapshot, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """Who cancels to save the target gets it saved: what is not being deleted by then stays."""
    resource_id = rig.make_target()
    rig.clear_calls()
    with pytest.raises(error, match="(?i)not deleted"):
        delete(rig, snapshot, resource_id, final_poll=final_poll)
    assert rig.calls(*DELETIONS) == []
    assert set(rig.instances().values()) == {"available"}


def test_a_final_look_that_sees_it_gone_is_success(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Gone by the last look is done, also when the wait was cancelled."""
    of = rig.delete_input(snapshot, rig.make_target())
    rig.run(rig.clusters.delete_rds, of)
    rig.advance_clock()
    last = of.model_copy(update={"final_poll": FinalPoll.CANCELLED})
    assert rig.run(rig.clusters.delete_rds, last).done
