"""Refuses an answer of AWS without the members by which the pipeline knows what a resource is and in which state.

botocore's model requires no member of an answer. Without its name, its ARN or its status a resource cannot be distinguished from
another, and a decision about it would be a guess. Every other member may be absent, and means that it is not set.
Source: botocore's model of each operation (no `required` in the shapes of its output).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from botocore.session import Session as BotocoreSession

REQUIRED: dict[str, tuple[str, ...]] = {
    "DescribeDBClusters": (
        "DBClusters",
        "DBClusters[].DBClusterIdentifier",
        "DBClusters[].DBClusterArn",
        "DBClusters[].DbClusterResourceId",
        "DBClusters[].Status",
        "DBClusters[].Engine",
        "DBClusters[].ClusterCreateTime",
        "DBClusters[].DBClusterMembers[].DBInstanceIdentifier",
        "DBClusters[].TagList[].Key",
    ),
    "DescribeDBInstances": (
        "DBInstances",
        "DBInstances[].DBInstanceIdentifier",
        "DBInstances[].DBInstanceArn",
        "DBInstances[].DBInstanceStatus",
        "DBInstances[].DBInstanceClass",
    ),
    "DescribeDBClusterSnapshots": (
        "DBClusterSnapshots",
        "DBClusterSnapshots[].DBClusterSnapshotIdentifier",
        "DBClusterSnapshots[].DBClusterSnapshotArn",
        "DBClusterSnapshots[].Status",
        "DBClusterSnapshots[].Engine",
        "DBClusterSnapshots[].EngineVersion",
        "DBClusterSnapshots[].DBClusterIdentifier",
    ),
    "DescribeDBClusterSnapshotAttributes": ("DBClusterSnapshotAttributesResult",),
    "DescribeDBClusterEndpoints": ("DBClusterEndpoints", "DBClusterEndpoints[].DBClusterEndpointIdentifier"),
    "DescribeDBClusterParameterGroups": (
        "DBClusterParameterGroups",
        "DBClusterParameterGroups[].DBParameterGroupFamily",
    ),
    "DescribeDBParameterGroups": ("DBParameterGroups", "DBParameterGroups[].DBParameterGroupFamily"),
    "DescribeDBEngineVersions": ("DBEngineVersions", "DBEngineVersions[].DBParameterGroupFamily"),
    "DescribeOrderableDBInstanceOptions": ("OrderableDBInstanceOptions",),
    "DescribeDBProxies": ("DBProxies[].DBProxyName",),
    "DescribeDBProxyTargetGroups": ("TargetGroups[].TargetGroupName",),
    "GetCallerIdentity": ("Account",),
    "DescribeKey": ("KeyMetadata.KeyId",),
    "Publish": ("MessageId",),
}
"""By operation, the paths of the members; [] after a list means each of its entries."""


class IncompleteAnswer(BotoCoreError):
    """AWS answered without a member that the pipeline needs. The next answer may be complete."""

    fmt = "The answer of {operation} has no {member}. If this lasts, report it: AWS has changed the operation."


def refuse_incomplete_answers(session: BotocoreSession) -> None:
    """Check every answer to every client that the session will create."""
    events = session.get_component("event_emitter")
    events.register("after-call", _raise_if_incomplete, unique_id="raise-if-incomplete")


def _raise_if_incomplete(model: OperationModel, parsed: dict[str, Any], **_: object) -> None:
    if "Error" in parsed:
        return
    for path in REQUIRED.get(model.name, ()):
        if any(value is None for value in _values(parsed, path.split("."))):
            raise IncompleteAnswer(operation=model.name, member=path)


def _values(answer: Any, path: list[str]) -> Iterator[Any]:
    """The values at the path; None where one is absent. A list that is absent has no entries."""
    name, *rest = path
    value = answer.get(name.removesuffix("[]"))
    if name.endswith("[]"):
        for entry in value or []:
            yield from _values(entry, rest)
    elif rest:
        yield from _values(value, rest) if value is not None else [None]
    else:
        yield value
