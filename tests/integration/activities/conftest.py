"""One emulator for all tests of the activities; each test has clusters of its own in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from botocore.retries.standard import ExponentialBackoff

from audit.setup import create_audit_table, create_operations_table
from clients import region_lists
from clients.aws import AwsClients
from devstack.aws import Emulator, NoDatabases
from devstack.postgres import PostgresHost
from models.snapshots import SourceSnapshot
from tests.rigs.activities import ActivityRig
from tests.rigs.activity_resources import (
    ACCOUNT,
    CLOCK_START,
    KEY_ALIAS,
    LONGER_THAN_ANY_CHANGE,
    OPERATIONS,
    SUBNET_GROUP,
    TARGET_REGION,
    TRAIL,
    Shared,
    owner,
    session_of,
)
from tests.rigs.durations import ACTIVITIES
from tests.rigs.left_old import forget_numbers
from tests.rigs.restored_clusters import restore
from tests.rigs.users_database import MASTER, MASTER_PASSWORD, UsersDatabase

LAST_HOUR = 23


@pytest.fixture(scope="package")
def shared() -> Iterator[Shared]:
    """The emulator with what no test changes: tables, key, network."""
    with Emulator(NoDatabases(), durations=ACTIVITIES) as emulator, pytest.MonkeyPatch.context() as patch:
        emulator.clock.freeze(CLOCK_START)
        # All tests have one worker's clients, but each has clusters and snapshots of its own.
        patch.setattr(region_lists, "MAX_AGE_SECONDS", -1)
        patch.setenv("AWS_ENDPOINT_URL", emulator.endpoint_url)
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        # Botocore waits up to a second before it repeats a failed call; no test here is about that wait.
        patch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0)
        yield Shared(emulator, AwsClients(session_of(ACCOUNT)), *_prepare(emulator))


def _prepare(emulator: Emulator) -> tuple[str, str]:
    kms, ec2, rds, dynamodb = (
        owner(emulator, service, ACCOUNT, TARGET_REGION) for service in ("kms", "ec2", "rds", "dynamodb")
    )
    create_audit_table(dynamodb, TRAIL)
    create_operations_table(dynamodb, OPERATIONS)
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName=KEY_ALIAS, TargetKeyId=key["KeyId"])
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]]
    rds.create_db_subnet_group(DBSubnetGroupName=SUBNET_GROUP, DBSubnetGroupDescription="-", SubnetIds=subnets[:3])
    group = ec2.create_security_group(GroupName="database", Description="-")["GroupId"]
    return group, key["Arn"]


@pytest.fixture
def rig(shared: Shared) -> Iterator[ActivityRig]:
    """A rig with cluster names of its own; no fault, quota or copy under way outlives the test."""
    shared.emulator.calls.clear()
    quotas = shared.emulator.quotas
    quotas.manual_snapshots = quotas.clusters = quotas.instances = quotas.storage_gib = 10_000
    yield ActivityRig(shared)
    shared.emulator.faults.clear()
    shared.emulator.quotas.copies_in_progress = 5
    shared.emulator.clock.freeze(_in_the_day(shared.emulator.clock.now() + LONGER_THAN_ANY_CHANGE))
    _empty(shared.emulator)
    forget_numbers(shared)


def _in_the_day(at: datetime) -> datetime:
    """No test begins in the last hour before midnight: what it names by the day would be of yesterday when it is used."""
    return at if at.hour < LAST_HOUR else (at + timedelta(hours=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def _empty(emulator: Emulator) -> None:
    """Delete what the test made; it would be in every list that the next tests read."""
    state = emulator._state
    with state.lock:
        state._transitions.clear()
        state.global_clusters.clear()
        for region in state.regions():
            for resources in (region.clusters, region.instances, region.snapshots, region.events):
                resources.clear()


@pytest.fixture(scope="package")
def postgres_host() -> Iterator[PostgresHost]:
    """Starts PostgreSQL servers."""
    with PostgresHost() as postgres_host:
        yield postgres_host


@pytest.fixture(scope="package")
def postgres_port(postgres_host: PostgresHost) -> int:
    """The port of the restored cluster's server, which logs every statement."""
    port = postgres_host.create("restored", MASTER, MASTER_PASSWORD, "orders").port
    postgres_host._execute(port, ["ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()"])
    return port


@pytest.fixture
def database(rig: ActivityRig, postgres_port: int) -> UsersDatabase:
    """A restored database with one table."""
    return UsersDatabase(rig, postgres_port)


@pytest.fixture
def resource_id(rig: ActivityRig) -> str:
    """The resource id of a cluster that restore-snapshot has just restored."""
    return restore(rig)


@pytest.fixture
def snapshot(rig: ActivityRig) -> SourceSnapshot:
    """A snapshot of the source, copied into the target's region."""
    rig.make_source()
    snapshot = rig.make_snapshot()
    rig.make_copy(snapshot)
    return snapshot
