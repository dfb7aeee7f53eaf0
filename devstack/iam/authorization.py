"""Which access requests AWS makes to IAM for a call: actions, resources, condition keys, and dependent actions.

Source: Service Authorization Reference, the pages of each service; DynamoDB Developer Guide, "Using IAM with DynamoDB
transactions". A call that is not modelled here is refused for every role.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from devstack.iam.call import NO_CONTEXT, Call
from devstack.iam.evaluation import AccessRequest, Context

TRANSACTION = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}


PARTIQL = {"INSERT": "Insert", "UPDATE": "Update", "DELETE": "Delete", "SELECT": "Select"}


class UnknownCall(Exception):
    """This module does not say what the call is authorized on."""


def access_requests(call: Call) -> list[AccessRequest]:
    """Everything that IAM must allow for the call. Raises `UnknownCall`."""
    try:
        requests = OPERATIONS.get(call.action) or SERVICES[call.service]
        return list(requests(call))
    except KeyError as missing:
        raise UnknownCall(
            f"{call.action} is not modelled ({missing} is unknown). Add to devstack/iam/authorization.py what it is "
            "authorized on (Service Authorization Reference), then allow it in deploy/iam and deploy/template.yaml."
        ) from missing


def _describe_rds(call: Call) -> Iterator[AccessRequest]:
    if not call.operation.startswith("Describe"):
        raise KeyError(call.operation)
    yield call.request("*")


def _copy_snapshot(call: Call) -> Iterator[AccessRequest]:
    source = call.rds_arn("cluster-snapshot", call.parameters["SourceDBClusterSnapshotIdentifier"])
    yield call.request(source)
    yield from _create_with_tags(
        call, call.rds_arn("cluster-snapshot", call.parameters["TargetDBClusterSnapshotIdentifier"])
    )
    if source.split(":")[3] != call.region:
        yield call.request("*", "rds:CrossRegionCommunication")


def _create_snapshot(call: Call) -> Iterator[AccessRequest]:
    yield call.request(call.rds_arn("cluster", call.parameters["DBClusterIdentifier"]))
    yield from _create_with_tags(call, call.rds_arn("cluster-snapshot", call.parameters["DBClusterSnapshotIdentifier"]))


def _create_cluster(call: Call) -> Iterator[AccessRequest]:
    yield from _create_with_tags(call, call.rds_arn("cluster", call.parameters["DBClusterIdentifier"]))
    yield from _groups(call, ("subgrp", "DBSubnetGroupName"), ("cluster-pg", "DBClusterParameterGroupName"))
    yield from _managed_secret(call)


def _restore_cluster(call: Call) -> Iterator[AccessRequest]:
    yield from _create_with_tags(call, call.rds_arn("cluster", call.parameters["DBClusterIdentifier"]))
    yield call.request(call.rds_arn("cluster-snapshot", call.parameters["SnapshotIdentifier"]))
    yield from _groups(call, ("subgrp", "DBSubnetGroupName"), ("cluster-pg", "DBClusterParameterGroupName"))
    for role in call.parameters.get("AssociatedRoles", []):
        yield _pass_role(call, role["RoleArn"], "rds.amazonaws.com")
    if name := call.parameters.get("DomainIAMRoleName"):
        yield _pass_role(call, f"arn:aws:iam::{call.account}:role/{name}", "rds.amazonaws.com")


def _create_instance(call: Call) -> Iterator[AccessRequest]:
    public = {"rds:PubliclyAccessible": (str(call.parameters["PubliclyAccessible"]).lower(),)}
    yield from _create_with_tags(call, call.rds_arn("db", call.parameters["DBInstanceIdentifier"]), more=public)
    yield call.request(call.rds_arn("cluster", call.parameters["DBClusterIdentifier"]), more=public)
    yield from _groups(call, ("pg", "DBParameterGroupName"), more=public)
    if role := call.parameters.get("MonitoringRoleArn"):
        yield _pass_role(call, role, "monitoring.rds.amazonaws.com")


def _add_role(call: Call) -> Iterator[AccessRequest]:
    yield call.request(call.rds_arn("cluster", call.parameters["DBClusterIdentifier"]))
    yield _pass_role(call, call.parameters["RoleArn"], "rds.amazonaws.com")


def _create_endpoint(call: Call) -> Iterator[AccessRequest]:
    yield call.request(call.rds_arn("cluster", call.parameters["DBClusterIdentifier"]))
    yield from _create_with_tags(call, call.rds_arn("cluster-endpoint", call.parameters["DBClusterEndpointIdentifier"]))


def _register_with_proxy(call: Call) -> Iterator[AccessRequest]:
    yield call.request(call.rds_arn("target-group", "prx-tg-0"))
    for cluster in call.parameters["DBClusterIdentifiers"]:
        yield call.request(call.rds_arn("cluster", cluster))


def _scaling(call: Call) -> Iterator[AccessRequest]:
    """Application Auto Scaling evaluates no narrower ARN than that of all scalable targets."""
    arn = f"arn:aws:application-autoscaling:{call.region}:{call.account}:scalable-target/*"
    more = {"application-autoscaling:service-namespace": (call.parameters["ServiceNamespace"],)}
    yield call.request(arn, more=more)
    if call.parameters.get("Tags"):
        yield call.request(arn, "application-autoscaling:TagResource", more=more)
    if call.parameters.get("PolicyType") == "TargetTrackingScaling":
        # Application Auto Scaling User Guide, "Permissions required": CloudWatch, with the caller's permissions.
        alarm = f"alarm:TargetTracking-{call.parameters['ResourceId']}-AlarmHigh-0"
        for action in ("DescribeAlarms", "PutMetricAlarm"):
            yield call.request(f"arn:aws:cloudwatch:{call.region}:{call.account}:{alarm}", f"cloudwatch:{action}")


def _pass_role(call: Call, role: str, service: str) -> AccessRequest:
    """IAM User Guide, "Granting a user permissions to pass a role to an AWS service"."""
    return call.request(role, "iam:PassRole", more={"iam:PassedToService": (service,)})


def _modify_cluster(call: Call) -> Iterator[AccessRequest]:
    yield call.request(call.rds_arn("cluster", call.parameters["DBClusterIdentifier"]))
    yield from _groups(call, ("cluster-pg", "DBClusterParameterGroupName"))
    yield from _managed_secret(call)


def _managed_secret(call: Call) -> Iterator[AccessRequest]:
    """RDS creates the secret of a managed password with the caller's permissions."""
    if call.parameters.get("ManageMasterUserPassword"):
        secret = f"arn:aws:secretsmanager:{call.region}:{call.account}:secret:rds!cluster-0"
        yield call.request(secret, "secretsmanager:CreateSecret")
        yield call.request(secret, "secretsmanager:TagResource")


def _delete_cluster(call: Call) -> Iterator[AccessRequest]:
    yield call.request(call.rds_arn("cluster", call.parameters["DBClusterIdentifier"]))
    if final := call.parameters.get("FinalDBSnapshotIdentifier"):
        yield call.request(call.rds_arn("cluster-snapshot", final))
        yield call.request(call.rds_arn("cluster-snapshot", final), "rds:CreateDBClusterSnapshot")


def _create_with_tags(call: Call, arn: str, more: Context = NO_CONTEXT) -> Iterator[AccessRequest]:
    """A call that creates a resource with tags needs AddTagsToResource too."""
    yield call.request(arn, more=more)
    if call.request_tags:
        yield call.request(arn, "rds:AddTagsToResource")


def _groups(call: Call, *groups: tuple[str, str], more: Context = NO_CONTEXT) -> Iterator[AccessRequest]:
    for kind, parameter in groups:
        if name := call.parameters.get(parameter):
            yield call.request(call.rds_arn(kind, name), more=more)


def _rds_resource(kind: str, parameter: str) -> Callable[[Call], Iterator[AccessRequest]]:
    def requests(call: Call) -> Iterator[AccessRequest]:
        yield call.request(call.rds_arn(kind, call.parameters[parameter]))

    return requests


def _dynamodb(call: Call) -> Iterator[AccessRequest]:
    yield call.request(_table(call, call.parameters["TableName"], call.parameters.get("IndexName")))


def _batch(call: Call) -> Iterator[AccessRequest]:
    for table in call.parameters["RequestItems"]:
        yield call.request(_table(call, table))


def _transaction(call: Call) -> Iterator[AccessRequest]:
    for item in call.parameters["TransactItems"]:
        for kind, parameters in item.items():
            yield call.request(_table(call, parameters["TableName"]), f"dynamodb:{TRANSACTION[kind]}")


def _partiql(call: Call) -> Iterator[AccessRequest]:
    words = call.parameters["Statement"].replace('"', " ").split()
    table = words[1] if words[0].upper() == "UPDATE" else words[2]
    yield call.request(_table(call, table), f"dynamodb:PartiQL{PARTIQL[words[0].upper()]}")


def _table(call: Call, name: str, index: str | None = None) -> str:
    arn = name if name.startswith("arn:") else f"arn:aws:dynamodb:{call.region}:{call.account}:table/{name}"
    return f"{arn}/index/{index}" if index else arn


def _secretsmanager(call: Call) -> Iterator[AccessRequest]:
    yield call.request(call.resources.secret_arn(call.parameters["SecretId"]))


def _kms(call: Call) -> Iterator[AccessRequest]:
    yield call.request(call.resources.key_arn(call.parameters["KeyId"]))


def _assume_role(call: Call) -> Iterator[AccessRequest]:
    yield call.request(call.parameters["RoleArn"])


def _no_permission(_: Call) -> Iterator[AccessRequest]:
    yield from ()


def _any_resource(call: Call) -> Iterator[AccessRequest]:
    yield call.request("*")


def _simulation(call: Call) -> Iterator[AccessRequest]:
    yield call.request(call.parameters["PolicySourceArn"])


def _topic(call: Call) -> Iterator[AccessRequest]:
    yield call.request(call.parameters["TopicArn"])


def _queue(call: Call, action: str | None = None) -> Iterator[AccessRequest]:
    """A queue by its URL, of which the last two parts of the path are the account and the name."""
    path = str(call.parameters.get("QueueUrl", "")).split("/")[-2:]
    if call.operation == "GetQueueUrl":
        path = [call.parameters.get("QueueOwnerAWSAccountId", call.account), call.parameters["QueueName"]]
    yield call.request(f"arn:aws:sqs:{call.region}:{':'.join(path)}", action)


def _delete_messages(call: Call) -> Iterator[AccessRequest]:
    """SQS Developer Guide, "Amazon SQS API permissions": a batch needs the permission of the single call."""
    yield from _queue(call, "sqs:DeleteMessage")


SERVICES: Mapping[str, Callable[[Call], Iterator[AccessRequest]]] = {
    "dynamodb": _dynamodb,
    "kms": _kms,
    "rds": _describe_rds,
    "secretsmanager": _secretsmanager,
}
"""By service, for the operations that name their resource in the same way."""


OPERATIONS: Mapping[str, Callable[[Call], Iterator[AccessRequest]]] = {
    "dynamodb:BatchWriteItem": _batch,
    "dynamodb:ExecuteStatement": _partiql,
    "dynamodb:TransactWriteItems": _transaction,
    "application-autoscaling:DescribeScalableTargets": _any_resource,
    "application-autoscaling:DescribeScalingPolicies": _any_resource,
    "application-autoscaling:DescribeScheduledActions": _any_resource,
    "application-autoscaling:ListTagsForResource": _any_resource,
    "application-autoscaling:PutScalingPolicy": _scaling,
    "application-autoscaling:PutScheduledAction": _scaling,
    "application-autoscaling:RegisterScalableTarget": _scaling,
    "ec2:DescribeSecurityGroups": _any_resource,
    "iam:SimulatePrincipalPolicy": _simulation,
    "rds:AddRoleToDBCluster": _add_role,
    "rds:AddTagsToResource": _rds_resource("", "ResourceName"),
    "rds:CopyDBClusterSnapshot": _copy_snapshot,
    "rds:CreateDBCluster": _create_cluster,
    "rds:CreateDBClusterEndpoint": _create_endpoint,
    "rds:CreateDBClusterSnapshot": _create_snapshot,
    "rds:CreateDBInstance": _create_instance,
    "rds:DeleteDBCluster": _delete_cluster,
    "rds:DeleteDBClusterSnapshot": _rds_resource("cluster-snapshot", "DBClusterSnapshotIdentifier"),
    "rds:DeleteDBInstance": _rds_resource("db", "DBInstanceIdentifier"),
    "rds:EnableHttpEndpoint": _rds_resource("cluster", "ResourceArn"),
    "rds:ListTagsForResource": _rds_resource("", "ResourceName"),
    "rds:ModifyDBCluster": _modify_cluster,
    "rds:ModifyDBClusterSnapshotAttribute": _rds_resource("cluster-snapshot", "DBClusterSnapshotIdentifier"),
    "rds:RebootDBInstance": _rds_resource("db", "DBInstanceIdentifier"),
    "rds:RegisterDBProxyTargets": _register_with_proxy,
    "rds:RemoveTagsFromResource": _rds_resource("", "ResourceName"),
    "rds:RestoreDBClusterFromSnapshot": _restore_cluster,
    "rds:StartDBCluster": _rds_resource("cluster", "DBClusterIdentifier"),
    "rds:StopDBCluster": _rds_resource("cluster", "DBClusterIdentifier"),
    "sns:GetTopicAttributes": _topic,
    "sns:Publish": _topic,
    "sqs:DeleteMessageBatch": _delete_messages,
    "sqs:GetQueueUrl": _queue,
    "sqs:ReceiveMessage": _queue,
    "sts:AssumeRole": _assume_role,
    "sts:GetCallerIdentity": _no_permission,
}
"""By operation, for the others."""
