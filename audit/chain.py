"""The chains of seals in DynamoDB, one per target.

Each seal keeps the digest of the target's previous one. The last seal of a chain, its head, is recorded in the operations
table; seal and head are written in one transaction.
Source: DynamoDB Developer Guide, "Amazon DynamoDB Transactions".
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from audit.dynamodb_errors import code_of, is_conflict
from audit.seal_rows import SealLink, SealRow, from_seal_item, seal_key, to_link, to_seal_item
from audit.table import AuditTable
from errors import TrailUnavailable
from models.seal import Seal, SealInput

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_CONFLICTS = 20
"""How many times in a row another seal of the target may be written first, before Temporal tries again later."""


class SealChains:
    """Appends seals and finds them."""

    def __init__(
        self, dynamodb: DynamoDBClient, audit_table: str, operations_table: str, retention: timedelta | None = None
    ) -> None:
        """`retention` is how long DynamoDB keeps a seal; None means for ever."""
        self._dynamodb = dynamodb
        self._trail = AuditTable(dynamodb, audit_table)
        self._audit_table = audit_table
        self._operations_table = operations_table
        self._retention = retention

    def append(self, seal_input: SealInput, run_id: str, sealed_by: str) -> Seal:
        """Seal everything that the trail holds of the operation; if this run's seal of this time exists, return that.

        Raises `TrailUnavailable` (transient) if DynamoDB is unavailable, or if other seals were faster too many times.
        """
        try:
            for _ in range(MAX_CONFLICTS):
                seal = self._find_or_append(seal_input, run_id, sealed_by)
                if seal is not None:
                    return seal
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error
        raise TrailUnavailable(
            "Audit trail unavailable",
            f"Could not append a seal to the chain of {seal_input.target_arn} ({MAX_CONFLICTS} conflicts with other seals). "
            "Temporal retries the call.",
        )

    def find_head(self, target_arn: str) -> SealLink | None:
        """The last seal of a target, or None if the target has none.

        Raises `TrailUnavailable`.
        """
        try:
            return self._read_head(target_arn)
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error

    def find_item(self, link: SealLink) -> dict[str, Any] | None:
        """The item under a seal's key, whatever it holds; None if there is none.

        Raises `TrailUnavailable`.
        """
        return self._trail.find_item(link.operation_id, link.event_key)

    def _find_or_append(self, seal_input: SealInput, run_id: str, sealed_by: str) -> Seal | None:
        """The seal, or None if another seal of the target was written first."""
        # The head first: if another seal is appended after this read, the transaction fails.
        head = self._read_head(seal_input.target_arn)
        items = self._trail.list_items(seal_input.operation_id)
        key = seal_key(seal_input.sealed_at, run_id)
        existing = next((item for item in items if item["event_key"]["S"] == key), None)
        row = from_seal_item(existing) if existing else None
        if row is None:
            item = to_seal_item(seal_input, run_id, sealed_by, items, head, self._retention)
            row = self._put(item, head)
        return row.seal if row else None

    def _put(self, item: dict[str, Any], head: SealLink | None) -> SealRow | None:
        """Write the seal and move the head, in one transaction; None if another seal was written first."""
        row = from_seal_item(item)
        if row is None:
            raise RuntimeError("a new seal does not match its own digest")
        puts: Any = [
            {
                "TableName": self._audit_table,
                "Item": item,
                "ConditionExpression": "attribute_not_exists(event_key)",
            },
            {
                "TableName": self._operations_table,
                "Item": {"record": {"S": head_record(row.target_arn)}, **_serialize(row.link)},
                **_head_is(head),
            },
        ]
        try:
            self._dynamodb.transact_write_items(TransactItems=[{"Put": put} for put in puts])
        except ClientError as error:
            if is_conflict(error):
                return None
            raise
        return row

    def _read_head(self, target_arn: str) -> SealLink | None:
        key = {"record": {"S": head_record(target_arn)}}
        item = self._dynamodb.get_item(TableName=self._operations_table, Key=key, ConsistentRead=True).get("Item")
        if item is None:
            return None
        return to_link({name: TypeDeserializer().deserialize(value) for name, value in item.items()})

    def _unavailable(self, error: ClientError | BotoCoreError) -> TrailUnavailable:
        return TrailUnavailable(
            "Audit trail unavailable",
            f"DynamoDB tables {self._audit_table} and {self._operations_table}: {error}. Check that the tables exist in "
            "the audit region and that the worker may use them. To create the tables: python starter.py setup",
            code=code_of(error),
        )


def head_record(target_arn: str) -> str:
    """The key, in the operations table, of the head of a target's chain."""
    return f"seal#{target_arn}"


def _head_is(head: SealLink | None) -> dict[str, Any]:
    """The condition that the head is still the one that was read."""
    if head is None:
        return {
            "ConditionExpression": "attribute_not_exists(#record)",
            "ExpressionAttributeNames": {"#record": "record"},
        }
    return {
        "ConditionExpression": "#digest = :digest",
        "ExpressionAttributeNames": {"#digest": "digest"},
        "ExpressionAttributeValues": {":digest": {"S": head.digest}},
    }


def _serialize(link: SealLink) -> dict[str, Any]:
    return {name: TypeSerializer().serialize(value) for name, value in link.model_dump(exclude_none=True).items()}
