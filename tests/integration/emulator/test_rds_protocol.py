"""The query protocol: parameters, pages, the real AWS CLI, engines, groups and tags."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import OPERATIONS, Handler
from devstack.aws.rds.state import Call
from tests.rigs.emulated_aws import ACCOUNT, ENGINE, MASTER, SOURCE, TARGET, EmulatedAws

SCOPE = f"{ACCOUNT}/20240320/{SOURCE}/rds/aws4_request"
SIGNED = f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host, Signature=x"


def post(aws: EmulatedAws, form: str) -> tuple[int, str]:
    """Send a call that botocore would not send; returns the status and the body."""
    request = urllib.request.Request(aws.emulator.endpoint_url, form.encode(), {"Authorization": SIGNED})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("Action=CreateDBCluster&Version=2014-10-31", "MissingParameter"),
        ("Action=CreateDBCluster&Version=2014-10-31&DBClusterIdentifier=x", "MissingParameter"),
        ("Action=DescribeDBClusters&Version=2014-10-31&MaxRecords=many", "InvalidParameterValue"),
        ("Action=DescribeDBClusters&Version=2014-10-31&IncludeShared=perhaps", "InvalidParameterValue"),
        ("Action=DescribeDBClusters&Version=2014-10-31&Marker=nonsense", "InvalidParameterValue"),
        ("Action=MakeCoffee&Version=2014-10-31", "InvalidAction"),
        ("", "InvalidAction"),
    ],
)
def test_an_invalid_call_is_a_client_error(aws: EmulatedAws, form: str, code: str) -> None:
    """A missing parameter, one of the wrong type and an unknown action are XML errors of status 400."""
    status, body = post(aws, form)
    assert (status, f"<Code>{code}</Code>" in body) == (400, True)


def test_pages_neither_skip_nor_repeat_items(aws: EmulatedAws) -> None:
    """Pages skip and repeat no item, also while the list shrinks."""
    rds = aws.client()
    aws.emulator.quotas.clusters = 100
    names = [f"c{number:02d}" for number in range(45)]
    for name in names:
        rds.create_db_cluster(DBClusterIdentifier=name, **MASTER)
    aws.wait()
    pages = rds.get_paginator("describe_db_clusters").paginate(PaginationConfig={"PageSize": 20})
    listed = [[cluster["DBClusterIdentifier"] for cluster in page["DBClusters"]] for page in pages]
    assert listed == [names[:20], names[20:40], names[40:]]
    first = rds.describe_db_clusters(MaxRecords=20)
    rds.delete_db_cluster(DBClusterIdentifier="c00", SkipFinalSnapshot=True)
    aws.wait()
    second = rds.describe_db_clusters(MaxRecords=20, Marker=first["Marker"])
    assert [cluster["DBClusterIdentifier"] for cluster in second["DBClusters"]] == names[20:40]


@pytest.mark.parametrize("size", [19, 101])
def test_a_page_has_20_to_100_records(aws: EmulatedAws, size: int) -> None:
    """Every Describe operation refuses a MaxRecords outside of the documented range."""
    rds = aws.client()
    for describe in (
        rds.describe_db_clusters,
        rds.describe_db_instances,
        rds.describe_db_cluster_snapshots,
        rds.describe_db_subnet_groups,
        rds.describe_db_cluster_parameter_groups,
        rds.describe_db_parameter_groups,
        rds.describe_db_engine_versions,
        rds.describe_global_clusters,
        rds.describe_events,
    ):
        with pytest.raises(ClientError, match=f"InvalidParameterValue.*{size}.*between 20 and 100"):
            describe(MaxRecords=size)


def test_the_real_aws_cli_describes_a_cluster(aws: EmulatedAws) -> None:
    """The real `aws` command describes a cluster."""
    aws.create_cluster(Tags=[{"Key": "team", "Value": "orders & more"}])
    completed = subprocess.run(
        [
            str(Path(sys.executable).parent / "aws"),
            *("--endpoint-url", aws.emulator.endpoint_url, "--region", SOURCE, "--output", "json"),
            *("rds", "describe-db-clusters", "--db-cluster-identifier", "prod"),
        ],
        env={**os.environ, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "-"},
        capture_output=True,
        text=True,
        check=True,
    )
    [cluster] = json.loads(completed.stdout)["DBClusters"]
    assert (cluster["DBClusterIdentifier"], cluster["Status"]) == ("prod", "available")
    assert cluster["TagList"] == [{"Key": "team", "Value": "orders & more"}]


def test_of_many_concurrent_callers_one_creates_the_cluster(aws: EmulatedAws) -> None:
    """Sixteen callers create the same cluster concurrently, and exactly one succeeds."""
    rds, outcomes = aws.client(), []

    def create() -> None:
        try:
            rds.create_db_cluster(DBClusterIdentifier="prod", **MASTER)
            outcomes.append("OK")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=create) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["DBClusterAlreadyExistsFault"] * 15 + ["OK"]


# Engines


def test_engine_versions_are_listed_by_major_version_and_default(aws: EmulatedAws) -> None:
    """Versions are listed by engine, major version and default, each with its upgrade targets."""
    rds = aws.client()

    def versions(**parameters: Any) -> list[str]:
        return [each["EngineVersion"] for each in rds.describe_db_engine_versions(**parameters)["DBEngineVersions"]]

    assert versions(Engine=ENGINE, EngineVersion="15") == ["15.4", "15.10", "15.12", "15.13"]
    assert versions(Engine=ENGINE, DefaultOnly=True) == ["16.6"]
    assert versions(Engine=ENGINE, EngineVersion="99") == []
    [version] = rds.describe_db_engine_versions(Engine=ENGINE, EngineVersion="17.4")["DBEngineVersions"]
    assert [target["EngineVersion"] for target in version["ValidUpgradeTarget"]] == ["17.5"]


def test_orderable_instance_classes_are_listed(aws: EmulatedAws) -> None:
    """The instance classes of an engine version are listed; an unknown class is an empty list."""
    rds = aws.client()
    engine = {"Engine": ENGINE, "EngineVersion": "16.6"}
    options = rds.describe_orderable_db_instance_options(**engine)["OrderableDBInstanceOptions"]
    assert "db.serverless" in [option["DBInstanceClass"] for option in options]
    bogus = rds.describe_orderable_db_instance_options(**engine, DBInstanceClass="db.bogus")
    assert bogus["OrderableDBInstanceOptions"] == []
    every = rds.describe_orderable_db_instance_options(Engine=ENGINE, MaxRecords=1000)
    assert len(every["OrderableDBInstanceOptions"]) > 100
    assert rds.describe_orderable_db_instance_options(**engine, Vpc=False)["OrderableDBInstanceOptions"] == []


# Groups and tags


def test_a_subnet_group_is_not_deleted_while_a_cluster_uses_it(aws: EmulatedAws) -> None:
    """A subnet group has two or more subnets, is created once, and is not deleted while a cluster uses it."""
    rds = aws.client()
    parameters = {"DBSubnetGroupDescription": "-", "SubnetIds": ["subnet-1", "subnet-2"]}
    group = rds.create_db_subnet_group(DBSubnetGroupName="Private", **parameters)["DBSubnetGroup"]
    assert (group["DBSubnetGroupName"], len(group["Subnets"])) == ("private", 2)
    with pytest.raises(rds.exceptions.DBSubnetGroupAlreadyExistsFault):
        rds.create_db_subnet_group(DBSubnetGroupName="private", **parameters)
    with pytest.raises(rds.exceptions.DBSubnetGroupDoesNotCoverEnoughAZs):
        rds.create_db_subnet_group(DBSubnetGroupName="small", DBSubnetGroupDescription="-", SubnetIds=["subnet-1"])
    with pytest.raises(rds.exceptions.InvalidSubnet):
        rds.create_db_subnet_group(DBSubnetGroupName="odd", DBSubnetGroupDescription="-", SubnetIds=["net-1", "net-2"])
    aws.create_cluster(DBSubnetGroupName="private")
    with pytest.raises(rds.exceptions.InvalidDBSubnetGroupStateFault):
        rds.delete_db_subnet_group(DBSubnetGroupName="private")
    rds.delete_db_cluster(DBClusterIdentifier="prod", SkipFinalSnapshot=True)
    aws.wait()
    rds.delete_db_subnet_group(DBSubnetGroupName="private")
    with pytest.raises(rds.exceptions.DBSubnetGroupNotFoundFault):
        rds.describe_db_subnet_groups(DBSubnetGroupName="private")


def test_a_parameter_group_is_not_deleted_while_it_is_used(aws: EmulatedAws) -> None:
    """Cluster and instance parameter groups are created once, and deleted only while no resource uses them."""
    rds = aws.client()
    parameters = {"DBParameterGroupFamily": "aurora-postgresql16", "Description": "-"}
    rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="clusters", **parameters)
    rds.create_db_parameter_group(DBParameterGroupName="instances", **parameters)
    with pytest.raises(rds.exceptions.DBParameterGroupAlreadyExistsFault):
        rds.create_db_parameter_group(DBParameterGroupName="instances", **parameters)
    aws.create_cluster(DBClusterParameterGroupName="clusters")
    aws.create_instance("prod-1", DBParameterGroupName="instances")
    with pytest.raises(rds.exceptions.InvalidDBParameterGroupStateFault):
        rds.delete_db_cluster_parameter_group(DBClusterParameterGroupName="clusters")
    with pytest.raises(rds.exceptions.InvalidDBParameterGroupStateFault):
        rds.delete_db_parameter_group(DBParameterGroupName="instances")
    with pytest.raises(rds.exceptions.DBParameterGroupNotFoundFault):
        rds.describe_db_cluster_parameter_groups(DBClusterParameterGroupName="none")
    assert len(rds.describe_db_parameter_groups(DBParameterGroupName="instances")["DBParameterGroups"]) == 1
    rds.create_db_cluster_parameter_group(DBClusterParameterGroupName="unused", **parameters)
    rds.delete_db_cluster_parameter_group(DBClusterParameterGroupName="unused")
    rds.create_db_parameter_group(DBParameterGroupName="unused", **parameters)
    rds.delete_db_parameter_group(DBParameterGroupName="unused")


def test_tags_are_added_listed_and_removed_by_arn(aws: EmulatedAws) -> None:
    """Tags are added, changed, listed and removed by ARN, and shown in TagList; reserved keys are refused."""
    rds = aws.client()
    arn = aws.create_cluster(Tags=[{"Key": "team", "Value": "orders"}])["DBClusterArn"]
    rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "team", "Value": "data"}, {"Key": "x", "Value": "y"}])
    rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["x", "none"])
    assert rds.list_tags_for_resource(ResourceName=arn)["TagList"] == [{"Key": "team", "Value": "data"}]
    assert aws.describe_cluster()["TagList"] == [{"Key": "team", "Value": "data"}]
    with pytest.raises(ClientError, match=r"InvalidParameterValue.*reserved prefix"):
        rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "aws:x", "Value": "y"}])


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("cluster", "DBClusterNotFoundFault"),
        ("db", "DBInstanceNotFound"),
        ("cluster-snapshot", "DBSnapshotNotFound"),
    ],
)
def test_tags_of_a_missing_resource_are_refused(aws: EmulatedAws, kind: str, code: str) -> None:
    """Tags of a resource that does not exist, or is in another region, are refused with the nearest modelled code."""
    aws.create_cluster("existing")
    for region in (SOURCE, TARGET):
        name = "existing" if region == TARGET else "none"
        with pytest.raises(ClientError, match=code):
            aws.client(region=region).list_tags_for_resource(
                ResourceName=f"arn:aws:rds:{SOURCE}:{ACCOUNT}:{kind}:{name}"
            )


# Defects of the emulator


def raising(code: str) -> Handler:
    """A handler that raises an RdsError with this code, or without a code another exception."""

    def handler(call: Call) -> dict[str, Any]:
        raise RdsError(code, "no such code") if code else RuntimeError("a defect")

    return handler


def returning(response: dict[str, Any]) -> Handler:
    """A handler that returns this response."""

    def handler(call: Call) -> dict[str, Any]:
        return response

    return handler


@pytest.mark.parametrize("code", ["", "DBClusterNotFound", "DBInstanceNotFound"])
def test_a_defect_of_the_emulator_is_an_internal_failure(
    aws: EmulatedAws, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    """An exception, and a code that the model does not list, are InternalFailure 500 and a line in the log."""
    monkeypatch.setitem(OPERATIONS, "DescribeDBClusters", raising(code))
    with pytest.raises(ClientError) as failed:
        aws.client().describe_db_clusters()
    assert failed.value.response["Error"]["Code"] == "InternalFailure"
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "DescribeDBClusters" in caplog.text
    aws.emulator.calls.clear()


def test_a_response_of_the_wrong_shape_is_an_internal_failure(
    aws: EmulatedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emulator never sends a response with a member or a type that the model does not have."""
    responses: list[dict[str, Any]] = [
        {"Cluster": []},
        {"DBClusters": [{"Port": "5432"}]},
        {"DBClusters": [{"Port": True}]},
    ]
    for wrong in responses:
        monkeypatch.setitem(OPERATIONS, "DescribeDBClusters", returning(wrong))
        with pytest.raises(ClientError, match="InternalFailure"):
            aws.client().describe_db_clusters()
    aws.emulator.calls.clear()


def test_a_defect_of_moto_is_an_internal_failure(aws: EmulatedAws) -> None:
    """When moto fails, the client gets InternalFailure in the protocol of the service, not a page of HTML."""
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    with pytest.raises(ClientError, match="InternalFailure"):
        aws.client("kms").disable_key(KeyId=key)  # moto finds a key by its id only, and fails
    aws.emulator.calls.clear()
