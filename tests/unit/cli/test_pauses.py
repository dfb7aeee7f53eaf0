"""Whether a schedule is paused is Temporal's own; who and why is read from its note."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Schedule, ScheduleActionStartWorkflow, ScheduleSpec, ScheduleState

from runs.pauses import Pause, pause_of

NOW = datetime(2026, 11, 27, 5, 10, tzinfo=UTC)
MONDAY = datetime(2026, 11, 30, tzinfo=UTC)
ACTION = ScheduleActionStartWorkflow("-", id="-", task_queue="-")


def schedule(note: str | None, *, paused: bool = False, start_at: datetime | None = None) -> Schedule:
    return Schedule(ACTION, ScheduleSpec(start_at=start_at), state=ScheduleState(note=note, paused=paused))


@pytest.mark.parametrize(
    "pause",
    [
        Pause("release freeze", "anna@laptop", MONDAY),
        Pause("a reason: with a colon, by somebody on 2026-01-01", "anna"),
        Pause("x" * 500, "Ä b on c", MONDAY),
    ],
)
def test_the_note_is_read_back(pause: Pause) -> None:
    """Person, reason and end are what the command was given."""
    written = schedule(pause.note(NOW), paused=pause.until is None, start_at=pause.until)
    assert pause_of(written, NOW) == pause


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        (schedule("Created by starter.py"), None),
        (schedule(Pause("freeze", "anna", NOW).note(NOW), start_at=NOW), None),
        (schedule("paused in the Web UI", paused=True), Pause("paused in the Web UI")),
        (schedule(None, paused=True), Pause(None)),
        (schedule("unpaused in the Web UI", start_at=MONDAY), Pause(None, until=MONDAY)),
        (schedule(Pause("freeze", "anna").note(NOW)), None),
        (schedule("", paused=True, start_at=MONDAY), Pause("")),
        (schedule("x", start_at=NOW + timedelta(seconds=1)), Pause(None, until=NOW + timedelta(seconds=1))),
    ],
)
def test_temporals_own_fields_decide(existing: Schedule, expected: Pause | None) -> None:
    """A note says nothing about whether the schedule is paused, and a pause that has ended is none."""
    assert pause_of(existing, NOW) == expected
