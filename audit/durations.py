"""How long AWS's changes took in a target's earlier restores, as the trail keeps it.

The row of each step that waited has the durations among its facts. The operations table links a target's operations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

import structlog

from audit.history import PastOperation, describe_operation, find_usual_seconds
from audit.numbers import OperationNumbersTable
from audit.rows import AuditRow, Phase
from audit.table import AuditTable
from errors import TrailUnavailable
from models.operation import Earlier
from models.steps import Status
from models.waits import DURATIONS_FACT, Change

MAX_OPERATIONS = 10
"""Of how many operations the durations are read; the newest is the one that asks, and has none yet."""
CHANGES = {change.value: change for change in Change}

log = structlog.stdlib.get_logger("audit")


def durations_fact(durations: Mapping[Change, int]) -> dict[str, str]:
    """The fact of a step's row; none if AWS changed nothing meanwhile."""
    return {DURATIONS_FACT: json.dumps(durations)} if durations else {}


class EarlierRestores:
    """Reads what a restore learns from the target's earlier ones."""

    def __init__(self, table: AuditTable, numbers: OperationNumbersTable) -> None:
        """`table` is the trail, `numbers` has the operations of each target."""
        self._table = table
        self._numbers = numbers

    def read(self, target_arn: str) -> Earlier:
        """What the newest operations say; nothing if there are none, or if the trail cannot be read now.

        It only decides when a restore polls and what it says of its end, so a trail that is unavailable delays nothing.
        """
        durations: dict[Change, tuple[int, ...]] = {}
        past: list[PastOperation] = []
        try:
            for operation in islice(self._numbers.iterate_target(target_arn), MAX_OPERATIONS):
                rows = self._table.list_rows(operation.operation_id)
                for change, seconds in _durations_of(rows).items():
                    durations[change] = (*durations.get(change, ()), seconds)
                if described := describe_operation(rows, operation.opened_at):
                    past.append(described)
        except TrailUnavailable as error:
            log.warning("durations of earlier restores not read", target=target_arn, error=str(error))
        return Earlier(durations, find_usual_seconds(past))


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
