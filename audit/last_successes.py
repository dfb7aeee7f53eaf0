"""The last good restore of every target, from the trail alone: what a worker that has just started cannot know otherwise."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

import structlog

from audit.health import iterate_restores
from audit.numbers import READS_AT_ONCE, OperationNumbersTable
from audit.table import AuditTable

log = structlog.stdlib.get_logger("audit")


class LastSuccess(NamedTuple):
    """The last good restore of one target."""

    target_arn: str
    restored_at: datetime
    """When the target was handed to its users."""
    snapshot_created_at: datetime | None
    """Of when its data is; None if the trail does not have it."""


def read_last_successes(table: AuditTable, numbers: OperationNumbersTable) -> list[LastSuccess]:
    """One for each target that had a good restore lately; a target whose rows cannot be read is logged and left out.

    Reads two items and the rows of one operation for a target that succeeds. Raises `TrailUnavailable`.
    """
    with ThreadPoolExecutor(READS_AT_ONCE) as threads:
        found = threads.map(lambda arn: _last_success(table, numbers, arn), numbers.list_targets())
        return [success for success in found if success is not None]


def _last_success(table: AuditTable, numbers: OperationNumbersTable, target_arn: str) -> LastSuccess | None:
    try:
        for operation in iterate_restores(table, numbers, target_arn):
            if operation.restored_at is not None:
                return LastSuccess(target_arn, operation.restored_at, operation.snapshot_created_at)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        log.warning("the trail has a row of this target that is none", target_arn=target_arn, reason=reason)
    return None
