"""What RDS refuses of a cluster and its instances: windows, log types, tags, network, zones, quotas."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rigs.emulated_aws import ACCOUNT, ENGINE, MASTER, SOURCE, EmulatedAws

INSTANCE = {"DBInstanceIdentifier": "one", "DBClusterIdentifier": "prod", "Engine": ENGINE}
TAGS = [{"Key": f"key-{number}", "Value": "-"} for number in range(51)]
REFUSED_CLUSTERS: list[tuple[dict[str, Any], str, str]] = [
    ({"PreferredBackupWindow": "29:59-29:00"}, "InvalidParameterValue", "Invalid backup window format"),
    ({"PreferredBackupWindow": "03:00-03:29"}, "InvalidParameterValue", "backup window must be at least 30 minutes"),
    ({"PreferredMaintenanceWindow": "xyz:03:00-xyz:04:00"}, "InvalidParameterValue", "Invalid maintenance window"),
    ({"PreferredMaintenanceWindow": "sun:03:00-sun:03:10"}, "InvalidParameterValue", "at least 30 minutes"),
    (
        {"PreferredBackupWindow": "23:45-00:15", "PreferredMaintenanceWindow": "sun:23:00-mon:00:01"},
        "InvalidParameterValue",
        "must not overlap",
    ),
    (
        {"EnableCloudwatchLogsExports": ["postgresql", "slowquery"]},
        "InvalidParameterCombination",
        "cannot use the log types 'slowquery'",
    ),
    ({"Tags": TAGS}, "InvalidParameterValue", "at most 50 tags"),
]


def refusal(call: Any, **parameters: Any) -> tuple[str, str]:
    """The code and the text of the refused call."""
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize(("parameters", "code", "text"), REFUSED_CLUSTERS)
def test_a_new_cluster_with_such_a_setting_is_refused(
    aws: EmulatedAws, parameters: dict[str, Any], code: str, text: str
) -> None:
    """Codes and texts as RDS documents them, or as users report them."""
    actual, message = refusal(aws.client().create_db_cluster, DBClusterIdentifier="prod", **MASTER, **parameters)
    assert actual == code
    assert text in message
    assert aws.client().describe_db_clusters()["DBClusters"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"PreferredBackupWindow": "05:10-05:40"},
        {"PreferredMaintenanceWindow": "tue:03:10-tue:03:40"},
        {"CloudwatchLogsExportConfiguration": {"EnableLogTypes": ["upgrade"]}},
    ],
)
def test_a_change_is_held_to_the_other_settings_of_the_cluster(aws: EmulatedAws, change: dict[str, Any]) -> None:
    """The window that a call leaves out is the cluster's own."""
    before = aws.create_cluster()
    refusal(aws.client().modify_db_cluster, DBClusterIdentifier="prod", ApplyImmediately=True, **change)
    assert {**aws.describe_cluster(), "LatestRestorableTime": 0} == {**before, "LatestRestorableTime": 0}


def test_a_default_window_does_not_overlap_the_given_one(aws: EmulatedAws) -> None:
    """RDS draws it from what is left."""
    aws.create_cluster("first", PreferredBackupWindow="05:00-06:00")
    aws.create_cluster("second", PreferredMaintenanceWindow="Sun:03:00-Sun:03:30")
    assert aws.describe_cluster("first")["PreferredMaintenanceWindow"] == "sun:09:00-sun:09:30"
    second = aws.describe_cluster("second")
    assert (second["PreferredBackupWindow"], second["PreferredMaintenanceWindow"]) == (
        "07:00-07:30",
        "sun:03:00-sun:03:30",
    )


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"PreferredMaintenanceWindow": "sun:03:10-sun:03:40"}, "InvalidParameterValue"),
        ({"AvailabilityZone": f"{SOURCE}c"}, "InvalidVPCNetworkStateFault"),
        ({"DBInstanceClass": "db.x2g.large"}, "InsufficientDBInstanceCapacity"),
        ({"Tags": TAGS}, "InvalidParameterValue"),
    ],
)
def test_an_instance_with_such_a_setting_is_refused(aws: EmulatedAws, parameters: dict[str, Any], code: str) -> None:
    """The cluster's backup window is 03:00-03:30; its subnets are in two zones, db.x2g.large is in the third."""
    aws.client().create_db_subnet_group(
        DBSubnetGroupName="two", DBSubnetGroupDescription="-", SubnetIds=["subnet-1", "subnet-2"]
    )
    aws.create_cluster(DBSubnetGroupName="two")
    given = {**INSTANCE, "DBInstanceClass": "db.r6g.large", **parameters}
    assert refusal(aws.client().create_db_instance, **given)[0] == code


def test_a_security_group_of_another_vpc_is_refused(aws: EmulatedAws) -> None:
    """By CreateDBCluster and by ModifyDBCluster."""
    ec2, rds = aws.client("ec2"), aws.client()
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    other = ec2.create_security_group(GroupName="other", Description="-", VpcId=vpc)["GroupId"]
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"] if subnet["VpcId"] != vpc][:2]
    rds.create_db_subnet_group(DBSubnetGroupName="two", DBSubnetGroupDescription="-", SubnetIds=subnets)
    network = {"DBSubnetGroupName": "two", "VpcSecurityGroupIds": [other]}
    code, text = refusal(rds.create_db_cluster, DBClusterIdentifier="prod", **MASTER, **network)
    assert code == "InvalidParameterCombination"
    assert f"the EC2 security group is in {vpc}" in text
    aws.create_cluster(DBSubnetGroupName="two")
    refusal(rds.modify_db_cluster, DBClusterIdentifier="prod", VpcSecurityGroupIds=[other])


def test_the_quotas_and_their_use_are_described_and_enforced(aws: EmulatedAws) -> None:
    """DescribeAccountAttributes says what the creating calls are held to."""
    aws.create_cluster()
    aws.create_instance("first")
    aws.create_snapshot()
    aws.control("rds/quotas", clusters=1, instances=1, manual_snapshots=1)
    quotas = aws.client().describe_account_attributes()["AccountQuotas"]
    assert {quota["AccountQuotaName"]: (quota["Used"], quota["Max"]) for quota in quotas} == {
        "AllocatedStorage": (1, 100_000),
        "DBClusters": (1, 1),
        "DBInstances": (1, 1),
        "ManualClusterSnapshots": (1, 1),
    }
    given = {**INSTANCE, "DBInstanceClass": "db.r6g.large"}
    assert refusal(aws.client().create_db_instance, **given)[0] == "InstanceQuotaExceeded"
    aws.control("rds/quotas", clusters=2, storage_gib=1)
    more = {"DBClusterIdentifier": "more", **MASTER}
    assert refusal(aws.client().create_db_cluster, **more)[0] == "StorageQuotaExceeded"
    assert aws.client(account=ACCOUNT).describe_db_clusters()["DBClusters"][0]["DBClusterIdentifier"] == "prod"
