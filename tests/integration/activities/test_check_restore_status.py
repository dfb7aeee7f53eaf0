"""check-restore-status: from a bare cluster to one that can be used, one look at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from errors import Cancelled, DeadlinePassed, Refused, StepFailed
from models.operation import FinalPoll
from models.request import RequestedInstance
from tests.rigs.activities import ActivityRig

BAD_SECRETS = [
    "no JSON",
    '{"password": 12345678}',
    '{"password": ""}',
    '{"pass": "word"}',
    '["password"]',
    '{"password": "nul\\u0000nul"}',
    '{"password": "\\ud800broken"}',
]


@pytest.fixture
def resource_id(rig: ActivityRig) -> str:
    """A cluster that restore-snapshot has just made."""
    return restored(rig)


def restored(rig: ActivityRig) -> str:
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    answer: Any = rig.run(rig.clusters.restore_snapshot, rig.restore_input(snapshot))
    rig.clear_calls()
    return str(answer.cluster_resource_id)


def look(rig: ActivityRig, resource_id: str, **more: Any) -> Any:
    return rig.run(rig.restored.check_restore_status, rig.check_restore_input(resource_id, **more))


def poll_until_done(rig: ActivityRig, resource_id: str) -> Any:
    return rig.poll_until_done(rig.restored.check_restore_status, rig.check_restore_input(resource_id))


def test_cluster_writer_readers_password(rig: ActivityRig, resource_id: str) -> None:
    """In this order, each only when the one before is there; then the endpoint, with where the password is."""
    seen: list[str] = []
    for _ in range(20):
        answer = look(rig, resource_id)
        if not seen or seen[-1] != answer.details:
            seen.append(answer.details)
        if answer.done:
            break
        rig.advance_clock(timedelta(seconds=20))
    first, second = f"{rig.target.cluster}-1", f"{rig.target.cluster}-2"
    assert [step for step in seen if "master" not in step and "resetting" not in step] == [
        "cluster creating",
        f"instance {first} creating",
        f"instance {second} creating",
        "Restore completed",
    ]
    assert "setting the master password" in seen
    assert rig.changes() == [
        "CreateDBInstance staging-1",
        "CreateDBInstance staging-2",
        "ModifyDBCluster staging",
    ]
    cluster = rig.cluster()
    assert cluster is not None
    assert (answer.percent, answer.resource_arns) == (100, (rig.target.arn,))
    assert answer.endpoint.host == cluster["Endpoint"]
    assert answer.endpoint.master_user_secret_id == cluster["MasterUserSecret"]["SecretArn"]
    assert answer.endpoint.master_username == "boss"
    writers = [member["DBInstanceIdentifier"] for member in cluster["DBClusterMembers"] if member["IsClusterWriter"]]
    assert writers == [first]


def test_an_instance_is_made_as_the_request_says(rig: ActivityRig, resource_id: str) -> None:
    """Its class, its place in a failover, the operation's tag, and never open to the internet."""
    rig.target = rig.target.model_copy(update={"instances": (RequestedInstance(instance_class="db.r6g.xlarge"),)})
    poll_until_done(rig, resource_id)
    (instance,) = rig.rds().describe_db_instances(Filters=[{"Name": "db-cluster-id", "Values": [rig.target.cluster]}])[
        "DBInstances"
    ]
    assert instance["DBInstanceClass"] == "db.r6g.xlarge"
    assert instance["PubliclyAccessible"] is False
    assert instance["PromotionTier"] == 0
    assert instance["TagList"] == [{"Key": "aurora-restore:operation", "Value": rig.operation_id}]


def test_another_look_changes_nothing(rig: ActivityRig, resource_id: str) -> None:
    """Run twice: the same answer, nothing more is made."""
    done = poll_until_done(rig, resource_id)
    rig.clear_calls()
    assert look(rig, resource_id) == done
    assert rig.changes() == []


def test_the_password_of_a_secret_of_ones_own_is_set_once(rig: ActivityRig) -> None:
    """The secret's password replaces the source's, once an operation."""
    secret = rig.make_secret("master", '{"password": "correct-horse"}')
    rig.target = rig.target.model_copy(update={"master_user_secret_id": secret})
    answer = poll_until_done(rig, restored(rig))
    assert answer.endpoint.master_user_secret_id == secret
    assert [call.parameters["MasterUserPassword"] for call in rig.calls("ModifyDBCluster")] == ["***"]
    cluster = rig.cluster()
    assert cluster is not None
    assert {"Key": "aurora-restore:master-password-set-by", "Value": rig.operation_id} in cluster["TagList"]
    assert "MasterUserSecret" not in cluster


@pytest.mark.parametrize("value", BAD_SECRETS)
def test_a_master_secret_that_is_none_ends_the_night(rig: ActivityRig, value: str) -> None:
    """A secret without a usable password is an operator's business, and nothing of it is told."""
    secret = rig.make_secret("master", value)
    rig.target = rig.target.model_copy(update={"master_user_secret_id": secret})
    with pytest.raises(StepFailed, match="Secret not usable") as failed:
        poll_until_done(rig, restored(rig))
    assert "12345678" not in str(failed.value)
    assert failed.value.__context__ is None


def test_an_impaired_secret_ends_the_night(rig: ActivityRig, resource_id: str) -> None:
    """RDS cannot set a password whose secret is impaired."""
    rds = rig.aws.rds(rig.target, rig.operation_id)
    poll_until_done(rig, resource_id)
    original = rds.describe_db_clusters

    def impaired(**arguments: Any) -> Any:
        answer = original(**arguments)
        answer["DBClusters"][0]["MasterUserSecret"]["SecretStatus"] = "impaired"
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rds, "describe_db_clusters", impaired)
        with pytest.raises(StepFailed, match="Master password not set"):
            look(rig, resource_id)


@pytest.mark.parametrize(
    "status", ["incompatible-restore", "restore-error", "insufficient-capacity", "stopped", "deleting"]
)
def test_a_cluster_that_ended_badly_ends_the_wait(rig: ActivityRig, resource_id: str, status: str) -> None:
    """From these states no restored cluster comes up by itself."""
    rig.force_status(rig.target.arn, status)
    with pytest.raises(StepFailed, match=f"Restore failed.* is {status}"):
        look(rig, resource_id)


@pytest.mark.parametrize("status", ["failed", "incompatible-network", "storage-full"])
def test_an_instance_that_ended_badly_ends_the_wait(rig: ActivityRig, resource_id: str, status: str) -> None:
    """Also a reader: the night promises all of its instances."""
    poll_until_done(rig, resource_id)
    reader = f"{rig.target.cluster}-2"
    rig.force_status(f"arn:aws:rds:{rig.target.region}:{rig.target.account_id}:db:{reader}", status)
    with pytest.raises(StepFailed, match=f"the instance {reader} is {status}"):
        look(rig, resource_id)


def test_an_unknown_status_is_waited_on_and_warned_of(rig: ActivityRig, resource_id: str) -> None:
    """What nobody has heard of is never taken for success."""
    rig.force_status(rig.target.arn, "pondering")
    answer = look(rig, resource_id)
    assert not answer.done
    assert answer.warnings == ("The cluster has the status pondering, which the pipeline does not know.",)
    assert rig.changes() == []


def test_a_cluster_may_be_invisible_for_some_minutes(rig: ActivityRig) -> None:
    """NotFound just after the restore is forgiven; later, or once it was seen, it is real."""
    early = look(rig, "cluster-X", step_started_at=rig.now - timedelta(minutes=4))
    assert (early.done, early.details) == (False, "not visible yet")
    with pytest.raises(StepFailed, match="Restored cluster not found"):
        look(rig, "cluster-X", step_started_at=rig.now - timedelta(minutes=6))
    with pytest.raises(StepFailed, match="Restored cluster not found"):
        look(rig, "cluster-X", step_started_at=rig.now, resource_seen=True)


def test_another_cluster_is_left_alone(rig: ActivityRig) -> None:
    """No instance is made in, and no password set on, a cluster that this operation did not restore."""
    rig.make_target(instances=0)
    rig.clear_calls()
    with pytest.raises(Refused, match="Another cluster has the target's name"):
        look(rig, "cluster-OURS")
    assert rig.changes() == []


@pytest.mark.parametrize("operation", ["CreateDBInstance", "ModifyDBCluster"])
def test_a_busy_cluster_is_asked_again(rig: ActivityRig, resource_id: str, operation: str) -> None:
    """InvalidDBClusterStateFault is a cluster that is busy, most often with its own backup."""
    rig.emulator.faults.add("rds", operation, "error", code="InvalidDBClusterStateFault")
    assert poll_until_done(rig, resource_id).done
    assert len(rig.instances()) == 2


def test_an_instance_quota_ends_the_night(rig: ActivityRig, resource_id: str) -> None:
    """It does not clear itself."""
    rig.emulator.faults.add("rds", "CreateDBInstance", "error", code="InstanceQuotaExceeded")
    with pytest.raises(StepFailed, match="Instance quota exceeded"):
        poll_until_done(rig, resource_id)


@pytest.mark.parametrize(
    ("final_poll", "error"), [(FinalPoll.DEADLINE, DeadlinePassed), (FinalPoll.CANCELLED, Cancelled)]
)
def test_the_last_look_says_how_far_the_restore_was(
    rig: ActivityRig, resource_id: str, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """The end of the wait tells what is missing."""
    with pytest.raises(error, match=r"(?i)restore at: cluster creating"):
        look(rig, resource_id, final_poll=final_poll)


def a_renamed_cluster(rig: ActivityRig) -> str:
    """Somebody renamed the target to keep it, and its instances have their names still; returns its new name."""
    rig.make_target(instances=1)
    kept = f"{rig.target.cluster}-kept"
    rig.rds().modify_db_cluster(
        DBClusterIdentifier=rig.target.cluster, NewDBClusterIdentifier=kept, ApplyImmediately=True
    )
    rig.advance_clock()
    return kept


def test_an_instance_of_another_cluster_has_the_name(rig: ActivityRig) -> None:
    """It is not waited for: no look would ever find it in the restored cluster."""
    kept = a_renamed_cluster(rig)
    resource_id = restored(rig)
    rig.advance_clock()
    with pytest.raises(StepFailed, match=f"Instance name is taken.*{rig.target.cluster}-1 belongs to {kept}"):
        look(rig, resource_id)


def test_an_instance_of_another_cluster_that_is_deleting_is_waited_for(rig: ActivityRig) -> None:
    """Its name is free within minutes, and its owner has done already what the error would ask for."""
    kept = a_renamed_cluster(rig)
    resource_id = restored(rig)
    rig.advance_clock()
    name = f"{rig.target.cluster}-1"
    rig.rds().delete_db_instance(DBInstanceIdentifier=name)
    answer = look(rig, resource_id)
    assert (answer.done, answer.details) == (
        False,
        f"instance {name} not created yet: one of that name is still being deleted",
    )
    assert poll_until_done(rig, resource_id).done
    assert name in rig.instances()
    (cluster,) = rig.rds().describe_db_clusters(DBClusterIdentifier=kept)["DBClusters"]
    assert cluster["DBClusterMembers"] == []


def test_an_instance_that_rds_does_not_make_is_not_said_to_be_creating(rig: ActivityRig, resource_id: str) -> None:
    """No capacity in the zone: waited for, and said."""
    rig.advance_clock()
    rig.emulator.faults.add("rds", "CreateDBInstance", "error", code="InsufficientDBInstanceCapacity", status=400)
    answer = look(rig, resource_id)
    assert answer.details == f"instance {rig.target.cluster}-1 not created yet: Insufficient capacity"
    assert look(rig, resource_id).details == f"instance {rig.target.cluster}-1 creating"
