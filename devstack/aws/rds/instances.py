"""DB instances: the members of a cluster. The first one is the writer.

Source: RDS API Reference, CreateDBInstance, ModifyDBInstance, DeleteDBInstance.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from devstack.aws.rds import entrances, events, groups, lookup, network, renames, requests, responses, servers, settings
from devstack.aws.rds.account import check_instance_quota
from devstack.aws.rds.clusters import new_resource_id
from devstack.aws.rds.engine_versions import check_class, resolve_version
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster, Instance
from devstack.aws.rds.state import Call, Region

CLUSTER_PARAMETERS = (
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
"""Parameters that belong to the cluster and are refused for an instance."""


@serves(
    "CreateDBInstance",
    models="""
    AllocatedStorage AutoMinorVersionUpgrade AvailabilityZone BackupRetentionPeriod CACertificateIdentifier
    CopyTagsToSnapshot DBClusterIdentifier DBInstanceClass DBInstanceIdentifier DBName DBParameterGroupName
    DBSubnetGroupName EnablePerformanceInsights Engine KmsKeyId ManageMasterUserPassword MasterUserPassword
    MasterUsername MonitoringInterval MonitoringRoleArn NetworkType PerformanceInsightsKMSKeyId
    PerformanceInsightsRetentionPeriod PreferredBackupWindow PreferredMaintenanceWindow PromotionTier
    PubliclyAccessible StorageEncrypted Tags VpcSecurityGroupIds
    """,
)
def create_db_instance(call: Call) -> dict[str, Any]:
    """An instance in an available cluster; the first one starts the database server."""
    identifier = renames.new_instance_identifier(call)
    check_instance_quota(call)
    cluster = _cluster_for(call)
    instance = _new_instance(call, identifier, cluster)
    call.region.instances[identifier] = instance
    cluster.members.append(identifier)
    server = servers.start(call.state, cluster)
    certified = entrances.certify_instance(call.state, instance)

    def is_ready() -> bool:
        return server.done() and (certified is None or certified.done())

    def become_available(at: datetime) -> None:
        if not servers.succeeded(server):
            instance.status = "failed"
            return
        instance.status = "available"
        entrances.update_reachability(call.state, cluster)
        events.record(call.state, instance, at, "DB instance created", "creation")

    call.state.schedule(instance, call.state.durations.instance_create, become_available, is_ready)
    return {"DBInstance": responses.instance(call.state, instance)}


def _cluster_for(call: Call) -> Cluster:
    parameters = call.parameters
    if "DBClusterIdentifier" not in parameters:
        raise RdsError(
            "InvalidParameterCombination",
            "The parameter DBClusterIdentifier must be provided: the emulator has only instances in Aurora clusters.",
        )
    for name in CLUSTER_PARAMETERS:
        if name in parameters:
            raise RdsError(
                "InvalidParameterCombination",
                f"The requested DB Instance will be a member of a DB Cluster. Set {name} for the DB Cluster.",
            )
    cluster = lookup.find_cluster(call.region, parameters["DBClusterIdentifier"])
    if parameters["Engine"] != cluster.engine:
        raise RdsError(
            "InvalidParameterCombination",
            f"The engine name requested for your DB instance ({parameters['Engine']}) doesn't match the engine "
            f"name of your DB cluster ({cluster.engine}).",
        )
    lookup.require_cluster_available(cluster)
    _check_class(cluster, parameters["DBInstanceClass"])
    return cluster


def _check_class(cluster: Cluster, instance_class: str) -> None:
    check_class(cluster.engine, cluster.engine_version, instance_class)
    if instance_class == "db.serverless" and cluster.scaling is None:
        raise RdsError(
            "InvalidDBClusterStateFault",
            "Set the Serverless v2 scaling configuration on the parent DB cluster before creating a "
            "Serverless v2 DB instance.",
        )


def _new_instance(call: Call, identifier: str, cluster: Cluster) -> Instance:
    parameters, region = call.parameters, call.region
    version = resolve_version(cluster.engine, cluster.engine_version)
    subnet_group = groups.resolve_subnet_group(region, parameters.get("DBSubnetGroupName", cluster.subnet_group))
    if subnet_group != cluster.subnet_group:
        raise RdsError("InvalidParameterCombination", f"The cluster is in the DB subnet group {cluster.subnet_group}.")
    return Instance(
        identifier=identifier,
        arn=region.arn("db", identifier),
        resource_id=new_resource_id("db"),
        cluster=cluster,
        instance_class=parameters["DBInstanceClass"],
        created=call.now,
        visible_from=call.now + timedelta(seconds=call.state.durations.visibility_lag),
        parameter_group=groups.resolve_parameter_group(region, parameters.get("DBParameterGroupName"), version),
        availability_zone=_zone(call, cluster),
        tags=requests.tags(parameters),
        publicly_accessible=parameters.get("PubliclyAccessible", False),
        promotion_tier=parameters.get("PromotionTier", 1),
        settings=settings.of_instance(call, cluster, settings.INSTANCE_DEFAULTS),
    )


def _zone(call: Call, cluster: Cluster) -> str:
    """The zone of a new instance; one that the call does not name is in the cluster's zones in turn."""
    requested = call.parameters.get("AvailabilityZone")
    zones = network.zones_for(call.region, cluster.subnet_group, call.parameters["DBInstanceClass"], requested)
    preferred = [zone for zone in zones if zone in cluster.availability_zones] or zones
    return preferred[len(cluster.members) % len(preferred)]


@serves("DescribeDBInstances", models="DBInstanceIdentifier Filters Marker MaxRecords")
def describe_db_instances(call: Call) -> dict[str, Any]:
    """The account's instances in the region; NotFound only for an exact identifier."""
    parameters = call.parameters
    filters = requests.filters(parameters, ("db-cluster-id", "db-instance-id", "dbi-resource-id", "domain", "engine"))
    visible = [each for each in call.region.instances.values() if each.visible_from <= call.now]
    if "DBInstanceIdentifier" in parameters:
        instance = lookup.find_instance(call.region, parameters["DBInstanceIdentifier"])
        if instance not in visible:
            raise RdsError("DBInstanceNotFound", f"DBInstance {instance.identifier} not found.")
        visible = [instance]
    matching = [
        each
        for each in visible
        if requests.matches_filter(filters, "db-cluster-id", each.cluster.identifier, each.cluster.arn)
        and requests.matches_filter(filters, "db-instance-id", each.identifier, each.arn)
        and requests.matches_filter(filters, "dbi-resource-id", each.resource_id)
        and requests.matches_filter(filters, "engine", each.cluster.engine)
        and requests.matches_filter(filters, "domain", None)
    ]
    page, marker = requests.page(parameters, matching, key=lambda each: each.identifier)
    return {"DBInstances": [responses.instance(call.state, each) for each in page], "Marker": marker}


@serves(
    "ModifyDBInstance",
    models="""
    ApplyImmediately AutoMinorVersionUpgrade CACertificateIdentifier CopyTagsToSnapshot DBInstanceClass
    DBInstanceIdentifier DBParameterGroupName EnablePerformanceInsights MonitoringInterval MonitoringRoleArn
    NewDBInstanceIdentifier PerformanceInsightsKMSKeyId PerformanceInsightsRetentionPeriod PreferredMaintenanceWindow
    PromotionTier PubliclyAccessible
    """,
)
def modify_db_instance(call: Call) -> dict[str, Any]:
    """Change an instance. A new class or name stays pending until a call with ApplyImmediately."""
    parameters = call.parameters
    instance = lookup.find_instance(call.region, parameters["DBInstanceIdentifier"])
    lookup.require_instance_available(instance)
    renames.check_instance(call, instance)
    if "DBInstanceClass" in parameters:
        _check_class(instance.cluster, parameters["DBInstanceClass"])
    changed = settings.of_instance(call, instance.cluster, instance.settings)
    if "DBParameterGroupName" in parameters:
        version = resolve_version(instance.cluster.engine, instance.cluster.engine_version)
        instance.parameter_group = groups.resolve_parameter_group(
            call.region, parameters["DBParameterGroupName"], version
        )
    instance.settings = changed
    _change_at_once(instance, parameters)
    _change_later(call, instance)
    return {"DBInstance": responses.instance(call.state, instance)}


def _change_at_once(instance: Instance, parameters: Mapping[str, Any]) -> None:
    instance.promotion_tier = parameters.get("PromotionTier", instance.promotion_tier)
    instance.publicly_accessible = parameters.get("PubliclyAccessible", instance.publicly_accessible)


def _change_later(call: Call, instance: Instance) -> None:
    parameters = call.parameters
    new_name = parameters.get("NewDBInstanceIdentifier", "").lower()
    changes = {"DBInstanceClass": parameters.get("DBInstanceClass"), "DBInstanceIdentifier": new_name or None}
    instance.pending.update({name: value for name, value in changes.items() if value is not None})
    at_once = parameters.get("ApplyImmediately", False)
    if not instance.pending or not at_once:
        return
    seconds = call.state.durations.instance_modify
    if "DBInstanceIdentifier" in instance.pending:
        instance.renaming_to = instance.pending["DBInstanceIdentifier"]
        seconds = max(seconds, call.state.durations.instance_rename)

    def begin(at: datetime) -> None:
        if instance.renaming_to is not None:
            renames.begin_instance(call, instance, at)
        else:
            instance.status = "modifying"

    def finish(at: datetime) -> None:
        instance.status = "available"
        instance.instance_class = instance.pending.get("DBInstanceClass", instance.instance_class)
        instance.pending = {}
        if instance.renaming_to is not None:
            renames.finish_instance(call, instance, at)

    call.state.schedule(instance, seconds / 4, begin)
    call.state.schedule(instance, seconds, finish)


@serves("DeleteDBInstance", models="DBInstanceIdentifier FinalDBSnapshotIdentifier")
def delete_db_instance(call: Call) -> dict[str, Any]:
    """Delete an instance, also of a protected cluster; a reader replaces a deleted writer at once."""
    instance = lookup.find_instance(call.region, call.parameters["DBInstanceIdentifier"])
    cluster = instance.cluster
    if call.parameters.get("FinalDBSnapshotIdentifier"):
        raise RdsError(
            "InvalidParameterCombination",
            "FinalDBSnapshotIdentifier can not be specified when deleting a DB instance in an Aurora "
            "cluster; DeleteDBCluster takes the final snapshot.",
        )
    _check_deletable(call.region, instance, cluster)
    instance.status = "deleting"
    _promote_reader(call.region, cluster)
    call.state.cancel(instance)
    call.state.schedule(instance, call.state.durations.instance_delete, lambda at: _remove(call, instance, cluster, at))
    return {"DBInstance": responses.instance(call.state, instance)}


def _check_deletable(region: Region, instance: Instance, cluster: Cluster) -> None:
    if instance.status == "deleting":
        raise RdsError("InvalidDBInstanceState", f"Instance {instance.identifier} is already being deleted.")
    if cluster.status in ("starting", "stopped", "stopping"):
        raise RdsError("InvalidDBClusterStateFault", f"DbCluster {cluster.identifier} is in {cluster.status} state")
    last = all(region.instances[name].status == "deleting" for name in cluster.members if name != instance.identifier)
    if last and cluster.read_replicas:
        raise RdsError(
            "InvalidDBClusterStateFault",
            "Cannot delete the last instance of the master cluster. Delete the replica cluster before "
            "deleting the last master cluster instance.",
        )


def _promote_reader(region: Region, cluster: Cluster) -> None:
    """Replace a writer that is being deleted by the available reader of the lowest promotion tier."""
    if region.instances[cluster.members[0]].status != "deleting":
        return
    writer = next_writer(region, cluster)
    if writer is not None:
        cluster.members.remove(writer)
        cluster.members.insert(0, writer)


def next_writer(region: Region, cluster: Cluster) -> str | None:
    """The available reader of the lowest promotion tier; None if there is none."""
    readers = [name for name in cluster.members[1:] if region.instances[name].status == "available"]
    return min(readers, key=lambda name: region.instances[name].promotion_tier, default=None)


def _remove(call: Call, instance: Instance, cluster: Cluster, at: datetime) -> None:
    del call.region.instances[instance.identifier]
    cluster.members.remove(instance.identifier)
    entrances.update_reachability(call.state, cluster)
    events.record(call.state, instance, at, "DB instance deleted", "deletion")
