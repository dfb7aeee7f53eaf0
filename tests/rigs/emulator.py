"""The world in the evening, from which the nights under test set out: clusters without databases, and how fast they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devstack.aws import Durations, Emulator, NoDatabases
from devstack.demo_environment import TARGET, DemoEnvironment, environment
from tests.rigs.restores import environment_variables

AT_ONCE = Durations(**dict.fromkeys(Durations.__dataclass_fields__, 0.0))
MINUTES = Durations(
    snapshot=60,
    copy=540,
    cluster_create=60,
    cluster_restore=900,
    cluster_modify=60,
    cluster_delete=40,
    instance_create=400,
    instance_delete=20,
    instance_modify=60,
    master_password=60,
)
"""For nights whose time is skipped."""


@contextmanager
def clusters_alone(durations: Durations) -> Iterator[DemoEnvironment]:
    """The devstack's world, whose clusters have no databases behind them; nothing may be asked of one."""
    with (
        Emulator(NoDatabases(), durations=durations) as emulator,
        environment_variables(environment(emulator.endpoint_url)),
    ):
        demo = DemoEnvironment(emulator)
        demo.build(filled=False)
        yield demo


def another_evening(demo: DemoEnvironment) -> None:
    """After whatever night: no fault, a target, a new snapshot, no message and no call that was not there before."""
    demo.emulator.faults.clear()
    if not target_is_up(demo):
        demo.make_target()
    demo.take_automated_snapshot()
    demo.receive_notifications()
    demo.emulator.calls.clear()


def target_is_up(demo: DemoEnvironment) -> bool:
    """Whether there is a target, and it is available."""
    clusters = demo.client("rds").describe_db_clusters()["DBClusters"]
    return any((each["DBClusterIdentifier"], each["Status"]) == (TARGET, "available") for each in clusters)


def tables_of(test: pytest.FixtureRequest) -> str:
    """A name for the tables that are one test's own, as DynamoDB takes it."""
    return str(test.node.name)[:40].replace("[", "-").rstrip("]-")
