"""What is sent to RDS for a target whose every setting is something else than the default."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from botocore.session import get_session
from botocore.validate import validate_parameters

from activities.rds.parameters import CALLS
from activities.rds.restore_parameters import instance_parameters, modification_parameters, restore_parameters
from models.clusters import CheckRestoreInput, RestoreClusterInput
from models.configuration import AssociatedRole, ClusterConfiguration, Instance, ServerlessV2Scaling
from models.snapshots import SnapshotCopy, SourceSnapshot
from tests.rigs.requests import request

RDS = get_session().get_service_model("rds")
INSTANCE = Instance(
    identifier="orders-blue",
    instance_class="db.r6g.large",
    db_parameter_group_name="own",
    availability_zone="eu-central-1a",
    promotion_tier=15,
    auto_minor_version_upgrade=False,
    preferred_maintenance_window="sun:01:00-sun:01:30",
    ca_certificate_identifier="rds-ca-ecc384-g1",
    monitoring_interval_seconds=15,
    monitoring_role_arn="arn:aws:iam::111122223333:role/monitoring",
    performance_insights=True,
    performance_insights_kms_key_id="alias/insights",
    performance_insights_retention_days=465,
    tags={"schedule": "office-hours"},
)
RICH = ClusterConfiguration(
    instances=(INSTANCE,),
    db_subnet_group_name="staging",
    vpc_security_group_ids=("sg-1",),
    db_cluster_parameter_group_name="own",
    port=5433,
    serverless_v2_scaling=ServerlessV2Scaling(min_capacity=0, max_capacity=4, seconds_until_auto_pause=3600),
    iam_database_authentication=True,
    cloudwatch_logs_exports=("postgresql",),
    backup_retention_days=3,
    preferred_backup_window="03:00-03:30",
    preferred_maintenance_window="sun:04:00-sun:04:30",
    copy_tags_to_snapshot=False,
    tags={"team": "orders"},
    kms_key_id="alias/staging",
    storage_type="aurora-iopt1",
    engine_lifecycle_support="open-source-rds-extended-support-disabled",
    network_type="DUAL",
    associated_roles=(AssociatedRole(role_arn="arn:aws:iam::111122223333:role/import", feature_name="s3Import"),),
    backtrack_window_seconds=3600,
    domain="d-1",
    domain_iam_role_name="directory",
    local_write_forwarding=True,
    auto_minor_version_upgrade=False,
    database_insights_mode="advanced",
    performance_insights_kms_key_id="alias/insights",
    performance_insights_retention_days=465,
)


def test_a_restore_sends_every_parameter_that_the_table_says() -> None:
    """All that RestoreDBClusterFromSnapshot takes of a cluster's settings, in botocore's own types."""
    sent = restore_parameters(step_input(), "aurora-restore/op-001") | {"DBClusterIdentifier": "orders-staging"}
    assert set(sent) == CALLS["RestoreDBClusterFromSnapshot"].sent
    validate("RestoreDBClusterFromSnapshot", sent)
    assert sent["ServerlessV2ScalingConfiguration"]["SecondsUntilAutoPause"] == 3600
    assert sent["AssociatedRoles"] == [{"RoleArn": "arn:aws:iam::111122223333:role/import", "FeatureName": "s3Import"}]


def test_an_instance_is_sent_every_parameter_that_the_table_says() -> None:
    """All that CreateDBInstance takes for an Aurora instance, its own name, tier and tags included."""
    sent = instance_parameters(check_input(), 1, INSTANCE, "aurora-restore/op-001")
    assert set(sent) | {"DBClusterIdentifier"} == CALLS["CreateDBInstance"].sent
    validate("CreateDBInstance", sent)
    assert (sent["DBInstanceIdentifier"], sent["PromotionTier"]) == ("orders-blue", 15)


def test_an_instance_without_a_name_is_named_after_its_cluster() -> None:
    """CLUSTER-1 is the writer; tiers count from 0."""
    bare = Instance(instance_class="db.r6g.large")
    sent = instance_parameters(check_input(), 2, bare, "aurora-restore/op-001")
    assert (sent["DBInstanceIdentifier"], sent["PromotionTier"]) == ("orders-staging-2", 1)
    assert {"MonitoringInterval", "MonitoringRoleArn", "EnablePerformanceInsights"} & set(sent) == set()


def test_what_a_restore_does_not_take_is_modified_afterwards() -> None:
    """Everything that ModifyDBCluster is sent besides the name and the master password."""
    of_the_password = {"ManageMasterUserPassword", "MasterUserPassword", "MasterUserSecretKmsKeyId"}
    sent = modification_parameters(RICH)
    assert set(sent) == CALLS["ModifyDBCluster"].sent - of_the_password - {"DBClusterIdentifier", "ApplyImmediately"}
    validate("ModifyDBCluster", sent | {"DBClusterIdentifier": "orders-staging"})


def test_standard_insights_ask_for_nothing_at_the_cluster() -> None:
    """Standard is the default, and an engine version without Database Insights would refuse the parameters."""
    standard = RICH.model_copy(update={"database_insights_mode": "standard", "local_write_forwarding": False})
    sent = modification_parameters(standard)
    assert not {"DatabaseInsightsMode", "EnablePerformanceInsights", "EnableLocalWriteForwarding"} & set(sent)


def step_input() -> RestoreClusterInput:
    """For restore-snapshot, of the rich configuration."""
    asked = request()
    snapshot = SourceSnapshot(
        arn="arn:aws:rds:eu-west-1:111122223333:cluster-snapshot:rds:orders-2024-03-20",
        identifier="rds:orders-2024-03-20",
        created_at=datetime(2024, 3, 20, tzinfo=UTC),
        engine="aurora-postgresql",
        engine_version="16.6",
        encrypted=True,
    )
    return RestoreClusterInput(
        operation_id="op-001",
        step_started_at=datetime(2024, 3, 20, tzinfo=UTC),
        configuration=RICH,
        source_arn=asked.source.arn,
        target=asked.target,
        snapshot=snapshot,
        snapshot_copy=SnapshotCopy(arn="arn:copy", identifier="copy", copied=False),
    )


def check_input() -> CheckRestoreInput:
    """For check-restore-status, of the rich configuration."""
    asked = request()
    return CheckRestoreInput(
        operation_id="op-001",
        step_started_at=datetime(2024, 3, 20, tzinfo=UTC),
        target=asked.target,
        configuration=RICH,
        cluster_resource_id="cluster-1",
        engine="aurora-postgresql",
    )


def validate(operation: str, parameters: dict[str, Any]) -> None:
    """Raise if botocore would refuse them."""
    required = {"Engine": "aurora-postgresql", "DBClusterIdentifier": "x"}
    shape = RDS.operation_model(operation).input_shape
    assert shape is not None
    known = {name: value for name, value in required.items() if name in shape.members}
    validate_parameters(known | parameters, shape)
