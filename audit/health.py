"""Whether each target has a good and young restore, from the trail alone: for a monitoring system.

It needs no Temporal: a worker, a schedule or a Temporal that is gone shows itself as a restore that grows old.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from enum import IntEnum
from itertools import islice

from pydantic import AwareDatetime, Field

from audit.numbers import READS_AT_ONCE, OperationNumbersTable
from audit.operation_summary import OperationSummary, summarize_operation
from audit.table import AuditTable
from models.cures import START_COMMAND, cure_known_from_trail
from models.fleet_summary import TargetReport
from models.model import Model
from models.steps import Outcome, Step

MAX_OPERATIONS = 50
"""How many operations of a target are read in search of its last good restore."""
DEFAULT_MAX_AGE = timedelta(hours=26)
"""A day and two hours for the restore itself."""
LIST_COMMAND = "python starter.py list"
NOT_GOOD = (Outcome.FAILED, Outcome.CANCELLED, Outcome.SKIPPED)


class Level(IntEnum):
    """The exit codes of a monitoring plugin. Source: Monitoring Plugins Development Guidelines, "Plugin Return Codes"."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_BY_WEIGHT = (Level.CRITICAL, Level.WARNING, Level.UNKNOWN, Level.OK)
"""As `max_state_alt` of the Monitoring Plugins: what is unknown hides no failure."""


class TargetHealth(Model):
    """One target, or a name that is none."""

    target: str = Field(description="The target's ARN, or the name as it was given.")
    level: Level
    restored_at: AwareDatetime | None = Field(default=None, description="When the last good restore ended.")
    age_seconds: int | None = None
    restored_by: str | None = Field(default=None, description="The operation of the last good restore.")
    last_operation: str | None = None
    last_outcome: Outcome | None = None
    last_step: Step | None = None
    last_at: AwareDatetime | None = Field(default=None, description="When the last operation's last row was written.")
    last_drill: str | None = Field(default=None, description="The newest drill since the last good restore.")
    last_drill_outcome: Outcome | None = None
    last_drill_at: AwareDatetime | None = None
    text: str = Field(description="What is found, and what was expected.")
    what_to_do: str | None = None

    @property
    def name(self) -> str:
        """The target's name."""
        return self.target.rpartition(":")[2]


class TargetHealths:
    """Reads the health of targets."""

    def __init__(self, table: AuditTable, numbers: OperationNumbersTable, max_age: timedelta, now: datetime) -> None:
        """`max_age` is how old the last good restore of a target may be `now`."""
        self._table = table
        self._numbers = numbers
        self._max_age = max_age
        self._now = now

    def read(self, target_arns: Sequence[str]) -> list[TargetHealth]:
        """The health of each target. Reads at most two items and the rows of `MAX_OPERATIONS` for each.

        Raises `TrailUnavailable`.
        """
        with ThreadPoolExecutor(READS_AT_ONCE) as threads:
            return list(threads.map(self._read_target, target_arns))

    def _read_target(self, target_arn: str) -> TargetHealth:
        operations: list[OperationSummary] = []
        for operation in iterate_restores(self._table, self._numbers, target_arn):
            operations.append(operation)
            if operation.restored_at is not None:
                break
        return judge(target_arn, operations, self._max_age, self._now)


def iterate_restores(table: AuditTable, numbers: OperationNumbersTable, target_arn: str) -> Iterator[OperationSummary]:
    """The last `MAX_OPERATIONS` of a target, the newest first. Raises `TrailUnavailable`, and as `from_item` does."""
    for operation in islice(numbers.iterate_target(target_arn), MAX_OPERATIONS):
        summary = summarize_operation(table.list_rows(operation.operation_id))
        if summary is not None:
            yield summary


class FleetHealths:
    """Reads the health of the targets of a fleet, for its summary."""

    def __init__(self, table: AuditTable, numbers: OperationNumbersTable) -> None:
        """`table` is the trail, `numbers` has the operations of each target."""
        self._table = table
        self._numbers = numbers

    def read(self, target_arns: Sequence[str], max_age: timedelta, at: datetime) -> list[TargetReport]:
        """A report for each target, in this order. Raises `TrailUnavailable`."""
        healths = TargetHealths(self._table, self._numbers, max_age, at).read(target_arns)
        names = [health.name for health in healths]
        return [
            TargetReport(
                name=health.name if names.count(health.name) == 1 else health.target,
                is_good=health.level is Level.OK,
                text=health.text,
                what_to_do=health.what_to_do,
            )
            for health in healths
        ]


def judge(target_arn: str, operations: Sequence[OperationSummary], max_age: timedelta, now: datetime) -> TargetHealth:
    """The health of a target by its operations, the newest first and the last good one last.

    A drill restores no target: it is named, and makes its health neither better nor worse.
    """
    drill = next((each for each in operations if each.drill), None)
    return _with_drill(_judge(target_arn, [each for each in operations if not each.drill], max_age, now), drill)


def _judge(target_arn: str, operations: Sequence[OperationSummary], max_age: timedelta, now: datetime) -> TargetHealth:
    if not operations:
        text = "no restore has begun a step yet"
        return TargetHealth(target=target_arn, level=Level.UNKNOWN, text=text, what_to_do=LIST_COMMAND)
    last, oldest = operations[0], operations[-1]
    good = oldest if oldest.restored_at is not None else None
    age = max(now - good.restored_at, timedelta(0)) if good and good.restored_at else None
    broken = next((each for each in operations if each is not good and _lost_the_target(each)), None)
    level = Level.WARNING if last.outcome in NOT_GOOD else Level.OK
    if age is None or age > max_age or broken:
        level = Level.CRITICAL
    return TargetHealth(
        target=target_arn,
        level=level,
        restored_at=good.restored_at if good else None,
        age_seconds=int(age.total_seconds()) if age is not None else None,
        restored_by=good.operation_id if good else None,
        last_operation=last.operation_id,
        last_outcome=last.outcome,
        last_step=last.step,
        last_at=last.at,
        text="; ".join(_sentences(good, age, max_age, last, broken)),
        what_to_do=None if level is Level.OK else _cure(broken or last),
    )


def _with_drill(health: TargetHealth, drill: OperationSummary | None) -> TargetHealth:
    """The health with the newest drill since the last good restore."""
    if drill is None:
        return health
    where = "" if drill.outcome is Outcome.SUCCEEDED else f" at {drill.step} ({drill.details})"
    text = f"{health.text}; drill {drill.operation_id} {drill.outcome}{where}"
    named = {"last_drill": drill.operation_id, "last_drill_outcome": drill.outcome, "last_drill_at": drill.at}
    return health.model_copy(update={"text": text, **named})


def worst_level(levels: Iterable[Level]) -> Level:
    """The level of all of them together."""
    return min(levels, key=_BY_WEIGHT.index)


def format_age(age: timedelta) -> str:
    """Minutes up to two hours, then hours, and from three days on days and hours."""
    minutes = int(age.total_seconds()) // 60
    hours = minutes // 60
    if hours < 2:  # noqa: PLR2004 - says the docstring
        return f"{minutes} min"
    return f"{hours} h" if hours < 3 * 24 else f"{hours // 24} d {hours % 24} h"


def _lost_the_target(operation: OperationSummary) -> bool:
    return operation.declared_deletion and operation.outcome in NOT_GOOD and operation.restored_at is None


def _sentences(
    good: OperationSummary | None,
    age: timedelta | None,
    max_age: timedelta,
    last: OperationSummary,
    broken: OperationSummary | None,
) -> Iterator[str]:
    if good is None or age is None:
        yield "no good restore is known"
    else:
        too_old = f", expected at most {format_age(max_age)}" if age > max_age else ""
        yield f"last good restore {format_age(age)} ago ({good.operation_id}){too_old}"
    if broken:
        yield f"{broken.operation_id} deleted the target or part of it and did not restore it"
    if last.outcome is Outcome.RUNNING:
        yield f"{last.operation_id} has no end in the trail, it is at {last.step}"
    elif last.outcome in NOT_GOOD:
        yield f"{last.operation_id} {last.outcome} at {last.step} ({last.details})"


def _cure(operation: OperationSummary) -> str:
    if operation.outcome is Outcome.RUNNING:
        return f"python starter.py status {operation.operation_id}"
    if operation.outcome in (Outcome.FAILED, Outcome.CANCELLED):
        return cure_known_from_trail(operation.operation_id, operation.step, operation.details)
    # Nothing failed, and no restore came in time: why, the schedule or the worker says.
    return START_COMMAND if operation.outcome is Outcome.SKIPPED else LIST_COMMAND
