"""The settings of a restored cluster: the request's, and where it has none, those of the existing target.

A snapshot has none of them (RDS API Reference, RestoreDBClusterFromSnapshot): RDS would use its defaults, and every
restore would lose the target's settings.
"""

from typing import Any, Self

from pydantic import Field, model_validator

from models.model import Model

SERVERLESS = "db.serverless"
SETTINGS_FACT = "settings"
"""The name of the fact in an intent that has the settings (JSON) of the cluster to delete."""


class ServerlessV2Scaling(Model):
    """In Aurora capacity units; a cluster with an instance of the class db.serverless needs it."""

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
    """A cluster's settings, by RDS's names; None: not set.

    The values are not validated: AWS has accepted those of an existing cluster. models.request has the rules for an
    operator's values.
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
    """The settings of the restored cluster: the request's over the existing target's."""

    instances: tuple[Instance, ...]
    db_subnet_group_name: str
    vpc_security_group_ids: tuple[str, ...]


REQUIRED = ("instances", "db_subnet_group_name", "vpc_security_group_ids")
"""The settings that the request or the existing target must have."""


def missing_settings(requested: ClusterSettings, existing: ClusterSettings | None) -> list[str]:
    """The required settings that neither the request nor the existing target has."""
    return [name for name in REQUIRED if getattr(requested, name) is None and getattr(existing, name, None) is None]


def merge_configuration(requested: ClusterSettings, existing: ClusterSettings | None) -> ClusterConfiguration:
    """The request's settings over the existing target's. Raises `ValidationError` if a required one is missing."""
    return ClusterConfiguration(**_merged_values(requested, existing))


def merge_settings(requested: ClusterSettings, existing: ClusterSettings | None) -> ClusterSettings:
    """As `merge_configuration`, but a required setting may be missing."""
    return ClusterSettings(**_merged_values(requested, existing))


def _merged_values(requested: ClusterSettings, existing: ClusterSettings | None) -> dict[str, Any]:
    names = ClusterSettings.model_fields
    carried_over = {name: getattr(existing, name) for name in names} if existing else {}
    given = {name: value for name in names if (value := getattr(requested, name)) is not None}
    return carried_over | given
