"""One world for all nights, and one for nights that fail and go on."""

from collections.abc import AsyncIterator, Iterator

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from audit.plugin import AuroraRestorePlugin
from devstack.aws import Durations, Emulator
from devstack.demo_environment import DemoEnvironment, environment
from devstack.postgres import PostgresHost
from models import search_attributes
from tests.rigs.emulator import AT_ONCE, another_evening, clusters_alone, tables_of
from tests.rigs.restores import TEMPORAL_BINARY, TIMERS_AT_ONCE, bench, dynamic_config, environment_variables, parts
from tests.rigs.resumed_restores import GoingOn

MINUTE = 60.0

DURATIONS = Durations(
    snapshot=2 * MINUTE,
    copy=9 * MINUTE,
    cluster_create=MINUTE,
    cluster_restore=16 * MINUTE,
    cluster_modify=MINUTE,
    cluster_delete=40,
    instance_create=6 * MINUTE,
    instance_delete=20,
    instance_modify=MINUTE,
    master_password=MINUTE,
)
"""As the reference has it: a copy takes about ten minutes, a restore about thirty."""


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoEnvironment]:
    with (
        PostgresHost() as postgres,
        Emulator(postgres, durations=DURATIONS) as emulator,
        environment_variables(environment(emulator.endpoint_url)),
    ):
        demo = DemoEnvironment(emulator)
        demo.build()
        yield demo


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
    with clusters_alone(AT_ONCE) as demo:
        yield demo


@pytest.fixture
async def on(
    temporal_in_real_time: WorkflowEnvironment, demo_at_once: DemoEnvironment, request: pytest.FixtureRequest
) -> AsyncIterator[GoingOn]:
    """With a target, a new snapshot, tables of its own, and no fault."""
    demo, address = demo_at_once, temporal_in_real_time.client.service_client.config.target_host
    another_evening(demo)
    made = parts(demo, tables_of(request))
    settings = made[2]
    variables = {
        "TEMPORAL_ADDRESS": address,
        "AURORA_RESTORE_AUDIT_REGION": settings.audit_region,
        "AURORA_RESTORE_AUDIT_TABLE": settings.audit_table,
        "AURORA_RESTORE_OPERATIONS_TABLE": settings.operations_table,
        "AURORA_RESTORE_TASK_QUEUE": settings.task_queue,
    }
    # With the plugin that has the table, as a worker's client has: both sides of the trail are written.
    async with bench(await Client.connect(address, plugins=[made[0]]), demo, made) as built:
        yield GoingOn(built, variables)
