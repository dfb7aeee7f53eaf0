"""One emulator and one Temporal server for all tests of the trail; each test has its own tables."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from audit.setup import create_audit_table, create_operations_table
from audit.table import AuditTable
from clients.aws import CONFIG
from devstack.aws import Emulator, NoDatabases
from devstack.temporal_server import TemporalServer
from models.search_attributes import ALL
from tests.rigs import scripted_activities
from tests.rigs.restores import TIMERS_AT_ONCE
from tests.rigs.verification import Tables

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture(scope="package")
def aws() -> Iterator[Emulator]:
    """The emulator; its DynamoDB is moto behind HTTP."""
    with Emulator(NoDatabases()) as emulator:
        yield emulator


@pytest.fixture
def dynamodb(aws: Emulator) -> DynamoDBClient:
    """A client with the worker's timeouts and retries; new for each test, because botocore limits its retries."""
    return _client(aws, CONFIG)


@pytest.fixture(scope="package")
def dynamodb_without_retries(aws: Emulator) -> DynamoDBClient:
    """A client that tries once, so that each injected fault is a failed call."""
    return _client(aws, CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 1})))


def _client(aws: Emulator, config: Config) -> DynamoDBClient:
    client: DynamoDBClient = boto3.client(
        "dynamodb",
        endpoint_url=aws.endpoint_url,
        region_name="eu-central-1",
        aws_access_key_id="111122223333",
        aws_secret_access_key="-",
        config=config,
    )
    return client


@pytest.fixture(scope="package")
def temporal() -> Iterator[TemporalServer]:
    """The real server with the pipeline's search attributes, without the Web UI."""
    attributes = {key.name: "Keyword" for key in ALL}
    with TemporalServer(headless=True, search_attributes=attributes, dynamic_config_values=[TIMERS_AT_ONCE]) as server:
        yield server


@pytest.fixture(autouse=True)
def _clear_faults(aws: Emulator) -> Iterator[None]:
    yield
    aws.faults.clear()


@pytest.fixture
def table_name(dynamodb: DynamoDBClient) -> str:
    """The name of a new table of the trail."""
    name = f"audit-{uuid.uuid4().hex[:8]}"
    create_audit_table(dynamodb, name)
    return name


@pytest.fixture
def table(dynamodb: DynamoDBClient, table_name: str) -> AuditTable:
    """A new trail."""
    return AuditTable(dynamodb, table_name)


@pytest.fixture
def table_without_retries(dynamodb_without_retries: DynamoDBClient, table_name: str) -> AuditTable:
    """The same trail through the client that tries once."""
    return AuditTable(dynamodb_without_retries, table_name)


@pytest.fixture
def operations_table(dynamodb: DynamoDBClient) -> str:
    """The name of a new operations table."""
    name = f"operations-{uuid.uuid4().hex[:8]}"
    create_operations_table(dynamodb, name)
    return name


@pytest.fixture
def tables(dynamodb: DynamoDBClient, table_name: str, operations_table: str) -> Tables:
    """The new tables, and ways to tamper with them."""
    return Tables(dynamodb, table_name, operations_table)


@pytest.fixture(autouse=True)
def _reset_effects() -> None:
    scripted_activities.effects.clear()
