"""Making the tables: what `starter.py setup` leaves behind, however often and however badly it runs."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from audit.rows import EXPIRES_AT
from audit.setup import create_audit_table, create_operations_table
from audit.table import BY_DATE
from devstack.aws import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

MAKERS = [create_audit_table, create_operations_table]


@pytest.fixture
def name() -> str:
    """The name of a table that is not there yet."""
    return f"setup-{uuid.uuid4().hex[:8]}"


def _recoverable(dynamodb: DynamoDBClient, name: str) -> str:
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    return str(backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"])


def _expiry(dynamodb: DynamoDBClient, name: str) -> Any:
    return dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]


@pytest.mark.parametrize("make", MAKERS)
def test_a_table_is_made_once(dynamodb: DynamoDBClient, name: str, make: Callable[..., bool]) -> None:
    """Setup says whether it made the table, and runs as often as one likes."""
    assert [make(dynamodb, name) for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize("make", MAKERS)
def test_a_table_survives_mistakes(dynamodb: DynamoDBClient, name: str, make: Callable[..., bool]) -> None:
    """Deletion protection and point-in-time recovery are on, and nothing is paid for while nothing happens."""
    make(dynamodb, name)
    made = dynamodb.describe_table(TableName=name)["Table"]
    assert made["TableStatus"] == "ACTIVE"
    assert made["DeletionProtectionEnabled"]
    assert made["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert _recoverable(dynamodb, name) == "ENABLED"
    with pytest.raises(ClientError, match="DeletionProtection"):
        dynamodb.delete_table(TableName=name)


def test_the_trail_is_keyed_by_operation_and_found_by_date(dynamodb: DynamoDBClient, name: str) -> None:
    """Partition, sort key and index are what the queries ask for, and DynamoDB knows where a row's end stands."""
    create_audit_table(dynamodb, name)
    made = dynamodb.describe_table(TableName=name)["Table"]
    assert [key["AttributeName"] for key in made["KeySchema"]] == ["operation_id", "event_key"]
    (index,) = made["GlobalSecondaryIndexes"]
    assert index["IndexName"] == BY_DATE
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["date", "event_key"]
    assert _expiry(dynamodb, name) == {"TimeToLiveStatus": "ENABLED", "AttributeName": EXPIRES_AT}


@pytest.mark.parametrize("lost", ["UpdateContinuousBackups", "UpdateTimeToLive"])
def test_a_setup_that_broke_off_is_finished_by_the_next(
    aws: Emulator, dynamodb: DynamoDBClient, name: str, lost: str
) -> None:
    """A table without its protection is not taken for a finished one."""
    fault = aws.faults.add("dynamodb", lost, "error", code="AccessDeniedException", status=400, count=None)
    with pytest.raises(ClientError):
        create_audit_table(dynamodb, name)
    aws.faults.remove(fault)
    assert create_audit_table(dynamodb, name) is False
    assert _recoverable(dynamodb, name) == "ENABLED"
    assert _expiry(dynamodb, name)["TimeToLiveStatus"] == "ENABLED"


def test_setup_waits_for_a_new_tables_backups(aws: Emulator, dynamodb: DynamoDBClient, name: str) -> None:
    """DynamoDB refuses point-in-time recovery while it still sets up a new table's backups; that passes."""
    aws.faults.add(
        "dynamodb", "UpdateContinuousBackups", "error", code="ContinuousBackupsUnavailableException", count=2
    )
    assert create_audit_table(dynamodb, name)
    assert _recoverable(dynamodb, name) == "ENABLED"


def test_a_table_that_is_there_keeps_what_it_has(aws: Emulator, dynamodb: DynamoDBClient, name: str) -> None:
    """The second setup only looks."""
    create_audit_table(dynamodb, name)
    aws.calls.clear()
    create_audit_table(dynamodb, name)
    changes = [call.operation for call in aws.calls if call.operation.startswith("Update")]
    assert changes == []
