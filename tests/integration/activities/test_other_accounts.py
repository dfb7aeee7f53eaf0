"""What a night says of a source in another account, and of SQL files that the worker does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.snapshots import SnapshotActivities
from clients.aws import AwsClients
from errors import Refused
from models.users import SqlFile
from tests.rigs.activities import OTHER_ACCOUNT, ActivityRig, session_of


@pytest.fixture
def apart(rig: ActivityRig) -> ActivityRig:
    """A source and its snapshot, and a request whose target is in another account."""
    rig.make_source()
    rig.make_snapshot()
    return rig


def reasons(rig: ActivityRig, identifier: str, account: str = OTHER_ACCOUNT) -> str:
    selector = rig.source.snapshot.model_copy(update={"identifier": identifier})
    source = rig.source.model_copy(update={"snapshot": selector})
    target = rig.target.model_copy(update={"account_id": account, "missing": "create"})
    with pytest.raises(Refused) as refused:
        rig.run(rig.snapshots.snapshot_check, rig.check_input(source=source, target=target))
    return refused.value.message


def test_a_snapshot_that_is_not_shared_says_how_to_share_it(apart: ActivityRig) -> None:
    """Its owner gets the very command, with the account to share with; nothing is shared by us."""
    apart.clear_calls()
    text = reasons(apart, f"nightly-{apart.number}")
    assert "[snapshot-share]" in text
    assert f"--values-to-add {OTHER_ACCOUNT}" in text
    assert not apart.calls("ModifyDBClusterSnapshotAttribute")


def test_a_shared_snapshot_is_not_complained_of(apart: ActivityRig) -> None:
    """Once its owner has shared it, that reason is gone."""
    rds = apart.rds("eu-west-1")
    rds.copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=f"nightly-{apart.number}",
        TargetDBClusterSnapshotIdentifier=f"own-key-{apart.number}",
        KmsKeyId=AwsClients(session_of(apart.source.account_id))
        .kms(apart.source, "owner")
        .create_key()["KeyMetadata"]["Arn"],
    )
    apart.advance_clock()
    rds.modify_db_cluster_snapshot_attribute(
        DBClusterSnapshotIdentifier=f"own-key-{apart.number}", AttributeName="restore", ValuesToAdd=[OTHER_ACCOUNT]
    )
    assert "[snapshot-share]" not in reasons(apart, f"own-key-{apart.number}")


def test_an_automated_snapshot_cannot_be_shared(apart: ActivityRig) -> None:
    """RDS shares no automated snapshot; the reason says to copy it to a manual one."""
    body = {"account": apart.source.account_id, "region": apart.source.region, "cluster": apart.source.cluster}
    identifier = apart.control("rds/automated-snapshot", **body)["identifier"]
    apart.advance_clock()
    text = reasons(apart, identifier)
    assert "[snapshot-type]" in text
    assert "[snapshot-share]" not in text


def test_in_one_account_nothing_is_asked_of_sharing(apart: ActivityRig) -> None:
    """A night within one account asks for no attributes of the snapshot."""
    apart.make_target(Tags=[])
    apart.clear_calls()
    text = reasons(apart, f"nightly-{apart.number}", apart.source.account_id)
    assert "snapshot-share" not in text
    assert not apart.calls("DescribeDBClusterSnapshotAttributes")


def test_an_sql_file_that_the_worker_does_not_have_is_refused_at_once(rig: ActivityRig, tmp_path: Path) -> None:
    """A masking file that is not there is told before hours of copying, not when the copy is open to be read."""
    rig.make_source()
    rig.make_target()
    rig.make_snapshot()
    (tmp_path / "there.sql").write_text("SELECT 1;")
    files = tuple(SqlFile(file=name, database="orders") for name in ("there.sql", "mask.sql"))
    selector = rig.source.snapshot.model_copy(update={"identifier": f"nightly-{rig.number}"})
    given = rig.check_input(source=rig.source.model_copy(update={"snapshot": selector}), sql_files=files)
    with pytest.raises(Refused) as refused:
        rig.run(SnapshotActivities(rig.aws, rig.intents, tmp_path).snapshot_check, given)
    assert "mask.sql" in refused.value.message
    assert "there.sql" not in refused.value.message


class KeyOfAws:
    """KMS as it answers for a key that AWS manages, of which moto knows none."""

    def describe_key(self, KeyId: str) -> dict[str, dict[str, str]]:  # noqa: N803 - boto3's name
        return {"KeyMetadata": {"KeyId": KeyId, "KeyManager": "AWS"}}


def test_the_default_key_of_rds_cannot_be_shared(apart: ActivityRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot under aws/rds must be copied under a key of its owner's first; the reason says so."""
    monkeypatch.setattr(AwsClients, "kms", lambda *_: KeyOfAws())
    text = reasons(apart, f"nightly-{apart.number}")
    assert "[snapshot-key]" in text
    assert "customer-managed key" in text
