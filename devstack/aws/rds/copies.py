"""CopyDBClusterSnapshot: called in the target region, with the source's ARN if the source is in another one.

Source: RDS API Reference, CopyDBClusterSnapshot; Aurora User Guide, "Copying a DB cluster snapshot".
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from devstack.aws.rds import keys, lookup, requests, responses
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Snapshot, Tags
from devstack.aws.rds.servers import retain_backup
from devstack.aws.rds.snapshots import complete_after, new_snapshot_identifier
from devstack.aws.rds.state import Call, Region


@serves(
    "CopyDBClusterSnapshot",
    models="CopyTags KmsKeyId SourceDBClusterSnapshotIdentifier Tags TargetDBClusterSnapshotIdentifier",
)
def copy_db_cluster_snapshot(call: Call) -> dict[str, Any]:
    """A manual copy that shares its source's data. As in AWS, no event reports its end."""
    source = lookup.find_usable_snapshot(call.state, call.region, call.parameters["SourceDBClusterSnapshotIdentifier"])
    identifier = new_snapshot_identifier(call, "TargetDBClusterSnapshotIdentifier")
    lookup.require_snapshot_available(source)
    if source.region != call.region.name:
        _check_copies_in_progress(call)
    kms_key = _key_of_copy(call, source)
    tags = _tags_of_copy(call, source)
    copy = _copy_of(call, source, identifier, kms_key, tags)
    call.region.snapshots[identifier] = copy
    complete_after(call.state, copy, call.state.durations.copy, message=None)
    return {"DBClusterSnapshot": responses.snapshot(call.state, copy)}


def _check_copies_in_progress(call: Call) -> None:
    limit = call.state.quotas.copies_in_progress
    if sum(_comes_from_elsewhere(each, call.region) for each in call.region.snapshots.values()) >= limit:
        raise RdsError("SnapshotQuotaExceeded", f"Cannot copy more than {limit} snapshots across regions")


def _comes_from_elsewhere(snapshot: Snapshot, region: Region) -> bool:
    source = requests.arn(snapshot.source_arn or "")
    return snapshot.status == "copying" and source is not None and source.region != region.name


def _key_of_copy(call: Call, source: Snapshot) -> str | None:
    key = call.parameters.get("KmsKeyId")
    if source.kms_key is None:
        if key is not None:
            raise RdsError(
                "InvalidParameterValue",
                "KmsKeyId cannot be specified: the source DB cluster snapshot is not encrypted, and a copy "
                "cannot be encrypted.",
            )
        return None
    if key is not None:
        return keys.key_arn(call.state, call.region, key)
    if source.region != call.region.name:
        raise RdsError("InvalidParameterValue", "Must specify new KMS key for cross region encrypted snapshot copy.")
    if source.account != call.region.account:
        raise RdsError("InvalidParameterValue", "Must specify new KMS key for a copy of an encrypted shared snapshot.")
    return source.kms_key


def _tags_of_copy(call: Call, source: Snapshot) -> Tags:
    # Tags are copied only with CopyTags, and then an `aws:` tag on the source makes the whole call fail.
    inherited = source.tags if call.parameters.get("CopyTags") else {}
    requests.refuse_reserved(inherited)
    return {**inherited, **requests.tags(call.parameters)}


def _copy_of(call: Call, source: Snapshot, identifier: str, kms_key: str | None, tags: Tags) -> Snapshot:
    return replace(
        source,
        identifier=identifier,
        arn=call.region.arn("cluster-snapshot", identifier),
        backup=retain_backup(call.state, source.backup),
        visible_from=call.now + timedelta(seconds=call.state.durations.visibility_lag),
        kind="manual",
        status="copying",
        kms_key=kms_key,
        source_arn=source.arn,
        shared_with=[],
        tags=tags,
        settings=dict(source.settings),
    )
