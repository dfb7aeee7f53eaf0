"""Share manual snapshots with other accounts.

Source: RDS API Reference, ModifyDBClusterSnapshotAttribute; Aurora User Guide, "Sharing a DB cluster
snapshot".
"""

from __future__ import annotations

import re
from typing import Any

from devstack.aws.rds import keys, lookup
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Snapshot
from devstack.aws.rds.state import Call

MAX_ACCOUNTS = 20
"""How many accounts one snapshot can be shared with."""


@serves(
    "ModifyDBClusterSnapshotAttribute",
    models="AttributeName DBClusterSnapshotIdentifier ValuesToAdd ValuesToRemove",
)
def modify_db_cluster_snapshot_attribute(call: Call) -> dict[str, Any]:
    """Add and remove accounts that may copy or restore a manual snapshot."""
    parameters = call.parameters
    snapshot = lookup.find_snapshot(call.region, parameters["DBClusterSnapshotIdentifier"])
    if parameters["AttributeName"] != "restore":
        raise RdsError(
            "InvalidParameterValue", f"Invalid attribute name: {parameters['AttributeName']}. Must be restore."
        )
    shared_with = {*snapshot.shared_with, *parameters.get("ValuesToAdd", [])} - set(
        parameters.get("ValuesToRemove", [])
    )
    _check(call, snapshot, shared_with)
    snapshot.shared_with = sorted(shared_with)
    return _response(snapshot)


def _check(call: Call, snapshot: Snapshot, shared_with: set[str]) -> None:
    if snapshot.kind != "manual":
        raise RdsError(
            "InvalidDBClusterSnapshotStateFault",
            f"Only manual snapshots can be shared; {snapshot.identifier} is {snapshot.kind}. Copy it first.",
        )
    lookup.require_snapshot_available(snapshot)
    for account in shared_with:
        if not re.fullmatch(r"\d{12}|all", account):
            raise RdsError("InvalidParameterValue", f"Invalid account: {account}. Must be 12 digits or `all`.")
    if len(shared_with) > MAX_ACCOUNTS:
        raise RdsError(
            "SharedSnapshotQuotaExceeded", f"Cannot share a snapshot with more than {MAX_ACCOUNTS} accounts."
        )
    if shared_with and snapshot.kms_key is not None:
        _check_encrypted(call, snapshot.kms_key, shared_with)


def _check_encrypted(call: Call, kms_key: str, shared_with: set[str]) -> None:
    if "all" in shared_with:
        raise RdsError("InvalidParameterValue", "An encrypted snapshot cannot be made public.")
    if keys.is_default_key(call.state, call.region, kms_key):
        raise RdsError(
            "InvalidParameterValue",
            "Sharing snapshots encrypted with the default service key for RDS is currently not supported.",
        )


@serves("DescribeDBClusterSnapshotAttributes", models="DBClusterSnapshotIdentifier")
def describe_db_cluster_snapshot_attributes(call: Call) -> dict[str, Any]:
    """The accounts that a snapshot is shared with."""
    return _response(lookup.find_snapshot(call.region, call.parameters["DBClusterSnapshotIdentifier"]))


def _response(snapshot: Snapshot) -> dict[str, Any]:
    restore = {"AttributeName": "restore", "AttributeValues": snapshot.shared_with}
    result = {"DBClusterSnapshotIdentifier": snapshot.identifier, "DBClusterSnapshotAttributes": [restore]}
    return {"DBClusterSnapshotAttributesResult": result}
