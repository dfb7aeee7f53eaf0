"""How long the restores of a target took, and whether they get slower."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from audit.history import PastOperation, describe_operation, list_trends
from audit.rows import AuditRow
from errors import Fault
from models.drill import DRILL_FACT
from models.snapshots import SNAPSHOT_CREATED_AT_FACT
from models.steps import STEPS, Housekeeping, Outcome, Replacement, Status, Step
from tests.rigs.audit_tables import later, row

BEGAN = datetime(2026, 11, 20, 0, 5, tzinfo=UTC)


def ended(step: Step, minutes: float, lasted: float, **fields: object) -> AuditRow:
    """The outcome of a step that ended so many minutes after the beginning."""
    at = BEGAN + timedelta(minutes=minutes)
    return row(step=step, timestamp=at).model_copy(
        update={"step_started_at": at - timedelta(minutes=lasted), "timestamp": at, **fields}
    )


def test_a_retried_operation_worked_and_waited() -> None:
    """The hour of the operator is no work, and a step's time is that of the run that ended well."""
    fault = Fault(type="StepFailed", short="Quota", message="-")
    failed = ended(Step.COPY_SNAPSHOT, 5, 4, status=Status.FAILED, fault=fault)
    taken_at = {SNAPSHOT_CREATED_AT_FACT: (BEGAN - timedelta(hours=2)).isoformat()}
    rows = [ended(Step.SNAPSHOT_CHECK, 1, 1, facts=taken_at), failed, ended(Step.COPY_SNAPSHOT, 68, 3)]
    rows += [ended(step, 68 + step.number, 1) for step in Step if 3 <= step.number <= 9]
    past = describe_operation(rows, BEGAN)
    assert past is not None
    assert (past.outcome, past.worked_seconds, past.waited_seconds) == (Outcome.SUCCEEDED, 15 * 60, 62 * 60)
    assert past.step_seconds[Step.COPY_SNAPSHOT] == 3 * 60
    assert past.data_age_seconds == (2 * 60 + 76) * 60


def operations(*minutes: int, outcome: Outcome = Outcome.SUCCEEDED) -> list[PastOperation]:
    """The newest first, as the trail is read; check-copy-status took so many minutes in each, oldest first."""
    return [
        PastOperation(
            operation_id=f"op-{number:03d}",
            opened_at=BEGAN,
            outcome=outcome,
            step=Step.SNS_NOTIFICATION,
            worked_seconds=3600,
            waited_seconds=0,
            step_seconds={Step.CHECK_COPY_STATUS: each * 60},
        )
        for number, each in reversed(list(enumerate(minutes, 1)))
    ]


@pytest.mark.parametrize(
    ("minutes", "word", "medians"),
    [
        ((11, 12, 13, 30, 31, 40), "slower", (12, 31)),
        ((12, 12, 99, 14, 14), None, (12, 14)),
        ((30, 30, 12, 12), "faster", (30, 12)),
    ],
)
def test_a_trend_is_two_medians(minutes: tuple[int, ...], word: str | None, medians: tuple[int, int]) -> None:
    """One slow restore is no trend, and neither are a few per cent."""
    total, step = list_trends(operations(*minutes))
    assert (total.step, total.word, step.step, step.word) == (None, None, Step.CHECK_COPY_STATUS, word)
    assert (step.first_median_seconds / 60, step.last_median_seconds / 60) == medians


def test_too_few_restores_have_no_trend() -> None:
    """Also if there are failed ones besides."""
    assert list_trends([*operations(1, 2, 3), *operations(9, 9, outcome=Outcome.FAILED)]) == []


def test_a_second_cluster_is_measured() -> None:
    """A drill's cluster, from its restore to its removal: AWS bills both. Without an end it is not known."""
    rows = [
        row(
            step=step,
            step_started_at=later(minutes=minute),
            timestamp=later(minutes=minute + 1),
            facts={DRILL_FACT: "d"},
        )
        for minute, step in enumerate(STEPS[Replacement.DRILL])
    ]
    drill = describe_operation(rows, later())
    assert drill is not None
    order = STEPS[Replacement.DRILL]
    minutes = order.index(Step.REMOVE_DRILL) - order.index(Step.RESTORE_SNAPSHOT) + 1
    assert drill.second_cluster_seconds == minutes * 60
    unfinished = describe_operation(rows[: order.index(Step.REMOVE_DRILL)], later())
    assert unfinished is not None
    assert unfinished.second_cluster_seconds is None


def test_what_is_deleted_ends_no_second_cluster_that_is_not_there() -> None:
    """A restore that deletes the target first has one cluster; leftovers that a swap removed before its restore are older."""
    restored = row(step=Step.RESTORE_SNAPSHOT, step_started_at=later(minutes=5), timestamp=later(minutes=6))
    swapped = row(step=Step.SWAP_CLUSTERS, step_started_at=later(minutes=7), timestamp=later(minutes=8))
    removed = row(step=Housekeeping.REMOVE_LEFTOVERS, step_started_at=later(minutes=8), timestamp=later(minutes=9))
    earlier = removed.model_copy(update={"step_started_at": later(minutes=1), "timestamp": later(minutes=2)})
    for rows in ([restored, removed], [earlier, restored, swapped]):
        described = describe_operation(rows, later())
        assert described is not None
        assert described.second_cluster_seconds is None
