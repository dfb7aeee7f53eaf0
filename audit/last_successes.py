"""The last good restore of every target, from the trail alone: what a worker that has just started cannot know otherwise."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from audit.numbers import READS_AT_ONCE, OperationNumbersTable
from audit.operation_summary import snapshot_created_at, summarize_operation
from audit.table import AuditTable

MAX_OPERATIONS = 50
"""How many operations of a target are read in search of its last good restore."""


class LastSuccess(NamedTuple):
    """The last good restore of one target."""

    target_arn: str
    restored_at: datetime
    """When the target was handed to its users."""
    snapshot_created_at: datetime | None
    """Of when its data is; None if the trail does not have it."""


def read_last_successes(table: AuditTable, numbers: OperationNumbersTable) -> list[LastSuccess]:
    """One for each target that had a good restore among its last `MAX_OPERATIONS`.

    Reads two items and the rows of one operation for a target that succeeds. Raises `TrailUnavailable`.
    """
    with ThreadPoolExecutor(READS_AT_ONCE) as threads:
        found = threads.map(lambda arn: _last_success(table, numbers, arn), numbers.list_targets())
        return [success for success in found if success is not None]


def _last_success(table: AuditTable, numbers: OperationNumbersTable, target_arn: str) -> LastSuccess | None:
    for operation in islice(numbers.iterate_target(target_arn), MAX_OPERATIONS):
        rows = table.list_rows(operation.operation_id)
        summary = summarize_operation(rows)
        if summary is not None and summary.restored_at is not None:
            return LastSuccess(target_arn, summary.restored_at, snapshot_created_at(rows))
    return None
