"""The settings of a restored cluster: the request's, and where it has none, those of the existing target.

A snapshot has none of them (RDS API Reference, RestoreDBClusterFromSnapshot): RDS would use its defaults, and every
restore would lose the target's settings.
"""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from models.model import Model, SparseModel
from models.scaling import ScalableTarget

SERVERLESS = "db.serverless"
SETTINGS_FACT = "settings"
"""The name of the fact in an intent that has the settings (JSON) of the cluster to delete."""


class OnDifference(StrEnum):
    """What to do if the restored cluster differs from its configuration."""

    WARN = "warn"
    FAIL = "fail"


class WhenStopped(StrEnum):
    """What happens if the target is stopped: RDS does not delete a stopped cluster."""

    REFUSE = "refuse"
    START = "start"


class AfterRestore(StrEnum):
    """What happens to the restored cluster at the end."""

    LEAVE = "leave"
    STOP = "stop"


class ServerlessV2Scaling(Model):
    """In Aurora capacity units; a cluster with an instance of the class db.serverless needs it."""

    min_capacity: float = Field(ge=0, le=256, multiple_of=0.5)
    max_capacity: float = Field(ge=1, le=256, multiple_of=0.5)
    seconds_until_auto_pause: int | None = Field(
        default=None,
        ge=300,
        le=86_400,
        description="With min_capacity 0: how long without connections until it pauses.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_capacity > self.max_capacity:
            raise ValueError("min_capacity must not be greater than max_capacity")
        return self


class AssociatedRole(Model):
    """An IAM role that the cluster may use, as for aws_s3 or aws_lambda."""

    role_arn: str = Field(description="The ARN of the role.")
    feature_name: str | None = Field(
        default=None, description="The feature that uses it, such as s3Import; Aurora MySQL needs none."
    )


class CustomEndpoint(Model):
    """A custom endpoint of the cluster, which is deleted with it."""

    identifier: str = Field(description="The name of the endpoint.")
    endpoint_type: str = Field(default="READER", description="READER or ANY.")
    static_members: tuple[str, ...] = Field(default=(), description="Names of instances; no others belong to it.")
    excluded_members: tuple[str, ...] = Field(default=(), description="Names of instances; all others belong to it.")
    tags: dict[str, str] = Field(default={}, description="The tags of the endpoint.")


class ProxyTarget(Model):
    """A target group of an RDS Proxy that leads to the cluster; RDS removes the cluster from it when it is deleted."""

    proxy_name: str = Field(min_length=1, max_length=63, description="The name of the proxy.")
    target_group_name: str = Field(
        default="default", min_length=1, max_length=63, description="Its target group; a proxy has one, `default`."
    )


class Instance(SparseModel):
    """One DB instance of the restored cluster; None means that RDS chooses."""

    identifier: str | None = Field(default=None, description="Its name; default, the cluster's with -1, -2 …")
    instance_class: str
    db_parameter_group_name: str | None = None
    availability_zone: str | None = Field(default=None, description="Such as eu-central-1a.")
    promotion_tier: int | None = Field(
        default=None,
        ge=0,
        le=15,
        description="The order in which Aurora promotes readers if the writer fails: 0 before 15.",
    )
    auto_minor_version_upgrade: bool | None = Field(
        default=None, description="Whether RDS upgrades minor versions itself."
    )
    preferred_maintenance_window: str | None = Field(default=None, description="UTC, such as sun:04:00-sun:04:30.")
    ca_certificate_identifier: str | None = Field(default=None, description="The authority of its TLS certificate.")
    monitoring_interval_seconds: int | None = Field(
        default=None, ge=0, le=60, description="The interval of Enhanced Monitoring; 0 is off."
    )
    monitoring_role_arn: str | None = Field(default=None, description="The role of Enhanced Monitoring.")
    performance_insights: bool | None = Field(default=None, description="Whether Performance Insights is on.")
    performance_insights_kms_key_id: str | None = Field(default=None, description="The key of Performance Insights.")
    performance_insights_retention_days: int | None = Field(
        default=None, ge=7, le=731, description="How long Performance Insights keeps its data."
    )
    tags: dict[str, str] | None = Field(default=None, description="The tags of the instance.")


class ClusterSettings(SparseModel):
    """A cluster's settings, by RDS's names; None: not set.

    The values are not validated: AWS has accepted those of an existing cluster. models.request has the rules for an
    operator's values.
    Which member of RDS's answer each field holds: activities/rds/members.py.
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
    storage_encrypted: bool | None = Field(
        default=None, description="false: the restored cluster may be unencrypted though the old one was encrypted."
    )
    kms_key_id: str | None = Field(default=None, description="The key of the cluster.")
    storage_type: str | None = Field(default=None, description="aurora, or aurora-iopt1 (I/O-Optimized).")
    engine_lifecycle_support: str | None = Field(
        default=None,
        description="open-source-rds-extended-support (paid), or open-source-rds-extended-support-disabled.",
    )
    network_type: str | None = Field(default=None, description="IPV4 or DUAL.")
    associated_roles: Annotated[tuple[AssociatedRole, ...], Field(max_length=20)] | None = Field(
        default=None, description="The IAM roles that the cluster may use, as for S3 and Lambda."
    )
    backtrack_window_seconds: int | None = Field(
        default=None, ge=0, le=259_200, description="How far back Aurora MySQL can backtrack; 0 is off."
    )
    domain: str | None = Field(default=None, description="The directory for Kerberos authentication.")
    domain_iam_role_name: str | None = Field(default=None, description="The role for calls to the directory.")
    http_endpoint: bool | None = Field(default=None, description="The RDS Data API.")
    local_write_forwarding: bool | None = Field(default=None, description="Whether readers forward writes.")
    auto_minor_version_upgrade: bool | None = Field(
        default=None, description="Whether RDS upgrades minor versions itself."
    )
    database_insights_mode: str | None = Field(default=None, description="standard or advanced.")
    performance_insights_kms_key_id: str | None = Field(
        default=None, description="The key of Performance Insights, with database_insights_mode advanced."
    )
    performance_insights_retention_days: int | None = Field(
        default=None, ge=7, le=731, description="How long Performance Insights keeps its data, with advanced: 465."
    )
    master_user_secret_kms_key_id: str | None = Field(
        default=None, description="The key of the secret that RDS manages; default, aws/secretsmanager."
    )
    custom_endpoints: Annotated[tuple[CustomEndpoint, ...], Field(max_length=20)] | None = Field(
        default=None, description="The custom endpoints of the cluster."
    )
    proxy_targets: Annotated[tuple[ProxyTarget, ...], Field(max_length=100)] | None = Field(
        default=None, description="The RDS Proxies that lead to the cluster."
    )
    scalable_target: ScalableTarget | None = Field(
        default=None, description="How many readers Application Auto Scaling may add, and when."
    )


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
