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
from tests.rigs.activities import ACCOUNT, OTHER_ACCOUNT, SOURCE_REGION, Night, session_of

DELETIONS = ("DeleteDBInstance", "DeleteDBCluster", "DeleteDBClusterSnapshot")


@pytest.fixture
def snapshot(night: Night) -> SourceSnapshot:
    """Last night's snapshot, copied into the target's region."""
    night.make_source()
    snapshot = night.make_snapshot()
    night.make_copy(snapshot)
    return snapshot


def delete(night: Night, snapshot: SourceSnapshot, resource_id: str | None, **more: Any) -> Any:
    return night.run(night.clusters.delete_rds, night.delete_input(snapshot, resource_id, **more))


def refusal(night: Night, snapshot: SourceSnapshot, resource_id: str | None, **more: Any) -> str:
    """The text of a refusal that made no call that deletes and left every instance available."""
    before = night.instances()
    night.forget_calls()
    with pytest.raises(Refused) as refused:
        delete(night, snapshot, resource_id, **more)
    assert night.calls(*DELETIONS) == []
    assert night.instances() == before
    assert not night.rows(), "a refusal is no intent"
    return f"{refused.value.fault.short}: {refused.value.fault.message}"


def test_the_target_is_deleted_readers_first(night: Night, snapshot: SourceSnapshot) -> None:
    """Readers, writer, cluster; done when RDS no longer knows the cluster, with the seed's text."""
    resource_id = night.make_target(instances=3)
    night.forget_calls()
    answer = night.until_done(night.clusters.delete_rds, night.delete_input(snapshot, resource_id))
    assert (answer.details, answer.resource_arns) == ("Deleted existing cluster", (night.target.arn,))
    assert night.changes() == [
        "DeleteDBInstance staging-2",
        "DeleteDBInstance staging-3",
        "DeleteDBInstance staging-1",
        "DeleteDBCluster staging",
    ]
    assert night.cluster() is None
    assert night.instances() == {}


def test_a_cluster_without_instances_is_deleted(night: Night, snapshot: SourceSnapshot) -> None:
    """A target whose restore failed last night has no instances, and is replaced like any other."""
    resource_id = night.make_target(instances=0)
    night.until_done(night.clusters.delete_rds, night.delete_input(snapshot, resource_id))
    assert night.cluster() is None


def test_a_second_run_deletes_nothing_more(night: Night, snapshot: SourceSnapshot) -> None:
    """Run again while it is being deleted, and after it is gone: no second call, no second intent, success."""
    of = night.delete_input(snapshot, night.make_target())
    night.run(night.clusters.delete_rds, of)
    night.forget_calls()
    again = night.run(night.clusters.delete_rds, of, attempt=2)
    assert not again.done
    night.later()
    assert night.run(night.clusters.delete_rds, of, attempt=3).details == "Deleted existing cluster"
    assert night.calls(*DELETIONS) == []
    assert night.rows() == ["delete-rds intent"]


def test_the_intent_is_written_before_the_first_deletion(night: Night, snapshot: SourceSnapshot) -> None:
    """The trail says what will be deleted before anything is."""
    resource_id = night.make_target()
    night.forget_calls()
    delete(night, snapshot, resource_id)
    order = [call.operation for call in night.emulator.calls]
    assert order.index("PutItem") < order.index("DeleteDBInstance")
    (row,) = night.shared.table.operation(night.operation_id)
    assert row.details == f"Deleting {night.target.cluster} ({resource_id})"
    assert row.resource_arns == (night.target.arn,)


@pytest.mark.parametrize("operation", ["Query", "PutItem"])
def test_without_the_trail_nothing_is_deleted(night: Night, snapshot: SourceSnapshot, operation: str) -> None:
    """No trail, no deletion: a DynamoDB that does not answer stops the step before its first call."""
    resource_id = night.make_target()
    night.emulator.faults.add("dynamodb", operation, "http500", count=None)
    night.forget_calls()
    with pytest.raises(TrailUnavailable):
        delete(night, snapshot, resource_id)
    assert night.calls(*DELETIONS) == []
    assert set(night.instances().values()) == {"available"}


# Guards


def no_tag(night: Night) -> str:
    return night.make_target(Tags=[])


def tag_of_another_source(night: Night) -> str:
    other = night.source.arn + "-eu"
    return night.make_target(Tags=[{"Key": "aurora-restore:replaced-by", "Value": other}])


def protected(night: Night) -> str:
    return night.make_target(DeletionProtection=True)


def in_global_database(night: Night) -> str:
    resource_id = night.make_target()
    night.rds().create_global_cluster(
        GlobalClusterIdentifier=f"world-{night.number}", SourceDBClusterIdentifier=night.target.arn
    )
    return resource_id


def replica(night: Night) -> str:
    return night.make_target(ReplicationSourceIdentifier=night.source.arn)


def stopped(night: Night) -> str:
    resource_id = night.make_target()
    night.rds().stop_db_cluster(DBClusterIdentifier=night.target.cluster)
    night.later()
    return resource_id


def in_a_status_nobody_knows(night: Night) -> str:
    resource_id = night.make_target()
    night.force_status(night.target.arn, "quantum-tunnelling")
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
    night: Night, snapshot: SourceSnapshot, make: Callable[[Night], str], rule: str, short: str
) -> None:
    """A guard says no before the first DeleteDBInstance: protection of a cluster does not protect its instances."""
    text = refusal(night, snapshot, make(night))
    assert text.startswith(short)
    assert f"[{rule}]" in text


@pytest.mark.parametrize(("make", "rule", "short"), GUARDED, ids=lambda case: getattr(case, "__name__", ""))
def test_a_guarded_target_is_refused_before_the_copy(
    night: Night, make: Callable[[Night], str], rule: str, short: str
) -> None:
    """The same guards stop the night at snapshot-check."""
    night.make_source()
    snapshot = night.make_snapshot()
    make(night)
    source = night.named_source(identifier=snapshot.identifier)
    with pytest.raises(Refused, match=short) as refused:
        night.run(night.snapshots.snapshot_check, night.check_input(source=source))
    assert f"[{rule}]" in refused.value.fault.message


def test_every_broken_guard_is_listed(night: Night, snapshot: SourceSnapshot) -> None:
    """An owner sees at once all that stands in the way, not one reason a night."""
    text = refusal(night, snapshot, night.make_target(Tags=[], DeletionProtection=True))
    assert "(and 1 more)" in text
    assert "[opt-in-tag]" in text
    assert "[deletion-protection]" in text
    assert f"Key=aurora-restore:replaced-by,Value={night.source.arn}" in text


def test_another_cluster_of_the_name_is_not_touched(night: Night, snapshot: SourceSnapshot) -> None:
    """Only the cluster that snapshot-check saw may go: one made since under its name has another resource id."""
    night.make_target()
    assert "Another cluster has the target's name" in refusal(night, snapshot, "cluster-SEENATDUSK")
    assert "wanted none" in refusal(night, snapshot, None)


def test_a_cluster_that_this_operation_restored_is_not_deleted(night: Night, snapshot: SourceSnapshot) -> None:
    """A late retry of delete-rds, after the restore, refuses the restored cluster."""
    of = night.delete_input(snapshot, night.make_target())
    night.until_done(night.clusters.delete_rds, of)
    night.run(night.clusters.restore_snapshot, night.restore_input(snapshot))
    night.later()
    night.forget_calls()
    with pytest.raises(Refused, match="Another cluster has the target's name"):
        night.run(night.clusters.delete_rds, of, attempt=2)
    assert night.calls(*DELETIONS) == []


def test_the_source_is_never_deleted(night: Night, snapshot: SourceSnapshot) -> None:
    """Even tagged, and named by a request that was not checked, the source is refused."""
    rds = night.rds(SOURCE_REGION)
    tag = [{"Key": "aurora-restore:replaced-by", "Value": night.source.arn}]
    rds.add_tags_to_resource(ResourceName=night.source.arn, Tags=tag)
    night.target = night.target.model_copy(update={"region": SOURCE_REGION, "cluster": night.source.cluster})
    text = refusal(night, snapshot, snapshot.cluster_resource_id)
    assert "[not-the-source]" in text


def test_a_renamed_source_is_known_by_its_resource_id(night: Night, snapshot: SourceSnapshot) -> None:
    """Production, renamed to the target's name and tagged, is still production."""
    rds = night.rds(SOURCE_REGION)
    tag = [{"Key": "aurora-restore:replaced-by", "Value": night.source.arn}]
    rds.add_tags_to_resource(ResourceName=night.source.arn, Tags=tag)
    rds.modify_db_cluster(
        DBClusterIdentifier=night.source.cluster, NewDBClusterIdentifier=night.target.cluster, ApplyImmediately=True
    )
    night.later()
    night.target = night.target.model_copy(update={"region": SOURCE_REGION})
    assert "[not-the-source]" in refusal(night, snapshot, snapshot.cluster_resource_id)


def test_a_renamed_source_is_known_by_its_snapshot(night: Night, snapshot: SourceSnapshot) -> None:
    """Also if nothing had the source's name when the night began: the snapshot says whose it is."""
    rds = night.rds(SOURCE_REGION)
    tag = [{"Key": "aurora-restore:replaced-by", "Value": night.source.arn}]
    rds.add_tags_to_resource(ResourceName=night.source.arn, Tags=tag)
    rds.modify_db_cluster(
        DBClusterIdentifier=night.source.cluster, NewDBClusterIdentifier=night.target.cluster, ApplyImmediately=True
    )
    night.later()
    night.target = night.target.model_copy(update={"region": SOURCE_REGION})
    text = refusal(night, snapshot, snapshot.cluster_resource_id, source_resource_id=None)
    assert "[not-the-source]" in text


def test_the_wrong_credentials_delete_nothing(night: Night, snapshot: SourceSnapshot) -> None:
    """A worker in another account, where a cluster of the same name is, refuses: by account and by ARN."""
    resource_id = night.make_target()
    night.target = night.target.model_copy(update={"account_id": OTHER_ACCOUNT})
    text = refusal(night, snapshot, resource_id)
    assert f"[target-account] the credentials for the target belong to account {ACCOUNT}" in text
    assert "[target-arn]" in text


def test_the_worker_of_another_account_sees_no_target(night: Night, snapshot: SourceSnapshot) -> None:
    """In another account the target is not there, which is no licence to go on."""
    of = night.delete_input(snapshot, night.make_target())
    night.aws = AwsClients(session_of(OTHER_ACCOUNT))
    with pytest.raises(Refused, match="Wrong AWS account"):
        night.run(night.clusters.delete_rds, of)
    assert night.calls(*DELETIONS) == []


def test_what_another_account_does_not_have_is_not_called_deleted(night: Night, snapshot: SourceSnapshot) -> None:
    """Credentials that change while the target is being deleted end the step: nobody has seen that it is gone."""
    of = night.delete_input(snapshot, night.make_target())
    night.run(night.clusters.delete_rds, of)
    trail = night.intents
    night.aws = AwsClients(session_of(OTHER_ACCOUNT))
    with pytest.raises(Refused, match="Wrong AWS account"):
        night.run(ClusterActivities(night.aws, trail).delete_rds, of, attempt=2)


# The copy


def broken_copy(night: Night, snapshot: SourceSnapshot, status: str) -> None:
    copy = night.copy_of(snapshot)
    if status == "gone":
        night.rds().delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copy.identifier)
    else:
        night.force_status(copy.arn, status)


@pytest.mark.parametrize("status", ["gone", "copying", "failed"])
def test_nothing_is_deleted_without_its_replacement(night: Night, snapshot: SourceSnapshot, status: str) -> None:
    """The copy must be available at the moment of the deletion, not only hours before."""
    resource_id = night.make_target()
    broken_copy(night, snapshot, status)
    text = refusal(night, snapshot, resource_id)
    assert "[copy-available]" in text
    assert f"is {status}, wanted available" in text


def test_a_stranger_under_the_copys_name_is_no_replacement(night: Night, snapshot: SourceSnapshot) -> None:
    """A snapshot of something else that took the copy's name since does not license the deletion."""
    resource_id = night.make_target()
    copy = night.copy_of(snapshot)
    broken_copy(night, snapshot, "gone")
    night.rds().create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=copy.identifier, DBClusterIdentifier=night.target.cluster
    )
    night.later()
    assert "[copy-source]" in refusal(night, snapshot, resource_id)


def test_a_source_snapshot_made_anew_is_no_replacement(night: Night, snapshot: SourceSnapshot) -> None:
    """Without a copy, the snapshot itself must still be the one that snapshot-check saw."""
    night.target = night.target.model_copy(update={"region": SOURCE_REGION})
    of_target = [{"Key": "aurora-restore:replaced-by", "Value": night.source.arn}]
    night._make_cluster(SOURCE_REGION, night.target.cluster, Tags=of_target)
    rds = night.rds(SOURCE_REGION)
    found = rds.describe_db_clusters(DBClusterIdentifier=night.target.cluster)["DBClusters"][0]
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=snapshot.identifier)
    night.make_snapshot(snapshot.identifier, cluster=night.target.cluster)
    there = SnapshotCopy(arn=snapshot.arn, identifier=snapshot.identifier, copied=False)
    text = refusal(night, snapshot, found["DbClusterResourceId"], snapshot_copy=there)
    assert "[copy-source]" in text


# Gone


def test_a_target_that_vanished_without_us_fails(night: Night, snapshot: SourceSnapshot) -> None:
    """Gone without this operation's intent is the seed's failure: Cluster not found."""
    with pytest.raises(StepFailed) as failed:
        delete(night, snapshot, "cluster-SEENATDUSK")
    assert failed.value.fault.short == "Cluster not found"
    assert failed.value.fault.code == "DBClusterNotFoundFault"


def rename(night: Night, name: str) -> None:
    night.rds().modify_db_cluster(
        DBClusterIdentifier=night.target.cluster, NewDBClusterIdentifier=name, ApplyImmediately=True
    )
    night.later()


def test_a_target_that_is_renamed_is_kept(night: Night, snapshot: SourceSnapshot) -> None:
    """Renamed after the intent it is not gone: whoever renames it wants it, and nothing more of it is deleted."""
    of = night.delete_input(snapshot, night.make_target())
    night.emulator.faults.add("rds", "DeleteDBCluster", "error", code="InvalidDBClusterStateFault", message="busy")
    assert not night.run(night.clusters.delete_rds, of).done
    rename(night, kept := f"kept-{night.number}")
    night.forget_calls()
    with pytest.raises(Refused) as refused:
        night.run(night.clusters.delete_rds, of)
    assert refused.value.fault.short == "Target was renamed"
    assert f"is {kept} now" in refused.value.fault.message
    assert night.calls(*DELETIONS) == []
    assert night.rds().describe_db_clusters(DBClusterIdentifier=kept)["DBClusters"]


def test_a_target_that_is_renamed_before_the_intent_is_named(night: Night, snapshot: SourceSnapshot) -> None:
    """Without any deletion of ours too, the operator hears where his cluster is."""
    resource_id = night.make_target()
    rename(night, kept := f"kept-{night.number}")
    with pytest.raises(Refused, match=f"is {kept} now"):
        delete(night, snapshot, resource_id)


def test_a_target_that_is_renamed_while_it_goes_is_waited_for(night: Night, snapshot: SourceSnapshot) -> None:
    """RDS may show the old name no more and the cluster still under another: it is deleting, and so not gone yet."""
    of = night.delete_input(snapshot, night.make_target(instances=0))
    rename(night, f"going-{night.number}")
    night.rds().delete_db_cluster(DBClusterIdentifier=f"going-{night.number}", SkipFinalSnapshot=True)
    assert not night.run(night.clusters.delete_rds, of).done


# The snapshot's age

DAY = timedelta(hours=24)


def test_a_snapshot_that_grew_too_old_replaces_nothing(night: Night, snapshot: SourceSnapshot) -> None:
    """A night that was held up for days refuses before its first call; the message says the ages in hours."""
    resource_id = night.make_target()
    night.later(3 * DAY)
    text = refusal(night, snapshot, resource_id, max_snapshot_age=DAY)
    assert "[snapshot-age]" in text
    assert "is 72 h old, wanted at most 24 h" in text
    assert not delete(night, snapshot, resource_id, max_snapshot_age=4 * DAY).done


def test_a_deletion_that_has_begun_is_not_stopped_by_age(night: Night, snapshot: SourceSnapshot) -> None:
    """Half a target is no use to anybody: once the intent stands, the limit is no longer asked."""
    of = night.delete_input(snapshot, night.make_target(), max_snapshot_age=DAY)
    night.emulator.faults.add("rds", "DeleteDBCluster", "error", code="InvalidDBClusterStateFault", message="busy")
    assert not night.run(night.clusters.delete_rds, of).done
    night.later(3 * DAY)
    assert night.until_done(night.clusters.delete_rds, of).details == "Deleted existing cluster"


def test_no_target_on_the_first_night_is_fine(night: Night, snapshot: SourceSnapshot) -> None:
    """A request that says so may begin without a target."""
    assert delete(night, snapshot, None).details == "No cluster to delete"


# Refusals in the middle


def test_protection_switched_on_in_the_middle_ends_the_night(night: Night, snapshot: SourceSnapshot) -> None:
    """RDS's own refusal of DeleteDBCluster is reported as what it is."""
    resource_id = night.make_target(instances=0)
    night.emulator.faults.add(
        "rds",
        "DeleteDBCluster",
        "error",
        code="InvalidParameterCombination",
        message="Cannot delete protected Cluster, please disable deletion protection and try again.",
    )
    with pytest.raises(Refused, match="Deletion protection is on"):
        delete(night, snapshot, resource_id)
    assert night.cluster() is not None


@pytest.mark.parametrize(
    ("final_poll", "error"), [(FinalPoll.DEADLINE, DeadlinePassed), (FinalPoll.CANCELLED, Cancelled)]
)
def test_a_final_look_says_how_far_it_was(
    night: Night, snapshot: SourceSnapshot, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """A deletion that is under way when the wait ends is reported, with what becomes of it."""
    resource_id = night.make_target()
    delete(night, snapshot, resource_id)
    night.forget_calls()
    with pytest.raises(error, match="(?i)deletion under way.*run the night again"):
        delete(night, snapshot, resource_id, final_poll=final_poll)
    assert night.calls(*DELETIONS) == []


@pytest.mark.parametrize(
    ("final_poll", "error"), [(FinalPoll.DEADLINE, DeadlinePassed), (FinalPoll.CANCELLED, Cancelled)]
)
def test_a_final_look_begins_no_deletion(
    night: Night, snapshot: SourceSnapshot, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """Who cancels to save the target gets it saved: what is not being deleted by then stays."""
    resource_id = night.make_target()
    night.forget_calls()
    with pytest.raises(error, match="(?i)not deleted"):
        delete(night, snapshot, resource_id, final_poll=final_poll)
    assert night.calls(*DELETIONS) == []
    assert set(night.instances().values()) == {"available"}


def test_a_final_look_that_sees_it_gone_is_success(night: Night, snapshot: SourceSnapshot) -> None:
    """Gone by the last look is done, also when the wait was cancelled."""
    of = night.delete_input(snapshot, night.make_target())
    night.run(night.clusters.delete_rds, of)
    night.later()
    last = of.model_copy(update={"final_poll": FinalPoll.CANCELLED})
    assert night.run(night.clusters.delete_rds, last).done
