"""The rigs of whole restores: in skipped time, in real time with an operator, and with real databases."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from audit.plugin import AuroraRestorePlugin
from devstack.aws import Emulator
from devstack.demo_environment import DemoEnvironment, environment
from devstack.postgres import PostgresHost
from models import search_attributes
from models.identifiers import DEFAULT_ENVIRONMENT
from tests.rigs.durations import AT_ONCE, BRIEF, MINUTES, REFERENCE
from tests.rigs.emulator import demo_without_databases, environment_variables, prepare_next_restore, table_prefix
from tests.rigs.requests import CANONICAL_ID
from tests.rigs.restores import (
    TEMPORAL_BINARY,
    TIMERS_AT_ONCE,
    RestoreRig,
    dynamic_config,
    run_worker,
    time_skipping_client,
    worker_parts,
)
from tests.rigs.resumed_restores import ResumedRestores

# In skipped time, without databases: a restore of 45 minutes takes seconds.


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[Client]:
    async with time_skipping_client(AuroraRestorePlugin()) as client:
        yield client


@pytest.fixture(scope="module")
async def watching_temporal() -> AsyncIterator[Client]:
    """With activities that poll by themselves."""
    async with time_skipping_client(AuroraRestorePlugin(), watching=True) as client:
        yield client


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoEnvironment]:
    with demo_without_databases(MINUTES) as demo:
        yield demo


@pytest.fixture(scope="module")
def brief_demo() -> Iterator[DemoEnvironment]:
    """For restores that poll by themselves."""
    with demo_without_databases(BRIEF) as demo:
        yield demo


@pytest.fixture
async def rig(temporal: Client, demo: DemoEnvironment, request: pytest.FixtureRequest) -> AsyncIterator[RestoreRig]:
    """With a target, a new snapshot, tables of its own, and no fault."""
    prepare_next_restore(demo)
    async with run_worker(temporal, demo, worker_parts(demo, table_prefix(request))) as rig:
        yield rig


# In real time, without databases, with an operator: RDS works at once.


@pytest.fixture(scope="module")
async def temporal_in_real_time() -> AsyncIterator[WorkflowEnvironment]:
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=TEMPORAL_BINARY,
        dev_server_log_level="error",
        dev_server_extra_args=dynamic_config(TIMERS_AT_ONCE),
        search_attributes=list(search_attributes.ALL),
        plugins=[AuroraRestorePlugin()],
    ) as server:
        yield server


@pytest.fixture(scope="module")
def demo_at_once() -> Iterator[DemoEnvironment]:
    with demo_without_databases(AT_ONCE) as demo:
        yield demo


@pytest.fixture
async def resumed(
    temporal_in_real_time: WorkflowEnvironment, demo_at_once: DemoEnvironment, request: pytest.FixtureRequest
) -> AsyncIterator[ResumedRestores]:
    """With a target, a new snapshot, tables of its own, and no fault."""
    demo, address = demo_at_once, temporal_in_real_time.client.service_client.config.target_host
    demo.emulator.durations = AT_ONCE
    prepare_next_restore(demo)
    parts = worker_parts(demo, table_prefix(request))
    variables = {
        "AURORA_RESTORE_ENVIRONMENT": DEFAULT_ENVIRONMENT,
        "TEMPORAL_ADDRESS": address,
        "AURORA_RESTORE_AUDIT_REGION": parts.settings.audit_region,
        "AURORA_RESTORE_AUDIT_TABLE": parts.settings.audit_table,
        "AURORA_RESTORE_OPERATIONS_TABLE": parts.settings.operations_table,
        "AURORA_RESTORE_TASK_QUEUE": parts.settings.task_queue,
    }
    # The plugin has the table, as in a worker: both sides of the interceptor write to the trail.
    async with run_worker(await Client.connect(address, plugins=[parts.plugin]), demo, parts) as rig:
        yield ResumedRestores(rig, variables)
        with suppress(RPCError):  # a restore that a failed test left running would fail the next test too
            await rig.client.get_workflow_handle(CANONICAL_ID).terminate("the test is over")


# With a real PostgreSQL behind each cluster.


@pytest.fixture(scope="module")
def demo_with_databases() -> Iterator[DemoEnvironment]:
    with (
        PostgresHost() as postgres,
        Emulator(postgres, durations=REFERENCE) as emulator,
        environment_variables(environment(emulator.endpoint_url)),
    ):
        demo = DemoEnvironment(emulator)
        demo.build()
        yield demo
