"""The code of the function in shareable-snapshots.yaml: copies the newest automated snapshot, shares, prunes.

A pass does what is missing and waits for nothing, so that it may run at any time, and twice.
"""

import os
import re
from typing import Any

import boto3

TAG = "aurora-restore:shareable-of"


def handler(event: Any, _context: object = None) -> None:
    """One pass; `event` is EventBridge's, whose time names the copy's day (UTC)."""
    cluster, prefix, account, key, keep = (os.environ[name] for name in ("CLUSTER", "PREFIX", "ACCOUNT", "KEY", "KEEP"))
    rds: Any = boto3.client("rds")
    name = f"{prefix}-{event['time'][:10]}"

    def snapshots(kind: str) -> list[Any]:
        """The oldest first; those that are being made have no time yet."""
        pages = rds.get_paginator("describe_db_cluster_snapshots").paginate(
            DBClusterIdentifier=cluster, SnapshotType=kind
        )
        found = [each for page in pages for each in page["DBClusterSnapshots"]]
        return sorted(found, key=lambda each: str(each.get("SnapshotCreateTime", "~")))

    def own() -> list[Any]:
        # By name too: somebody's copy of a copy may have its tags.
        tag, form = {"Key": TAG, "Value": cluster}, re.compile(re.escape(prefix) + r"-\d{4}-\d\d-\d\d")
        tagged = [each for each in snapshots("manual") if tag in each.get("TagList", [])]
        return [each for each in tagged if form.fullmatch(each["DBClusterSnapshotIdentifier"])]

    for each in own():
        if each["Status"] == "failed":
            rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=each["DBClusterSnapshotIdentifier"])
    copies = [each for each in own() if each["Status"] not in ("failed", "deleting")]
    done = [each for each in snapshots("automated") if each["Status"] == "available"]
    is_new = done and done[-1]["DBClusterSnapshotArn"] not in [
        each.get("SourceDBClusterSnapshotArn") for each in copies
    ]
    if is_new and name not in [each["DBClusterSnapshotIdentifier"] for each in copies]:
        encryption = {"KmsKeyId": key} if done[-1]["StorageEncrypted"] else {}
        rds.copy_db_cluster_snapshot(
            SourceDBClusterSnapshotIdentifier=done[-1]["DBClusterSnapshotArn"],
            TargetDBClusterSnapshotIdentifier=name,
            Tags=[{"Key": TAG, "Value": cluster}],
            **encryption,
        )
    available = [each["DBClusterSnapshotIdentifier"] for each in copies if each["Status"] == "available"]
    for identifier in available[-int(keep) :]:
        rds.modify_db_cluster_snapshot_attribute(
            DBClusterSnapshotIdentifier=identifier, AttributeName="restore", ValuesToAdd=[account]
        )
    for identifier in available[: -int(keep)]:
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=identifier)
