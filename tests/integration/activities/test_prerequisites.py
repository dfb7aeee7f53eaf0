"""snapshot-check refuses everything that would stop the restore later."""

from __future__ import annotations

from typing import Any

import pytest

from devstack.aws.rds import engine_versions
from errors import Refused
from models.request import MissingTarget, RequestedInstance
from models.users import DatabaseUser
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ACCOUNT, SOURCE_REGION, TARGET_REGION


def check(rig: ActivityRig, **more: Any) -> Any:
    return rig.run(rig.snapshots.snapshot_check, rig.check_input(**more))


def make_automated_snapshot(rig: ActivityRig) -> str:
    """Make an automated snapshot of the source; returns its identifier."""
    body = {"account": ACCOUNT, "region": SOURCE_REGION, "cluster": rig.source.cluster}
    identifier: str = rig.control("rds/automated-snapshot", **body)["identifier"]
    rig.advance_clock()
    return identifier


def make_source_and_target(rig: ActivityRig) -> None:
    rig.make_source()
    rig.make_target()
    make_automated_snapshot(rig)


def reasons(rig: ActivityRig, target: dict[str, Any] | None = None, **more: Any) -> str:
    with pytest.raises(Refused) as refused:
        check(rig, target=rig.target.model_copy(update=target or {}), **more)
    assert rig.calls("CopyDBClusterSnapshot", "DeleteDBInstance", "DeleteDBCluster") == []
    return f"{refused.value.fault.short}: {refused.value.fault.message}"


@pytest.mark.parametrize(
    ("target", "rule", "expected"),
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
def test_a_missing_prerequisite_is_refused(rig: ActivityRig, target: dict[str, Any], rule: str, expected: str) -> None:
    """Before hours of copying."""
    make_source_and_target(rig)
    text = reasons(rig, target)
    assert f"[{rule}]" in text
    assert expected in text


def test_all_missing_prerequisites_are_listed_in_one_refusal(rig: ActivityRig) -> None:
    """Seven reasons are one refusal, not seven restores."""
    make_source_and_target(rig)
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
    for missing in ("sg-00000000", "sg-00000001", "alias/none", "none/master", "none/app", f"region {TARGET_REGION}"):
        assert missing in text


def test_an_instance_name_used_by_a_renamed_cluster_is_refused(rig: ActivityRig) -> None:
    """The restore would fail at its first instance, with the old target already deleted."""
    rig.make_source()
    make_automated_snapshot(rig)
    new_name = rig.make_renamed_target()
    text = reasons(rig, {"missing": MissingTarget.CREATE})
    assert "Instance name is taken: " in text
    assert f"{rig.target.cluster}-1 belongs to {new_name}" in text


def test_an_instance_name_that_is_being_freed_is_not_refused(rig: ActivityRig) -> None:
    """It is free long before the restore needs it."""
    rig.make_source()
    make_automated_snapshot(rig)
    rig.make_renamed_target()
    rig.rds().delete_db_instance(DBInstanceIdentifier=f"{rig.target.cluster}-1")
    assert check(rig, target=rig.target.model_copy(update={"missing": MissingTarget.CREATE})).done


def test_a_disabled_key_is_refused(rig: ActivityRig) -> None:
    """A key that exists but is not enabled cannot be used."""
    make_source_and_target(rig)
    kms = rig.aws.kms(rig.target, "owner")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    assert "is Disabled, expected Enabled" in reasons(rig, {"kms_key_id": key})


def test_an_encrypted_target_is_not_replaced_by_an_unencrypted_one(rig: ActivityRig) -> None:
    """With a key Aurora encrypts at restore; without one the restore is refused, unless the request asks for it by name."""
    rig.make_cluster(SOURCE_REGION, rig.source.cluster)
    rig.make_target()
    make_automated_snapshot(rig)
    assert check(rig).done
    bare = rig.target.model_copy(update={"kms_key_id": None, "storage_encrypted": True})
    assert "Target would become unencrypted" in reasons(rig, {"kms_key_id": None, "storage_encrypted": True})
    assert check(rig, target=bare.model_copy(update={"storage_encrypted": False})).done


def test_in_one_region_no_key_is_needed(rig: ActivityRig) -> None:
    """Without a copy the snapshot's own key is used."""
    make_source_and_target(rig)
    assert check(rig, target=rig.target.model_copy(update={"kms_key_id": None}), copy_needed=False).done


@pytest.mark.parametrize(
    ("version", "refusal"),
    [
        ("16.8", None),
        ("17.4", None),
        (
            "15.4",
            "target.engine_version is 15.4, but RDS upgrades aurora-postgresql 16.6, the snapshot's version, to 16.8",
        ),
        ("99.1", "target.engine_version is 99.1, but RDS upgrades aurora-postgresql 16.6"),
    ],
)
def test_an_engine_version_must_be_an_upgrade_of_the_snapshots(
    rig: ActivityRig, version: str, refusal: str | None
) -> None:
    """RDS restores into no earlier version, and into none that it does not upgrade the snapshot's to."""
    make_source_and_target(rig)
    target = {"engine_version": version}
    if refusal is None:
        assert check(rig, target=rig.target.model_copy(update=target)).done
    else:
        assert refusal in reasons(rig, target)


def test_a_retired_version_is_restored_with_an_upgrade(rig: ActivityRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """RDS lists a version that it no longer offers only with IncludeAll; without an upgrade the refusal names them."""
    make_source_and_target(rig)
    retired = engine_versions.EngineVersion("aurora-postgresql", "16.6", retired=True)
    offered = [version for version in engine_versions.VERSIONS if version.version != "16.6"]
    monkeypatch.setattr(engine_versions, "VERSIONS", offered)
    monkeypatch.setattr(engine_versions, "RETIRED", [retired])
    assert "does not offer aurora-postgresql 16.6" in (text := reasons(rig))
    assert "set target.engine_version to one that RDS upgrades it to: 16.8, 16.9, 17.4" in text
    assert check(rig, target=rig.target.model_copy(update={"engine_version": "16.8"})).done


def test_a_retired_engine_version_is_refused(rig: ActivityRig) -> None:
    """A snapshot whose version the region no longer offers cannot be restored as it is."""
    make_source_and_target(rig)
    rig.emulator.faults.clear()
    original = rig.aws.rds(rig.target, rig.operation_id)
    outcome: dict[str, Any] = {"DBEngineVersions": []}

    def retired(**_: Any) -> Any:
        return outcome

    patched = pytest.MonkeyPatch()
    with patched.context() as patch:
        patch.setattr(original, "describe_db_engine_versions", retired)
        assert "[engine-version]" in reasons(rig)


def test_a_secret_that_is_marked_for_deletion_is_refused(rig: ActivityRig) -> None:
    """Secrets Manager still describes it, but nobody can read it any more."""
    make_source_and_target(rig)
    secret = rig.make_secret("app", '{"password": "x"}')
    rig.aws.secretsmanager(rig.target, "owner").delete_secret(SecretId=secret, RecoveryWindowInDays=7)
    text = reasons(rig, users=(DatabaseUser(name="app", secret_id=secret),))
    assert "[secret]" in text
    assert "marked for deletion" in text


@pytest.mark.parametrize("missing", ["topic_arn", "success_topic_arn"])
def test_a_missing_topic_is_refused(rig: ActivityRig, missing: str) -> None:
    """Each topic that the restore may publish to, also the one for successes alone."""
    make_source_and_target(rig)
    notification = rig.check_input().notification
    missing_topic = f"{notification.topic_arn}-none"
    text = reasons(rig, notification=notification.model_copy(update={missing: missing_topic}))
    assert text.startswith("Topic not found: [topic] ")
    assert missing_topic in text


def test_each_secret_is_described_and_read_once_for_each_use(rig: ActivityRig) -> None:
    """The check reads what the later steps read."""
    make_source_and_target(rig)
    secret = rig.make_secret("app", '{"password": "x"}')
    rig.clear_calls()
    check(rig, users=(DatabaseUser(name="app", secret_id=secret),))
    assert [len(rig.calls(operation)) for operation in ("DescribeSecret", "GetSecretValue")] == [1, 1]
