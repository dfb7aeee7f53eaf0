"""DB instances: members of a cluster. The first one is the writer.

Source: RDS API Reference, CreateDBInstance, ModifyDBInstance, DeleteDBInstance.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from devstack.aws.rds import answers, events, groups, lookup, requests, servers
from devstack.aws.rds.clusters import new_resource_id
from devstack.aws.rds.engine_versions import check_class, version_for
from devstack.aws.rds.errors import Refusal
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster, Instance
from devstack.aws.rds.state import Call, Region

BELONG_TO_THE_CLUSTER = (
    "AllocatedStorage",
    "BackupRetentionPeriod",
    "DBName",
    "KmsKeyId",
    "ManageMasterUserPassword",
    "MasterUserPassword",
    "MasterUsername",
    "PreferredBackupWindow",
    "StorageEncrypted",
    "VpcSecurityGroupIds",
)
"""Parameters that an instance in a cluster cannot be given."""

STORED = (
    "AutoMinorVersionUpgrade",
    "CACertificateIdentifier",
    "CopyTagsToSnapshot",
    "DatabaseInsightsMode",
    "MonitoringInterval",
    "MonitoringRoleArn",
    "NetworkType",
    "PerformanceInsightsKMSKeyId",
    "PerformanceInsightsRetentionPeriod",
    "PreferredMaintenanceWindow",
)
"""Parameters that are stored and shown under the same name, and have no other effect."""

_DEFAULT_SETTINGS: dict[str, Any] = {
    "AutoMinorVersionUpgrade": True,
    "CACertificateIdentifier": "rds-ca-rsa2048-g1",
    "CopyTagsToSnapshot": False,
    "MonitoringInterval": 0,
    "NetworkType": "IPV4",
    "PerformanceInsightsEnabled": False,
    "PreferredMaintenanceWindow": "sun:05:00-sun:05:30",
}


@serves("CreateDBInstance")
def create_db_instance(call: Call) -> dict[str, Any]:
    """An instance in an available cluster; with the first one the database server starts."""
    identifier = _new_identifier(call, "DBInstanceIdentifier")
    cluster = _cluster_for(call)
    instance = _new_instance(call, identifier, cluster)
    call.region.instances[identifier] = instance
    cluster.members.append(identifier)
    server = servers.start(call.state, cluster)

    def available(at: datetime) -> None:
        if not servers.succeeded(server):
            instance.status = "failed"
            return
        instance.status, cluster.reachable = "available", True
        events.record(call.state, instance, at, "DB instance created", "creation")

    call.state.schedule(instance, call.state.durations.instance_create, available, ready=server.done)
    return {"DBInstance": answers.instance(call.state, instance)}


def _new_identifier(call: Call, parameter: str) -> str:
    identifier = requests.identifier(call.parameters, parameter)
    if identifier in call.region.instances:
        raise Refusal("DBInstanceAlreadyExists", f"DB instance already exists: {identifier}")
    return identifier


def _cluster_for(call: Call) -> Cluster:
    wanted = call.parameters
    if "DBClusterIdentifier" not in wanted:
        raise Refusal(
            "InvalidParameterCombination",
            "The parameter DBClusterIdentifier must be provided: the emulator has only instances in Aurora clusters.",
        )
    for name in BELONG_TO_THE_CLUSTER:
        if name in wanted:
            raise Refusal(
                "InvalidParameterCombination",
                f"The requested DB Instance will be a member of a DB Cluster. Set {name} for the DB Cluster.",
            )
    cluster = lookup.cluster_named(call.region, wanted["DBClusterIdentifier"])
    if wanted["Engine"] != cluster.engine:
        raise Refusal(
            "InvalidParameterCombination",
            f"The engine name requested for your DB instance ({wanted['Engine']}) doesn't match the engine "
            f"name of your DB cluster ({cluster.engine}).",
        )
    lookup.require_cluster_available(cluster)
    _check_class(cluster, wanted["DBInstanceClass"])
    return cluster


def _check_class(cluster: Cluster, instance_class: str) -> None:
    check_class(cluster.engine, cluster.engine_version, instance_class)
    if instance_class == "db.serverless" and cluster.scaling is None:
        raise Refusal(
            "InvalidDBClusterStateFault",
            "Set the Serverless v2 scaling configuration on the parent DB cluster before creating a "
            "Serverless v2 DB instance.",
        )


def _new_instance(call: Call, identifier: str, cluster: Cluster) -> Instance:
    wanted, region = call.parameters, call.region
    version = version_for(cluster.engine, cluster.engine_version)
    groups.subnet_group_named(region, wanted.get("DBSubnetGroupName"))
    zones = answers.availability_zones(region.name)
    return Instance(
        identifier=identifier,
        arn=region.arn("db", identifier),
        resource_id=new_resource_id("db"),
        cluster=cluster,
        instance_class=wanted["DBInstanceClass"],
        created=call.now,
        visible_from=call.now + timedelta(seconds=call.state.durations.visibility_lag),
        parameter_group=groups.parameter_group_for(region, wanted.get("DBParameterGroupName"), version),
        availability_zone=wanted.get("AvailabilityZone", zones[len(cluster.members) % len(zones)]),
        tags=requests.tags(wanted),
        publicly_accessible=wanted.get("PubliclyAccessible", False),
        promotion_tier=wanted.get("PromotionTier", 1),
        settings={**_DEFAULT_SETTINGS, **requests.chosen(wanted, STORED)},
    )


@serves("DescribeDBInstances")
def describe_db_instances(call: Call) -> dict[str, Any]:
    """Instances of the account in the region; NotFound only for an exact identifier."""
    wanted = call.parameters
    filters = requests.filters(wanted, ("db-cluster-id", "db-instance-id", "dbi-resource-id", "domain", "engine"))
    visible = [each for each in call.region.instances.values() if each.visible_from <= call.now]
    if "DBInstanceIdentifier" in wanted:
        instance = lookup.instance_named(call.region, wanted["DBInstanceIdentifier"])
        if instance not in visible:
            raise Refusal("DBInstanceNotFound", f"DBInstance {instance.identifier} not found.")
        visible = [instance]
    found = [
        each
        for each in visible
        if requests.admits(filters, "db-cluster-id", each.cluster.identifier, each.cluster.arn)
        and requests.admits(filters, "db-instance-id", each.identifier, each.arn)
        and requests.admits(filters, "dbi-resource-id", each.resource_id)
        and requests.admits(filters, "engine", each.cluster.engine)
        and requests.admits(filters, "domain", None)
    ]
    shown, marker = requests.page(wanted, found, key=lambda each: each.identifier)
    return {"DBInstances": [answers.instance(call.state, each) for each in shown], "Marker": marker}


@serves("ModifyDBInstance")
def modify_db_instance(call: Call) -> dict[str, Any]:
    """Change an instance. Without ApplyImmediately a new class or name stays pending for ever."""
    wanted = call.parameters
    instance = lookup.instance_named(call.region, wanted["DBInstanceIdentifier"])
    if instance.status != "available":
        raise Refusal("InvalidDBInstanceState", f"Instance {instance.identifier} is in {instance.status} state.")
    if "NewDBInstanceIdentifier" in wanted:
        _new_identifier(call, "NewDBInstanceIdentifier")
    if "DBInstanceClass" in wanted:
        _check_class(instance.cluster, wanted["DBInstanceClass"])
    if "DBParameterGroupName" in wanted:
        version = version_for(instance.cluster.engine, instance.cluster.engine_version)
        instance.parameter_group = groups.parameter_group_for(call.region, wanted["DBParameterGroupName"], version)
    _change_at_once(instance, wanted)
    _change_later(call, instance)
    return {"DBInstance": answers.instance(call.state, instance)}


def _change_at_once(instance: Instance, wanted: dict[str, Any]) -> None:
    instance.settings.update(requests.chosen(wanted, STORED))
    instance.promotion_tier = wanted.get("PromotionTier", instance.promotion_tier)
    instance.publicly_accessible = wanted.get("PubliclyAccessible", instance.publicly_accessible)


def _change_later(call: Call, instance: Instance) -> None:
    wanted = call.parameters
    renamed = wanted.get("NewDBInstanceIdentifier", "").lower()
    later = {"DBInstanceClass": wanted.get("DBInstanceClass"), "DBInstanceIdentifier": renamed or None}
    instance.pending.update({name: value for name, value in later.items() if value is not None})
    if not instance.pending or not wanted.get("ApplyImmediately", False):
        return
    moment = call.state.durations.instance_modify

    def begin(_: datetime) -> None:
        instance.status = "modifying"

    def finish(_: datetime) -> None:
        instance.status = "available"
        _apply_pending(call.region, instance)

    call.state.schedule(instance, moment / 4, begin)
    call.state.schedule(instance, moment, finish)


def _apply_pending(region: Region, instance: Instance) -> None:
    pending, instance.pending = instance.pending, {}
    instance.instance_class = pending.get("DBInstanceClass", instance.instance_class)
    old, new = instance.identifier, pending.get("DBInstanceIdentifier", instance.identifier)
    if new != old and new not in region.instances:
        del region.instances[old]
        region.instances[new] = instance
        instance.identifier, instance.arn = new, region.arn("db", new)
        instance.cluster.members = [new if name == old else name for name in instance.cluster.members]


@serves("DeleteDBInstance")
def delete_db_instance(call: Call) -> dict[str, Any]:
    """Delete an instance, also of a protected cluster; a reader takes over from a writer at once."""
    instance = lookup.instance_named(call.region, call.parameters["DBInstanceIdentifier"])
    cluster = instance.cluster
    if call.parameters.get("FinalDBSnapshotIdentifier"):
        raise Refusal(
            "InvalidParameterCombination",
            "FinalDBSnapshotIdentifier can not be specified when deleting a DB instance in an Aurora "
            "cluster; DeleteDBCluster takes the final snapshot.",
        )
    _check_deletable(call.region, instance, cluster)
    instance.status = "deleting"
    _promote_reader(call.region, cluster)
    call.state.cancel(instance)
    call.state.schedule(instance, call.state.durations.instance_delete, lambda at: _remove(call, instance, cluster, at))
    return {"DBInstance": answers.instance(call.state, instance)}


def _check_deletable(region: Region, instance: Instance, cluster: Cluster) -> None:
    if instance.status == "deleting":
        raise Refusal("InvalidDBInstanceState", f"Instance {instance.identifier} is already being deleted.")
    if cluster.status in ("starting", "stopped", "stopping"):
        raise Refusal("InvalidDBClusterStateFault", f"DbCluster {cluster.identifier} is in {cluster.status} state")
    last = all(region.instances[name].status == "deleting" for name in cluster.members if name != instance.identifier)
    if last and cluster.read_replicas:
        raise Refusal(
            "InvalidDBClusterStateFault",
            "Cannot delete the last instance of the master cluster. Delete the replica cluster before "
            "deleting the last master cluster instance.",
        )


def _promote_reader(region: Region, cluster: Cluster) -> None:
    """Let the best available reader take the place of a writer that goes: lowest promotion tier first."""
    if region.instances[cluster.members[0]].status != "deleting":
        return
    readers = [name for name in cluster.members if region.instances[name].status == "available"]
    if readers:
        writer = min(readers, key=lambda name: region.instances[name].promotion_tier)
        cluster.members.remove(writer)
        cluster.members.insert(0, writer)


def _remove(call: Call, instance: Instance, cluster: Cluster, at: datetime) -> None:
    del call.region.instances[instance.identifier]
    cluster.members.remove(instance.identifier)
    available = (call.region.instances[name].status == "available" for name in cluster.members)
    cluster.reachable = any(available)
    events.record(call.state, instance, at, "DB instance deleted", "deletion")
