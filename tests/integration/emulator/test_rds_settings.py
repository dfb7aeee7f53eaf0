"""The settings of clusters and instances: what AWS refuses is refused, and what is given is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from devstack.aws import Emulator, NoDatabases
from tests.rigs.durations import EMULATOR
from tests.rigs.emulated_aws import ACCOUNT, ENGINE, MASTER, EmulatedAws

ROLE = f"arn:aws:iam::{ACCOUNT}:role/monitoring"
INSIGHTS: dict[str, Any] = {"EnablePerformanceInsights": True}
VALUE, COMBINATION = "InvalidParameterValue", "InvalidParameterCombination"


@pytest.fixture(scope="module")
def prod() -> Iterator[EmulatedAws]:
    """An emulator with a cluster, an instance and a snapshot, which no call of these tests changes."""
    with Emulator(NoDatabases(), durations=EMULATOR) as emulator:
        aws = EmulatedAws(emulator)
        aws.create_cluster()
        aws.create_instance("one")
        aws.create_snapshot()
        yield aws


def scaling(**capacity: float) -> dict[str, Any]:
    return {"ServerlessV2ScalingConfiguration": capacity}


REFUSED_FOR_A_CLUSTER: list[tuple[dict[str, Any], str]] = [
    ({"StorageType": "gp3"}, "StorageTypeNotSupported"),
    ({"NetworkType": "IPV6"}, "NetworkTypeNotSupported"),
    ({"BacktrackWindow": 60}, COMBINATION),
    ({"BacktrackWindow": 259_201}, VALUE),
    ({"EngineLifecycleSupport": "paid"}, VALUE),
    ({"Port": 1149}, VALUE),
    ({"EnablePerformanceInsights": True, "PerformanceInsightsRetentionPeriod": 94}, VALUE),
    ({"PerformanceInsightsRetentionPeriod": 7}, COMBINATION),
    ({"EnablePerformanceInsights": False, "PerformanceInsightsKMSKeyId": "alias/aws/rds"}, COMBINATION),
    ({"EnablePerformanceInsights": True, "PerformanceInsightsKMSKeyId": "alias/none"}, "KMSKeyNotAccessibleFault"),
    ({"Domain": "d-1234567890"}, COMBINATION),
    ({"DomainIAMRoleName": "directory"}, COMBINATION),
    ({"Domain": "example.com", "DomainIAMRoleName": "directory"}, "DomainNotFoundFault"),
    (scaling(MinCapacity=200, MaxCapacity=1), VALUE),
    (scaling(MinCapacity=0.3, MaxCapacity=1), VALUE),
    (scaling(MinCapacity=-1, MaxCapacity=1), VALUE),
    (scaling(MinCapacity=0, MaxCapacity=0.5), VALUE),
    (scaling(MinCapacity=1, MaxCapacity=256.5), VALUE),
    (scaling(MinCapacity=0, MaxCapacity=1, SecondsUntilAutoPause=299), VALUE),
    (scaling(MinCapacity=1), COMBINATION),
]
"""By CreateDBCluster, RestoreDBClusterFromSnapshot and ModifyDBCluster."""
OLD_VERSION = {"EngineVersion": "15.4"}
REFUSED_FOR_A_NEW_CLUSTER: list[tuple[dict[str, Any], str]] = [
    ({"EngineMode": "serverless"}, VALUE),
    ({"MonitoringInterval": 7, "MonitoringRoleArn": ROLE}, VALUE),
    ({"MonitoringInterval": 60}, COMBINATION),
    ({"MonitoringRoleArn": ROLE}, COMBINATION),
    ({"DatabaseName": "1st"}, VALUE),
    ({"AvailabilityZones": ["eu-west-1a"]}, VALUE),
    ({"AssociatedRoles": [{"RoleArn": f"{ROLE}-{number}"} for number in range(6)]}, "DBClusterRoleQuotaExceeded"),
]
"""By CreateDBCluster and RestoreDBClusterFromSnapshot."""


@pytest.mark.parametrize(("parameters", "code"), REFUSED_FOR_A_CLUSTER + REFUSED_FOR_A_NEW_CLUSTER)
def test_a_setting_that_aws_refuses_is_refused_for_a_cluster(
    prod: EmulatedAws, parameters: dict[str, Any], code: str
) -> None:
    """Create, restore and, where it takes the parameter, modify refuse a value with the code that the model lists."""
    rds = prod.client()
    calls: list[Callable[[], Any]] = [
        lambda: rds.create_db_cluster(DBClusterIdentifier="new", **MASTER, **parameters),
        lambda: rds.restore_db_cluster_from_snapshot(
            DBClusterIdentifier="new", SnapshotIdentifier="nightly", Engine=ENGINE, **parameters
        ),
        lambda: rds.modify_db_cluster(DBClusterIdentifier="prod", DeletionProtection=True, **parameters),
    ]
    for call in calls if (parameters, code) in REFUSED_FOR_A_CLUSTER else calls[:2]:
        with pytest.raises(ClientError, match=code):
            call()
    clusters = {each["DBClusterIdentifier"]: each for each in rds.describe_db_clusters()["DBClusters"]}
    assert (list(clusters), clusters["prod"]["DeletionProtection"]) == (["prod"], False)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"GlobalClusterIdentifier": "nowhere"}, "GlobalClusterNotFoundFault"),
        ({"DatabaseInsightsMode": "extreme"}, VALUE),
        ({"DatabaseInsightsMode": "advanced"}, COMBINATION),
        ({"DatabaseInsightsMode": "advanced", **INSIGHTS, "PerformanceInsightsRetentionPeriod": 93}, COMBINATION),
        ({"ManageMasterUserPassword": True}, COMBINATION),
        ({"MasterUserSecretKmsKeyId": "alias/aws/secretsmanager"}, COMBINATION),
        ({"MasterUsername": "1st"}, VALUE),
        (OLD_VERSION | scaling(MinCapacity=0, MaxCapacity=1), VALUE),
        (OLD_VERSION | {"EnableLocalWriteForwarding": True}, COMBINATION),
    ],
)
def test_a_setting_that_aws_refuses_is_refused_at_creation(
    prod: EmulatedAws, parameters: dict[str, Any], code: str
) -> None:
    """What only CreateDBCluster takes is checked there, and no cluster is created."""
    with pytest.raises(ClientError, match=code):
        prod.client().create_db_cluster(DBClusterIdentifier="new", **(MASTER | parameters))
    assert len(prod.client().describe_db_clusters()["DBClusters"]) == 1


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"EngineVersion": "15.4"}, COMBINATION),
        ({"EngineVersion": "17.4"}, COMBINATION),
        ({"MasterUserSecretKmsKeyId": "alias/aws/secretsmanager"}, COMBINATION),
        ({"DatabaseInsightsMode": "advanced"}, COMBINATION),
    ],
)
def test_a_change_that_aws_refuses_is_refused(prod: EmulatedAws, parameters: dict[str, Any], code: str) -> None:
    """ModifyDBCluster refuses a downgrade, a major upgrade that is not allowed, and settings that lack another one."""
    with pytest.raises(ClientError, match=code):
        prod.client().modify_db_cluster(DBClusterIdentifier="prod", DeletionProtection=True, **parameters)
    assert not prod.describe_cluster()["DeletionProtection"]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"MonitoringInterval": 60}, COMBINATION),
        ({"MonitoringRoleArn": ROLE}, COMBINATION),
        ({"PerformanceInsightsRetentionPeriod": 7}, COMBINATION),
        ({**INSIGHTS, "PerformanceInsightsRetentionPeriod": 30}, VALUE),
        ({"PromotionTier": 16}, VALUE),
        ({"CACertificateIdentifier": "rds-ca-2015"}, "CertificateNotFound"),
        ({"DBSubnetGroupName": "other"}, COMBINATION),
        ({"NetworkType": "IPV6"}, "NetworkTypeNotSupported"),
    ],
)
def test_a_setting_that_aws_refuses_is_refused_for_an_instance(
    prod: EmulatedAws, parameters: dict[str, Any], code: str
) -> None:
    """Create and, where it takes the parameter, modify refuse a value of an instance."""
    rds = prod.client()
    subnets = ["subnet-01", "subnet-02"]
    if "DBSubnetGroupName" in parameters:
        rds.create_db_subnet_group(DBSubnetGroupName="other", DBSubnetGroupDescription="-", SubnetIds=subnets)
    with pytest.raises(ClientError, match=code):
        prod.create_instance("two", **parameters)
    if not parameters.keys() & {"DBSubnetGroupName", "NetworkType"}:
        with pytest.raises(ClientError, match=code):
            rds.modify_db_instance(DBInstanceIdentifier="one", **parameters)
    assert len(rds.describe_db_instances()["DBInstances"]) == 1


def test_a_restored_cluster_has_the_default_storage_type(aws: EmulatedAws) -> None:
    """Left out at restore, the storage type is `aurora`, which is not returned, whatever the snapshot's is."""
    rds = aws.client()
    assert aws.create_cluster(StorageType="aurora-iopt1", Port=5444)["StorageType"] == "aurora-iopt1"
    snapshot = aws.create_snapshot()
    assert (snapshot["StorageType"], snapshot["Port"]) == ("aurora-iopt1", 0)
    rds.restore_db_cluster_from_snapshot(DBClusterIdentifier="new", SnapshotIdentifier="nightly", Engine=ENGINE)
    assert "StorageType" not in aws.describe_cluster("new")


def test_backtrack_is_enabled_only_when_a_cluster_is_created(aws: EmulatedAws) -> None:
    """The window of an Aurora MySQL cluster can be changed and closed, but not opened later."""
    rds = aws.client()
    aws.create_cluster(Engine="aurora-mysql", BacktrackWindow=3600)
    rds.modify_db_cluster(DBClusterIdentifier="prod", BacktrackWindow=7200)
    assert aws.describe_cluster()["BacktrackWindow"] == 7200
    rds.modify_db_cluster(DBClusterIdentifier="prod", BacktrackWindow=0)
    with pytest.raises(ClientError, match=r"InvalidParameterCombination.*when a cluster is created"):
        rds.modify_db_cluster(DBClusterIdentifier="prod", BacktrackWindow=7200)


def test_settings_that_depend_on_each_other_change_together(aws: EmulatedAws) -> None:
    """Without Performance Insights and monitoring their details are gone; without a pause its time is not shown."""
    rds = aws.client()
    cluster = aws.create_cluster(**scaling(MinCapacity=0, MaxCapacity=2))
    assert cluster["ServerlessV2ScalingConfiguration"]["SecondsUntilAutoPause"] == 300
    aws.create_instance("one", MonitoringInterval=60, MonitoringRoleArn=ROLE, **INSIGHTS)
    [instance] = rds.describe_db_instances()["DBInstances"]
    assert (instance["MonitoringRoleArn"], instance["PerformanceInsightsRetentionPeriod"]) == (ROLE, 7)
    assert instance["PerformanceInsightsKMSKeyId"].startswith("arn:aws:kms:")
    rds.modify_db_instance(DBInstanceIdentifier="one", MonitoringInterval=0, EnablePerformanceInsights=False)
    [instance] = rds.describe_db_instances()["DBInstances"]
    assert not {"MonitoringRoleArn", "PerformanceInsightsKMSKeyId", "PerformanceInsightsRetentionPeriod"} & set(
        instance
    )
    rds.modify_db_cluster(DBClusterIdentifier="prod", **scaling(MinCapacity=1), ApplyImmediately=True)
    aws.wait()
    assert aws.describe_cluster()["ServerlessV2ScalingConfiguration"] == {"MinCapacity": 1.0, "MaxCapacity": 2.0}


def test_a_cluster_joins_and_leaves_a_directory(aws: EmulatedAws) -> None:
    """The instances of a cluster are in its directory, and `none` leaves it."""
    rds = aws.client()
    aws.create_cluster(Domain="d-1234567890", DomainIAMRoleName="directory")
    aws.create_instance("one")
    [instance] = rds.describe_db_instances()["DBInstances"]
    assert [each["Domain"] for each in instance["DomainMemberships"]] == ["d-1234567890"]
    by_domain = [{"Name": "domain", "Values": ["d-1234567890"]}]
    assert len(rds.describe_db_clusters(Filters=by_domain)["DBClusters"]) == 1
    rds.modify_db_cluster(DBClusterIdentifier="prod", Domain="none")
    assert aws.describe_cluster()["DomainMemberships"] == []
    assert rds.describe_db_clusters(Filters=by_domain)["DBClusters"] == []


def test_instances_are_created_in_the_clusters_zones(aws: EmulatedAws) -> None:
    """An instance without a zone gets one of those that CreateDBCluster names, in turn."""
    aws.create_cluster(AvailabilityZones=["us-west-2c"])
    for name in ("one", "two"):
        aws.create_instance(name)
    instances = aws.client().describe_db_instances()["DBInstances"]
    assert [each["AvailabilityZone"] for each in instances] == ["us-west-2c", "us-west-2c"]


def test_a_new_cluster_becomes_the_primary_of_a_global_one(aws: EmulatedAws) -> None:
    """CreateDBCluster joins an empty global cluster of its engine; a second one would be a secondary cluster."""
    rds = aws.client()
    rds.create_global_cluster(GlobalClusterIdentifier="everywhere", Engine=ENGINE)
    with pytest.raises(ClientError, match=r"InvalidParameterCombination.*of the engine aurora-postgresql"):
        aws.create_cluster(Engine="aurora-mysql", GlobalClusterIdentifier="everywhere")
    cluster = aws.create_cluster(GlobalClusterIdentifier="everywhere")
    assert cluster["GlobalClusterIdentifier"] == "everywhere"
    [group] = rds.describe_global_clusters()["GlobalClusters"]
    assert [member["DBClusterArn"] for member in group["GlobalClusterMembers"]] == [cluster["DBClusterArn"]]
    with pytest.raises(ClientError, match="does not model secondary ones"):
        aws.create_cluster("second", GlobalClusterIdentifier="everywhere")


def test_a_version_says_which_settings_it_supports(aws: EmulatedAws) -> None:
    """An older version can neither pause a Serverless v2 instance nor forward writes, and DescribeDBEngineVersions says so."""

    def supported(version: str) -> tuple[float, bool, bool]:
        [described] = aws.client().describe_db_engine_versions(Engine=ENGINE, EngineVersion=version)["DBEngineVersions"]
        return (
            described["ServerlessV2FeaturesSupport"]["MinCapacity"],
            described["SupportsLocalWriteForwarding"],
            "rds-ca-ecc384-g1" in described["SupportedCACertificateIdentifiers"],
        )

    assert supported("15.4") == (0.5, False, True)
    assert supported("16.6") == (0.0, True, True)


def test_a_new_cluster_shows_what_it_is_given(aws: EmulatedAws) -> None:
    """What CreateDBCluster takes, DescribeDBClusters shows, under the name that DBCluster has for it."""
    given: dict[str, Any] = {
        "StorageType": "aurora-iopt1",
        "NetworkType": "DUAL",
        "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
        "AutoMinorVersionUpgrade": False,
        "MonitoringInterval": 30,
        "MonitoringRoleArn": ROLE,
        "DatabaseInsightsMode": "advanced",
        "PerformanceInsightsRetentionPeriod": 465,
        "DatabaseName": "orders",
    }
    more: dict[str, Any] = {
        "EnablePerformanceInsights": True,
        "EnableLocalWriteForwarding": True,
        "EnableHttpEndpoint": True,
    }
    cluster = aws.create_cluster(**given, **more)
    assert {name: cluster[name] for name in given} == given
    assert (cluster["PerformanceInsightsEnabled"], cluster["HttpEndpointEnabled"]) == (True, True)
    assert cluster["LocalWriteForwardingStatus"] == "enabled"
    aws.create_instance("one")
    [instance] = aws.client().describe_db_instances()["DBInstances"]
    inherited = ("StorageType", "DatabaseInsightsMode", "PreferredBackupWindow")
    assert {name: instance[name] for name in inherited} == {name: cluster[name] for name in inherited}
