"""Reads the operations of the report from the trail and from the operations table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time

from audit.numbers import READS_AT_ONCE, OpenedOperation, OperationNumbersTable
from audit.table import AuditTable
from reports.operations import ReportedOperation, report_operation


class OperationReader:
    """Reads each operation once, several at a time."""

    def __init__(self, table: AuditTable, numbers: OperationNumbersTable) -> None:
        """`table` is the trail, `numbers` has the operations."""
        self._table = table
        self._numbers = numbers

    def read_since(self, first: date, target_arns: Collection[str]) -> list[ReportedOperation]:
        """The restores of these targets that were opened on the day `first` (UTC) or later, the newest first.

        Cleanups, and restores that have not begun a step, are left out. Raises `TrailUnavailable`.
        """
        opened = self._numbers.list_opened_since(datetime.combine(first, time(), UTC))
        return self._read_all([each for each in opened if each.target_arn in target_arns])

    def read(self, operation_id: str) -> ReportedOperation | None:
        """One operation; None if it has no number, is a cleanup, or has not begun a step. Raises `TrailUnavailable`."""
        opened = self._numbers.find(operation_id)
        return self._read(opened) if opened else None

    def _read_all(self, opened: Sequence[OpenedOperation]) -> list[ReportedOperation]:
        with ThreadPoolExecutor(READS_AT_ONCE) as threads:
            return [operation for operation in threads.map(self._read, opened) if operation is not None]

    def _read(self, opened: OpenedOperation) -> ReportedOperation | None:
        return report_operation(opened, self._table.list_rows(opened.operation_id))
