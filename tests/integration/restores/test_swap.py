"""A swap that is taken back, on a real PostgreSQL in real time, while a client logs in all the time; tests/chaos has the others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import groupby

import psycopg
import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

from activities.clusters import swap
from audit.rows import Phase
from clients.certificates import WRONG_NAME
from devstack.demo_environment import TARGET, DemoEnvironment
from models.request import RestoreRequest
from models.restore_state import RestoreState
from models.steps import Housekeeping, Status, Step
from tests.rigs.durations import TENTHS
from tests.rigs.login_poll import repeated_in_background
from tests.rigs.requests import QUICK_WAIT, every_wait, request
from tests.rigs.restores import RestoreRig, run_worker, worker_parts
from workflows.aurora_restore import AuroraRestoreWorkflow

EVERY_S = 0.1
OLD, NEW = "old", "new"


@pytest.fixture(scope="module")
async def rig(
    temporal_in_real_time: WorkflowEnvironment, demo_with_databases: DemoEnvironment
) -> AsyncIterator[RestoreRig]:
    demo = demo_with_databases
    demo.emulator.durations = TENTHS
    parts = worker_parts(demo, "swap")
    address = temporal_in_real_time.client.service_client.config.target_host
    client = await Client.connect(address, plugins=[parts.plugin])
    async with run_worker(client, demo, parts) as rig:
        yield rig


class LogInPoll:
    """What a client that verifies the name reads in the target, whose old cluster has a row that production has not."""

    def __init__(self, demo: DemoEnvironment) -> None:
        self._demo = demo
        self.answers: list[str | None] = []
        """OLD, NEW, or None without an answer."""

    def attempt(self) -> None:
        answer = None
        with suppress(psycopg.Error, KeyError, IndexError, self._demo.client("rds").exceptions.DBClusterNotFoundFault):
            [(count,)] = self._demo.write_to_target("SELECT count(*) FROM orders WHERE customer = 'only in the target'")
            answer = OLD if count else NEW
        self.answers.append(answer)

    @property
    def sequence(self) -> list[str | None]:
        """The answers, each as often as it changed."""
        return [answer for answer, _ in groupby(self.answers)]


@contextmanager
def logging_in(demo: DemoEnvironment) -> Iterator[LogInPoll]:
    """Log in again and again until the block ends, and once after it."""
    poll = LogInPoll(demo)
    with repeated_in_background(poll.attempt, EVERY_S):
        yield poll
    poll.attempt()


def swap_request() -> RestoreRequest:
    return request(target={"replacement": "swap"}, waits=every_wait(QUICK_WAIT))


async def restore(rig: RestoreRig, asked: RestoreRequest) -> RestoreState:
    handle = await rig.client.start_workflow(
        AuroraRestoreWorkflow.run, asked, id=asked.target.workflow_id, task_queue=rig.settings.task_queue
    )
    with suppress(WorkflowFailureError):
        await handle.result()
    return await rig.state(handle)


def clusters(demo: DemoEnvironment) -> dict[str, str]:
    """The resource id of each cluster in the target's region, by its name."""
    described = demo.client("rds").describe_db_clusters()["DBClusters"]
    return {cluster["DBClusterIdentifier"]: cluster["DbClusterResourceId"] for cluster in described}


async def test_a_client_that_verifies_the_name_reads_old_data_only_if_the_certificate_stays_wrong(
    rig: RestoreRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First a restore that deletes; then a swap that may not restart, so that its certificate is refused."""
    demo = rig.demo
    monkeypatch.setattr(swap, "VISIBLE_WITHIN", timedelta(seconds=3))  # the emulator shows a rename at once
    first = await restore(rig, request(waits=every_wait(QUICK_WAIT)))
    assert first.outcome == "succeeded"
    demo.write_to_target("INSERT INTO orders VALUES (99, 'only in the target', 1) RETURNING id")
    demo.take_automated_snapshot()
    with logging_in(demo) as refused:
        failed = await restore(rig, swap_request())
    assert failed.fault is not None
    assert (failed.failed_step, failed.fault.short) == (Step.SWAP_CLUSTERS, WRONG_NAME)
    assert clusters(demo) == {TARGET: first.cluster_resource_id}
    assert {answer for answer in refused.sequence if answer} == {OLD}, "the client verifies the name"
    assert refused.sequence[-1] == OLD
    rows = rig.table.list_rows(failed.operation_id or "")
    assert (Housekeeping.SWAP_BACK, Status.SUCCESS) in {
        (row.step, row.status) for row in rows if row.phase is Phase.OUTCOME
    }
