"""Making the two tables, for `starter.py setup`; run again, it adds what is missing and changes nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from audit.table import BY_DATE, EXPIRES_AT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BACKUPS_SECONDS = 60
"""A new table refuses point-in-time recovery for a while ("Backups are being enabled for the table")."""


def create_audit_table(dynamodb: DynamoDBClient, table: str) -> bool:
    """Make the trail's table with its index by date; whether it had to be made.

    A row expires only if the worker is told to give it a time to live.
    """
    made = _create(
        dynamodb,
        TableName=table,
        AttributeDefinitions=[_text_attribute(name) for name in ("operation_id", "event_key", "date")],
        KeySchema=_key("operation_id", "event_key"),
        GlobalSecondaryIndexes=[
            {"IndexName": BY_DATE, "KeySchema": _key("date", "event_key"), "Projection": {"ProjectionType": "ALL"}}
        ],
    )
    expiry = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if expiry["TimeToLiveStatus"] == "DISABLED":
        wanted: Any = {"Enabled": True, "AttributeName": EXPIRES_AT}
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=wanted)
    return made


def create_operations_table(dynamodb: DynamoDBClient, table: str) -> bool:
    """Make the table of the operation numbers; whether it had to be made."""
    return _create(
        dynamodb,
        TableName=table,
        AttributeDefinitions=[_text_attribute("record")],
        KeySchema=_key("record"),
    )


def _create(dynamodb: DynamoDBClient, **definition: Any) -> bool:
    """On demand, with deletion protection and point-in-time recovery. Waits until the table is ACTIVE."""
    table = definition["TableName"]
    try:
        dynamodb.create_table(BillingMode="PAY_PER_REQUEST", DeletionProtectionEnabled=True, **definition)
        made = True
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise
        made = False
    dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    _make_recoverable(dynamodb, table)
    return made


def _make_recoverable(dynamodb: DynamoDBClient, table: str) -> None:
    """Switch point-in-time recovery on, also for a table whose setup broke off before that."""
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    if backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED":
        return
    for seconds_left in reversed(range(BACKUPS_SECONDS)):
        try:
            dynamodb.update_continuous_backups(
                TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
            )
            return
        except ClientError as error:
            unavailable = error.response["Error"]["Code"] == "ContinuousBackupsUnavailableException"
            if not unavailable or not seconds_left:
                raise
        time.sleep(1)


def _text_attribute(name: str) -> Any:
    return {"AttributeName": name, "AttributeType": "S"}


def _key(partition: str, sort: str | None = None) -> Any:
    names = {"HASH": partition, "RANGE": sort}
    return [{"AttributeName": name, "KeyType": kind} for kind, name in names.items() if name]
