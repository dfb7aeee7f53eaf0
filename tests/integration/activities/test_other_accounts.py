"""What snapshot-check refuses for a source in another account, and for SQL files that the worker does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.snapshots import SnapshotActivities
from clients.aws import AwsClients
from errors import Refused
from models.users import SqlFile
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import OTHER_ACCOUNT, SUBNET_GROUP, owner, session_of


@pytest.fixture
def cross_account(rig: ActivityRig) -> ActivityRig:
    """A source and its snapshot, and a subnet group for a target in another account."""
    rds = owner(rig.emulator, "rds", OTHER_ACCOUNT, rig.target.region)
    if SUBNET_GROUP not in {group["DBSubnetGroupName"] for group in rds.describe_db_subnet_groups()["DBSubnetGroups"]}:
        subnets = ["subnet-1", "subnet-2"]
        rds.create_db_subnet_group(DBSubnetGroupName=SUBNET_GROUP, DBSubnetGroupDescription="-", SubnetIds=subnets)
    rig.make_source()
    rig.make_snapshot()
    return rig


def reasons(rig: ActivityRig, identifier: str, account: str = OTHER_ACCOUNT) -> str:
    selector = rig.source.snapshot.model_copy(update={"identifier": identifier})
    source = rig.source.model_copy(update={"snapshot": selector})
    role = f"arn:aws:iam::{account}:role/target"
    target = rig.target.model_copy(update={"account_id": account, "role_arn": role, "missing": "create"})
    with pytest.raises(Refused) as refused:
        rig.run(rig.snapshots.snapshot_check, rig.check_input(source=source, target=target))
    return refused.value.message


def test_a_snapshot_that_is_not_shared_is_refused_with_the_command_to_share_it(cross_account: ActivityRig) -> None:
    """With the account to share it with; the pipeline shares nothing itself."""
    cross_account.clear_calls()
    text = reasons(cross_account, f"nightly-{cross_account.number}")
    assert "[snapshot-share]" in text
    assert f"--values-to-add {OTHER_ACCOUNT}" in text
    assert not cross_account.calls("ModifyDBClusterSnapshotAttribute")


def test_a_shared_snapshot_is_not_refused_for_sharing(cross_account: ActivityRig) -> None:
    """Once its owner has shared it."""
    rds = cross_account.rds("eu-west-1")
    rds.copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=f"nightly-{cross_account.number}",
        TargetDBClusterSnapshotIdentifier=f"own-key-{cross_account.number}",
        KmsKeyId=AwsClients(session_of(cross_account.source.account_id))
        .kms(cross_account.source, "owner")
        .create_key()["KeyMetadata"]["Arn"],
    )
    cross_account.advance_clock()
    rds.modify_db_cluster_snapshot_attribute(
        DBClusterSnapshotIdentifier=f"own-key-{cross_account.number}",
        AttributeName="restore",
        ValuesToAdd=[OTHER_ACCOUNT],
    )
    assert "[snapshot-share]" not in reasons(cross_account, f"own-key-{cross_account.number}")


def test_an_automated_snapshot_of_another_account_is_refused(cross_account: ActivityRig) -> None:
    """RDS shares no automated snapshot; the reason says to copy it to a manual one."""
    body = {
        "account": cross_account.source.account_id,
        "region": cross_account.source.region,
        "cluster": cross_account.source.cluster,
    }
    identifier = cross_account.control("rds/automated-snapshot", **body)["identifier"]
    cross_account.advance_clock()
    text = reasons(cross_account, identifier)
    assert "[snapshot-type]" in text
    assert "[snapshot-share]" not in text


def test_within_one_account_sharing_is_not_checked(cross_account: ActivityRig) -> None:
    """No call for the snapshot's attributes."""
    cross_account.make_target(Tags=[])
    cross_account.clear_calls()
    text = reasons(cross_account, f"nightly-{cross_account.number}", cross_account.source.account_id)
    assert "snapshot-share" not in text
    assert not cross_account.calls("DescribeDBClusterSnapshotAttributes")


def test_a_missing_sql_file_is_refused_before_the_copy(rig: ActivityRig, tmp_path: Path) -> None:
    """Not hours later, when the restored data could already be read."""
    rig.make_source()
    rig.make_target()
    rig.make_snapshot()
    (tmp_path / "present.sql").write_text("SELECT 1;")
    files = tuple(SqlFile(file=name, database="orders") for name in ("present.sql", "mask.sql"))
    selector = rig.source.snapshot.model_copy(update={"identifier": f"nightly-{rig.number}"})
    given = rig.check_input(source=rig.source.model_copy(update={"snapshot": selector}), sql_files=files)
    with pytest.raises(Refused) as refused:
        rig.run(SnapshotActivities(rig.aws, rig.intents, tmp_path).snapshot_check, given)
    assert "mask.sql" in refused.value.message
    assert "present.sql" not in refused.value.message


class AwsManagedKey:
    """KMS's answer for a key that AWS manages, of which moto has none."""

    def describe_key(self, KeyId: str) -> dict[str, dict[str, str]]:  # noqa: N803 - boto3's name
        return {"KeyMetadata": {"KeyId": KeyId, "KeyManager": "AWS"}}


def test_a_snapshot_under_the_default_key_is_refused(
    cross_account: ActivityRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must be copied under a key of its owner's first; the reason says so."""
    monkeypatch.setattr(AwsClients, "kms", lambda *_: AwsManagedKey())
    text = reasons(cross_account, f"nightly-{cross_account.number}")
    assert "[snapshot-key]" in text
    assert "customer-managed key" in text
