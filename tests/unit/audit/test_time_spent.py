"""Where the time of an operation went: in its steps, in waiting for an operator, or for an old cluster that was kept."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from audit.rows import AuditRow, Phase
from audit.time_spent import TimeSpent, list_gaps, sum_time
from models.steps import STEPS_THAT_KEEP_THE_OLD, AuditedStep, Housekeeping, Status, Step
from models.swap import OLD_KEPT
from tests.rigs.audit_tables import START, later, row

NO_TIME = timedelta(0)
HOURS, MINUTES = timedelta(hours=1), timedelta(minutes=1)


def ended(step: AuditedStep, minute: int, lasted: int, status: Status = Status.SUCCESS) -> AuditRow:
    """The outcome of a step that began at this minute."""
    facts = {OLD_KEPT: "for 12:00:00"} if step is Step.SWAP_CLUSTERS else {}
    began, at = later(minutes=minute), later(minutes=minute + lasted)
    return row(step=step, step_started_at=began, timestamp=at, status=status, facts=facts)


def decided(step: Step, minute: int, what: str, *, asked: int) -> AuditRow:
    status = Status.IN_PROGRESS if what == "Retry" else Status.FAILED
    details = f"{what}, decided by Ada"
    began, at = later(minutes=asked), later(minutes=minute)
    return row(step=step, phase=Phase.DECISION, status=status, step_started_at=began, timestamp=at, details=details)


SWAPPED = [ended(step, 10 * index, 10) for index, step in enumerate(STEPS_THAT_KEEP_THE_OLD[:-1])]
"""A swap until its message: ninety minutes of work."""
NOTIFIED = later(minutes=90)
DELETED = ended(Step.DELETE_RDS, 690, 10)
CASES: dict[str, tuple[list[AuditRow], TimeSpent]] = {
    "no rows": ([], TimeSpent(NO_TIME, NO_TIME, NO_TIME, None, None)),
    "a failed run of a step is work": (
        [
            ended(Step.COPY_SNAPSHOT, 0, 60, Status.FAILED),
            decided(Step.COPY_SNAPSHOT, 170, "Retry", asked=60),
            ended(Step.COPY_SNAPSHOT, 180, 30),
        ],
        TimeSpent(90 * MINUTES, 2 * HOURS, NO_TIME, None, None),
    ),
    "the old cluster is kept": (SWAPPED, TimeSpent(90 * MINUTES, NO_TIME, NO_TIME, NOTIFIED, None)),
    "it is deleted when its time is over": (
        [*SWAPPED, DELETED],
        TimeSpent(100 * MINUTES, NO_TIME, 10 * HOURS, NOTIFIED, DELETED.step_started_at),
    ),
    "it cannot be deleted at first": (
        [*SWAPPED, ended(Step.DELETE_RDS, 690, 10, Status.FAILED), ended(Step.DELETE_RDS, 760, 10)],
        TimeSpent(110 * MINUTES, HOURS, 10 * HOURS, NOTIFIED, later(minutes=690)),
    ),
    "the swap is rolled back": (
        [
            *SWAPPED,
            decided(Step.SWAP_CLUSTERS, 150, "Rollback", asked=90),
            ended(Housekeeping.SWAP_BACK, 150, 5),
            ended(Step.SNS_NOTIFICATION, 155, 5),
        ],
        TimeSpent(100 * MINUTES, NO_TIME, HOURS, NOTIFIED, later(minutes=150)),
    ),
    "archive-snapshot waits for an operator": (
        [
            *SWAPPED[:-2],
            ended(Step.ARCHIVE_SNAPSHOT, 70, 10, Status.FAILED),
            ended(Step.SNS_NOTIFICATION, 80, 10),
            decided(Step.ARCHIVE_SNAPSHOT, 150, "Retry", asked=80),
            ended(Step.ARCHIVE_SNAPSHOT, 150, 10),
            ended(Step.SNS_NOTIFICATION, 160, 10),
        ],
        TimeSpent(110 * MINUTES, HOURS, NO_TIME, later(minutes=170), None),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_kept_time_is_neither_work_nor_waiting(case: str) -> None:
    """`audit`, `history` and the report have it from here; all of it together is the time from the first to the last row."""
    rows, expected = CASES[case]
    assert sum_time(rows) == expected
    whole = max((each.timestamp for each in rows), default=START) - START
    assert expected.worked + expected.waited + expected.kept == whole


def test_a_gap_is_listed_once() -> None:
    """However many rows the step after it has."""
    started = row(
        step=Step.DELETE_RDS, phase=Phase.STARTED, step_started_at=DELETED.step_started_at, timestamp=NOTIFIED
    )
    [gap] = list_gaps([*SWAPPED, started, DELETED])
    times: tuple[datetime, datetime] = (gap.started_at, gap.ended_at)
    assert (times, gap.is_keeping_old) == ((NOTIFIED, DELETED.step_started_at), True)
