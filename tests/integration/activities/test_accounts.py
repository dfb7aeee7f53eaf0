"""Another account is reached through its role, and only through it."""

from __future__ import annotations

from typing import Any

import pytest

from errors import Refused
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import ACCOUNT, OTHER_ACCOUNT, SOURCE_REGION

ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/aurora-restore"


def test_a_role_is_assumed_for_the_operation(rig: ActivityRig) -> None:
    """Once for all services: calls run as the role's account, and the session's name links CloudTrail with the trail."""
    other_account = rig.target.model_copy(update={"role_arn": ROLE, "external_id": "secret-id"})
    assert rig.aws.sts(other_account, rig.operation_id).get_caller_identity()["Account"] == OTHER_ACCOUNT
    rig.aws.rds(other_account, rig.operation_id).describe_db_clusters()
    (call,) = rig.calls("AssumeRole")
    assert str(call.parameters["RoleSessionName"]) in (
        f"aurora-restore-{rig.operation_id}",
        str([f"aurora-restore-{rig.operation_id}"]),
    )
    assert "secret-id" in str(call.parameters["ExternalId"])


def test_a_shared_snapshot_is_copied_into_another_account(rig: ActivityRig) -> None:
    """The copy is in the target's account; nothing is created in the source's."""
    rig.make_source(KmsKeyId=_key(rig))
    snapshot = rig.make_snapshot()
    rig.rds(SOURCE_REGION).modify_db_cluster_snapshot_attribute(
        DBClusterSnapshotIdentifier=snapshot.identifier, AttributeName="restore", ValuesToAdd=[OTHER_ACCOUNT]
    )
    source_rds = rig.rds()
    other_account = {"account_id": OTHER_ACCOUNT, "role_arn": ROLE, "kms_key_id": "alias/aws/rds"}
    rig.target = rig.target.model_copy(update=other_account)
    target_rds: Any = rig.aws.rds(rig.target, rig.operation_id)
    outcome = rig.run(rig.snapshots.copy_snapshot, rig.copy_input(snapshot))
    assert outcome.snapshot_copy is not None
    assert f":{OTHER_ACCOUNT}:" in outcome.snapshot_copy.arn
    (copy,) = target_rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=outcome.snapshot_copy.identifier)[
        "DBClusterSnapshots"
    ]
    assert copy["SourceDBClusterSnapshotArn"] == snapshot.arn
    in_source_account = source_rds.describe_db_cluster_snapshots(DBClusterIdentifier=rig.source.cluster)[
        "DBClusterSnapshots"
    ]
    assert in_source_account == [], "nothing was created in the source's account"


def test_a_role_of_the_wrong_account_deletes_nothing(rig: ActivityRig) -> None:
    """A role copied from another request leads to another account's cluster of the same name."""
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
