"""The operations table: op-001, op-002 …, without gaps or doubles, and which workflow each number belongs to.

It is a table of its own because a counter must be changed and the trail must not.
Source: DynamoDB Developer Guide, "Amazon DynamoDB Transactions".
"""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from audit.rows import stamp
from errors import TrailUnavailable
from models.model import Model
from models.operation import OpenOperationInput, Operation

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, TransactWriteItemTypeDef

COUNTER = "counter"
MAX_CONFLICTS = 50
"""How many times in a row another operation may take the number that we saw, before Temporal tries again later."""


class OpenedOperation(Model):
    """What the table knows of an operation."""

    operation_id: str
    workflow_id: str
    first_run_id: str
    target: str
    opened_at: datetime


class OperationNumbersTable:
    """Gives numbers and finds them again."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        """`table` has the one key `record`."""
        self._dynamodb = dynamodb
        self._table = table

    def open(self, wanted: OpenOperationInput) -> Operation:
        """The operation of this workflow: the next number, or the one that it already has.

        Raises `TrailUnavailable` (transient) if DynamoDB does not answer.
        """
        try:
            for _ in range(MAX_CONFLICTS):
                if opened := self._of_workflow(wanted) or self._take_next(wanted):
                    return opened
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error
        raise TrailUnavailable(
            "Operation number not to be had", f"others took {MAX_CONFLICTS} numbers from table {self._table}."
        )

    def find(self, operation_id: str) -> OpenedOperation | None:
        """The operation of this number, if there is one."""
        try:
            item = self._get(operation_id)
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error
        if item is None:
            return None
        return OpenedOperation(
            operation_id=operation_id,
            workflow_id=item["workflow_id"]["S"],
            first_run_id=item["first_run_id"]["S"],
            target=item["target"]["S"],
            opened_at=datetime.fromisoformat(item["opened_at"]["S"]),
        )

    def since(self, first: datetime) -> list[str]:
        """The operations that were opened at this time (aware) or later, the newest first.

        Raises `TrailUnavailable`.
        """
        try:
            counter = self._get(COUNTER)
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error
        newest_first = map(_numbered, range(int(counter["last"]["N"]) if counter else 0, 0, -1))
        opened = takewhile(lambda of: of is not None and of.opened_at >= first, map(self.find, newest_first))
        return [of.operation_id for of in opened if of is not None]

    def _of_workflow(self, wanted: OpenOperationInput) -> Operation | None:
        item = self._get(_workflow_record(wanted))
        if item is None:
            return None
        opened_at = datetime.fromisoformat(item["opened_at"]["S"])
        return Operation(operation_id=item["operation_id"]["S"], opened_at=opened_at)

    def _take_next(self, wanted: OpenOperationInput) -> Operation | None:
        """Counter, number and workflow in one transaction; None if another operation was faster."""
        counter = self._get(COUNTER)
        last = int(counter["last"]["N"]) if counter else 0
        operation_id = _numbered(last + 1)
        facts: dict[str, AttributeValueTypeDef] = {
            "operation_id": {"S": operation_id},
            "workflow_id": {"S": wanted.workflow_id},
            "first_run_id": {"S": wanted.first_run_id},
            "target": {"S": wanted.target_arn},
            "opened_at": {"S": stamp(wanted.opened_at)},
        }
        absent = "attribute_not_exists(#record)"
        names = {"#record": "record"}
        count: TransactWriteItemTypeDef = {
            "Put": {
                "TableName": self._table,
                "Item": {"record": {"S": COUNTER}, "last": {"N": str(last + 1)}},
                "ConditionExpression": f"{absent} OR #last = :last",
                "ExpressionAttributeNames": {**names, "#last": "last"},
                "ExpressionAttributeValues": {":last": {"N": str(last)}},
            }
        }
        entries: list[TransactWriteItemTypeDef] = [
            {
                "Put": {
                    "TableName": self._table,
                    "Item": {"record": {"S": record}, **facts},
                    "ConditionExpression": absent,
                    "ExpressionAttributeNames": names,
                }
            }
            for record in (operation_id, _workflow_record(wanted))
        ]
        try:
            self._dynamodb.transact_write_items(TransactItems=[count, *entries])
        except ClientError as error:
            if error.response["Error"]["Code"] in ("TransactionCanceledException", "TransactionConflictException"):
                return None
            raise
        return Operation(operation_id=operation_id, opened_at=datetime.fromisoformat(stamp(wanted.opened_at)))

    def _get(self, record: str) -> dict[str, AttributeValueTypeDef] | None:
        answer = self._dynamodb.get_item(TableName=self._table, Key={"record": {"S": record}}, ConsistentRead=True)
        return answer.get("Item")

    def _unavailable(self, error: ClientError | BotoCoreError) -> TrailUnavailable:
        return TrailUnavailable(
            "Operations table unavailable",
            f"DynamoDB table {self._table}: {error}. See the table, its region and the worker's permissions. If it was "
            "never made: python starter.py setup",
            code=error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__,
        )


def _numbered(number: int) -> str:
    return f"op-{number:03d}"


def _workflow_record(wanted: OpenOperationInput) -> str:
    return f"workflow#{wanted.workflow_id}#{wanted.first_run_id}"
