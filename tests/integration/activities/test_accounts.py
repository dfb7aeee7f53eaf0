"""Another account is reached through its role, and only through it."""

from __future__ import annotations

from typing import Any

import pytest

from errors import Refused
from tests.rigs.activities import ACCOUNT, OTHER_ACCOUNT, SOURCE_REGION, ActivityRig

ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/aurora-restore"


def test_a_role_is_assumed_for_the_operation(rig: ActivityRig) -> None:
    """Calls are made as the role's account; the session's name joins CloudTrail with the audit trail."""
    elsewhere = rig.target.model_copy(update={"role_arn": ROLE, "external_id": "door-key"})
    assert rig.aws.sts(elsewhere, rig.operation_id).get_caller_identity()["Account"] == OTHER_ACCOUNT
    (call,) = rig.calls("AssumeRole")
    assert str(call.parameters["RoleSessionName"]) in (
        f"aurora-restore-{rig.operation_id}",
        str([f"aurora-restore-{rig.operation_id}"]),
    )
    assert "door-key" in str(call.parameters["ExternalId"])


def test_source_and_target_may_be_in_two_accounts(rig: ActivityRig) -> None:
    """A snapshot that is shared with the target's account is checked, copied, restored and replaces nothing else."""
    rig.make_source(KmsKeyId=_key(rig))
    snapshot = rig.make_snapshot()
    rig.rds(SOURCE_REGION).modify_db_cluster_snapshot_attribute(
        DBClusterSnapshotIdentifier=snapshot.identifier, AttributeName="restore", ValuesToAdd=[OTHER_ACCOUNT]
    )
    ours = rig.rds()
    elsewhere = {"account_id": OTHER_ACCOUNT, "role_arn": ROLE, "kms_key_id": "alias/aws/rds"}
    rig.target = rig.target.model_copy(update=elsewhere)
    theirs: Any = rig.aws.rds(rig.target, rig.operation_id)
    answer = rig.run(rig.snapshots.copy_snapshot, rig.copy_input(snapshot))
    assert answer.snapshot_copy is not None
    assert f":{OTHER_ACCOUNT}:" in answer.snapshot_copy.arn
    (there,) = theirs.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=answer.snapshot_copy.identifier)[
        "DBClusterSnapshots"
    ]
    assert there["SourceDBClusterSnapshotArn"] == snapshot.arn
    in_ours = ours.describe_db_cluster_snapshots(DBClusterIdentifier=rig.source.cluster)["DBClusterSnapshots"]
    assert in_ours == [], "nothing was made in the source's account"


def test_a_role_of_the_wrong_account_deletes_nothing(rig: ActivityRig) -> None:
    """A role that was copied from another request leads to another account's cluster of the same name."""
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    resource_id = rig.make_target()
    rig.target = rig.target.model_copy(
        update={"role_arn": f"arn:aws:iam::{ACCOUNT}:role/x", "account_id": OTHER_ACCOUNT}
    )
    rig.clear_calls()
    with pytest.raises(Refused, match=r"\[target-account\]"):
        rig.run(rig.clusters.delete_rds, rig.delete_input(snapshot, resource_id))
    assert rig.calls("DeleteDBInstance", "DeleteDBCluster") == []


def _key(rig: ActivityRig) -> str:
    return str(rig.aws.kms(rig.source, "owner").create_key()["KeyMetadata"]["Arn"])
