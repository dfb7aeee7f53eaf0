"""How long AWS's changes took in a target's earlier restores, as the trail keeps it.

The row of each step that waited has the durations among its facts. The operations table links a target's operations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

import structlog

from audit.numbers import OperationNumbersTable
from audit.rows import AuditRow, Phase
from audit.table import AuditTable
from errors import TrailUnavailable
from models.steps import Status
from models.waits import DURATIONS_FACT, Change

MAX_OPERATIONS = 10
"""Of how many operations the durations are read; the newest is the one that asks, and has none yet."""
CHANGES = {change.value: change for change in Change}

log = structlog.stdlib.get_logger("audit")


def durations_fact(durations: Mapping[Change, int]) -> dict[str, str]:
    """The fact of a step's row; none if AWS changed nothing meanwhile."""
    return {DURATIONS_FACT: json.dumps(durations)} if durations else {}


class EarlierDurations:
    """Reads the durations of earlier restores."""

    def __init__(self, table: AuditTable, numbers: OperationNumbersTable) -> None:
        """`table` is the trail, `numbers` has the operations of each target."""
        self._table = table
        self._numbers = numbers

    def read(self, target_arn: str) -> dict[Change, tuple[int, ...]]:
        """The seconds of each change, the newest first; empty if there are none, or if the trail cannot be read now.

        They only decide when a restore polls, so a trail that is unavailable delays nothing.
        """
        found: dict[Change, tuple[int, ...]] = {}
        try:
            for operation in islice(self._numbers.iterate_target(target_arn), MAX_OPERATIONS):
                for change, seconds in _durations_of(self._table.list_rows(operation.operation_id)).items():
                    found[change] = (*found.get(change, ()), seconds)
        except TrailUnavailable as error:
            log.warning("durations of earlier restores not read", target=target_arn, error=str(error))
        return found


def _durations_of(rows: list[AuditRow]) -> dict[Change, int]:
    """The durations that an operation's completed steps have recorded; of a step that ran twice, the last."""
    found: dict[Change, int] = {}
    for row in rows:
        if row.phase is Phase.OUTCOME and row.status is Status.SUCCESS:
            found |= _parse(row.facts.get(DURATIONS_FACT, "{}"))
    return found


def _parse(fact: str) -> dict[Change, int]:
    """Nothing is learned from what is not the durations of this pipeline."""
    try:
        values: Any = json.loads(fact)
    except ValueError:
        return {}
    if not isinstance(values, dict):
        return {}
    return {CHANGES[name]: seconds for name, seconds in values.items() if name in CHANGES and isinstance(seconds, int)}
