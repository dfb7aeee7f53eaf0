"""Creates the two tables for `starter.py setup`. Running it again adds what is missing and changes nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from audit.dynamodb_errors import is_backup_not_ready, is_existing_table
from audit.rows import EXPIRES_AT
from audit.table import BY_DATE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BACKUPS_SECONDS = 60
"""For how long to retry: a new table refuses point-in-time recovery ("Backups are being enabled for the table")."""


def create_audit_table(dynamodb: DynamoDBClient, table: str) -> bool:
    """Create the trail's table with its index by date, unless it exists; return whether it was created.

    Time to live is enabled, but rows get one only if `audit_retention` is set. Raises `ClientError`.
    """
    is_new = _create(
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
        dynamodb.update_time_to_live(
            TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES_AT}
        )
    return is_new


def create_operations_table(dynamodb: DynamoDBClient, table: str) -> bool:
    """Create the operations table, unless it exists; return whether it was created. Raises `ClientError`."""
    return _create(
        dynamodb,
        TableName=table,
        AttributeDefinitions=[_text_attribute("record")],
        KeySchema=_key("record"),
    )


def _create(dynamodb: DynamoDBClient, **definition: Any) -> bool:
    """Create a table, unless it exists, and wait until it is ACTIVE; return whether it was created.

    It has on-demand billing, deletion protection and point-in-time recovery.
    """
    table = definition["TableName"]
    try:
        dynamodb.create_table(BillingMode="PAY_PER_REQUEST", DeletionProtectionEnabled=True, **definition)
        is_new = True
    except ClientError as error:
        if not is_existing_table(error):
            raise
        is_new = False
    dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    _enable_point_in_time_recovery(dynamodb, table)
    return is_new


def _enable_point_in_time_recovery(dynamodb: DynamoDBClient, table: str) -> None:
    """Enable point-in-time recovery, also for a table whose first setup failed before this."""
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
            if not is_backup_not_ready(error) or not seconds_left:
                raise
        time.sleep(1)


def _text_attribute(name: str) -> Any:
    return {"AttributeName": name, "AttributeType": "S"}


def _key(partition: str, sort: str | None = None) -> Any:
    names = {"HASH": partition, "RANGE": sort}
    return [{"AttributeName": name, "KeyType": kind} for kind, name in names.items() if name]
