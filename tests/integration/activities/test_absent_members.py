"""RDS's model requires no member of an answer: whatever is absent, an activity succeeds or says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

from clients.rds import list_custom_endpoints
from errors import PipelineError
from tests.integration.activities.test_what_is_kept import check, make_rich_target, restore
from tests.rigs.activities import ActivityRig

LISTS = ("DBClusters", "DBInstances", "DBClusterSnapshots", "DBClusterEndpoints", "DBSubnetGroups", "DBEngineVersions")
FEWEST_MEMBERS = 100
TOGETHER = 6
"""Absent members at a time: a whole check takes a while."""
KNOWN_BY = {
    "DBClusterIdentifier", "DBClusterArn", "DbClusterResourceId", "DBInstanceIdentifier", "DBInstanceArn",
    "DBInstanceStatus", "DBClusterSnapshotArn", "Status", "Engine", "EngineVersion", "DBInstanceClass", "Key",
    "ClusterCreateTime", "DBClusterSnapshotIdentifier", "DBClusterEndpointIdentifier", "DBParameterGroupFamily",
}  # fmt: skip
"""The required members that these two steps read."""


def batched(names: list[str], size: int) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(names), size):
        yield tuple(names[start : start + size])


@contextmanager
def without(clients: list[Any], members: tuple[str, ...]) -> Iterator[None]:
    """Every resource in every answer of RDS lacks the members, and so does every structure in it."""

    def strip(parsed: dict[str, Any], **_: object) -> None:
        for name in LISTS:
            for resource in parsed.get(name, []):
                for member in members:
                    _remove(resource, member)

    for client in clients:
        client.meta.events.register_first("after-call.rds", strip, unique_id="strip")
    try:
        yield
    finally:
        for client in clients:
            client.meta.events.unregister("after-call.rds", unique_id="strip")


@contextmanager
def answers_of(clients: list[Any], steps: Iterable[Callable[[], object]]) -> Iterator[None]:
    """Run the steps; afterwards RDS answers each of their reads as it did, without a request.

    The answers of two checks differ only by what `without` removes, and requests take most of a check's time.
    """
    answers: dict[tuple[str, str], dict[str, Any]] = {}

    def record(parsed: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        if "read" in context:
            answers[context["read"]] = deepcopy(parsed)

    def replay(model: Any, params: dict[str, Any], context: dict[str, Any], **_: object) -> Any:
        if not model.name.startswith(("Describe", "List")):
            return None
        context["read"] = key = (params["url"], json.dumps(params["body"], sort_keys=True))
        return (SimpleNamespace(status_code=200), deepcopy(answers[key])) if key in answers else None

    for client in clients:
        client.meta.events.register_last("before-call.rds", replay, unique_id="replay")
        client.meta.events.register_first("after-call.rds", record, unique_id="record")
    for step in steps:
        step()
    for client in clients:
        client.meta.events.unregister("after-call.rds", unique_id="record")
    try:
        yield
    finally:
        for client in clients:
            client.meta.events.unregister("before-call.rds", unique_id="replay")


def _remove(value: Any, member: str) -> None:
    if isinstance(value, dict):
        value.pop(member, None)
        for inner in value.values():
            _remove(inner, member)
    elif isinstance(value, list):
        for inner in value:
            _remove(inner, member)


def _members(value: Any) -> set[str]:
    """The name of every member, nested ones too."""
    if isinstance(value, dict):
        return set(value).union(*map(_members, value.values()))
    return set().union(*map(_members, value)) if isinstance(value, list) else set()


def test_no_absent_member_is_a_crash(rig: ActivityRig) -> None:
    """snapshot-check of a target in which every setting is unusual, and the last poll of its restore."""
    rig.make_source()
    rig.make_snapshot()
    make_rich_target(rig)
    checked = check(rig)
    assert restore(rig, checked).endpoint is not None
    cluster = rig.cluster()
    assert cluster is not None
    waited = rig.check_restore_input(cluster["DbClusterResourceId"])
    waited = waited.model_copy(update={"configuration": checked.configuration})
    clients = [rig.aws.rds(location, rig.operation_id) for location in (rig.source, rig.target)]
    name = cluster["DBClusterIdentifier"]
    answers: list[Any] = [
        clients[1].describe_db_clusters(), clients[1].describe_db_instances(), clients[1].describe_db_subnet_groups(),
        clients[0].describe_db_cluster_snapshots(), {"DBClusterEndpoints": list_custom_endpoints(clients[1], name)},
    ]  # fmt: skip
    members = set().union(*(_members(answer[each]) for answer in answers for each in LISTS if each in answer))
    assert len(members) > FEWEST_MEMBERS
    steps = (lambda: check(rig), lambda: rig.run(rig.restored.check_restore_status, waited))
    absences = (*batched(sorted(members - KNOWN_BY), TOGETHER), *((member,) for member in KNOWN_BY))
    with answers_of(clients, steps):
        for absent in absences:
            with without(clients, absent):
                shorts = {short for step in steps if (short := _short_of_failure(step))}
            assert ("Answer is incomplete" in shorts) is (not KNOWN_BY.isdisjoint(absent)), absent


def _short_of_failure(step: Callable[[], object]) -> str | None:
    """How a step fails; None if it succeeds."""
    try:
        step()
    except PipelineError as error:
        return error.fault.short
    return None
