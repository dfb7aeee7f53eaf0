"""Targets by days: how the operations of each day ended."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from models.steps import Outcome
from reports.measures import TargetMeasures
from reports.operations import ReportedOperation
from reports.times import day_of, format_day

SYMBOLS = {
    Outcome.SUCCEEDED: "✓",
    Outcome.FAILED: "✕",
    Outcome.CANCELLED: "–",
    Outcome.SKIPPED: "»",
    Outcome.RUNNING: "…",
    Outcome.WAITING: "?",
}
NO_OPERATION, DRILL = "·", "◇"
MAX_NAMED = 5
"""Operations of one target and day that the cell's text names."""


class CalendarDay(NamedTuple):
    """The operations of a target that began on one day."""

    day: date
    operations: tuple[ReportedOperation, ...]
    """The newest first."""

    @property
    def outcome(self) -> str:
        """That of the day's last restore; drill if there were only drills, or none."""
        if restore := self._last_restore:
            return restore.outcome.value
        return "drill" if self.operations else "none"

    @property
    def symbol(self) -> str:
        """The outcome as one character, so that it does not depend on colours."""
        if restore := self._last_restore:
            return SYMBOLS[restore.outcome]
        return DRILL if self.operations else NO_OPERATION

    @property
    def _last_restore(self) -> ReportedOperation | None:
        return next((operation for operation in self.operations if not operation.is_drill), None)

    @property
    def text(self) -> str:
        """The cell in words, for a screen reader and for the pointer."""
        named = [f"{each.operation_id} {each.summary.words}" for each in self.operations[:MAX_NAMED]]
        more = [f"and {len(self.operations) - MAX_NAMED} more"] if len(self.operations) > MAX_NAMED else []
        return f"{format_day(self.day)}: {', '.join((*named, *more)) or 'no operation'}"


def calendar_days(target: TargetMeasures, first: date, last: date) -> list[CalendarDay]:
    """A target's cells, one for each day (UTC) from the first to the last."""
    by_day: dict[date, list[ReportedOperation]] = {}
    for operation in target.operations:
        by_day.setdefault(day_of(operation.began_at), []).append(operation)
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    return [CalendarDay(day, tuple(by_day.get(day, ()))) for day in days]
