"""Another account is reached through its role, and only through it."""

from __future__ import annotations

from typing import Any

import pytest

from errors import Refused
from tests.rigs.activities import ACCOUNT, OTHER_ACCOUNT, SOURCE_REGION, Night

ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/aurora-restore"


def test_a_role_is_assumed_for_the_operation(night: Night) -> None:
    """Calls are made as the role's account; the session's name joins CloudTrail with the audit trail."""
    elsewhere = night.target.model_copy(update={"role_arn": ROLE, "external_id": "door-key"})
    assert night.aws.sts(elsewhere, night.operation_id).get_caller_identity()["Account"] == OTHER_ACCOUNT
    (call,) = night.calls("AssumeRole")
    assert str(call.parameters["RoleSessionName"]) in (
        f"aurora-restore-{night.operation_id}",
        str([f"aurora-restore-{night.operation_id}"]),
    )
    assert "door-key" in str(call.parameters["ExternalId"])


def test_source_and_target_may_be_in_two_accounts(night: Night) -> None:
    """A snapshot that is shared with the target's account is checked, copied, restored and replaces nothing else."""
    night.make_source(KmsKeyId=_key(night))
    snapshot = night.make_snapshot()
    night.rds(SOURCE_REGION).modify_db_cluster_snapshot_attribute(
        DBClusterSnapshotIdentifier=snapshot.identifier, AttributeName="restore", ValuesToAdd=[OTHER_ACCOUNT]
    )
    ours = night.rds()
    elsewhere = {"account_id": OTHER_ACCOUNT, "role_arn": ROLE, "kms_key_id": "alias/aws/rds"}
    night.target = night.target.model_copy(update=elsewhere)
    theirs: Any = night.aws.rds(night.target, night.operation_id)
    answer = night.run(night.snapshots.copy_snapshot, night.copy_input(snapshot))
    assert answer.snapshot_copy is not None
    assert f":{OTHER_ACCOUNT}:" in answer.snapshot_copy.arn
    (there,) = theirs.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=answer.snapshot_copy.identifier)[
        "DBClusterSnapshots"
    ]
    assert there["SourceDBClusterSnapshotArn"] == snapshot.arn
    in_ours = ours.describe_db_cluster_snapshots(DBClusterIdentifier=night.source.cluster)["DBClusterSnapshots"]
    assert in_ours == [], "nothing was made in the source's account"


def test_a_role_of_the_wrong_account_deletes_nothing(night: Night) -> None:
    """A role that was copied from another request leads to another account's cluster of the same name."""
    night.make_source()
    snapshot = night.make_snapshot()
    night.make_copy(snapshot)
    resource_id = night.make_target()
    night.target = night.target.model_copy(
        update={"role_arn": f"arn:aws:iam::{ACCOUNT}:role/x", "account_id": OTHER_ACCOUNT}
    )
    night.forget_calls()
    with pytest.raises(Refused, match=r"\[target-account\]"):
        night.run(night.clusters.delete_rds, night.delete_input(snapshot, resource_id))
    assert night.calls("DeleteDBInstance", "DeleteDBCluster") == []


def _key(night: Night) -> str:
    return str(night.aws.kms(night.source, "owner").create_key()["KeyMetadata"]["Arn"])
