"""The trail's DynamoDB table: conditional puts and queries. The worker never updates or deletes a row.

Source: DynamoDB Developer Guide, "Condition expressions" and "Time to Live".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from audit.dynamodb_errors import code_of, is_condition_failed
from audit.rows import ADDED_AT, ADDED_BY, EXPIRES_AT, SEAL, AuditRow, from_item, to_item
from audit.stored_rows import STORED_ATTRIBUTES, StoredRow, from_stored_item
from errors import TrailConflict, TrailUnavailable
from models.drill import DRILL_FACT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BY_DATE = "by-date"
DAYS_AT_ONCE = 3
"""How many days are read ahead of the one that the report shows: they are in memory."""
DEPENDS_ON_TIME_OF_WRITING = (EXPIRES_AT, "timestamp", "date", "duration_ms")


class AuditTable:
    """Writes each row once; reads rows by operation or by day."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, retention: timedelta | None = None) -> None:
        """`retention` is how long DynamoDB keeps a row; None means for ever."""
        self._dynamodb = dynamodb
        self._table = table
        self._retention = retention

    @property
    def name(self) -> str:
        """The table's name."""
        return self._table

    @property
    def region(self) -> str:
        """The table's region."""
        return self._dynamodb.meta.region_name

    def put(self, row: AuditRow) -> None:
        """Write a row. If its key holds the same fact, the existing row stays and the call succeeds.

        Raises `TrailUnavailable` (transient) if DynamoDB is unavailable, `TrailConflict` if the key holds another row.
        """
        item = self._to_item(row)
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(event_key)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if not is_condition_failed(error):
                raise self._unavailable(error) from error
            existing: Any = error.response.get("Item", {})
            if _comparable(existing) != _comparable(item):
                raise self._conflict(row) from error
        except BotoCoreError as error:
            raise self._unavailable(error) from error

    def list_rows(self, operation_id: str) -> list[AuditRow]:
        """All rows of an operation, in chronological order; without its seals.

        Raises `TrailUnavailable`.
        """
        return [from_item(item) for item in self.list_items(operation_id) if item.get("phase") != {"S": SEAL}]

    def list_items(self, operation_id: str) -> list[dict[str, Any]]:
        """All items of an operation as DynamoDB stores them, seals too, sorted by key.

        Raises `TrailUnavailable`.
        """
        return list(
            self._query(
                KeyConditionExpression="operation_id = :operation",
                ExpressionAttributeValues={":operation": {"S": operation_id}},
                ConsistentRead=True,
            )
        )

    def find_item(self, operation_id: str, event_key: str) -> dict[str, Any] | None:
        """The item under a key, or None.

        Raises `TrailUnavailable`.
        """
        items = self._query(
            KeyConditionExpression="operation_id = :operation AND event_key = :key",
            ExpressionAttributeValues={":operation": {"S": operation_id}, ":key": {"S": event_key}},
            ConsistentRead=True,
        )
        return next(items, None)

    def list_rows_by_day(self, first: date, last: date) -> list[AuditRow]:
        """All rows from one day (UTC) to another, both included, in chronological order.

        Raises `TrailUnavailable`.
        """
        days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
        return [from_item(item) for day in days for item in self._query_day(day)]

    def iterate_days(self, last: date, first: date) -> Iterator[tuple[date, list[StoredRow]]]:
        """Each day (UTC) backwards from the last to the first, with its rows; the next days are read meanwhile.

        Raises `TrailUnavailable`.
        """
        reading: deque[tuple[date, Future[list[StoredRow]]]] = deque()
        with ThreadPoolExecutor(DAYS_AT_ONCE) as threads:
            for days_ago in range((last - first).days + 1):
                day = last - timedelta(days=days_ago)
                reading.append((day, threads.submit(self._read_day, day)))
                if len(reading) > DAYS_AT_ONCE:
                    oldest, rows = reading.popleft()
                    yield oldest, rows.result()
            for each, rows in reading:
                yield each, rows.result()

    def _read_day(self, day: date) -> list[StoredRow]:
        # By other names, because some are reserved words of DynamoDB.
        names = {f"#{name}": name for name in STORED_ATTRIBUTES}
        projection = ", ".join([*names, "#facts.#drill"])
        names |= {"#facts": "facts", "#drill": DRILL_FACT}
        items = self._query_day(day, names, ProjectionExpression=projection)
        return [from_stored_item(item) for item in items]

    def _query_day(self, day: date, names: Mapping[str, str] | None = None, **options: Any) -> Iterator[dict[str, Any]]:
        return self._query(
            IndexName=BY_DATE,
            KeyConditionExpression="#date = :date",
            ExpressionAttributeNames={"#date": "date", **(names or {})},  # a reserved word of DynamoDB
            ExpressionAttributeValues={":date": {"S": day.isoformat()}},
            **options,
        )

    def _query(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        paginator = self._dynamodb.get_paginator("query")
        try:
            for page in paginator.paginate(TableName=self._table, **arguments):
                yield from page["Items"]
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable(error) from error

    def _to_item(self, row: AuditRow) -> dict[str, Any]:
        item = to_item(row)
        if self._retention is not None:
            item[EXPIRES_AT] = {"N": str(int((row.timestamp + self._retention).timestamp()))}
        return item

    def _conflict(self, row: AuditRow) -> TrailConflict:
        return TrailConflict(
            "Trail holds another row",
            f"DynamoDB table {self._table}, operation {row.operation_id}, key {row.event_key}: the table holds a "
            "different row under this key. Either the row was changed, or two pipelines use the same table: give each "
            "pipeline a table of its own.",
        )

    def _unavailable(self, error: ClientError | BotoCoreError) -> TrailUnavailable:
        return TrailUnavailable(
            "Audit trail unavailable",
            f"DynamoDB table {self._table}: {error}. Check that the table exists in the audit region and that the "
            "worker may use it. To create the tables: python starter.py setup",
            code=code_of(error),
        )


def _comparable(item: dict[str, Any]) -> dict[str, Any]:
    """The item without what depends on when it was written.

    A workflow task that is repeated writes the same fact at a later time. The marks of `audit verify --repair` do not
    count either: a reset workflow writes the same row without them.
    """
    fields = {name: value for name, value in item.items() if name not in DEPENDS_ON_TIME_OF_WRITING}
    facts = item.get("facts", {}).get("M", {})
    return fields | {"facts": {name: value for name, value in facts.items() if name not in (ADDED_BY, ADDED_AT)}}
