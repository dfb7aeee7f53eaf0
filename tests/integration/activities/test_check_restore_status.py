"""check-restore-status: from a bare cluster to one that can be used, one look at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from errors import Cancelled, DeadlinePassed, Refused, StepFailed
from models.operation import FinalPoll
from models.request import RequestedInstance
from tests.rigs.activities import Night

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
def resource_id(night: Night) -> str:
    """A cluster that restore-snapshot has just made."""
    return restored(night)


def restored(night: Night) -> str:
    night.make_source()
    snapshot = night.make_snapshot()
    night.make_copy(snapshot)
    answer: Any = night.run(night.clusters.restore_snapshot, night.restore_input(snapshot))
    night.forget_calls()
    return str(answer.cluster_resource_id)


def look(night: Night, resource_id: str, **more: Any) -> Any:
    return night.run(night.restored.check_restore_status, night.check_restore_input(resource_id, **more))


def until_done(night: Night, resource_id: str) -> Any:
    return night.until_done(night.restored.check_restore_status, night.check_restore_input(resource_id))


def test_cluster_writer_readers_password(night: Night, resource_id: str) -> None:
    """In this order, each only when the one before is there; then the endpoint, with where the password is."""
    seen: list[str] = []
    for _ in range(20):
        answer = look(night, resource_id)
        if not seen or seen[-1] != answer.details:
            seen.append(answer.details)
        if answer.done:
            break
        night.later(timedelta(seconds=20))
    first, second = f"{night.target.cluster}-1", f"{night.target.cluster}-2"
    assert [step for step in seen if "master" not in step and "resetting" not in step] == [
        "cluster creating",
        f"instance {first} creating",
        f"instance {second} creating",
        "Restore completed",
    ]
    assert "setting the master password" in seen
    assert night.changes() == [
        "CreateDBInstance staging-1",
        "CreateDBInstance staging-2",
        "ModifyDBCluster staging",
    ]
    cluster = night.cluster()
    assert cluster is not None
    assert (answer.percent, answer.resource_arns) == (100, (night.target.arn,))
    assert answer.endpoint.host == cluster["Endpoint"]
    assert answer.endpoint.master_user_secret_id == cluster["MasterUserSecret"]["SecretArn"]
    assert answer.endpoint.master_username == "boss"
    writers = [member["DBInstanceIdentifier"] for member in cluster["DBClusterMembers"] if member["IsClusterWriter"]]
    assert writers == [first]


def test_an_instance_is_made_as_the_request_says(night: Night, resource_id: str) -> None:
    """Its class, its place in a failover, the operation's tag, and never open to the internet."""
    night.target = night.target.model_copy(update={"instances": (RequestedInstance(instance_class="db.r6g.xlarge"),)})
    until_done(night, resource_id)
    (instance,) = night.rds().describe_db_instances(
        Filters=[{"Name": "db-cluster-id", "Values": [night.target.cluster]}]
    )["DBInstances"]
    assert instance["DBInstanceClass"] == "db.r6g.xlarge"
    assert instance["PubliclyAccessible"] is False
    assert instance["PromotionTier"] == 0
    assert instance["TagList"] == [{"Key": "aurora-restore:operation", "Value": night.operation_id}]


def test_another_look_changes_nothing(night: Night, resource_id: str) -> None:
    """Run twice: the same answer, nothing more is made."""
    done = until_done(night, resource_id)
    night.forget_calls()
    assert look(night, resource_id) == done
    assert night.changes() == []


def test_the_password_of_a_secret_of_ones_own_is_set_once(night: Night) -> None:
    """The secret's password replaces the source's, once an operation."""
    secret = night.make_secret("master", '{"password": "correct-horse"}')
    night.target = night.target.model_copy(update={"master_user_secret_id": secret})
    answer = until_done(night, restored(night))
    assert answer.endpoint.master_user_secret_id == secret
    assert [call.parameters["MasterUserPassword"] for call in night.calls("ModifyDBCluster")] == ["***"]
    cluster = night.cluster()
    assert cluster is not None
    assert {"Key": "aurora-restore:master-password-set-by", "Value": night.operation_id} in cluster["TagList"]
    assert "MasterUserSecret" not in cluster


@pytest.mark.parametrize("value", BAD_SECRETS)
def test_a_master_secret_that_is_none_ends_the_night(night: Night, value: str) -> None:
    """A secret without a usable password is an operator's business, and nothing of it is told."""
    secret = night.make_secret("master", value)
    night.target = night.target.model_copy(update={"master_user_secret_id": secret})
    with pytest.raises(StepFailed, match="Secret not usable") as failed:
        until_done(night, restored(night))
    assert "12345678" not in str(failed.value)
    assert failed.value.__context__ is None


def test_an_impaired_secret_ends_the_night(night: Night, resource_id: str) -> None:
    """RDS cannot set a password whose secret is impaired."""
    rds = night.aws.rds(night.target, night.operation_id)
    until_done(night, resource_id)
    original = rds.describe_db_clusters

    def impaired(**arguments: Any) -> Any:
        answer = original(**arguments)
        answer["DBClusters"][0]["MasterUserSecret"]["SecretStatus"] = "impaired"
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rds, "describe_db_clusters", impaired)
        with pytest.raises(StepFailed, match="Master password not set"):
            look(night, resource_id)


@pytest.mark.parametrize(
    "status", ["incompatible-restore", "restore-error", "insufficient-capacity", "stopped", "deleting"]
)
def test_a_cluster_that_ended_badly_ends_the_wait(night: Night, resource_id: str, status: str) -> None:
    """From these states no restored cluster comes up by itself."""
    night.force_status(night.target.arn, status)
    with pytest.raises(StepFailed, match=f"Restore failed.* is {status}"):
        look(night, resource_id)


@pytest.mark.parametrize("status", ["failed", "incompatible-network", "storage-full"])
def test_an_instance_that_ended_badly_ends_the_wait(night: Night, resource_id: str, status: str) -> None:
    """Also a reader: the night promises all of its instances."""
    until_done(night, resource_id)
    reader = f"{night.target.cluster}-2"
    night.force_status(f"arn:aws:rds:{night.target.region}:{night.target.account_id}:db:{reader}", status)
    with pytest.raises(StepFailed, match=f"the instance {reader} is {status}"):
        look(night, resource_id)


def test_an_unknown_status_is_waited_on_and_warned_of(night: Night, resource_id: str) -> None:
    """What nobody has heard of is never taken for success."""
    night.force_status(night.target.arn, "pondering")
    answer = look(night, resource_id)
    assert not answer.done
    assert answer.warnings == ("The cluster has the status pondering, which the pipeline does not know.",)
    assert night.changes() == []


def test_a_cluster_may_be_invisible_for_some_minutes(night: Night) -> None:
    """NotFound just after the restore is forgiven; later, or once it was seen, it is real."""
    early = look(night, "cluster-X", step_started_at=night.now - timedelta(minutes=4))
    assert (early.done, early.details) == (False, "not to be seen yet")
    with pytest.raises(StepFailed, match="Restored cluster not found"):
        look(night, "cluster-X", step_started_at=night.now - timedelta(minutes=6))
    with pytest.raises(StepFailed, match="Restored cluster not found"):
        look(night, "cluster-X", step_started_at=night.now, resource_seen=True)


def test_another_cluster_is_left_alone(night: Night) -> None:
    """No instance is made in, and no password set on, a cluster that this operation did not restore."""
    night.make_target(instances=0)
    night.forget_calls()
    with pytest.raises(Refused, match="Another cluster has the target's name"):
        look(night, "cluster-OURS")
    assert night.changes() == []


@pytest.mark.parametrize("operation", ["CreateDBInstance", "ModifyDBCluster"])
def test_a_busy_cluster_is_asked_again(night: Night, resource_id: str, operation: str) -> None:
    """InvalidDBClusterStateFault is a cluster that is busy, most often with its own backup."""
    night.emulator.faults.add("rds", operation, "error", code="InvalidDBClusterStateFault")
    assert until_done(night, resource_id).done
    assert len(night.instances()) == 2


def test_an_instance_quota_ends_the_night(night: Night, resource_id: str) -> None:
    """It does not clear itself."""
    night.emulator.faults.add("rds", "CreateDBInstance", "error", code="InstanceQuotaExceeded")
    with pytest.raises(StepFailed, match="Instance quota exceeded"):
        until_done(night, resource_id)


@pytest.mark.parametrize(
    ("final_poll", "error"), [(FinalPoll.DEADLINE, DeadlinePassed), (FinalPoll.CANCELLED, Cancelled)]
)
def test_the_last_look_says_how_far_the_restore_was(
    night: Night, resource_id: str, final_poll: FinalPoll, error: type[Exception]
) -> None:
    """The end of the wait tells what is missing."""
    with pytest.raises(error, match=r"(?i)restore at: cluster creating"):
        look(night, resource_id, final_poll=final_poll)


def a_renamed_cluster(night: Night) -> str:
    """Somebody renamed the target to keep it, and its instances have their names still; returns its new name."""
    night.make_target(instances=1)
    kept = f"{night.target.cluster}-kept"
    night.rds().modify_db_cluster(
        DBClusterIdentifier=night.target.cluster, NewDBClusterIdentifier=kept, ApplyImmediately=True
    )
    night.later()
    return kept


def test_an_instance_of_another_cluster_has_the_name(night: Night) -> None:
    """It is not waited for: no look would ever find it in the restored cluster."""
    kept = a_renamed_cluster(night)
    resource_id = restored(night)
    night.later()
    with pytest.raises(StepFailed, match=f"Instance name is taken.*{night.target.cluster}-1 belongs to {kept}"):
        look(night, resource_id)


def test_an_instance_of_another_cluster_that_is_deleting_is_waited_for(night: Night) -> None:
    """Its name is free within minutes, and its owner has done already what the error would ask for."""
    kept = a_renamed_cluster(night)
    resource_id = restored(night)
    night.later()
    name = f"{night.target.cluster}-1"
    night.rds().delete_db_instance(DBInstanceIdentifier=name)
    answer = look(night, resource_id)
    assert (answer.done, answer.details) == (
        False,
        f"instance {name} not made yet: one of that name is still being deleted",
    )
    assert until_done(night, resource_id).done
    assert name in night.instances()
    (cluster,) = night.rds().describe_db_clusters(DBClusterIdentifier=kept)["DBClusters"]
    assert cluster["DBClusterMembers"] == []


def test_an_instance_that_rds_does_not_make_is_not_said_to_be_creating(night: Night, resource_id: str) -> None:
    """No capacity in the zone: waited for, and said."""
    night.later()
    night.emulator.faults.add("rds", "CreateDBInstance", "error", code="InsufficientDBInstanceCapacity", status=400)
    answer = look(night, resource_id)
    assert answer.details == f"instance {night.target.cluster}-1 not made yet: Insufficient capacity"
    assert look(night, resource_id).details == f"instance {night.target.cluster}-1 creating"
