"""The state of a restore that the query, the result and the Web UI show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from errors import Fault
from models.operation import Operation, StepOutcome
from models.steps import Outcome, Status, Step
from tests.rigs.requests import request
from tests.unit.workflows.conftest import FakeTemporal
from workflows.progress import Progress

MINUTE = timedelta(minutes=1)
FAULT = Fault(type="StepFailed", short="Invalid VPC configuration", message="Invalid VPC configuration: subnets")


def failed_progress(temporal: FakeTemporal) -> Progress:
    """A restore whose restore-snapshot has failed and waits until 01:05 for an operator."""
    progress = Progress(request())
    progress.set_operation(Operation(operation_id="op-007", opened_at=temporal.time))
    progress.begin_step(Step.SNAPSHOT_CHECK)
    temporal.time += MINUTE
    progress.record_poll(StepOutcome(details="Found snapshot: daily-backup-2024-03-20"))
    progress.begin_step(Step.RESTORE_SNAPSHOT)
    progress.wait_for_operator(FAULT, datetime(2024, 3, 20, 1, 5, tzinfo=UTC))
    return progress


def test_a_step_that_runs_again_is_listed_once(temporal: FakeTemporal) -> None:
    """As its latest run; the trail keeps the earlier ones."""
    progress = failed_progress(temporal)
    progress.resume()
    temporal.time += MINUTE
    progress.begin_step(Step.RESTORE_SNAPSHOT)
    assert [(state.step, state.status) for state in progress.state.steps] == [
        (Step.SNAPSHOT_CHECK, Status.SUCCESS),
        (Step.RESTORE_SNAPSHOT, Status.IN_PROGRESS),
    ]
    assert progress.state.steps[-1].started_at == temporal.time


def test_a_waiting_restore_says_until_when(temporal: FakeTemporal) -> None:
    """In the state, in the search attribute, and on the workflow's page."""
    state = failed_progress(temporal).state
    assert (state.outcome, state.fault, state.failed_step) == (Outcome.WAITING, FAULT, Step.RESTORE_SNAPSHOT)
    assert temporal.search_attributes["AuroraRestoreStep"] == "waiting"
    assert temporal.current_details.splitlines()[:3] == [
        "### op-007: waiting until 01:05 UTC for an operator to retry, skip or abort, 0:01:00 so far",
        "",
        "**Invalid VPC configuration**: Invalid VPC configuration: subnets",
    ]
    assert "| snapshot-check | SUCCESS | Found snapshot: daily-backup-2024-03-20 | 00:05:00 | 0:01:00 |" in (
        temporal.current_details
    )


def test_many_warnings_are_counted(temporal: FakeTemporal) -> None:
    """Those of every step together."""
    progress = failed_progress(temporal)
    for number in range(60):
        progress.warn(f"warning {number}")
    assert progress.state.warnings[-2:] == ("warning 49", "and 10 more")


def test_a_resumed_restore_has_no_fault(temporal: FakeTemporal) -> None:
    """Neither the fault nor the time until which it waited."""
    progress = failed_progress(temporal)
    progress.resume()
    assert (progress.state.outcome, progress.state.fault, progress.state.waiting_until) == (Outcome.RUNNING, None, None)


def test_an_unanswered_wait_ends_as_failed(temporal: FakeTemporal) -> None:
    """The state no longer says that it waits, and the search attribute has the outcome."""
    progress = failed_progress(temporal)
    progress.fail(FAULT, cancelled=False)
    state = progress.end()
    assert (state.outcome, state.waiting_until, state.failed_step) == (Outcome.FAILED, None, Step.RESTORE_SNAPSHOT)
    assert temporal.search_attributes["AuroraRestoreStep"] == "failed"


def test_a_skipped_step_is_no_failed_step(temporal: FakeTemporal) -> None:
    """The state says who skipped it, and a warning does too."""
    progress = failed_progress(temporal)
    progress.skip_step(Step.RESTORE_SNAPSHOT, "kim@ops")
    assert progress.state.failed_step is None
    assert progress.state.steps[-1].skipped_by == "kim@ops"
    assert progress.state.warnings == ("restore-snapshot was skipped by kim@ops.",)


def test_a_repeated_warning_is_listed_once(temporal: FakeTemporal) -> None:
    """Each poll may return it."""
    progress = Progress(request())
    progress.begin_step(Step.CHECK_COPY_STATUS)
    for percent in (10, 20):
        progress.record_poll(StepOutcome(done=False, details="copying", percent=percent, warnings=("Unknown status",)))
    assert progress.state.warnings == ("Unknown status",)
    assert (progress.state.steps[-1].status, progress.state.steps[-1].percent) == (Status.IN_PROGRESS, 20)
    assert "step 3 of 9, **check-copy-status** 20 %" in temporal.current_details


def test_a_table_cell_cannot_break_the_table(temporal: FakeTemporal) -> None:
    """A message of AWS may have a pipe or a line break."""
    progress = Progress(request())
    progress.begin_step(Step.CHECK_COPY_STATUS)
    progress.record_poll(StepOutcome(done=False, details="copying | one\nand two"))
    assert "| copying \\| one and two |" in temporal.current_details
