"""What IAM is asked about each call, as the Service Authorization Reference says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from devstack.iam.authorization import UnknownCall, access_requests
from devstack.iam.call import Call

ACCOUNT, REGION = "610000000003", "eu-central-1"
RDS = f"arn:aws:rds:{REGION}:{ACCOUNT}"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/trail"
SOURCE_SNAPSHOT = "arn:aws:rds:eu-west-1:610000000002:cluster-snapshot:nightly"
PUBLIC = {"PubliclyAccessible": False}


class OneCluster:
    """A `ResourceReader` that knows the tags of one cluster."""

    def tags(self, arn: str) -> Mapping[str, str]:
        return {"team": "shop"} if arn == f"{RDS}:cluster:staging" else {}

    def secret_arn(self, secret_id: str) -> str:
        return f"arn:secret:{secret_id}"

    def key_arn(self, key_id: str) -> str:
        return f"arn:key:{key_id}"


def a_call(action: str, **parameters: Any) -> Call:
    service, _, operation = action.partition(":")
    return Call(service, operation, parameters, ACCOUNT, REGION, OneCluster())


def asked(action: str, **parameters: Any) -> list[str]:
    """The access requests of a call, as texts."""
    return [str(request) for request in access_requests(a_call(action, **parameters))]


@pytest.mark.parametrize(
    ("action", "parameters", "expected"),
    [
        ("rds:DescribeDBClusters", {}, ["rds:DescribeDBClusters on *"]),
        (
            "rds:CopyDBClusterSnapshot",
            {
                "SourceDBClusterSnapshotIdentifier": SOURCE_SNAPSHOT,
                "TargetDBClusterSnapshotIdentifier": "copy",
                "Tags": [{"Key": "a", "Value": "1"}],
            },
            [
                f"rds:CopyDBClusterSnapshot on {SOURCE_SNAPSHOT}",
                f"rds:CopyDBClusterSnapshot on {RDS}:cluster-snapshot:copy",
                f"rds:AddTagsToResource on {RDS}:cluster-snapshot:copy",
                "rds:CrossRegionCommunication on *",
            ],
        ),
        (
            "rds:CopyDBClusterSnapshot",
            {"SourceDBClusterSnapshotIdentifier": "nightly", "TargetDBClusterSnapshotIdentifier": "copy"},
            [
                f"rds:CopyDBClusterSnapshot on {RDS}:cluster-snapshot:nightly",
                f"rds:CopyDBClusterSnapshot on {RDS}:cluster-snapshot:copy",
            ],
        ),
        (
            "rds:RestoreDBClusterFromSnapshot",
            {"DBClusterIdentifier": "staging", "SnapshotIdentifier": SOURCE_SNAPSHOT, "DBSubnetGroupName": "network"},
            [
                f"rds:RestoreDBClusterFromSnapshot on {RDS}:cluster:staging",
                f"rds:RestoreDBClusterFromSnapshot on {SOURCE_SNAPSHOT}",
                f"rds:RestoreDBClusterFromSnapshot on {RDS}:subgrp:network",
            ],
        ),
        (
            "rds:CreateDBInstance",
            {"DBInstanceIdentifier": "s-1", "DBClusterIdentifier": "s", "DBParameterGroupName": "tuned", **PUBLIC},
            [
                f"rds:CreateDBInstance on {RDS}:db:s-1",
                f"rds:CreateDBInstance on {RDS}:cluster:s",
                f"rds:CreateDBInstance on {RDS}:pg:tuned",
            ],
        ),
        (
            "rds:DeleteDBCluster",
            {"DBClusterIdentifier": "staging", "FinalDBSnapshotIdentifier": "last"},
            [
                f"rds:DeleteDBCluster on {RDS}:cluster:staging",
                f"rds:DeleteDBCluster on {RDS}:cluster-snapshot:last",
                f"rds:CreateDBClusterSnapshot on {RDS}:cluster-snapshot:last",
            ],
        ),
        (
            "dynamodb:TransactWriteItems",
            {"TransactItems": [{"Put": {"TableName": "trail"}}, {"ConditionCheck": {"TableName": "trail"}}]},
            [f"dynamodb:PutItem on {TABLE}", f"dynamodb:ConditionCheckItem on {TABLE}"],
        ),
        (
            "dynamodb:ExecuteStatement",
            {"Statement": "update \"trail\" SET details='-'"},
            [f"dynamodb:PartiQLUpdate on {TABLE}"],
        ),
        (
            "dynamodb:ExecuteStatement",
            {"Statement": 'DELETE FROM "trail" WHERE 1=1'},
            [f"dynamodb:PartiQLDelete on {TABLE}"],
        ),
        ("dynamodb:Query", {"TableName": "trail"}, [f"dynamodb:Query on {TABLE}"]),
        (
            "dynamodb:Query",
            {"TableName": "trail", "IndexName": "by-date"},
            [f"dynamodb:Query on {TABLE}/index/by-date"],
        ),
        ("secretsmanager:GetSecretValue", {"SecretId": "app"}, ["secretsmanager:GetSecretValue on arn:secret:app"]),
        ("kms:DescribeKey", {"KeyId": "alias/a"}, ["kms:DescribeKey on arn:key:alias/a"]),
        ("sts:AssumeRole", {"RoleArn": "arn:role"}, ["sts:AssumeRole on arn:role"]),
        ("sts:GetCallerIdentity", {}, []),
    ],
)
def test_a_call_asks_for_its_actions_and_resources(
    action: str, parameters: dict[str, Any], expected: list[str]
) -> None:
    """Also for the actions that it depends on."""
    assert asked(action, **parameters) == expected


def test_the_tags_of_request_and_resource_are_in_the_context() -> None:
    """With the region, and the keys of the request's tags."""
    tags = [{"Key": "owner", "Value": "me"}, {"Key": "empty"}]
    [request] = access_requests(a_call("rds:AddTagsToResource", ResourceName=f"{RDS}:cluster:staging", Tags=tags))
    assert request.context == {
        "aws:RequestedRegion": (REGION,),
        "aws:ResourceTag/team": ("shop",),
        "aws:RequestTag/owner": ("me",),
        "aws:RequestTag/empty": ("",),
        "aws:TagKeys": ("owner", "empty"),
    }


def test_the_keys_of_tags_to_remove_are_in_the_context() -> None:
    """Such a request has keys and no values."""
    [request] = access_requests(
        a_call("rds:RemoveTagsFromResource", ResourceName=f"{RDS}:cluster:other", TagKeys=["team", "owner"])
    )
    assert request.context == {"aws:RequestedRegion": (REGION,), "aws:TagKeys": ("team", "owner")}


@pytest.mark.parametrize("action", ["rds:FailoverDBCluster", "rds:StartDBCluster", "s3:GetObject"])
def test_a_call_that_is_not_modelled_raises(action: str) -> None:
    """Only the Describe calls of RDS are modelled together; the message names the files to extend."""
    with pytest.raises(UnknownCall, match=rf"{action} is not modelled .* deploy/iam and deploy/template\.yaml"):
        asked(action)
