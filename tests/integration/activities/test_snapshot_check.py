"""snapshot-check: the right snapshot, and everything that would stop the night later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clients.aws import AwsClients
from errors import Refused, StepFailed
from models.request import MissingTarget, RequestedInstance
from models.users import DatabaseUser
from tests.integration.activities.test_check_restore_status import a_renamed_cluster
from tests.rigs.activities import (
    ACCOUNT,
    CHANGING,
    OTHER_ACCOUNT,
    SOURCE_REGION,
    TARGET_REGION,
    Night,
    session_of,
)


def check(night: Night, **more: Any) -> Any:
    return night.run(night.snapshots.snapshot_check, night.check_input(**more))


def failure(night: Night, **more: Any) -> StepFailed:
    with pytest.raises(StepFailed) as failed:
        check(night, **more)
    return failed.value


def automated(night: Night) -> str:
    """Tonight's automated snapshot of the source; returns its identifier."""
    body = {"account": ACCOUNT, "region": SOURCE_REGION, "cluster": night.source.cluster}
    identifier: str = night.control("rds/automated-snapshot", **body)["identifier"]
    night.later()
    return identifier


# The choice


def test_the_newest_automated_snapshot_is_found(night: Night) -> None:
    """Without a selector it is the newest automated one; the answer is the seed's, and says who is who."""
    night.make_source()
    resource_id = night.make_target()
    automated(night)
    newest = automated(night)
    night.make_snapshot()
    answer = check(night)
    arn = f"arn:aws:rds:{SOURCE_REGION}:{ACCOUNT}:cluster-snapshot:{newest}"
    assert (answer.details, answer.resource_arns) == (f"Found snapshot: {newest}", (arn,))
    assert answer.target_resource_id == resource_id
    assert answer.source_resource_id == answer.snapshot.cluster_resource_id
    assert answer.snapshot.engine_version == "16.6"
    assert answer.snapshot.encrypted


def test_a_look_changes_nothing(night: Night) -> None:
    """Run twice: the same answer, and no call that changes anything."""
    night.make_source()
    night.make_target()
    automated(night)
    of = night.check_input()
    night.forget_calls()
    assert night.run(night.snapshots.snapshot_check, of) == night.run(night.snapshots.snapshot_check, of)
    assert [call.operation for call in night.emulator.calls if call.operation.startswith(CHANGING)] == []


def test_an_automated_snapshot_that_is_too_old_is_refused(night: Night) -> None:
    """26 hours without a backup is a failure of the source's backups, not a snapshot to restore."""
    night.make_source()
    night.make_target()
    name = automated(night)
    night.later(timedelta(hours=27))
    error = failure(night)
    assert error.fault.short == "Snapshot too old"
    assert name in error.fault.message


def test_a_named_snapshot_may_be_old_unless_the_request_says_otherwise(night: Night) -> None:
    """Who names a snapshot means it; max_age limits it all the same."""
    night.make_source()
    night.make_target()
    name = night.make_snapshot().identifier
    night.later(timedelta(days=40))
    assert check(night, source=night.named_source(identifier=name)).snapshot.identifier == name
    strict = night.named_source(identifier=name, max_age=timedelta(days=39))
    assert failure(night, source=strict).fault.short == "Snapshot too old"


def test_a_prefix_finds_the_snapshot_of_the_day(night: Night) -> None:
    """daily-backup finds daily-backup-DATE; the day is the night's own unless the request names one."""
    night.make_source()
    night.make_target()
    today, yesterday = f"{night.now:%Y-%m-%d}", f"{night.now - timedelta(days=1):%Y-%m-%d}"
    prefix = f"daily-{night.number}"
    for day in (today, yesterday):
        night.make_snapshot(f"{prefix}-{day}")
    assert check(night, source=night.named_source(prefix=prefix)).snapshot.identifier == f"{prefix}-{today}"
    dated = night.named_source(prefix=prefix, date=(night.now - timedelta(days=1)).date())
    assert check(night, source=dated).snapshot.identifier == f"{prefix}-{yesterday}"
    tomorrow = night.named_source(prefix=prefix, date=(night.now + timedelta(days=1)).date())
    assert failure(night, source=tomorrow).fault.short == "Snapshot not found"


def test_a_snapshot_that_is_not_there_is_named(night: Night) -> None:
    """The error says what was looked for and that nothing was found."""
    night.make_source()
    night.make_target()
    error = failure(night, source=night.named_source(identifier="nowhere"))
    assert error.fault.short == "Snapshot not found"
    assert "expected an available snapshot nowhere" in error.fault.message
    assert "found none" in error.fault.message


def test_a_snapshot_of_another_cluster_is_not_taken(night: Night) -> None:
    """A snapshot whose name was mistyped into another cluster's is refused, with whose it is."""
    night.make_source()
    night.make_target()
    other = f"invoices-{night.number}"
    night._make_cluster(SOURCE_REGION, other)
    night.make_snapshot("of-another", cluster=other)
    error = failure(night, source=night.named_source(identifier="of-another"))
    assert error.fault.short == "Snapshot not found"
    assert f"of-another of cluster {other} (available)" in error.fault.message


def test_a_snapshot_that_is_not_finished_is_not_taken(night: Night) -> None:
    """The newest one that is available is taken, not one that is still being made."""
    night.make_source()
    night.make_target()
    done = automated(night)
    body = {"account": ACCOUNT, "region": SOURCE_REGION, "cluster": night.source.cluster}
    unfinished = night.control("rds/automated-snapshot", **body)["identifier"]
    assert unfinished != done
    assert check(night).snapshot.identifier == done
    night.later()
    assert check(night).snapshot.identifier == unfinished
    night.rds(SOURCE_REGION).create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=f"new-{night.number}", DBClusterIdentifier=night.source.cluster
    )
    assert "(creating)" in failure(night, source=night.named_source(identifier=f"new-{night.number}")).fault.message


def test_a_source_that_is_gone_leaves_its_snapshot(night: Night) -> None:
    """Restoring the snapshot of a cluster that was deleted is what snapshots are for."""
    night.make_source()
    night.make_target()
    name = night.make_snapshot().identifier
    night.rds(SOURCE_REGION).delete_db_cluster(DBClusterIdentifier=night.source.cluster, SkipFinalSnapshot=True)
    night.later()
    answer = check(night, source=night.named_source(identifier=name))
    assert answer.source_resource_id is None
    assert answer.snapshot.cluster_resource_id is not None


# The target


def test_a_missing_target_is_refused_unless_it_is_the_first_night(night: Night) -> None:
    """A target that is not there is most often misspelt."""
    night.make_source()
    automated(night)
    with pytest.raises(Refused, match=r"Cluster not found.*target\.missing to create"):
        check(night)
    first = night.target.model_copy(update={"missing": MissingTarget.CREATE})
    assert check(night, target=first).target_resource_id is None


def test_the_wrong_account_is_refused(night: Night) -> None:
    """Credentials of another account than the request's are told for source and target, with everything else."""
    night.make_source()
    night.make_target()
    automated(night)
    night.source = night.source.model_copy(update={"account_id": OTHER_ACCOUNT})
    with pytest.raises(Refused) as refused:
        check(night)
    assert "[source-account]" in refused.value.fault.message
    assert "[opt-in-tag]" in refused.value.fault.message
    night.target = night.target.model_copy(update={"account_id": OTHER_ACCOUNT})
    with pytest.raises(Refused, match=r"(?s)\[target-account\].*\[target-arn\]"):
        check(night)


def test_a_worker_of_another_account_finds_nothing(night: Night) -> None:
    """Another account's credentials see no snapshot of the source, and the night ends there."""
    night.make_source()
    automated(night)
    night.aws = AwsClients(session_of(OTHER_ACCOUNT))
    assert failure(night).fault.short == "Snapshot not found"


# Readiness


def ready(night: Night) -> None:
    night.make_source()
    night.make_target()
    automated(night)


def reasons(night: Night, target: dict[str, Any] | None = None, **more: Any) -> str:
    with pytest.raises(Refused) as refused:
        check(night, target=night.target.model_copy(update=target or {}), **more)
    assert night.calls("CopyDBClusterSnapshot", "DeleteDBInstance", "DeleteDBCluster") == []
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
def test_what_a_restore_needs_is_looked_up_first(night: Night, target: dict[str, Any], rule: str, what: str) -> None:
    """What is missing is refused before hours of copying."""
    ready(night)
    text = reasons(night, target)
    assert f"[{rule}]" in text
    assert what in text


def test_everything_that_is_missing_is_listed_at_once(night: Night) -> None:
    """Seven reasons are one refusal, not seven nights."""
    ready(night)
    wrong = {
        "db_subnet_group_name": "none",
        "vpc_security_group_ids": ("sg-00000000", "sg-00000001"),
        "db_cluster_parameter_group_name": "none",
        "kms_key_id": "alias/none",
        "master_user_secret_id": "none/master",
    }
    users = (DatabaseUser(name="app", secret_id="none/app"),)
    text = reasons(night, wrong, users=users)
    assert "(and 6 more)" in text
    for what in ("sg-00000000", "sg-00000001", "alias/none", "none/master", "none/app", f"region {TARGET_REGION}"):
        assert what in text


def test_a_renamed_cluster_whose_instances_have_the_names_is_in_the_way(night: Night) -> None:
    """The restore would stop at its first instance, with the old target out of the way for nothing."""
    night.make_source()
    automated(night)
    kept = a_renamed_cluster(night)
    text = reasons(night, {"missing": MissingTarget.CREATE})
    assert "Instance name is taken: " in text
    assert f"{night.target.cluster}-1 belongs to {kept}" in text


def test_an_instance_of_another_cluster_that_is_deleting_is_not_in_the_way(night: Night) -> None:
    """Its name is free long before the restore needs it."""
    night.make_source()
    automated(night)
    a_renamed_cluster(night)
    night.rds().delete_db_instance(DBInstanceIdentifier=f"{night.target.cluster}-1")
    assert check(night, target=night.target.model_copy(update={"missing": MissingTarget.CREATE})).done


def test_a_disabled_key_is_refused(night: Night) -> None:
    """A key that is there and not enabled cannot be used."""
    ready(night)
    kms = night.aws.kms(night.target, "owner")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    assert "is Disabled, expected Enabled" in reasons(night, {"kms_key_id": key})


def test_a_key_cannot_encrypt_an_unencrypted_snapshot(night: Night) -> None:
    """Aurora cannot encrypt while it copies; RDS would refuse the copy."""
    night._make_cluster(SOURCE_REGION, night.source.cluster)
    night.make_target()
    automated(night)
    assert "KMS key not possible" in reasons(night)
    assert check(night, target=night.target.model_copy(update={"kms_key_id": None})).done


def test_in_one_region_no_key_is_needed(night: Night) -> None:
    """Without a copy the snapshot's own key serves."""
    ready(night)
    assert check(night, target=night.target.model_copy(update={"kms_key_id": None}), copy_needed=False).done


def test_a_retired_engine_version_is_refused(night: Night) -> None:
    """A snapshot whose version the region no longer offers cannot be restored as it is."""
    ready(night)
    night.emulator.faults.clear()
    original = night.aws.rds(night.target, night.operation_id)
    answer: dict[str, Any] = {"DBEngineVersions": []}

    def retired(**_: Any) -> Any:
        return answer

    patched = pytest.MonkeyPatch()
    with patched.context() as patch:
        patch.setattr(original, "describe_db_engine_versions", retired)
        assert "[engine-version]" in reasons(night)


def test_a_secret_that_is_marked_for_deletion_is_refused(night: Night) -> None:
    """Secrets Manager still describes it, but nobody can read it any more."""
    ready(night)
    secret = night.make_secret("app", '{"password": "x"}')
    night.aws.secretsmanager(night.target, "owner").delete_secret(SecretId=secret, RecoveryWindowInDays=7)
    text = reasons(night, users=(DatabaseUser(name="app", secret_id=secret),))
    assert "[secret]" in text
    assert "marked for deletion" in text


@pytest.mark.parametrize("missing", ["topic_arn", "success_topic_arn"])
def test_a_night_that_could_tell_nobody_does_not_begin(night: Night, missing: str) -> None:
    """Each topic that the night may publish to is looked for, also the one of good nights alone."""
    ready(night)
    there = night.check_input().notification
    nowhere = f"{there.topic_arn}-none"
    text = reasons(night, notification=there.model_copy(update={missing: nowhere}))
    assert text.startswith("Topic not found: [topic] ")
    assert nowhere in text


def test_the_values_of_secrets_are_not_read(night: Night) -> None:
    """Whether a secret is there is asked without reading it."""
    ready(night)
    secret = night.make_secret("app", '{"password": "x"}')
    night.forget_calls()
    check(night, users=(DatabaseUser(name="app", secret_id=secret),))
    assert night.calls("GetSecretValue") == []
    assert len(night.calls("DescribeSecret")) == 1
