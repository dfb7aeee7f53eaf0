"""RestoreDBClusterFromSnapshot: a new cluster, without instances, from a snapshot in the same region.

Source: RDS API Reference, RestoreDBClusterFromSnapshot.
"""

from __future__ import annotations

from typing import Any

from devstack.aws.rds import clusters, keys, lookup
from devstack.aws.rds.engine_versions import EngineVersion, check_engine, order_of, version_for
from devstack.aws.rds.errors import Refusal
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Snapshot
from devstack.aws.rds.servers import hold
from devstack.aws.rds.state import Call


@serves("RestoreDBClusterFromSnapshot")
def restore_db_cluster_from_snapshot(call: Call) -> dict[str, Any]:
    """A cluster with the snapshot's data, master user and retention; everything else is asked for or default.

    Omitting `EngineVersion` means the engine's default version, not the snapshot's.
    """
    wanted = call.parameters
    identifier = clusters.new_identifier(call)
    clusters.check_quota(call)
    snapshot = _source(call)
    version = _version(call, snapshot)
    kms_key = _key(call, snapshot)
    cluster = clusters.new_cluster(call, identifier, version, snapshot.master_username)
    cluster.kms_key = kms_key
    cluster.port = wanted.get("Port", snapshot.port)
    cluster.backup_retention_days = clusters.retention(wanted, default=snapshot.backup_retention_days)
    cluster.settings = {**snapshot.settings, **cluster.settings}
    cluster.origin = hold(call.state, snapshot.backup)
    return clusters.bring_up(call, cluster, call.state.durations.cluster_restore)


def _source(call: Call) -> Snapshot:
    name = call.parameters["SnapshotIdentifier"]
    snapshot = lookup.usable_snapshot(call.state, call.region, name)
    if snapshot.region != call.region.name:
        raise lookup.snapshot_not_found(name)
    lookup.require_snapshot_available(snapshot)
    return snapshot


def _version(call: Call, snapshot: Snapshot) -> EngineVersion:
    engine = call.parameters["Engine"]
    check_engine(engine)
    if engine != snapshot.engine:
        raise Refusal(
            "InvalidParameterValue",
            f"The engine {engine} is not compatible with the engine {snapshot.engine} of the DB cluster snapshot.",
        )
    version = version_for(engine, call.parameters.get("EngineVersion"))
    if version.order < order_of(snapshot.engine_version):
        raise Refusal(
            "InvalidParameterCombination",
            f"The engine version {version.version} is earlier than the engine version of the DB cluster "
            f"snapshot ({snapshot.engine_version}).",
        )
    return version


def _key(call: Call, snapshot: Snapshot) -> str | None:
    wanted = call.parameters.get("KmsKeyId")
    if wanted is not None:
        return keys.key_arn(call.state, call.region, wanted)
    if snapshot.kms_key is not None and snapshot.account == call.region.account:
        return keys.key_arn(call.state, call.region, snapshot.kms_key)
    return snapshot.kms_key
