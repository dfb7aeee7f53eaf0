"""The target as the pipeline may touch it: one object that finds it, checks the account and changes it.

A worker with another account's credentials finds that account's cluster under the target's name. So every call that
changes something in RDS goes through `TargetCluster`, which asks STS first whose credentials it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from activities.rds import copies, deletion, tags
from activities.rds.endpoints import endpoint_members
from activities.rds.live_settings import read_live_settings
from activities.rds.region_search import RegionSearch
from activities.rds.surroundings import proxies, scaling
from clients import rds as reads
from clients.aws import AwsClients
from errors import Refused
from models.configuration import AssociatedRole, ClusterSettings, CustomEndpoint, ProxyTarget
from models.request import Target
from models.scaling import ScalableTarget
from waiting.only_reads import require_leave_to_change

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_rds.type_defs import (
        DBClusterEndpointTypeDef,
        DBClusterSnapshotTypeDef,
        DBClusterTypeDef,
        DBInstanceTypeDef,
        EventTypeDef,
    )


def describe_wrong_account(target: Target, caller_account: str) -> str | None:
    """What is wrong with the credentials if they belong to another account than the target, else None."""
    if caller_account == target.account_id:
        return None
    return (
        f"the credentials for the target belong to account {caller_account}, but the request names account "
        f"{target.account_id}. Correct target.account_id or target.role_arn."
    )


class TargetCluster:
    """The target cluster of one operation and its copies, in the target's account and region.

    Make a new one for each attempt of an activity: it remembers for its whole life what STS answered.
    """

    def __init__(self, aws: AwsClients, target: Target, operation_id: str) -> None:
        """`operation_id` names the sessions of assumed roles, and so appears in CloudTrail."""
        self._aws = aws
        self._target = target
        self._operation_id = operation_id
        self._rds = aws.rds(target, operation_id)
        self._scaling = aws.scaling(target, operation_id)
        self._caller_account: str | None = None

    def renamed(self, target: Target) -> TargetCluster:
        """The same for another name in the account and the region of this one."""
        return TargetCluster(self._aws, target, self._operation_id)

    # The account

    def caller_account(self) -> str:
        """The account that the credentials for the target belong to. Source: STS API Reference, GetCallerIdentity."""
        if self._caller_account is None:
            sts = self._aws.sts(self._target, self._operation_id)
            self._caller_account = sts.get_caller_identity()["Account"]
        return self._caller_account

    @property
    def environment(self) -> str:
        """The worker's: what it makes is its own, what another environment's worker made is not."""
        return self._aws.environment

    @property
    def operation_tag(self) -> str:
        """What marks as made by this operation; compare with nothing else."""
        return tags.operation_tag(self.environment, self._operation_id)

    def check_account(self) -> None:
        """Raise `Refused` unless the credentials belong to the target's account."""
        if wrong := describe_wrong_account(self._target, self.caller_account()):
            raise Refused("Wrong AWS account", f"[target-account] {wrong}")

    # Reads

    @property
    def reader(self) -> RDSClient:
        """The client for reads that have no method here. Never change anything through it."""
        return self._rds

    def find(self) -> DBClusterTypeDef | None:
        """The cluster that has the target's name, or None."""
        return reads.find_cluster(self._rds, self._target.cluster)

    def find_by_resource_id(self, resource_id: str) -> DBClusterTypeDef | None:
        """The cluster that has this resource id, under any name, or None."""
        return reads.find_cluster_by_resource_id(self._rds, resource_id)

    @property
    def name(self) -> str:
        """The target's name."""
        return self._target.cluster

    def list_events(self, source_type: str, identifier: str, within: timedelta) -> list[EventTypeDef]:
        """The newest events of a cluster or an instance."""
        return reads.list_events(self._rds, source_type, identifier, within)

    def list_clusters(self) -> list[DBClusterTypeDef]:
        """Every cluster of the target's account and region."""
        return reads.list_clusters(self._rds)

    @property
    def search(self) -> RegionSearch:
        """Finds what belongs to the target, without listing the region for each restore."""
        return RegionSearch(self._aws.lists, self._rds, self._target, self.environment)

    def list_instances(self) -> list[DBInstanceTypeDef]:
        """The instances of the cluster that has the target's name."""
        return reads.list_instances(self._rds, self._target.cluster)

    def list_custom_endpoints(self) -> list[DBClusterEndpointTypeDef]:
        """The custom endpoints of the cluster that has the target's name."""
        return reads.list_custom_endpoints(self._rds, self._target.cluster)

    def read_settings(self, cluster: DBClusterTypeDef, instances: list[DBInstanceTypeDef]) -> ClusterSettings:
        """The settings of the cluster and its instances as they were just read, with what is around the cluster."""
        return read_live_settings(self._rds, self._scaling, self._target.cluster, cluster, instances)

    def find_instances(self, identifiers: list[str]) -> list[DBInstanceTypeDef]:
        """The instances that have one of these names, in any cluster."""
        return reads.find_instances(self._rds, identifiers)

    def find_snapshot(self, identifier: str) -> DBClusterSnapshotTypeDef | None:
        """The cluster snapshot of this name in the target's region, or None."""
        return reads.find_snapshot(self._rds, identifier)

    def list_own_copies(self) -> list[DBClusterSnapshotTypeDef]:
        """Every copy that this environment made for the target, in any status."""
        return copies.own_copies(self._rds, self._target, self.environment)

    def list_existing_snapshot_arns(self) -> set[str]:
        """The ARNs of all manual snapshots that are not being deleted, of any owner."""
        return copies.existing_snapshot_arns(self._rds)

    # Changes: each checks the account first

    def start_copy(self, **parameters: Any) -> DBClusterSnapshotTypeDef:
        """CopyDBClusterSnapshot into the target's region."""
        return self._checked().copy_db_cluster_snapshot(**parameters)["DBClusterSnapshot"]

    def take_snapshot(self, **parameters: Any) -> None:
        """CreateDBClusterSnapshot of the target."""
        self._checked().create_db_cluster_snapshot(DBClusterIdentifier=self._target.cluster, **parameters)

    def share_snapshot(self, identifier: str, accounts: tuple[str, ...]) -> None:
        """ModifyDBClusterSnapshotAttribute: these accounts may restore the snapshot."""
        self._checked().modify_db_cluster_snapshot_attribute(
            DBClusterSnapshotIdentifier=identifier, AttributeName="restore", ValuesToAdd=list(accounts)
        )

    def restore(self, **parameters: Any) -> DBClusterTypeDef:
        """RestoreDBClusterFromSnapshot under the target's name."""
        answer = self._checked().restore_db_cluster_from_snapshot(DBClusterIdentifier=self.name, **parameters)
        return answer["DBCluster"]

    def create_instance(self, **parameters: Any) -> None:
        """CreateDBInstance in the target cluster."""
        self._checked().create_db_instance(DBClusterIdentifier=self._target.cluster, **parameters)

    def modify(self, **parameters: Any) -> None:
        """ModifyDBCluster of the target, applied immediately."""
        self._checked().modify_db_cluster(DBClusterIdentifier=self._target.cluster, ApplyImmediately=True, **parameters)

    def add_role(self, role: AssociatedRole) -> None:
        """AddRoleToDBCluster."""
        feature = {"FeatureName": role.feature_name} if role.feature_name else {}
        self._checked().add_role_to_db_cluster(
            DBClusterIdentifier=self._target.cluster, RoleArn=role.role_arn, **feature
        )

    def enable_http_endpoint(self, arn: str) -> None:
        """EnableHttpEndpoint of the target."""
        self._checked().enable_http_endpoint(ResourceArn=arn)

    def create_custom_endpoint(self, endpoint: CustomEndpoint, own_tags: Mapping[str, str]) -> None:
        """CreateDBClusterEndpoint of the target."""
        self._checked().create_db_cluster_endpoint(
            DBClusterIdentifier=self._target.cluster,
            DBClusterEndpointIdentifier=endpoint.identifier,
            EndpointType=endpoint.endpoint_type,
            Tags=tags.tag_list(own_tags),
            **endpoint_members(endpoint),
        )

    def start(self) -> None:
        """StartDBCluster of the target."""
        self._checked().start_db_cluster(DBClusterIdentifier=self._target.cluster)

    def stop(self) -> None:
        """StopDBCluster of the target."""
        self._checked().stop_db_cluster(DBClusterIdentifier=self._target.cluster)

    def reboot_instance(self, identifier: str) -> None:
        """RebootDBInstance of an instance of the target."""
        self._checked().reboot_db_instance(DBInstanceIdentifier=identifier)

    def register_with_proxy(self, proxy: ProxyTarget) -> str | None:
        """RegisterDBProxyTargets, unless the target is registered; see `proxies.register_missing`."""
        return proxies.register_missing(self._checked(), self._target.cluster, proxy)

    def register_scalable_target(self, configured: ScalableTarget) -> str | None:
        """The next call that the scalable target needs; see `scaling.register_missing`."""
        require_leave_to_change()
        self.check_account()
        return scaling.register_missing(self._scaling, self._target.cluster, configured)

    def add_tags(self, arn: str, added: Mapping[str, str]) -> None:
        """AddTagsToResource: to the target or to one of its copies."""
        self._checked().add_tags_to_resource(ResourceName=arn, Tags=tags.tag_list(added))

    def delete_members(self, cluster: DBClusterTypeDef, prove: Callable[[], object]) -> None:
        """Delete the instances of the cluster as it was just read; see `deletion.delete_members`."""
        deletion.delete_members(self._checked(), cluster, prove)

    def delete_cluster(self) -> None:
        """Delete the cluster that has the target's name; see `deletion.delete_cluster`."""
        deletion.delete_cluster(self._checked(), self._target.cluster)

    def delete_copy(self, identifier: str) -> None:
        """Delete a copy; see `deletion.delete_copy`."""
        deletion.delete_copy(self._checked(), identifier)

    def delete_copy_unless_busy(self, identifier: str) -> bool:
        """Delete a copy; False if RDS is busy with it. See `deletion.delete_copy_unless_busy`."""
        return deletion.delete_copy_unless_busy(self._checked(), identifier)

    def _checked(self) -> RDSClient:
        require_leave_to_change()
        self.check_account()
        return self._rds
