"""How a cluster is set up: what the request says of it, and for what it leaves out, what the live target has.

A restore takes none of this from the snapshot (RDS API Reference, RestoreDBClusterFromSnapshot): what is not given is
RDS's default, and a nightly refresh would lose a setting every night.
"""

from typing import Any, Self

from pydantic import Field, model_validator

from models.model import Model

SERVERLESS = "db.serverless"
SETTINGS_FACT = "settings"
"""The fact of an intent, in the trail, that holds the settings (JSON) of the cluster that is deleted."""


class ServerlessV2Scaling(Model):
    """In Aurora capacity units; an instance of class db.serverless needs it on its cluster."""

    min_capacity: float = Field(ge=0, le=256, multiple_of=0.5)
    max_capacity: float = Field(ge=1, le=256, multiple_of=0.5)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_capacity > self.max_capacity:
            raise ValueError("min_capacity must not be greater than max_capacity")
        return self


class Instance(Model):
    """One DB instance of the restored cluster."""

    instance_class: str
    db_parameter_group_name: str | None = None


class ClusterSettings(Model):
    """A cluster's settings as RDS has them; None means that nothing is said.

    No value is doubted here: what a live cluster has is what AWS allowed. What an operator writes is held to the rules
    in models.request.
    """

    instances: tuple[Instance, ...] | None = None
    db_subnet_group_name: str | None = None
    vpc_security_group_ids: tuple[str, ...] | None = None
    db_cluster_parameter_group_name: str | None = None
    port: int | None = None
    serverless_v2_scaling: ServerlessV2Scaling | None = None
    iam_database_authentication: bool | None = None
    cloudwatch_logs_exports: tuple[str, ...] | None = None
    backup_retention_days: int | None = None
    preferred_backup_window: str | None = None
    preferred_maintenance_window: str | None = None
    copy_tags_to_snapshot: bool | None = None
    tags: dict[str, str] | None = None


class ClusterConfiguration(ClusterSettings):
    """Everything that the restored cluster is given: the request's settings over the live target's."""

    instances: tuple[Instance, ...]
    db_subnet_group_name: str
    vpc_security_group_ids: tuple[str, ...]


REQUIRED = ("instances", "db_subnet_group_name", "vpc_security_group_ids")
"""What must come from the one or the other."""


def missing_settings(wanted: ClusterSettings, live: ClusterSettings | None) -> list[str]:
    """The required settings that neither the request nor the live target has."""
    return [name for name in REQUIRED if getattr(wanted, name) is None and getattr(live, name, None) is None]


def merged(wanted: ClusterSettings, live: ClusterSettings | None) -> ClusterConfiguration:
    """The request's settings, and for what it leaves out the live target's; nothing required may be missing."""
    return ClusterConfiguration(**_chosen(wanted, live))


def overlaid(wanted: ClusterSettings, live: ClusterSettings | None) -> ClusterSettings:
    """As `merged`, where something required may be missing still."""
    return ClusterSettings(**_chosen(wanted, live))


def _chosen(wanted: ClusterSettings, live: ClusterSettings | None) -> dict[str, Any]:
    names = ClusterSettings.model_fields
    carried = {name: getattr(live, name) for name in names} if live else {}
    said = {name: value for name in names if (value := getattr(wanted, name)) is not None}
    return carried | said
