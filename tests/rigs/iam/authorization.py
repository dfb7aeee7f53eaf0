"""Which questions AWS asks IAM about a call: actions, resources, condition keys, and the actions that it depends on.

Source: Service Authorization Reference, the pages of each service; DynamoDB Developer Guide, "Using IAM with DynamoDB
transactions". A call that is not modelled here is no call that anybody may make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from tests.rigs.iam.evaluation import Ask, Context

TRANSACTION = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
PARTIQL = {"INSERT": "Insert", "UPDATE": "Update", "DELETE": "Delete", "SELECT": "Select"}


class UnknownCall(Exception):
    """Nobody wrote down what this call is authorised on."""


class Looks(Protocol):
    """How the world stands at the moment of a call."""

    def tags(self, arn: str) -> Mapping[str, str]:
        """The tags of a resource; none if it is not there."""

    def secret_arn(self, secret_id: str) -> str:
        """The ARN of a secret by name or ARN."""

    def key_arn(self, key_id: str) -> str:
        """The ARN of a key by id, alias or ARN."""


@dataclass(frozen=True)
class Call:
    """A call as AWS sees it before it carries it out."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    account: str
    region: str
    world: Looks

    @property
    def action(self) -> str:
        """The action of the same name."""
        return f"{self.service}:{self.operation}"

    def rds_arn(self, kind: str, name: str) -> str:
        """The ARN of one of the caller's own resources; an ARN stays what it is."""
        return name if name.startswith("arn:") else f"arn:aws:rds:{self.region}:{self.account}:{kind}:{name}"

    def ask(self, resource: str, action: str | None = None, more: Context = MappingProxyType({})) -> Ask:
        """The question about one resource, with its tags and those of the request."""
        return Ask(action or self.action, resource, {**self._context(resource), **more})

    def _context(self, resource: str) -> Context:
        context: dict[str, tuple[str, ...]] = {"aws:RequestedRegion": (self.region,)}
        context |= {f"aws:ResourceTag/{key}": (value,) for key, value in self.world.tags(resource).items()}
        context |= {f"aws:RequestTag/{key}": (value,) for key, value in self.request_tags.items()}
        if keys := tuple(self.parameters.get("TagKeys", self.request_tags)):
            context["aws:TagKeys"] = keys
        return context

    @property
    def request_tags(self) -> dict[str, str]:
        """The tags that the request gives."""
        return {tag["Key"]: tag.get("Value", "") for tag in self.parameters.get("Tags", [])}


def questions(call: Call) -> list[Ask]:
    """Everything that must be allowed for the call to be carried out."""
    try:
        asked = ASKED.get(call.action) or SERVICES[call.service]
        return list(asked(call))
    except KeyError as missing:
        raise UnknownCall(
            f"{call.action} is new here ({missing} is not known): say in tests/rigs/iam/authorization.py what it is authorised "
            "on (Service Authorization Reference), then allow it in deploy/iam and deploy/template.yaml."
        ) from missing


def _rds(call: Call) -> Iterator[Ask]:
    if not call.operation.startswith("Describe"):
        raise KeyError(call.operation)
    yield call.ask("*")


def _copy(call: Call) -> Iterator[Ask]:
    source = call.rds_arn("cluster-snapshot", call.parameters["SourceDBClusterSnapshotIdentifier"])
    yield call.ask(source)
    yield from _tagged(call, call.rds_arn("cluster-snapshot", call.parameters["TargetDBClusterSnapshotIdentifier"]))
    if source.split(":")[3] != call.region:
        yield call.ask("*", "rds:CrossRegionCommunication")


def _restore(call: Call) -> Iterator[Ask]:
    yield from _tagged(call, call.rds_arn("cluster", call.parameters["DBClusterIdentifier"]))
    yield call.ask(call.rds_arn("cluster-snapshot", call.parameters["SnapshotIdentifier"]))
    yield from _groups(call, ("subgrp", "DBSubnetGroupName"), ("cluster-pg", "DBClusterParameterGroupName"))


def _create_instance(call: Call) -> Iterator[Ask]:
    public = {"rds:PubliclyAccessible": (str(call.parameters["PubliclyAccessible"]).lower(),)}
    yield from _tagged(call, call.rds_arn("db", call.parameters["DBInstanceIdentifier"]), more=public)
    yield call.ask(call.rds_arn("cluster", call.parameters["DBClusterIdentifier"]), more=public)
    yield from _groups(call, ("pg", "DBParameterGroupName"), more=public)


def _modify_cluster(call: Call) -> Iterator[Ask]:
    yield call.ask(call.rds_arn("cluster", call.parameters["DBClusterIdentifier"]))
    yield from _groups(call, ("cluster-pg", "DBClusterParameterGroupName"))
    if call.parameters.get("ManageMasterUserPassword"):
        secret = f"arn:aws:secretsmanager:{call.region}:{call.account}:secret:rds!cluster-0"
        yield call.ask(secret, "secretsmanager:CreateSecret")
        yield call.ask(secret, "secretsmanager:TagResource")


def _delete_cluster(call: Call) -> Iterator[Ask]:
    yield call.ask(call.rds_arn("cluster", call.parameters["DBClusterIdentifier"]))
    if final := call.parameters.get("FinalDBSnapshotIdentifier"):
        yield call.ask(call.rds_arn("cluster-snapshot", final))
        yield call.ask(call.rds_arn("cluster-snapshot", final), "rds:CreateDBClusterSnapshot")


def _tagged(call: Call, made: str, more: Context = MappingProxyType({})) -> Iterator[Ask]:
    """What makes a resource with tags needs the right to tag it."""
    yield call.ask(made, more=more)
    if call.request_tags:
        yield call.ask(made, "rds:AddTagsToResource")


def _groups(call: Call, *groups: tuple[str, str], more: Context = MappingProxyType({})) -> Iterator[Ask]:
    for kind, parameter in groups:
        if name := call.parameters.get(parameter):
            yield call.ask(call.rds_arn(kind, name), more=more)


def _rds_by(kind: str, parameter: str) -> Callable[[Call], Iterator[Ask]]:
    def asked(call: Call) -> Iterator[Ask]:
        yield call.ask(call.rds_arn(kind, call.parameters[parameter]))

    return asked


def _dynamodb(call: Call) -> Iterator[Ask]:
    yield call.ask(_table(call, call.parameters["TableName"], call.parameters.get("IndexName")))


def _batch(call: Call) -> Iterator[Ask]:
    for table in call.parameters["RequestItems"]:
        yield call.ask(_table(call, table))


def _transaction(call: Call) -> Iterator[Ask]:
    for item in call.parameters["TransactItems"]:
        for kind, of in item.items():
            yield call.ask(_table(call, of["TableName"]), f"dynamodb:{TRANSACTION[kind]}")


def _partiql(call: Call) -> Iterator[Ask]:
    words = call.parameters["Statement"].replace('"', " ").split()
    table = words[1] if words[0].upper() == "UPDATE" else words[2]
    yield call.ask(_table(call, table), f"dynamodb:PartiQL{PARTIQL[words[0].upper()]}")


def _table(call: Call, name: str, index: str | None = None) -> str:
    arn = name if name.startswith("arn:") else f"arn:aws:dynamodb:{call.region}:{call.account}:table/{name}"
    return f"{arn}/index/{index}" if index else arn


def _secretsmanager(call: Call) -> Iterator[Ask]:
    yield call.ask(call.world.secret_arn(call.parameters["SecretId"]))


def _kms(call: Call) -> Iterator[Ask]:
    yield call.ask(call.world.key_arn(call.parameters["KeyId"]))


def _assume_role(call: Call) -> Iterator[Ask]:
    yield call.ask(call.parameters["RoleArn"])


def _nothing(_: Call) -> Iterator[Ask]:
    yield from ()


def _anywhere(call: Call) -> Iterator[Ask]:
    yield call.ask("*")


def _topic(call: Call) -> Iterator[Ask]:
    yield call.ask(call.parameters["TopicArn"])


SERVICES: Mapping[str, Callable[[Call], Iterator[Ask]]] = {
    "dynamodb": _dynamodb,
    "kms": _kms,
    "rds": _rds,
    "secretsmanager": _secretsmanager,
}
"""For operations that all name their resource in the same way."""
ASKED: Mapping[str, Callable[[Call], Iterator[Ask]]] = {
    "dynamodb:BatchWriteItem": _batch,
    "dynamodb:ExecuteStatement": _partiql,
    "dynamodb:TransactWriteItems": _transaction,
    "ec2:DescribeSecurityGroups": _anywhere,
    "rds:AddTagsToResource": _rds_by("", "ResourceName"),
    "rds:CopyDBClusterSnapshot": _copy,
    "rds:CreateDBInstance": _create_instance,
    "rds:DeleteDBCluster": _delete_cluster,
    "rds:DeleteDBClusterSnapshot": _rds_by("cluster-snapshot", "DBClusterSnapshotIdentifier"),
    "rds:DeleteDBInstance": _rds_by("db", "DBInstanceIdentifier"),
    "rds:ModifyDBCluster": _modify_cluster,
    "rds:RemoveTagsFromResource": _rds_by("", "ResourceName"),
    "rds:RestoreDBClusterFromSnapshot": _restore,
    "sns:GetTopicAttributes": _topic,
    "sns:Publish": _topic,
    "sts:AssumeRole": _assume_role,
    "sts:GetCallerIdentity": _nothing,
}
"""The others, one by one."""
