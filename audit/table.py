"""The append-only DynamoDB table of the trail: conditional puts and queries, nothing else.

Source: DynamoDB Developer Guide, "Condition expressions" and "Time to Live".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from temporalio import activity

from audit.rows import ADDED_AT, ADDED_BY, SEAL, AuditRow, Phase, from_item, stamp, to_item
from errors import TrailConflict, TrailUnavailable
from models.configuration import SETTINGS_FACT
from models.operation import StepInput
from models.steps import AuditedStep, Housekeeping, Status, Step

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BY_DATE = "by-date"
EXPIRES_AT = "expires_at"
HISTORY_DAYS = 45
WHEN_REPORTED = (EXPIRES_AT, "timestamp", "date", "duration_ms")
MAX_CONFLICTS = 5
"""How many times in a row another attempt may declare first: one that Temporal has given up may still be at work."""


class AuditTable:
    """Writes each row once and reads rows by operation or by day."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, retention: timedelta | None = None) -> None:
        """`retention` is how long DynamoDB keeps a row; None means for ever."""
        self._dynamodb = dynamodb
        self._table = table
        self._retention = retention

    def put(self, row: AuditRow) -> None:
        """Write a row; if its key holds the same fact already, the first telling stays and this is success.

        Raises `TrailUnavailable` (transient) if DynamoDB does not take it, `TrailConflict` if its key holds another row.
        """
        item = self._expiring(row)
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(event_key)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise self._unavailable(error) from error
            there: Any = error.response.get("Item", {})
            if _facts(there) != _facts(item):
                raise TrailConflict(
                    "Trail holds another row",
                    f"table {self._table}, operation {row.operation_id}, key {row.event_key}: the row there is not the "
                    "one to be written. Somebody changed it, or two pipelines share the table.",
                ) from error
        except BotoCoreError as error:
            raise self._unavailable(error) from error

    def operation(self, operation_id: str) -> list[AuditRow]:
        """All rows of one operation, in the order of time."""
        return [from_item(item) for item in self.items(operation_id) if item.get("phase") != {"S": SEAL}]

    def items(self, operation_id: str) -> list[dict[str, Any]]:
        """Everything that stands under an operation as DynamoDB keeps it, seals too, in the order of their keys."""
        return list(
            self._query(
                KeyConditionExpression="operation_id = :operation",
                ExpressionAttributeValues={":operation": {"S": operation_id}},
                ConsistentRead=True,
            )
        )

    def item(self, operation_id: str, event_key: str) -> dict[str, Any] | None:
        """What stands under one key, if anything does."""
        found = self._query(
            KeyConditionExpression="operation_id = :operation AND event_key = :key",
            ExpressionAttributeValues={":operation": {"S": operation_id}, ":key": {"S": event_key}},
            ConsistentRead=True,
        )
        return next(found, None)

    def days(self, first: date, last: date) -> list[AuditRow]:
        """All rows from one day (UTC) to another, both included, in the order of time."""
        return [row for offset in range((last - first).days + 1) for row in self._day(first + timedelta(days=offset))]

    def _day(self, day: date) -> Iterator[AuditRow]:
        for item in self._query(
            IndexName=BY_DATE,
            KeyConditionExpression="#date = :date",
            ExpressionAttributeNames={"#date": "date"},  # a reserved word of DynamoDB
            ExpressionAttributeValues={":date": {"S": day.isoformat()}},
        ):
            yield from_item(item)

    def _query(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        paginator = self._dynamodb.get_paginator("query")
        try:
            for page in paginator.paginate(TableName=self._table, **arguments):
                yield from page["Items"]
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error

    def _expiring(self, row: AuditRow) -> dict[str, Any]:
        item = to_item(row)
        if self._retention is not None:
            item[EXPIRES_AT] = {"N": str(int((row.timestamp + self._retention).timestamp()))}
        return item

    def _unavailable(self, error: ClientError | BotoCoreError) -> TrailUnavailable:
        return TrailUnavailable(
            "Audit trail unavailable",
            f"DynamoDB table {self._table}: {error}. See the table, its region and "
            "the permissions. If it was never made: python starter.py setup",
            code=error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__,
        )


class TrailIntents:
    """The trail as an activity that deletes needs it: no row, no call."""

    def __init__(self, table: AuditTable) -> None:
        """`table` is the trail."""
        self._table = table

    def declare(
        self,
        step: AuditedStep,
        step_input: StepInput,
        details: str,
        resource_arns: tuple[str, ...],
        facts: Mapping[str, str] | None = None,
    ) -> None:
        """Write the intent; what this taking of the step has declared already is not written again.

        A step that is taken again after a retry declares again: what has a name of old may be another resource by now.
        An attempt that finds something else to delete than the one before declares it in a row of its own.
        Raises `TrailUnavailable` (transient), `TrailConflict` if somebody else's row stands where the intent should.
        """
        for race in range(1, MAX_CONFLICTS + 1):
            there = self._of_this_taking(step, step_input)
            if set(resource_arns) <= set(_arns(there)):
                return
            try:
                # Numbered within the look, so that other words have another key and the same ones have the same.
                number = 1 + sum(row.poll == step_input.poll for row in there)
                self._table.put(_intent(step, step_input, number, details, resource_arns, facts or {}))
            except TrailConflict:
                if race == MAX_CONFLICTS:
                    raise
            else:
                return

    def declared(self, step: AuditedStep, operation_id: str) -> bool:
        """Whether the operation's intent for this step stands in the trail."""
        return bool(self._intents(step, operation_id))

    def declared_resources(self, step: AuditedStep, step_input: StepInput) -> tuple[str, ...]:
        """The ARNs that the intents of this taking of the step name, in whatever look or attempt."""
        return _arns(self._of_this_taking(step, step_input))

    def succeeded(self, step: AuditedStep, operation_id: str, since: datetime) -> bool:
        """Whether the operation began this step at that time (aware) or later, and ended it well."""
        return any(
            row.step is step and row.phase is Phase.OUTCOME and row.status is Status.SUCCESS
            for row in self._table.operation(operation_id)
            if row.step_started_at >= since
        )

    def _of_this_taking(self, step: AuditedStep, step_input: StepInput) -> list[AuditRow]:
        began = stamp(step_input.step_started_at)
        return [row for row in self._intents(step, step_input.operation_id) if stamp(row.step_started_at) == began]

    def _intents(self, step: AuditedStep, operation_id: str) -> list[AuditRow]:
        return [row for row in self._table.operation(operation_id) if row.step is step and row.phase is Phase.INTENT]

    def left_deleted(self, target_arn: str, at: datetime) -> str | None:
        """The settings (JSON) of a target that an operation of ours deleted and none has restored since.

        A restore whose cluster was removed again because its night failed is none.
        Looks back 45 days from the time `at` (aware), the newest day first.
        """
        removed_by: set[str] = set()
        for days_ago in range(HISTORY_DAYS):
            day = (at - timedelta(days=days_ago)).date()
            for row in reversed(self._table.days(day, day)):
                if target_arn not in row.resource_arns:
                    continue
                if row.step is Housekeeping.REMOVE_LEFTOVERS and row.phase is Phase.INTENT:
                    removed_by.add(row.operation_id)
                restored = row.step is Step.RESTORE_SNAPSHOT and row.status is Status.SUCCESS
                if restored and row.operation_id not in removed_by:
                    return None
                if row.step is Step.DELETE_RDS and row.phase is Phase.INTENT:
                    return row.facts.get(SETTINGS_FACT)
        return None


def _intent(
    step: AuditedStep,
    step_input: StepInput,
    number: int,
    details: str,
    resource_arns: tuple[str, ...],
    facts: Mapping[str, str],
) -> AuditRow:
    info = activity.info()
    return AuditRow(
        operation_id=step_input.operation_id,
        step=step,
        phase=Phase.INTENT,
        status=Status.IN_PROGRESS,
        details=details,
        step_started_at=step_input.step_started_at,
        timestamp=step_input.step_started_at,
        attempt=number,
        poll=step_input.poll,
        workflow_id=info.workflow_id or "",
        run_id=info.workflow_run_id or "",
        resource_arns=resource_arns,
        facts=dict(facts),
    )


def _arns(intents: list[AuditRow]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(arn for row in intents for arn in row.resource_arns))


def _facts(item: dict[str, Any]) -> dict[str, Any]:
    """The item without what depends on when it was written: the same fact told later is still the same fact.

    Also one that `audit verify` added, and that a reset workflow then tells itself.
    """
    told = {name: value for name, value in item.items() if name not in WHEN_REPORTED}
    facts = item.get("facts", {}).get("M", {})
    return told | {"facts": {name: value for name, value in facts.items() if name not in (ADDED_BY, ADDED_AT)}}
