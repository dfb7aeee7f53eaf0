"""The calls of `rds_calls` for what is around a cluster: endpoints, roles, integrations, shard groups, proxies."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.rigs.emulated_aws import ACCOUNT, EmulatedAws

ROLE = f"arn:aws:iam::{ACCOUNT}:role/anything"
TAGS = [{"Key": "team", "Value": "orders"}]
PAGE: dict[str, Any] = {"MaxRecords": 20, "Marker": ""}


def call_endpoints_and_roles(aws: EmulatedAws) -> None:
    rds = aws.client()
    cluster = aws.describe_cluster()
    role = {"DBClusterIdentifier": "prod", "RoleArn": ROLE, "FeatureName": "Lambda"}
    rds.add_role_to_db_cluster(**role)
    rds.remove_role_from_db_cluster(**role)
    rds.enable_http_endpoint(ResourceArn=cluster["DBClusterArn"])
    rds.disable_http_endpoint(ResourceArn=cluster["DBClusterArn"])
    endpoint = {"DBClusterIdentifier": "prod", "EndpointType": "ANY", "Tags": TAGS}
    rds.create_db_cluster_endpoint(DBClusterEndpointIdentifier="some", StaticMembers=["one"], **endpoint)
    rds.create_db_cluster_endpoint(DBClusterEndpointIdentifier="others", ExcludedMembers=["one"], **endpoint)
    rds.describe_db_cluster_endpoints(
        DBClusterIdentifier="prod",
        DBClusterEndpointIdentifier="some",
        Filters=[{"Name": "db-cluster-endpoint-type", "Values": ["custom"]}],
        **PAGE,
    )
    aws.wait()
    for members in ({"StaticMembers": ["three"]}, {"ExcludedMembers": ["three"]}):
        rds.modify_db_cluster_endpoint(DBClusterEndpointIdentifier="some", EndpointType="READER", **members)
        aws.wait()
    rds.delete_db_cluster_endpoint(DBClusterEndpointIdentifier="some")


def call_attachments(aws: EmulatedAws, key: str) -> None:
    rds, arn = aws.client(), aws.describe_cluster()["DBClusterArn"]
    integration = rds.create_integration(
        SourceArn=arn,
        TargetArn="arn:aws:redshift:eu-west-1:111122223333:namespace:warehouse",
        IntegrationName="reports",
        KMSKeyId=key,
        DataFilter="include: *.*",
        Description="reports",
        Tags=TAGS,
    )["IntegrationArn"]
    rds.describe_integrations(IntegrationIdentifier=integration, MaxRecords=20, Marker="b25l")
    rds.delete_integration(IntegrationIdentifier=integration)
    rds.create_db_shard_group(
        DBShardGroupIdentifier="shards",
        DBClusterIdentifier="prod",
        ComputeRedundancy=0,
        MaxACU=16,
        MinACU=2,
        PubliclyAccessible=False,
        Tags=TAGS,
    )
    rds.describe_db_shard_groups(DBShardGroupIdentifier="shards", Marker="", MaxRecords=20)
    rds.delete_db_shard_group(DBShardGroupIdentifier="shards")
    blue = aws.describe_cluster("source")["DBClusterArn"]
    body = json.dumps({"arn": blue, "name": "upgrade"}).encode()
    with urllib.request.urlopen(f"{aws.emulator.endpoint_url}/_devstack/rds/blue-green-deployment", body) as answer:
        identifier = json.load(answer)["identifier"]
    rds.describe_blue_green_deployments(
        BlueGreenDeploymentIdentifier=identifier, Filters=[{"Name": "source", "Values": [blue]}], **PAGE
    )


def call_event_subscriptions(aws: EmulatedAws) -> None:
    topic = aws.client("sns").create_topic(Name="rds-events")["TopicArn"]
    aws.client().create_event_subscription(
        SubscriptionName="ours",
        SnsTopicArn=topic,
        SourceType="db-cluster",
        EventCategories=["creation", "deletion"],
        Enabled=True,
    )


def call_proxies(aws: EmulatedAws) -> None:
    rds = aws.client()
    rds.create_db_proxy(
        DBProxyName="pool",
        EngineFamily="POSTGRESQL",
        DefaultAuthScheme="NONE",
        Auth=[
            {
                "Description": "application",
                "UserName": "app",
                "AuthScheme": "SECRETS",
                "SecretArn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app",
                "IAMAuth": "DISABLED",
                "ClientPasswordAuthType": "POSTGRES_SCRAM_SHA_256",
            }
        ],
        RoleArn=ROLE,
        VpcSubnetIds=["subnet-01", "subnet-02"],
        VpcSecurityGroupIds=["sg-0123"],
        RequireTLS=True,
        IdleClientTimeout=60,
        DebugLogging=False,
        EndpointNetworkType="IPV4",
        TargetConnectionNetworkType="IPV4",
        Tags=TAGS,
    )
    rds.describe_db_proxies(DBProxyName="pool", **PAGE)
    group = {"DBProxyName": "pool", "TargetGroupName": "default"}
    rds.register_db_proxy_targets(**group, DBClusterIdentifiers=["prod"])
    rds.describe_db_proxy_target_groups(**group)
    rds.describe_db_proxy_targets(**group)
    rds.deregister_db_proxy_targets(**group, DBClusterIdentifiers=["prod"])
    rds.delete_db_proxy(DBProxyName="pool")
