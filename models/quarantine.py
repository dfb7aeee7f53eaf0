"""The network in which the target is restored, so that nobody reaches the copy of production before it is ready."""

from typing import Annotated

from pydantic import Field

from models.configuration import ClusterConfiguration
from models.identifiers import SecurityGroupId
from models.model import Model


class Quarantine(Model):
    """The security groups of the target until everything is done: they let only the worker in, and nothing out."""

    vpc_security_group_ids: Annotated[tuple[SecurityGroupId, ...], Field(min_length=1, max_length=5)] = Field(
        description="Groups that let only the worker in and have no outbound rule; none of them is a group of the target."
    )

    def applied_to(self, configuration: ClusterConfiguration) -> ClusterConfiguration:
        """The configuration of the cluster while it is in quarantine."""
        return configuration.model_copy(update={"vpc_security_group_ids": self.vpc_security_group_ids})


class OwnNetwork(Model):
    """What the restored cluster gets when it leaves its quarantine."""

    cluster_resource_id: str = Field(description="The cluster that this operation restored; no other one is changed.")
    vpc_security_group_ids: tuple[str, ...] = Field(description="The target's own security groups.")
