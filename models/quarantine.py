"""The network in which the target is restored, so that nobody reaches the copy of production before it is ready."""

from typing import Annotated

from pydantic import Field

from models.configuration import ClusterConfiguration
from models.identifiers import ResourceName, SecurityGroupId
from models.model import Model


class OwnNetwork(Model):
    """What the restored cluster gets when it leaves its quarantine."""

    cluster_resource_id: str = Field(description="The cluster that this operation restored; no other one is changed.")
    vpc_security_group_ids: tuple[str, ...] = Field(description="The target's own security groups.")
    db_cluster_parameter_group_name: str | None = Field(
        default=None, description="The target's own parameter group; None: the quarantine has no other."
    )


class Quarantine(Model):
    """The security groups of the target until everything is done: they let only the worker in, and nothing out."""

    vpc_security_group_ids: Annotated[tuple[SecurityGroupId, ...], Field(min_length=1, max_length=5)] = Field(
        description="Groups that let only the worker in and have no outbound rule; none of them is a group of the target."
    )
    db_cluster_parameter_group_name: ResourceName | None = Field(
        default=None,
        description="A group with rds.logical_replication=0, event_scheduler=OFF or without pg_cron, so that nothing acts "
        "inside either; the instances restart in the end. Default: the target's own.",
    )

    def applied_to(self, configuration: ClusterConfiguration) -> ClusterConfiguration:
        """The configuration of the cluster while it is in quarantine."""
        own = configuration.db_cluster_parameter_group_name
        return configuration.model_copy(
            update={
                "vpc_security_group_ids": self.vpc_security_group_ids,
                "db_cluster_parameter_group_name": self.db_cluster_parameter_group_name or own,
            }
        )

    def own_network(self, configuration: ClusterConfiguration, cluster_resource_id: str) -> OwnNetwork:
        """What the cluster of this configuration gets when it leaves the quarantine."""
        return OwnNetwork(
            cluster_resource_id=cluster_resource_id,
            vpc_security_group_ids=configuration.vpc_security_group_ids,
            db_cluster_parameter_group_name=configuration.db_cluster_parameter_group_name
            if self.db_cluster_parameter_group_name
            else None,
        )
