"""The operations table: operation numbers op-001, op-002 … without gaps or duplicates, and the workflow of each.

It is a separate table because a counter must be changed, and the trail must not be.
Source: DynamoDB Developer Guide, "Amazon DynamoDB Transactions".
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import AwareDatetime

from audit.dynamodb_errors import code_of, is_conflict
from audit.rows import stamp
from errors import TrailUnavailable
from models.model import Model
from models.operation import OpenOperationInput, Operation

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, TransactWriteItemTypeDef

COUNTER = "counter"
PREVIOUS_TARGET = "previous_target"
"""In a target's record: the ARN of the target that was added before it. So all targets are found without a scan."""
MAX_CONFLICTS = 50
"""How many times in a row another operation may get the next number first, before Temporal tries again later."""

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.02, 0.5
"""The longest random wait after the first conflict, which doubles with each, and after any."""
READS_AT_ONCE = 8
"""Fewer than botocore's ten connections to one endpoint."""


class OpenedOperation(Model):
    """An operation as the operations table records it."""

    operation_id: str
    workflow_id: str
    first_run_id: str
    target_arn: str
    opened_at: AwareDatetime
    previous_operation_id: str | None = None
    """The target's operation before this one; None for its first one, and for one that was opened before there were links."""


class _Counter(NamedTuple):
    last_number: int
    linked_since: int | None
    """The first number whose operation is linked to its target's previous one, as all since are."""
    newest_target: str | None
    """The ARN of the target whose first operation is the newest one; its record has the target before it."""


class OperationNumbersTable:
    """Allocates operation numbers and finds the operations that have them."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        """`table` has the partition key `record` and no sort key."""
        self._dynamodb = dynamodb
        self._table = table

    @property
    def name(self) -> str:
        """The table's name."""
        return self._table

    def open(self, request: OpenOperationInput) -> Operation:
        """Return the operation of this workflow; allocate the next number if the workflow has none.

        Raises `TrailUnavailable` (transient) if DynamoDB is unavailable, or if others were faster too many times.
        """
        try:
            for conflicts in range(MAX_CONFLICTS):
                operation = self._find_by_workflow(request)
                if operation is None:
                    operation = self._allocate_next(request)
                if operation is not None:
                    return operation
                time.sleep(random.uniform(0, min(FIRST_WAIT_SECONDS * 2**conflicts, LONGEST_WAIT_SECONDS)))  # noqa: S311 - no secret
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error
        raise TrailUnavailable(
            "Could not allocate an operation number",
            f"{MAX_CONFLICTS} times in a row another operation got the next number of DynamoDB table {self._table} first. "
            "Temporal retries the call.",
        )

    def find(self, operation_id: str) -> OpenedOperation | None:
        """The operation with this number, or None if the number was never allocated.

        Raises `TrailUnavailable`.
        """
        try:
            item = self._get(operation_id)
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error
        return _opened(operation_id, item) if item else None

    def iterate_target(self, target_arn: str) -> Iterator[OpenedOperation]:
        """The operations of a target, the newest first, as far as they are linked.

        Raises `TrailUnavailable`.
        """
        try:
            newest = self._get(_target_record(target_arn))
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error
        operation_id = newest["operation_id"]["S"] if newest else None
        while operation_id is not None and (operation := self.find(operation_id)) is not None:
            yield operation
            operation_id = operation.previous_operation_id

    def list_targets(self) -> list[str]:
        """The ARNs of all targets, the one that was added last first. Reads each target once; raises `TrailUnavailable`."""
        arns: list[str] = []
        try:
            arn = self._read_counter().newest_target
            while arn is not None:
                arns.append(arn)
                arn = (self._get(_target_record(arn)) or {}).get(PREVIOUS_TARGET, {}).get("S")
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error
        return arns

    def find_first_linked(self) -> OpenedOperation | None:
        """The operation since which each one is linked to its target's previous one; None if none is.

        Raises `TrailUnavailable`.
        """
        try:
            linked_since = self._read_counter().linked_since
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error
        return self.find(_operation_id(linked_since)) if linked_since is not None else None

    def list_opened_since(self, first: datetime) -> list[OpenedOperation]:
        """The operations that were opened at `first` (aware) or later, the newest first.

        Reads each once, several at a time. Raises `TrailUnavailable`.
        """
        try:
            last_number = self._read_counter().last_number
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error
        operations: list[OpenedOperation] = []
        with ThreadPoolExecutor(READS_AT_ONCE) as threads:
            for newest in range(last_number, 0, -READS_AT_ONCE):
                numbers = range(newest, max(newest - READS_AT_ONCE, 0), -1)
                for operation in threads.map(self.find, map(_operation_id, numbers)):
                    if operation is None or operation.opened_at < first:
                        return operations
                    operations.append(operation)
        return operations

    def _find_by_workflow(self, request: OpenOperationInput) -> Operation | None:
        item = self._get(_workflow_record(request))
        if item is None:
            return None
        opened_at = datetime.fromisoformat(item["opened_at"]["S"])
        return Operation(operation_id=item["operation_id"]["S"], opened_at=opened_at)

    def _allocate_next(self, request: OpenOperationInput) -> Operation | None:
        """Write counter, number, workflow and target in one transaction; None if another operation was faster."""
        counter, newest = self._read_counter(), self._get(_target_record(request.target_arn))
        number = counter.last_number + 1
        previous = newest["operation_id"]["S"] if newest else None
        try:
            self._dynamodb.transact_write_items(
                TransactItems=[
                    self._put_counter(counter, request.target_arn if _is_new_target(newest) else counter.newest_target),
                    *self._put_operation(_operation_id(number), request, previous),
                    # Without a condition: it changes with the counter only.
                    {"Put": {"TableName": self._table, "Item": _target_item(request.target_arn, newest, counter)}},
                ]
            )
        except ClientError as error:
            if is_conflict(error):
                return None
            raise
        opened_at = datetime.fromisoformat(stamp(request.opened_at))
        return Operation(operation_id=_operation_id(number), opened_at=opened_at)

    def _put_counter(self, counter: _Counter, newest_target: str | None) -> TransactWriteItemTypeDef:
        """Count one up, if the counter is still what was read."""
        number = counter.last_number + 1
        item: dict[str, AttributeValueTypeDef] = {
            "record": {"S": COUNTER},
            "last_number": {"N": str(number)},
            "linked_since": {"N": str(counter.linked_since or number)},
        }
        if newest_target is not None:
            item["newest_target"] = {"S": newest_target}
        return {
            "Put": {
                "TableName": self._table,
                "Item": item,
                "ConditionExpression": "attribute_not_exists(#record) OR #last_number = :last_number",
                "ExpressionAttributeNames": {"#record": "record", "#last_number": "last_number"},
                "ExpressionAttributeValues": {":last_number": {"N": str(counter.last_number)}},
            }
        }

    def _put_operation(
        self, operation_id: str, request: OpenOperationInput, previous: str | None
    ) -> list[TransactWriteItemTypeDef]:
        """Record the operation twice, under its number and under its workflow, if neither record exists."""
        operation: dict[str, AttributeValueTypeDef] = {
            "operation_id": {"S": operation_id},
            "workflow_id": {"S": request.workflow_id},
            "first_run_id": {"S": request.first_run_id},
            "target_arn": {"S": request.target_arn},
            "opened_at": {"S": stamp(request.opened_at)},
        }
        if previous is not None:
            operation["previous_operation_id"] = {"S": previous}
        return [
            {
                "Put": {
                    "TableName": self._table,
                    "Item": {"record": {"S": record}, **operation},
                    "ConditionExpression": "attribute_not_exists(#record)",
                    "ExpressionAttributeNames": {"#record": "record"},
                }
            }
            for record in (operation_id, _workflow_record(request))
        ]

    def _read_counter(self) -> _Counter:
        item = self._get(COUNTER)
        if item is None:
            return _Counter(0, None, None)
        linked_since, newest_target = item.get("linked_since"), item.get("newest_target", {}).get("S")
        return _Counter(int(item["last_number"]["N"]), int(linked_since["N"]) if linked_since else None, newest_target)

    def _get(self, record: str) -> dict[str, AttributeValueTypeDef] | None:
        answer = self._dynamodb.get_item(TableName=self._table, Key={"record": {"S": record}}, ConsistentRead=True)
        return answer.get("Item")

    def _unavailable(self, error: ClientError | BotoCoreError) -> TrailUnavailable:
        return TrailUnavailable(
            "Operations table unavailable",
            f"DynamoDB table {self._table}: {error}. Check that the table exists in the audit region and that the "
            "worker may use it. To create the tables: python starter.py setup",
            code=code_of(error),
        )


def _opened(operation_id: str, item: dict[str, AttributeValueTypeDef]) -> OpenedOperation:
    return OpenedOperation(
        operation_id=operation_id,
        workflow_id=item["workflow_id"]["S"],
        first_run_id=item["first_run_id"]["S"],
        target_arn=item["target_arn"]["S"],
        opened_at=datetime.fromisoformat(item["opened_at"]["S"]),
        previous_operation_id=item.get("previous_operation_id", {}).get("S"),
    )


def _operation_id(number: int) -> str:
    return f"op-{number:03d}"


def _workflow_record(request: OpenOperationInput) -> str:
    return f"workflow#{request.workflow_id}#{request.first_run_id}"


def _target_record(target_arn: str) -> str:
    return f"target#{target_arn}"


def _is_new_target(newest: dict[str, AttributeValueTypeDef] | None) -> bool:
    """Whether the list of targets lacks this one: it has no operation, or only ones from before there was the list."""
    return newest is None or PREVIOUS_TARGET not in newest


def _target_item(
    target_arn: str, newest: dict[str, AttributeValueTypeDef] | None, counter: _Counter
) -> dict[str, AttributeValueTypeDef]:
    """The record of a target after its next operation is opened; the first target has none before it."""
    before: AttributeValueTypeDef = {"S": counter.newest_target} if counter.newest_target else {"NULL": True}
    return {
        "record": {"S": _target_record(target_arn)},
        "operation_id": {"S": _operation_id(counter.last_number + 1)},
        PREVIOUS_TARGET: before if newest is None or PREVIOUS_TARGET not in newest else newest[PREVIOUS_TARGET],
    }
