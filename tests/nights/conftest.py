"""One world for all nights."""

from collections.abc import Iterator

import pytest

from devstack.aws import Durations, Emulator
from devstack.postgres import PostgresHost
from devstack.world import World, environment
from tests.bench import environment_variables

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
def world() -> Iterator[World]:
    with (
        PostgresHost() as postgres,
        Emulator(postgres, durations=DURATIONS) as emulator,
        environment_variables(environment(emulator.endpoint_url)),
    ):
        world = World(emulator)
        world.build()
        yield world
