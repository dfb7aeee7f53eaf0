"""Whose restore waits for a resource, by its name."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cache

import pytest

from events.messages import RdsResource
from events.targets import list_workflow_ids
from models.identifiers import instance_identifier, masked_identifier
from models.request import Target
from models.restored_settings import restored_settings
from tests.rigs.iam.template import template
from tests.rigs.requests import request

ENVIRONMENT, OPERATION = "staging", "op-012"


def ids(kind: str, name: str) -> frozenset[str]:
    target = request().target
    return list_workflow_ids(RdsResource(target.account_id, target.region, kind, name), ENVIRONMENT)


def target(replacement: str) -> Target:
    return request(target={"replacement": replacement}).target


@cache
def wildcards(target_cluster: str) -> tuple[str, ...]:
    """The names whose events the template's rule lets through, with this parameter."""
    rule = json.dumps(template()["Resources"]["RestoreEventsRule"]["Properties"]["EventPattern"])
    rule = rule.replace('{"Ref": "TargetCluster"}', '"${TargetCluster}"')
    pattern = json.loads(rule.replace("${TargetCluster}", target_cluster).replace("${Environment}", ENVIRONMENT))
    return tuple(each["wildcard"] for each in pattern["detail"]["SourceIdentifier"])


def passes_the_rule(name: str) -> bool:
    return any(fnmatchcase(name, each) for each in wildcards(request().target.cluster))


@pytest.mark.parametrize("replacement", ["delete_first", "swap", "drill"])
def test_every_resource_that_a_restore_makes_leads_to_it(replacement: str) -> None:
    """The cluster under each of its names, and its instances by the names that they get; the template's rule knows all."""
    waiting = target(replacement)
    restored = waiting.restored_as(OPERATION)
    clusters = {waiting.cluster, restored.cluster} | ({waiting.replaced.cluster} if waiting.swaps else set())
    for cluster in clusters:
        assert waiting.workflow_id in ids("cluster", cluster)
        assert passes_the_rule(cluster)
    for number, instance in enumerate(restored_settings(waiting, None, OPERATION).instances or (), start=1):
        name = instance.identifier or instance_identifier(restored.cluster, number)
        assert waiting.workflow_id in ids("db", name)
        assert passes_the_rule(name)


def test_a_masked_snapshot_leads_to_its_target() -> None:
    """Of the own environment only, by its name; the template's rule, too, knows no other."""
    waiting = target("delete_first")
    name = masked_identifier(ENVIRONMENT, waiting.arn, "cluster-ABC", datetime(2026, 3, 20, tzinfo=UTC))
    assert ids("cluster-snapshot", name) == {waiting.workflow_id}
    other = masked_identifier("production", waiting.arn, "cluster-ABC", datetime(2026, 3, 20, tzinfo=UTC))
    assert not ids("cluster-snapshot", other)
    assert passes_the_rule(name)
    assert not passes_the_rule(other)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("cluster-snapshot", "rds:orders-staging-2026-10-06-12-24"),
        ("pg", "orders-staging"),
        ("cluster", "orders'-staging"),
        ("cluster", "orders.staging"),
        ("db", "orders"),
    ],
)
def test_nothing_waits_for_other_resources(kind: str, name: str) -> None:
    """Nor does a name reach a query that is none of RDS's."""
    assert not ids(kind, name)


def test_account_and_region_count() -> None:
    """A cluster of the same name elsewhere is another one."""
    waiting = target("delete_first")
    elsewhere = RdsResource(waiting.account_id, "us-east-1", "cluster", waiting.cluster)
    assert waiting.workflow_id not in list_workflow_ids(elsewhere, ENVIRONMENT)


def test_an_event_leads_to_few_ids() -> None:
    """At most six, so that a batch of ten is one short query."""
    assert len(ids("db", "orders-drill-op-001-next-op-002-1")) <= 6
