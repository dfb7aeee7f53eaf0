"""The rows about one target. What is read depends on the target's own operations, not on how many other targets there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, timedelta

from audit.numbers import OpenedOperation, OperationNumbersTable
from audit.rows import AuditRow
from audit.table import AuditTable

FIRST_OPERATION = "op-001"
"""Its rows are the oldest of a trail."""
LONGEST_OPERATION = timedelta(days=2)
"""More than the time from an operation's number to its last row, unless somebody retries it later."""


class TargetRows:
    """Finds the rows of a target by the links between its operations."""

    def __init__(self, table: AuditTable, numbers: OperationNumbersTable) -> None:
        """`table` is the trail, `numbers` has the links."""
        self._table = table
        self._numbers = numbers

    def iterate_newest_first(self, target_arn: str, first: date, last: date) -> Iterator[AuditRow]:
        """The rows of these days (UTC, both included) that name the target among their resources.

        Of operations that were opened before there were links, it reads all rows of the days on which they can have any.
        Raises `TrailUnavailable`.
        """
        linked = self._list_linked(target_arn, first)
        of_target = [row for operation in linked for row in self._table.list_rows(operation.operation_id)]
        yield from sorted(
            (row for row in of_target if target_arn in row.resource_arns and first <= _day(row) <= last),
            key=lambda row: (_day(row), row.event_key),
            reverse=True,
        )
        known = {operation.operation_id for operation in linked}
        for day in self._iterate_unlinked_days(first, last):
            for row in reversed(self._table.list_rows_by_day(day, day)):
                if target_arn in row.resource_arns and row.operation_id not in known:
                    yield row

    def _list_linked(self, target_arn: str, first: date) -> list[OpenedOperation]:
        """Back to the newest operation from before the first day: it may have been retried since."""
        operations: list[OpenedOperation] = []
        for operation in self._numbers.iterate_target(target_arn):
            operations.append(operation)
            if operation.opened_at.astimezone(UTC).date() < first:
                break
        return operations

    def _iterate_unlinked_days(self, first: date, last: date) -> Iterator[date]:
        """The newest first; none if each operation of these days is linked."""
        first_linked = self._numbers.find_first_linked()
        if first_linked is not None and first_linked.operation_id == FIRST_OPERATION:
            return
        first_rows = self._table.list_rows(FIRST_OPERATION)
        began = min((_day(row) for row in first_rows), default=first)
        ended = last if first_linked is None else min(last, (first_linked.opened_at + LONGEST_OPERATION).date())
        for days_ago in range((ended - max(first, began)).days + 1):
            yield ended - timedelta(days=days_ago)


def _day(row: AuditRow) -> date:
    return row.timestamp.astimezone(UTC).date()
