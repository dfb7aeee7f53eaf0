"""What the rows of a target's operations say about it: how each operation went, and whether monitoring must call someone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from audit.health import Level, format_age, judge, worst_level
from audit.operation_summary import OperationSummary, summarize_operation
from audit.report import report_rows
from audit.rows import AuditRow, Phase
from errors import Fault
from models.drill import DRILL_FACT
from models.steps import STEPS, STEPS_THAT_KEEP_THE_OLD, Housekeeping, Outcome, Replacement, Status, Step
from models.swap import OLD_KEPT
from tests.rigs.audit_tables import START, later, row

TARGET_ARN = "arn:aws:rds:eu-central-1:111122223333:cluster:orders-staging"
ALL_NINE = STEPS[Replacement.DELETE_FIRST]
EIGHT = ALL_NINE[:-1]


def at(step: Step, run: int = 0) -> datetime:
    """When a step begins, in the first run of the operation or a later one."""
    return later(minutes=step.number + 100 * run)


def ended(step: Step, run: int = 0) -> AuditRow:
    return row(step=step, timestamp=at(step, run), details="done")


def failed(step: Step, run: int = 0, fault: str = "StepFailed") -> AuditRow:
    short = Fault(type=fault, short="Invalid snapshot ID", message="-")
    return row(step=step, timestamp=at(step, run), status=Status.FAILED, details=short.short, fault=short)


def decision(step: Step, what: str, run: int = 0) -> AuditRow:
    status = Status.IN_PROGRESS if what == "Retry" else Status.FAILED
    asked_at = at(Step.SNS_NOTIFICATION, run) + timedelta(milliseconds=1)
    details = f"{what}, decided by Ada"
    return row(step=step, phase=Phase.DECISION, status=status, timestamp=asked_at, details=details)


def begun(step: Step, run: int = 0) -> AuditRow:
    return row(step=step, phase=Phase.STARTED, status=Status.IN_PROGRESS, timestamp=at(step, run), details="Started")


INTENT = row(step=Step.DELETE_RDS, phase=Phase.INTENT, status=Status.IN_PROGRESS, timestamp=at(Step.DELETE_RDS))
NOTIFIED = ended(Step.SNS_NOTIFICATION)
UNTIL_COPY = [ended(step) for step in ALL_NINE[:1]]
ROWS: dict[str, tuple[list[AuditRow], tuple[Outcome, Step, bool]]] = {
    "succeeded": ([ended(step) for step in ALL_NINE], (Outcome.SUCCEEDED, Step.SNS_NOTIFICATION, True)),
    "the message failed": (
        [*(ended(step) for step in EIGHT), failed(Step.SNS_NOTIFICATION)],
        (Outcome.FAILED, Step.SNS_NOTIFICATION, True),
    ),
    "before the message": ([ended(step) for step in EIGHT], (Outcome.RUNNING, Step.ARCHIVE_SNAPSHOT, True)),
    "failed": ([*UNTIL_COPY, failed(Step.COPY_SNAPSHOT), NOTIFIED], (Outcome.FAILED, Step.COPY_SNAPSHOT, False)),
    "skipped": ([failed(Step.SNAPSHOT_CHECK, fault="Skipped")], (Outcome.SKIPPED, Step.SNAPSHOT_CHECK, False)),
    "cancelled": ([failed(Step.COPY_SNAPSHOT, fault="Cancelled")], (Outcome.CANCELLED, Step.COPY_SNAPSHOT, False)),
    "cancelled between two steps": (
        [*UNTIL_COPY, NOTIFIED],
        (Outcome.CANCELLED, Step.SNS_NOTIFICATION, False),
    ),
    "running": ([*UNTIL_COPY, begun(Step.COPY_SNAPSHOT)], (Outcome.RUNNING, Step.COPY_SNAPSHOT, False)),
    "retried, and it runs": (
        [*UNTIL_COPY, failed(Step.COPY_SNAPSHOT), NOTIFIED, decision(Step.COPY_SNAPSHOT, "Retry")],
        (Outcome.RUNNING, Step.COPY_SNAPSHOT, False),
    ),
    "reset by hand to an earlier step": (
        [*(ended(step) for step in ALL_NINE), begun(Step.RESTORE_SNAPSHOT, 1)],
        (Outcome.RUNNING, Step.RESTORE_SNAPSHOT, False),
    ),
    "retried, and it succeeded": (
        [
            *UNTIL_COPY,
            failed(Step.COPY_SNAPSHOT),
            NOTIFIED,
            decision(Step.COPY_SNAPSHOT, "Retry"),
            *(ended(step, 1) for step in ALL_NINE[1:]),
        ],
        (Outcome.SUCCEEDED, Step.SNS_NOTIFICATION, True),
    ),
    "archived by nobody": (
        [
            *(ended(step) for step in EIGHT[:-1]),
            failed(Step.ARCHIVE_SNAPSHOT),
            NOTIFIED,
            decision(Step.ARCHIVE_SNAPSHOT, "Skip"),
            ended(Step.SNS_NOTIFICATION, 1),
        ],
        (Outcome.SUCCEEDED, Step.SNS_NOTIFICATION, True),
    ),
    "aborted": (
        [
            *(ended(step) for step in EIGHT[:-1]),
            failed(Step.ARCHIVE_SNAPSHOT),
            NOTIFIED,
            decision(Step.ARCHIVE_SNAPSHOT, "Abort"),
            ended(Step.SNS_NOTIFICATION, 1),
        ],
        (Outcome.FAILED, Step.ARCHIVE_SNAPSHOT, False),
    ),
}


@pytest.mark.parametrize("case", ROWS)
def test_how_an_operation_went(case: str) -> None:
    """As its workflow says it, with the step that decides; a restore counts when all but the message is done."""
    rows, expected = ROWS[case]
    summary = summarize_operation(rows)
    assert summary is not None
    assert (summary.outcome, summary.step, summary.restored_at is not None) == expected


SWAPPED = [row(step=step, timestamp=later(minutes=minute)) for minute, step in enumerate(STEPS[Replacement.SWAP])]


def test_a_swap_succeeds_with_its_own_step() -> None:
    """Its deletion is the old cluster's, so that the target is not missing after it."""
    summary = summarize_operation([*SWAPPED[:7], INTENT, *SWAPPED[7:]])
    assert summary is not None
    assert (summary.outcome, summary.declared_deletion) == (Outcome.SUCCEEDED, False)
    assert summary.restored_at == SWAPPED[6].timestamp
    before = summarize_operation([*SWAPPED[:7], INTENT])
    assert before is not None
    assert (before.outcome, before.restored_at) == (Outcome.RUNNING, None)


DRILLED = [
    row(step=step, timestamp=later(minutes=minute), facts={DRILL_FACT: "orders-drill-op-001"} if minute == 0 else {})
    for minute, step in enumerate(STEPS[Replacement.DRILL])
]


def test_a_drill_restores_no_target() -> None:
    """It is measured until its users could log in; one that fails at once is a drill, too, by the row of its beginning."""
    summary = summarize_operation(DRILLED)
    assert summary is not None
    assert (summary.words, summary.restored_at) == ("drill succeeded", None)
    assert {(row.kind, row.cells[1]) for row in report_rows(DRILLED)} == {("drill", "op-001 (drill)")}
    assert summary.drilled_at == next(each.timestamp for each in DRILLED if each.step is Step.SETUP_DB_USERS)
    first = begun(Step.SNAPSHOT_CHECK).model_copy(update={"facts": {DRILL_FACT: "orders-drill-op-001"}})
    failed_at_once = summarize_operation([first, failed(Step.SNAPSHOT_CHECK)])
    assert failed_at_once is not None
    assert (failed_at_once.words, failed_at_once.drilled_at) == ("drill failed", None)


KEPT = [
    row(
        step=step,
        timestamp=later(minutes=minute),
        facts={OLD_KEPT: "for 12:00:00"} if step is Step.SWAP_CLUSTERS else {},
    )
    for minute, step in enumerate(STEPS_THAT_KEEP_THE_OLD)
]


@pytest.mark.parametrize("count", [len(KEPT) - 1, len(KEPT)], ids=["while it is kept", "after its deletion"])
def test_a_swap_that_keeps_the_old_cluster_has_succeeded_with_its_message(count: int) -> None:
    """The deletion of the old cluster, hours later, makes the restore neither younger nor unfinished."""
    summary = summarize_operation(KEPT[:count])
    assert summary is not None
    swapped = next(each for each in KEPT if each.step is Step.SWAP_CLUSTERS)
    assert (summary.outcome, summary.restored_at) == (Outcome.SUCCEEDED, swapped.timestamp)


def test_a_cleanup_is_no_restore() -> None:
    """It is an operation of the target too."""
    assert summarize_operation([row(step=Housekeeping.REMOVE_ORPHANS)]) is None
    assert summarize_operation([]) is None


def operation(number: int, outcome: Outcome, hours_ago: float | None = None, **fields: Any) -> OperationSummary:
    restored_at = START - timedelta(hours=hours_ago) if hours_ago is not None else None
    made: dict[str, Any] = {"step": Step.COPY_SNAPSHOT, "details": "Invalid snapshot ID", "declared_deletion": False}
    return OperationSummary(f"op-{number:03d}", outcome, at=START, restored_at=restored_at, **(made | fields))


GOOD = operation(1, Outcome.SUCCEEDED, 5)
OLD = operation(1, Outcome.SUCCEEDED, 31)
FAILED = operation(2, Outcome.FAILED)
DESTROYED = operation(2, Outcome.FAILED, declared_deletion=True)
RUNNING = operation(3, Outcome.RUNNING, declared_deletion=True)
JUDGED: dict[str, tuple[list[OperationSummary], Level, str, str | None]] = {
    "good": ([GOOD], Level.OK, "last good restore 5 h ago (op-001)", None),
    "at the limit": ([operation(1, Outcome.SUCCEEDED, 26)], Level.OK, "last good restore 26 h ago (op-001)", None),
    "nothing ran": (
        [OLD],
        Level.CRITICAL,
        "last good restore 31 h ago (op-001), expected at most 26 h",
        "python starter.py list",
    ),
    "failed once": (
        [FAILED, GOOD],
        Level.WARNING,
        "last good restore 5 h ago (op-001); op-002 failed at copy-snapshot (Invalid snapshot ID)",
        "python starter.py start REQUEST_FILE",
    ),
    "failed at a step that can be retried": (
        [FAILED._replace(step=Step.CHECK_COPY_STATUS, details="Copy failed"), GOOD],
        Level.WARNING,
        "last good restore 5 h ago (op-001); op-002 failed at check-copy-status (Copy failed)",
        "python starter.py retry op-002 --from copy-snapshot",
    ),
    "skipped": (
        [operation(2, Outcome.SKIPPED, details="Skipped: too late"), GOOD],
        Level.WARNING,
        "last good restore 5 h ago (op-001); op-002 skipped at copy-snapshot (Skipped: too late)",
        "python starter.py start REQUEST_FILE",
    ),
    "the target is gone": (
        [DESTROYED, GOOD],
        Level.CRITICAL,
        (
            "last good restore 5 h ago (op-001); op-002 deleted the target or part of it and did not restore it; "
            "op-002 failed at copy-snapshot (Invalid snapshot ID)"
        ),
        "python starter.py start REQUEST_FILE",
    ),
    "the target is gone and the next restore runs": (
        [RUNNING, DESTROYED, GOOD],
        Level.CRITICAL,
        (
            "last good restore 5 h ago (op-001); op-002 deleted the target or part of it and did not restore it; "
            "op-003 has no end in the trail, it is at copy-snapshot"
        ),
        "python starter.py start REQUEST_FILE",
    ),
    "running": (
        [RUNNING, GOOD],
        Level.OK,
        "last good restore 5 h ago (op-001); op-003 has no end in the trail, it is at copy-snapshot",
        None,
    ),
    "running for too long": (
        [RUNNING, OLD],
        Level.CRITICAL,
        (
            "last good restore 31 h ago (op-001), expected at most 26 h; op-003 has no end in the trail, "
            "it is at copy-snapshot"
        ),
        "python starter.py status op-003",
    ),
    "never restored": (
        [FAILED],
        Level.CRITICAL,
        "no good restore is known; op-002 failed at copy-snapshot (Invalid snapshot ID)",
        "python starter.py start REQUEST_FILE",
    ),
    "a good drill is no good restore": (
        [operation(4, Outcome.SUCCEEDED, drill="orders-drill-op-004"), OLD],
        Level.CRITICAL,
        "last good restore 31 h ago (op-001), expected at most 26 h; drill op-004 succeeded",
        "python starter.py list",
    ),
    "a failed drill harms nothing": (
        [operation(4, Outcome.FAILED, drill="orders-drill-op-004"), GOOD],
        Level.OK,
        "last good restore 5 h ago (op-001); drill op-004 failed at copy-snapshot (Invalid snapshot ID)",
        None,
    ),
    "not begun": ([], Level.UNKNOWN, "no restore has begun a step yet", "python starter.py list"),
}


@pytest.mark.parametrize("case", JUDGED)
def test_what_monitoring_is_to_say(case: str) -> None:
    """The level, the whole text and the one command."""
    operations, *expected = JUDGED[case]
    health = judge(TARGET_ARN, operations, timedelta(hours=26), START)
    assert [health.level, health.text, health.what_to_do] == expected


def test_what_is_unknown_hides_no_failure() -> None:
    """The worst of all targets is the exit code."""
    assert worst_level([Level.OK, Level.UNKNOWN, Level.WARNING]) is Level.WARNING
    assert worst_level([Level.UNKNOWN, Level.CRITICAL]) is Level.CRITICAL
    assert worst_level([Level.UNKNOWN, Level.OK]) is Level.UNKNOWN


def test_ages_are_short() -> None:
    """As a person says them."""
    ages = [timedelta(minutes=119, seconds=59), timedelta(hours=71), timedelta(days=9, hours=5)]
    assert [format_age(age) for age in ages] == ["119 min", "71 h", "9 d 5 h"]


def test_a_cleanup_is_named_as_one() -> None:
    """It removes orphans and restores nothing; a restore that removed leftovers stays a restore."""
    removed = row(step=Housekeeping.REMOVE_ORPHANS)
    assert [each.kind for each in report_rows([removed])] == ["cleanup"]
    restored = [row(step=Step.SNAPSHOT_CHECK), row(step=Housekeeping.REMOVE_LEFTOVERS)]
    assert {each.kind for each in report_rows(restored)} == {"restore"}
