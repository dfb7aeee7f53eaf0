"""The demo environment under test: clusters without databases, and the state from which a restore starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from devstack.aws import Durations, Emulator, NoDatabases
from devstack.demo_environment import REPLACED_BY, TARGET, DemoEnvironment, environment


@contextmanager
def demo_without_databases(durations: Durations) -> Iterator[DemoEnvironment]:
    """The demo environment, but no database server behind its clusters: a request must have no users."""
    with (
        Emulator(NoDatabases(), durations=durations) as emulator,
        environment_variables(environment(emulator.endpoint_url)),
    ):
        demo = DemoEnvironment(emulator)
        demo.build(filled=False)
        yield demo


@contextmanager
def environment_variables(variables: dict[str, str]) -> Iterator[None]:
    """Set them, and set them back afterwards."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def prepare_next_restore(demo: DemoEnvironment) -> None:
    """After any restore: no fault, an available target, a new snapshot, and no message or call of before."""
    demo.emulator.faults.clear()
    if not is_target_available(demo):
        demo.make_target()
    demo.take_automated_snapshot()
    demo.receive_notifications()
    demo.emulator.calls.clear()


def prepare_first_restore(demo: DemoEnvironment) -> None:
    """As before any restore: no fault, no copy, a target that has opted in, and a new snapshot."""
    demo.emulator.faults.clear()
    delete_target(demo)
    delete_copies(demo)
    demo.make_target()
    demo.take_automated_snapshot()


def is_target_available(demo: DemoEnvironment) -> bool:
    """Whether the target exists and is available."""
    clusters = demo.client("rds").describe_db_clusters()["DBClusters"]
    return any((each["DBClusterIdentifier"], each["Status"]) == (TARGET, "available") for each in clusters)


def delete_target(demo: DemoEnvironment) -> None:
    """Delete the target, whatever its status, and wait until it is gone."""
    rds = demo.client("rds")
    for cluster in rds.describe_db_clusters()["DBClusters"]:
        if cluster["DBClusterIdentifier"] != TARGET:
            continue
        for member in cluster["DBClusterMembers"]:
            rds.delete_db_instance(DBInstanceIdentifier=member["DBInstanceIdentifier"])
        set_status(demo, cluster["DBClusterArn"], "available")
        rds.delete_db_cluster(DBClusterIdentifier=TARGET, SkipFinalSnapshot=True)
    demo.wait_until(lambda: all(each["DBClusterIdentifier"] != TARGET for each in _clusters(demo)))


def delete_copies(demo: DemoEnvironment) -> None:
    """Delete every manual snapshot in the target's region, whatever its status."""
    for snapshot in manual_snapshots(demo):
        set_status(demo, snapshot["DBClusterSnapshotArn"], "available")
        demo.client("rds").delete_db_cluster_snapshot(
            DBClusterSnapshotIdentifier=snapshot["DBClusterSnapshotIdentifier"]
        )


def manual_snapshots(demo: DemoEnvironment) -> list[Any]:
    """The manual snapshots in the target's region, as RDS describes them: the copies."""
    return list(demo.client("rds").describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"])


def copies(demo: DemoEnvironment) -> dict[str, str]:
    """The identifier of each copy, and its status."""
    return {each["DBClusterSnapshotIdentifier"]: each["Status"] for each in manual_snapshots(demo)}


def set_status(demo: DemoEnvironment, arn: str, status: str) -> None:
    """Give a cluster or a snapshot a status, as if RDS did."""
    demo.control("POST", "/_devstack/rds/status", {"arn": arn, "status": status})


def opt_in(demo: DemoEnvironment, source_arn: str | None = None) -> None:
    """Tag the target: it may be replaced with a snapshot of this source, by default the demo's."""
    tag = {"Key": REPLACED_BY, "Value": source_arn or demo.source_arn}
    demo.client("rds").add_tags_to_resource(ResourceName=demo.target_arn, Tags=[tag])


def table_prefix(test: pytest.FixtureRequest) -> str:
    """A prefix for the DynamoDB tables of one test."""
    return str(test.node.name)[:40].replace("[", "-").rstrip("]-")


def _clusters(demo: DemoEnvironment) -> list[Any]:
    return list(demo.client("rds").describe_db_clusters()["DBClusters"])
