"""delete-rds evaluates every guard before its first deletion."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from datetime import timedelta

import pytest

from activities.clusters.replacement import ClusterActivities
from clients.aws import AwsClients
from errors import Refused
from models.snapshots import SourceSnapshot
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ACCOUNT, OTHER_ACCOUNT, SOURCE_REGION, TARGET_REGION, session_of
from tests.rigs.deletions import DELETIONS, delete, refusal

DAY = timedelta(hours=24)


def make_without_tag(rig: ActivityRig) -> str:
    return rig.make_target(Tags=[])


def make_with_tag_of_another_source(rig: ActivityRig) -> str:
    other = rig.source.arn + "-eu"
    return rig.make_target(Tags=[{"Key": "aurora-restore:replaced-by", "Value": other}])


def make_protected(rig: ActivityRig) -> str:
    return rig.make_target(DeletionProtection=True)


def make_in_global_database(rig: ActivityRig) -> str:
    resource_id = rig.make_target()
    rig.rds().create_global_cluster(
        GlobalClusterIdentifier=f"global-{rig.number}", SourceDBClusterIdentifier=rig.target.arn
    )
    return resource_id


def make_replica(rig: ActivityRig) -> str:
    return rig.make_target(ReplicationSourceIdentifier=rig.source.arn)


def make_stopped(rig: ActivityRig) -> str:
    resource_id = rig.make_target()
    rig.rds().stop_db_cluster(DBClusterIdentifier=rig.target.cluster)
    rig.advance_clock()
    return resource_id


def make_in_unknown_status(rig: ActivityRig) -> str:
    resource_id = rig.make_target()
    rig.force_status(rig.target.arn, "unknown-status")
    return resource_id


def integrate(rig: ActivityRig) -> None:
    rig.rds().create_integration(
        SourceArn=rig.target.arn,
        TargetArn=f"arn:aws:redshift:{TARGET_REGION}:{ACCOUNT}:namespace:warehouse",
        IntegrationName=f"reports-{rig.number}",
    )


def make_with_integration(rig: ActivityRig) -> str:
    resource_id = rig.make_target()
    integrate(rig)
    return resource_id


def make_in_blue_green_deployment(rig: ActivityRig) -> str:
    resource_id = rig.make_target()
    body = json.dumps({"arn": rig.target.arn, "name": f"upgrade-{rig.number}"}).encode()
    with urllib.request.urlopen(f"{rig.emulator.endpoint_url}/_devstack/rds/blue-green-deployment", body):
        return resource_id


def make_with_shard_group(rig: ActivityRig) -> str:
    resource_id = rig.make_target()
    rig.rds().create_db_shard_group(
        DBShardGroupIdentifier=f"shards-{rig.number}", DBClusterIdentifier=rig.target.cluster, MaxACU=16
    )
    return resource_id


GUARDED = [
    (make_without_tag, "opt-in-tag", "Target has not opted in"),
    (make_with_tag_of_another_source, "opt-in-tag", "Target has not opted in"),
    (make_protected, "deletion-protection", "Deletion protection is on"),
    (make_in_global_database, "not-replicated", "Target is replicated"),
    (make_replica, "not-replicated", "Target is replicated"),
    (make_stopped, "deletable-status", "Target cannot be deleted now"),
    (make_in_unknown_status, "deletable-status", "Target cannot be deleted now"),
    (make_with_integration, "zero-etl-integration", "Target has a zero-ETL integration"),
    (make_in_blue_green_deployment, "blue-green-deployment", "Target is in a blue/green deployment"),
    (make_with_shard_group, "shard-group", "Target has a DB shard group"),
]


@pytest.mark.parametrize(("make", "rule", "short"), GUARDED, ids=lambda case: getattr(case, "__name__", ""))
def test_a_guard_refuses_before_the_first_deletion(
    rig: ActivityRig, snapshot: SourceSnapshot, make: Callable[[ActivityRig], str], rule: str, short: str
) -> None:
    """Deletion protection of a cluster does not protect its instances."""
    text = refusal(rig, snapshot, make(rig))
    assert text.startswith(short)
    assert f"[{rule}]" in text


@pytest.mark.parametrize(("make", "rule", "short"), GUARDED, ids=lambda case: getattr(case, "__name__", ""))
def test_a_guard_refuses_at_snapshot_check_too(
    rig: ActivityRig, make: Callable[[ActivityRig], str], rule: str, short: str
) -> None:
    """Before hours of copying."""
    rig.make_source()
    snapshot = rig.make_snapshot()
    make(rig)
    source = rig.named_source(identifier=snapshot.identifier)
    with pytest.raises(Refused, match=short) as refused:
        rig.run(rig.snapshots.snapshot_check, rig.check_input(source=source))
    assert f"[{rule}]" in refused.value.fault.message


def test_a_refusal_lists_every_guard_that_refuses(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """An owner sees all reasons at once, not one a day."""
    text = refusal(rig, snapshot, rig.make_target(Tags=[], DeletionProtection=True))
    assert "(and 1 more)" in text
    assert "[opt-in-tag]" in text
    assert "[deletion-protection]" in text
    assert f"Key=aurora-restore:replaced-by,Value={rig.source.arn}" in text


def test_a_cluster_with_another_resource_id_is_not_deleted(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Only the cluster that snapshot-check saw may be deleted: one created since under its name has another resource id."""
    rig.make_target()
    assert "Another cluster has the target's name" in refusal(rig, snapshot, "cluster-SEENBEFORE")
    assert "expected no cluster" in refusal(rig, snapshot, None)


def test_a_late_attempt_after_the_restore_deletes_nothing(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """The restored cluster has another resource id."""
    step_input = rig.delete_input(snapshot, rig.make_target())
    rig.poll_until_done(rig.clusters.delete_rds, step_input)
    rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.advance_clock()
    rig.clear_calls()
    with pytest.raises(Refused, match="Another cluster has the target's name"):
        rig.run(rig.clusters.delete_rds, step_input, attempt=2)
    assert rig.calls(*DELETIONS) == []


def make_restored_target(rig: ActivityRig, operation: str | None = None) -> str:
    """Make a target that has the tag of an operation, by default this one's; returns its resource id."""
    own_tags = {
        "aurora-restore:replaced-by": rig.source.arn,
        "aurora-restore:operation": operation or rig.operation_tag,
    }
    return rig.make_target(Tags=[{"Key": key, "Value": value} for key, value in own_tags.items()])


@pytest.mark.parametrize(
    ("restored_by", "short"),
    [(None, "Restored by this operation"), ("aurora-restore/op-999999", "Restored since this operation began")],
)
def test_nothing_that_was_restored_since_the_operation_began_is_replaced(
    rig: ActivityRig, snapshot: SourceSnapshot, restored_by: str | None, short: str
) -> None:
    """Neither by a retry from the first step, nor by the reset of an older run: snapshot-check and delete-rds refuse."""
    resource_id = make_restored_target(rig, restored_by)
    with pytest.raises(Refused, match=f"{short}: "):
        source = rig.named_source(identifier=snapshot.identifier)
        check_input = rig.check_input(source=source, operation_started_at=rig.started_at)
        rig.run(rig.snapshots.snapshot_check, check_input)
    assert refusal(rig, snapshot, resource_id, operation_started_at=rig.started_at).startswith(f"{short}: ")


def test_a_cluster_from_before_the_operation_is_deleted_whatever_operation_its_tag_names(
    rig: ActivityRig, snapshot: SourceSnapshot
) -> None:
    """The operations of another trail have the same numbers."""
    resource_id = make_restored_target(rig)
    delete(rig, snapshot, resource_id, operation_started_at=rig.now)
    assert rig.calls("DeleteDBCluster")


def test_the_source_is_never_deleted(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Even tagged, and named by a request that was not checked."""
    rds = rig.rds(SOURCE_REGION)
    tag = [{"Key": "aurora-restore:replaced-by", "Value": rig.source.arn}]
    rds.add_tags_to_resource(ResourceName=rig.source.arn, Tags=tag)
    rig.target = rig.target.model_copy(update={"region": SOURCE_REGION, "cluster": rig.source.cluster})
    text = refusal(rig, snapshot, snapshot.cluster_resource_id)
    assert "[not-the-source]" in text


def test_a_renamed_source_is_recognized_by_its_resource_id(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """A source that was renamed to the target's name and tagged is still the source."""
    rds = rig.rds(SOURCE_REGION)
    tag = [{"Key": "aurora-restore:replaced-by", "Value": rig.source.arn}]
    rds.add_tags_to_resource(ResourceName=rig.source.arn, Tags=tag)
    rds.modify_db_cluster(
        DBClusterIdentifier=rig.source.cluster, NewDBClusterIdentifier=rig.target.cluster, ApplyImmediately=True
    )
    rig.advance_clock()
    rig.target = rig.target.model_copy(update={"region": SOURCE_REGION})
    assert "[not-the-source]" in refusal(rig, snapshot, snapshot.cluster_resource_id)


def test_a_renamed_source_is_recognized_by_its_snapshot(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """Also if no cluster had the source's name when the restore began: the snapshot has the resource id."""
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


def test_credentials_of_another_account_delete_nothing(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """There a cluster may have the same name: refused by account and by ARN."""
    resource_id = rig.make_target()
    rig.target = rig.target.model_copy(update={"account_id": OTHER_ACCOUNT})
    text = refusal(rig, snapshot, resource_id)
    assert f"[target-account] the credentials for the target belong to account {ACCOUNT}" in text
    assert "[target-arn]" in text


def test_a_target_missing_in_another_account_is_refused(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """That account has no target, which does not prove that it was deleted."""
    step_input = rig.delete_input(snapshot, rig.make_target())
    rig.aws = AwsClients(session_of(OTHER_ACCOUNT))
    with pytest.raises(Refused, match="Wrong AWS account"):
        rig.run(rig.clusters.delete_rds, step_input)
    assert rig.calls(*DELETIONS) == []


def test_credentials_that_change_during_the_deletion_are_refused(rig: ActivityRig, snapshot: SourceSnapshot) -> None:
    """With other credentials nobody can know that the target is gone."""
    step_input = rig.delete_input(snapshot, rig.make_target())
    rig.run(rig.clusters.delete_rds, step_input)
    trail = rig.intents
    rig.aws = AwsClients(session_of(OTHER_ACCOUNT))
    with pytest.raises(Refused, match="Wrong AWS account"):
        rig.run(ClusterActivities(rig.aws, trail).delete_rds, step_input, attempt=2)
