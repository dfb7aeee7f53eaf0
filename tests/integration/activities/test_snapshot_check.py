"""snapshot-check: the right snapshot, and everything that would stop the night later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clients.aws import AwsClients
from errors import Refused, StepFailed
from models.request import MissingTarget, RequestedInstance
from models.users import DatabaseUser
from tests.integration.activities.test_check_restore_status import make_renamed_cluster
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ACCOUNT, CHANGING, OTHER_ACCOUNT, SOURCE_REGION, TARGET_REGION, session_of


def check(rig: ActivityRig, **more: Any) -> Any:
    return rig.run(rig.snapshots.snapshot_check, rig.check_input(**more))


def failure(rig: ActivityRig, **more: Any) -> StepFailed:
    with pytest.raises(StepFailed) as failed:
        check(rig, **more)
    return failed.value


def automated(rig: ActivityRig) -> str:
    """Tonight's automated snapshot of the source; returns its identifier."""
    body = {"account": ACCOUNT, "region": SOURCE_REGION, "cluster": rig.source.cluster}
    identifier: str = rig.control("rds/automated-snapshot", **body)["identifier"]
    rig.advance_clock()
    return identifier


# The choice


def test_the_newest_automated_snapshot_is_found(rig: ActivityRig) -> None:
    """Without a selector it is the newest automated one; the answer is the seed's, and says who is who."""
    rig.make_source()
    resource_id = rig.make_target()
    automated(rig)
    newest = automated(rig)
    rig.make_snapshot()
    answer = check(rig)
    arn = f"arn:aws:rds:{SOURCE_REGION}:{ACCOUNT}:cluster-snapshot:{newest}"
    assert (answer.details, answer.resource_arns) == (f"Found snapshot: {newest}", (arn,))
    assert answer.target_resource_id == resource_id
    assert answer.source_resource_id == answer.snapshot.cluster_resource_id
    assert answer.snapshot.engine_version == "16.6"
    assert answer.snapshot.encrypted


def test_a_look_changes_nothing(rig: ActivityRig) -> None:
    """Run twice: the same answer, and no call that changes anything."""
    rig.make_source()
    rig.make_target()
    automated(rig)
    of = rig.check_input()
    rig.clear_calls()
    assert rig.run(rig.snapshots.snapshot_check, of) == rig.run(rig.snapshots.snapshot_check, of)
    assert [call.operation for call in rig.emulator.calls if call.operation.startswith(CHANGING)] == []


def test_an_automated_snapshot_that_is_too_old_is_refused(rig: ActivityRig) -> None:
    """26 hours without a backup is a failure of the source's backups, not a snapshot to restore."""
    rig.make_source()
    rig.make_target()
    name = automated(rig)
    rig.advance_clock(timedelta(hours=27))
    error = failure(rig)
    assert error.fault.short == "Snapshot too old"
    assert name in error.fault.message


def test_a_named_snapshot_may_be_old_unless_the_request_says_otherwise(rig: ActivityRig) -> None:
    """Who names a snapshot means it; max_age limits it all the same."""
    rig.make_source()
    rig.make_target()
    name = rig.make_snapshot().identifier
    rig.advance_clock(timedelta(days=40))
    assert check(rig, source=rig.named_source(identifier=name)).snapshot.identifier == name
    strict = rig.named_source(identifier=name, max_age=timedelta(days=39))
    assert failure(rig, source=strict).fault.short == "Snapshot too old"


def test_a_prefix_finds_the_snapshot_of_the_day(rig: ActivityRig) -> None:
    """daily-backup finds daily-backup-DATE; the day is the night's own unless the request names one."""
    rig.make_source()
    rig.make_target()
    today, yesterday = f"{rig.now:%Y-%m-%d}", f"{rig.now - timedelta(days=1):%Y-%m-%d}"
    prefix = f"daily-{rig.number}"
    for day in (today, yesterday):
        rig.make_snapshot(f"{prefix}-{day}")
    assert check(rig, source=rig.named_source(prefix=prefix)).snapshot.identifier == f"{prefix}-{today}"
    dated = rig.named_source(prefix=prefix, date=(rig.now - timedelta(days=1)).date())
    assert check(rig, source=dated).snapshot.identifier == f"{prefix}-{yesterday}"
    tomorrow = rig.named_source(prefix=prefix, date=(rig.now + timedelta(days=1)).date())
    assert failure(rig, source=tomorrow).fault.short == "Snapshot not found"


def test_a_snapshot_that_is_not_there_is_named(rig: ActivityRig) -> None:
    """The error says what was looked for and that nothing was found."""
    rig.make_source()
    rig.make_target()
    error = failure(rig, source=rig.named_source(identifier="nowhere"))
    assert error.fault.short == "Snapshot not found"
    assert "expected an available snapshot nowhere" in error.fault.message
    assert "found none" in error.fault.message


def test_a_snapshot_of_another_cluster_is_not_taken(rig: ActivityRig) -> None:
    """A snapshot whose name was mistyped into another cluster's is refused, with whose it is."""
    rig.make_source()
    rig.make_target()
    other = f"invoices-{rig.number}"
    rig.make_cluster(SOURCE_REGION, other)
    rig.make_snapshot("of-another", cluster=other)
    error = failure(rig, source=rig.named_source(identifier="of-another"))
    assert error.fault.short == "Snapshot not found"
    assert f"of-another of cluster {other} (available)" in error.fault.message


def test_a_snapshot_that_is_not_finished_is_not_taken(rig: ActivityRig) -> None:
    """The newest one that is available is taken, not one that is still being made."""
    rig.make_source()
    rig.make_target()
    done = automated(rig)
    body = {"account": ACCOUNT, "region": SOURCE_REGION, "cluster": rig.source.cluster}
    unfinished = rig.control("rds/automated-snapshot", **body)["identifier"]
    assert unfinished != done
    assert check(rig).snapshot.identifier == done
    rig.advance_clock()
    assert check(rig).snapshot.identifier == unfinished
    rig.rds(SOURCE_REGION).create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=f"new-{rig.number}", DBClusterIdentifier=rig.source.cluster
    )
    assert "(creating)" in failure(rig, source=rig.named_source(identifier=f"new-{rig.number}")).fault.message


def test_a_source_that_is_gone_leaves_its_snapshot(rig: ActivityRig) -> None:
    """Restoring the snapshot of a cluster that was deleted is what snapshots are for."""
    rig.make_source()
    rig.make_target()
    name = rig.make_snapshot().identifier
    rig.rds(SOURCE_REGION).delete_db_cluster(DBClusterIdentifier=rig.source.cluster, SkipFinalSnapshot=True)
    rig.advance_clock()
    answer = check(rig, source=rig.named_source(identifier=name))
    assert answer.source_resource_id is None
    assert answer.snapshot.cluster_resource_id is not None


# The target


def test_a_missing_target_is_refused_unless_it_is_the_first_night(rig: ActivityRig) -> None:
    """A target that is not there is most often misspelt."""
    rig.make_source()
    automated(rig)
    with pytest.raises(Refused, match=r"Cluster not found.*target\.missing to create"):
        check(rig)
    first = rig.target.model_copy(update={"missing": MissingTarget.CREATE})
    assert check(rig, target=first).target_resource_id is None


def test_the_wrong_account_is_refused(rig: ActivityRig) -> None:
    """Credentials of another account than the request's are told for source and target, with everything else."""
    rig.make_source()
    rig.make_target()
    automated(rig)
    rig.source = rig.source.model_copy(update={"account_id": OTHER_ACCOUNT})
    with pytest.raises(Refused) as refused:
        check(rig)
    assert "[source-account]" in refused.value.fault.message
    assert "[opt-in-tag]" in refused.value.fault.message
    rig.target = rig.target.model_copy(update={"account_id": OTHER_ACCOUNT})
    with pytest.raises(Refused, match=r"(?s)\[target-account\].*\[target-arn\]"):
        check(rig)


def test_a_worker_of_another_account_finds_nothing(rig: ActivityRig) -> None:
    """Another account's credentials see no snapshot of the source, and the night ends there."""
    rig.make_source()
    automated(rig)
    rig.aws = AwsClients(session_of(OTHER_ACCOUNT))
    assert failure(rig).fault.short == "Snapshot not found"


# Readiness


def ready(rig: ActivityRig) -> None:
    rig.make_source()
    rig.make_target()
    automated(rig)


def reasons(rig: ActivityRig, target: dict[str, Any] | None = None, **more: Any) -> str:
    with pytest.raises(Refused) as refused:
        check(rig, target=rig.target.model_copy(update=target or {}), **more)
    assert rig.calls("CopyDBClusterSnapshot", "DeleteDBInstance", "DeleteDBCluster") == []
    return f"{refused.value.fault.short}: {refused.value.fault.message}"


@pytest.mark.parametrize(
    ("target", "rule", "what"),
    [
        ({"db_subnet_group_name": "none"}, "subnet-group", "Invalid VPC configuration"),
        ({"vpc_security_group_ids": ("sg-00000000",)}, "security-group", "Invalid VPC configuration"),
        ({"db_cluster_parameter_group_name": "none"}, "parameter-group", "DB cluster parameter group none"),
        (
            {"instances": (RequestedInstance(instance_class="db.r6g.large", db_parameter_group_name="none"),)},
            "parameter-group",
            "DB parameter group none",
        ),
        ({"kms_key_id": None}, "kms-key", "KMS key needed"),
        ({"kms_key_id": "alias/none"}, "kms-key", "KMS key not accessible"),
        ({"master_user_secret_id": "none"}, "secret", "Secret not found"),
    ],
)
def test_what_a_restore_needs_is_looked_up_first(
    rig: ActivityRig, target: dict[str, Any], rule: str, what: str
) -> None:
    """What is missing is refused before hours of copying."""
    ready(rig)
    text = reasons(rig, target)
    assert f"[{rule}]" in text
    assert what in text


def test_everything_that_is_missing_is_listed_at_once(rig: ActivityRig) -> None:
    """Seven reasons are one refusal, not seven nights."""
    ready(rig)
    wrong = {
        "db_subnet_group_name": "none",
        "vpc_security_group_ids": ("sg-00000000", "sg-00000001"),
        "db_cluster_parameter_group_name": "none",
        "kms_key_id": "alias/none",
        "master_user_secret_id": "none/master",
    }
    users = (DatabaseUser(name="app", secret_id="none/app"),)
    text = reasons(rig, wrong, users=users)
    assert "(and 6 more)" in text
    for what in ("sg-00000000", "sg-00000001", "alias/none", "none/master", "none/app", f"region {TARGET_REGION}"):
        assert what in text


def test_make_renamed_cluster_whose_instances_have_the_names_is_in_the_way(rig: ActivityRig) -> None:
    """The restore would stop at its first instance, with the old target out of the way for nothing."""
    rig.make_source()
    automated(rig)
    kept = make_renamed_cluster(rig)
    text = reasons(rig, {"missing": MissingTarget.CREATE})
    assert "Instance name is taken: " in text
    assert f"{rig.target.cluster}-1 belongs to {kept}" in text


def test_an_instance_of_another_cluster_that_is_deleting_is_not_in_the_way(rig: ActivityRig) -> None:
    """Its name is free long before the restore needs it."""
    rig.make_source()
    automated(rig)
    make_renamed_cluster(rig)
    rig.rds().delete_db_instance(DBInstanceIdentifier=f"{rig.target.cluster}-1")
    assert check(rig, target=rig.target.model_copy(update={"missing": MissingTarget.CREATE})).done


def test_a_disabled_key_is_refused(rig: ActivityRig) -> None:
    """A key that is there and not enabled cannot be used."""
    ready(rig)
    kms = rig.aws.kms(rig.target, "owner")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    assert "is Disabled, expected Enabled" in reasons(rig, {"kms_key_id": key})


def test_a_key_cannot_encrypt_an_unencrypted_snapshot(rig: ActivityRig) -> None:
    """Aurora cannot encrypt while it copies; RDS would refuse the copy."""
    rig.make_cluster(SOURCE_REGION, rig.source.cluster)
    rig.make_target()
    automated(rig)
    assert "KMS key not possible" in reasons(rig)
    assert check(rig, target=rig.target.model_copy(update={"kms_key_id": None})).done


def test_in_one_region_no_key_is_needed(rig: ActivityRig) -> None:
    """Without a copy the snapshot's own key serves."""
    ready(rig)
    assert check(rig, target=rig.target.model_copy(update={"kms_key_id": None}), copy_needed=False).done


def test_a_retired_engine_version_is_refused(rig: ActivityRig) -> None:
    """A snapshot whose version the region no longer offers cannot be restored as it is."""
    ready(rig)
    rig.emulator.faults.clear()
    original = rig.aws.rds(rig.target, rig.operation_id)
    answer: dict[str, Any] = {"DBEngineVersions": []}

    def retired(**_: Any) -> Any:
        return answer

    patched = pytest.MonkeyPatch()
    with patched.context() as patch:
        patch.setattr(original, "describe_db_engine_versions", retired)
        assert "[engine-version]" in reasons(rig)


def test_a_secret_that_is_marked_for_deletion_is_refused(rig: ActivityRig) -> None:
    """Secrets Manager still describes it, but nobody can read it any more."""
    ready(rig)
    secret = rig.make_secret("app", '{"password": "x"}')
    rig.aws.secretsmanager(rig.target, "owner").delete_secret(SecretId=secret, RecoveryWindowInDays=7)
    text = reasons(rig, users=(DatabaseUser(name="app", secret_id=secret),))
    assert "[secret]" in text
    assert "marked for deletion" in text


@pytest.mark.parametrize("missing", ["topic_arn", "success_topic_arn"])
def test_a_night_that_could_tell_nobody_does_not_begin(rig: ActivityRig, missing: str) -> None:
    """Each topic that the night may publish to is looked for, also the one of good nights alone."""
    ready(rig)
    there = rig.check_input().notification
    nowhere = f"{there.topic_arn}-none"
    text = reasons(rig, notification=there.model_copy(update={missing: nowhere}))
    assert text.startswith("Topic not found: [topic] ")
    assert nowhere in text


def test_the_values_of_secrets_are_not_read(rig: ActivityRig) -> None:
    """Whether a secret is there is asked without reading it."""
    ready(rig)
    secret = rig.make_secret("app", '{"password": "x"}')
    rig.clear_calls()
    check(rig, users=(DatabaseUser(name="app", secret_id=secret),))
    assert rig.calls("GetSecretValue") == []
    assert len(rig.calls("DescribeSecret")) == 1
