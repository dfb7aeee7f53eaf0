"""New names for clusters: which of them is renamed next, and how that is asked for.

A name is free only once its cluster has left it, so a swap is two renames, one after the other.
Source: RDS API Reference, ModifyDBCluster, NewDBClusterIdentifier, ClusterPendingModifiedValues; Aurora User Guide,
"Modifying an Amazon Aurora DB cluster"; RDS User Guide, "Renaming a Multi-AZ DB cluster": the endpoints follow the name, the
tags stay, and a name that exists cannot be taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from activities.rds.aws_errors import action_for, pipeline_error_for
from activities.rds.fault_table import Action
from activities.rds.target import TargetCluster

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBClusterTypeDef

RENAMING = "renaming"


@dataclass(frozen=True)
class NamedCluster:
    """A cluster as it was just read, and the name that it is to have."""

    cluster: DBClusterTypeDef
    wanted: str

    @property
    def name(self) -> str:
        """The name that it has."""
        return self.cluster["DBClusterIdentifier"]

    @property
    def is_renaming(self) -> bool:
        """Whether RDS has yet to give it a name. At first only the pending values show that, while it is available."""
        pending = self.cluster.get("PendingModifiedValues", {})
        return self.cluster["Status"] == RENAMING or "DBClusterIdentifier" in pending

    @property
    def text(self) -> str:
        """For a message."""
        return f"{self.cluster['DbClusterResourceId']} is named {self.name} ({self.cluster['Status']})"


def next_to_rename(clusters: Sequence[NamedCluster]) -> NamedCluster | None:
    """The cluster whose new name none of the others has; None if all have the names that they are to have."""
    names = {each.name for each in clusters}
    return next((each for each in clusters if each.wanted not in names), None)


def rename(target: TargetCluster, wanted: str) -> str:
    """Ask RDS for the new name; returns what is waited for. `target` has the name that the cluster has now."""
    try:
        target.modify(NewDBClusterIdentifier=wanted)
    except ClientError as error:
        if action_for(error) is not Action.WAIT:
            raise
        return pipeline_error_for(error).fault.short
    return f"renaming {target.name} to {wanted}"


def list_names(clusters: Sequence[NamedCluster]) -> str:
    """Which cluster has which name, for a message."""
    return ", ".join(each.text for each in clusters)
