"""A whole restore beside the target, then a swap of the names, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from audit.plugin import AuroraRestorePlugin
from devstack.demo_environment import TARGET, DemoEnvironment
from models.steps import STEPS, Replacement, Status, Step
from tests.rigs.requests import request
from tests.rigs.restores import RestoreRig, run_worker, time_skipping_client, worker_parts

SWAP = {"replacement": "swap", "swap": {"restart": True}}


@pytest.fixture(scope="module")
def demo(demo_with_databases: DemoEnvironment) -> DemoEnvironment:
    demo_with_databases.take_automated_snapshot()
    return demo_with_databases


@pytest.fixture(scope="module")
async def rig(demo: DemoEnvironment) -> AsyncIterator[RestoreRig]:
    parts = worker_parts(demo, "swap")
    async with (
        time_skipping_client(AuroraRestorePlugin(), real_databases=True) as client,
        run_worker(client, demo, parts) as rig,
    ):
        yield rig


def clusters(demo: DemoEnvironment) -> dict[str, str]:
    """The resource id of each cluster in the target's region, by its name."""
    described = demo.client("rds").describe_db_clusters()["DBClusters"]
    return {cluster["DBClusterIdentifier"]: cluster["DbClusterResourceId"] for cluster in described}


async def test_the_restored_cluster_takes_the_targets_name(rig: RestoreRig) -> None:
    demo = rig.demo
    old = clusters(demo)[TARGET]
    state = await (await rig.start(request(target=SWAP))).result()
    assert [step.step for step in state.steps] == list(STEPS[Replacement.SWAP])
    assert {step.status for step in state.steps} == {Status.SUCCESS}
    assert clusters(demo) == {TARGET: state.cluster_resource_id}
    assert old != state.cluster_resource_id
    assert str(state.endpoint).startswith(f"{TARGET}.")
    assert demo.read_from_target("orders_report", "SELECT count(*) FROM orders") == [(3,)]
    swapped = next(step for step in state.steps if step.step is Step.SWAP_CLUSTERS)
    assert swapped.details == "Clusters swapped: orders-staging is the restored cluster, orders-staging-old the old one"
