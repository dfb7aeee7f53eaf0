"""`starter.py setup` creates the two tables; run again, also after a failure, it completes them."""

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

CREATE_FUNCTIONS = [create_audit_table, create_operations_table]


@pytest.fixture
def name() -> str:
    """The name of a table that does not exist."""
    return f"setup-{uuid.uuid4().hex[:8]}"


def _point_in_time_recovery(dynamodb: DynamoDBClient, name: str) -> str:
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    return str(backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"])


def _time_to_live(dynamodb: DynamoDBClient, name: str) -> Any:
    return dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]


@pytest.mark.parametrize("create", CREATE_FUNCTIONS)
def test_setup_creates_a_table_once_and_says_so(
    dynamodb: DynamoDBClient, name: str, create: Callable[..., bool]
) -> None:
    """The first call creates the table and returns True; later calls return False."""
    assert [create(dynamodb, name) for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize("create", CREATE_FUNCTIONS)
def test_a_table_has_deletion_protection_backups_and_on_demand_billing(
    dynamodb: DynamoDBClient, name: str, create: Callable[..., bool]
) -> None:
    """The table cannot be deleted by mistake, can be restored to any second, and costs nothing while unused."""
    create(dynamodb, name)
    created = dynamodb.describe_table(TableName=name)["Table"]
    assert created["TableStatus"] == "ACTIVE"
    assert created["DeletionProtectionEnabled"]
    assert created["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert _point_in_time_recovery(dynamodb, name) == "ENABLED"
    with pytest.raises(ClientError, match="DeletionProtection"):
        dynamodb.delete_table(TableName=name)


def test_the_trail_has_the_keys_the_index_and_the_time_to_live_that_its_queries_need(
    dynamodb: DynamoDBClient, name: str
) -> None:
    """Partition key, sort key, index by date, and the attribute in which DynamoDB finds a row's expiry."""
    create_audit_table(dynamodb, name)
    created = dynamodb.describe_table(TableName=name)["Table"]
    assert [key["AttributeName"] for key in created["KeySchema"]] == ["operation_id", "event_key"]
    (index,) = created["GlobalSecondaryIndexes"]
    assert index["IndexName"] == BY_DATE
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["date", "event_key"]
    assert _time_to_live(dynamodb, name) == {"TimeToLiveStatus": "ENABLED", "AttributeName": EXPIRES_AT}


@pytest.mark.parametrize("refused", ["UpdateContinuousBackups", "UpdateTimeToLive"])
def test_the_next_setup_completes_one_that_failed(
    aws: Emulator, dynamodb: DynamoDBClient, name: str, refused: str
) -> None:
    """A table without backups or time to live is completed, although it exists."""
    fault = aws.faults.add("dynamodb", refused, "error", code="AccessDeniedException", status=400, count=None)
    with pytest.raises(ClientError):
        create_audit_table(dynamodb, name)
    aws.faults.remove(fault)
    assert create_audit_table(dynamodb, name) is False
    assert _point_in_time_recovery(dynamodb, name) == "ENABLED"
    assert _time_to_live(dynamodb, name)["TimeToLiveStatus"] == "ENABLED"


def test_setup_retries_point_in_time_recovery_on_a_new_table(
    aws: Emulator, dynamodb: DynamoDBClient, name: str
) -> None:
    """DynamoDB refuses point-in-time recovery for some seconds after it has created a table."""
    aws.faults.add(
        "dynamodb", "UpdateContinuousBackups", "error", code="ContinuousBackupsUnavailableException", count=2
    )
    assert create_audit_table(dynamodb, name)
    assert _point_in_time_recovery(dynamodb, name) == "ENABLED"


def test_a_second_setup_changes_nothing(aws: Emulator, dynamodb: DynamoDBClient, name: str) -> None:
    """Where nothing is missing, setup makes no update call."""
    create_audit_table(dynamodb, name)
    aws.calls.clear()
    create_audit_table(dynamodb, name)
    updates = [call.operation for call in aws.calls if call.operation.startswith("Update")]
    assert updates == []
