"""Making the two tables, for `starter.py setup`; what is there already is left as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from audit.table import BY_DATE, EXPIRES_AT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


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
    if made:
        expiry: Any = {"Enabled": True, "AttributeName": EXPIRES_AT}
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=expiry)
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
    if made:
        dynamodb.update_continuous_backups(
            TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
    return made


def _text_attribute(name: str) -> Any:
    return {"AttributeName": name, "AttributeType": "S"}


def _key(partition: str, sort: str | None = None) -> Any:
    names = {"HASH": partition, "RANGE": sort}
    return [{"AttributeName": name, "KeyType": kind} for kind, name in names.items() if name]
