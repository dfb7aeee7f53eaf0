"""The state of a restore that the query, the result and the Web UI show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from errors import Fault
from models.operation import Operation
from models.step_call import StepOutcome
from models.steps import Outcome, Status, Step
from models.waits import Change, Durations, PollPlan
from runs.summaries import describe_wait, summarize
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


def test_work_and_waiting_are_two_times(temporal: FakeTemporal) -> None:
    """While it waits, after a decision, and after the operator has let the time pass."""
    progress = failed_progress(temporal)
    temporal.time += 30 * MINUTE
    assert progress.state.describe_time(temporal.time) == "0:01:00 and 0:30:00 of waiting for an operator"
    progress.resume()
    progress.begin_step(Step.RESTORE_SNAPSHOT)
    temporal.time += 2 * MINUTE
    progress.wait_for_operator(FAULT, datetime(2024, 3, 20, 3, 5, tzinfo=UTC))
    temporal.time += 10 * MINUTE
    progress.fail(FAULT, cancelled=False)
    temporal.time += MINUTE
    state = progress.end()
    temporal.time += 10 * MINUTE
    assert state.describe_time(temporal.time) == "0:04:00 and 0:40:00 of waiting for an operator"
    assert "0:04:00 and 0:40:00 of waiting for an operator so far" in temporal.current_details


def test_a_reset_run_has_waited_until_somebody_retried(temporal: FakeTemporal) -> None:
    """It learns of the last result of the earlier run only when it begins; between two steps of one run nobody waits."""
    progress = Progress(request())
    for step in (Step.SNAPSHOT_CHECK, Step.COPY_SNAPSHOT):
        temporal.time += MINUTE
        progress.begin_step(step)
        temporal.time += MINUTE
        ended_at = temporal.time
        if step is Step.COPY_SNAPSHOT:
            assert progress.state.waited_seconds == 0
            temporal.time += 90 * MINUTE
            temporal.run_id = "run-2"
        progress.record_poll(StepOutcome(details="done", run_id="run-1", ended_at=ended_at))
    for step in (Step.CHECK_COPY_STATUS, Step.DELETE_RDS):
        progress.begin_step(step)
        progress.record_poll(StepOutcome(details="done", run_id="run-2", ended_at=temporal.time))
        temporal.time += MINUTE
    assert progress.state.steps[1].ended_at == ended_at
    assert progress.state.describe_time(temporal.time) == "0:06:00 and 1:30:00 of waiting for an operator"


def test_the_old_cluster_that_is_kept_is_no_work(temporal: FakeTemporal) -> None:
    """Neither until its time is over nor after a cancellation; a reset run has not waited for it either."""
    for ends in ("in time", "cancelled"):
        progress = Progress(request(target={"replacement": "swap", "swap": {"keep_old": "PT12H"}}))
        progress.begin_step(Step.SNS_NOTIFICATION)
        temporal.time += 47 * MINUTE
        progress.keep_old(temporal.time + 720 * MINUTE)
        progress.record_poll(StepOutcome(details="Notification sent", run_id="run-1"))
        progress.succeed()
        progress.begin_keeping_old()
        temporal.time += 600 * MINUTE
        assert progress.state.describe_work(temporal.time) == "0:47:00"
        assert summarize(progress.state).startswith("succeeded, the old cluster is kept until ")
        if ends == "in time":
            progress.end_keeping_old()
            temporal.run_id = "run-2"
            progress.begin_step(Step.DELETE_RDS)
            temporal.time += 3 * MINUTE
        else:
            progress.fail(FAULT, cancelled=True)
            temporal.time += 3 * MINUTE
        state = progress.end()
        temporal.run_id = "run-1"
        assert state.describe_time(temporal.time + MINUTE) == "0:50:00 and 10:00:00 of keeping the old cluster"
        assert (state.old_kept_until, state.is_keeping_old) == (None, False)


def test_a_wait_for_aws_has_its_facts_until_it_ends(temporal: FakeTemporal) -> None:
    """A stuck copy: its polls, its usual end, since when nothing moves, its deadline; a step that is done has none."""
    progress = Progress(request())
    earlier: Durations = {Change.SNAPSHOT_COPY: (900, 1200, 1500)}
    progress.set_operation(Operation(operation_id="op-007", opened_at=temporal.time, earlier_durations=earlier))
    since = {Change.SNAPSHOT_COPY: progress.begin_step(Step.CHECK_COPY_STATUS)}
    progress.begin_wait(temporal.time + 720 * MINUTE)
    assert describe_wait(progress.state) == ""
    plan = PollPlan(pause=4 * MINUTE, by_timer=True, since=since)
    for minutes, percent, text in (
        (1, 42, "polled at 00:06:00, next at 00:10:00 UTC; usually done by 00:25 UTC; "),
        (4, 43, "polled at 00:10:00, next at 00:14:00 UTC; usually done by 00:25 UTC; "),
        (4, 43, "polled at 00:14:00, next at 00:18:00 UTC; usually done by 00:25 UTC; "),
        (4, 43, "polled at 00:18:00, next at 00:22:00 UTC; usually done by 00:25 UTC; no progress since 00:10 UTC; "),
    ):
        temporal.time += minutes * MINUTE
        progress.record_poll(StepOutcome(done=False, details="copying", percent=percent, plan=plan))
        assert describe_wait(progress.state) == f"{text}deadline 2024-03-20 12:05 UTC"
    temporal.time += 705 * MINUTE
    progress.record_poll(StepOutcome(done=False, details="copying", percent=43, plan=plan))
    assert progress.state.steps[-1].next_poll_at == progress.state.steps[-1].deadline
    progress.record_poll(StepOutcome(details="Copy completed"))
    assert describe_wait(progress.state) == ""
    assert set(progress.state.steps[-1].model_dump()) == {"step", "status", "details", "started_at", "ended_at"}


def test_longer_than_usual_is_a_warning_while_it_lasts(temporal: FakeTemporal) -> None:
    """Once, however often it is polled, also when it is done."""
    progress = Progress(request())
    earlier: Durations = {Change.SNAPSHOT_COPY: (600,) * 5}
    opened = Operation(operation_id="op-007", opened_at=temporal.time, earlier_durations=earlier)
    progress.set_operation(opened)
    since = {Change.SNAPSHOT_COPY: progress.begin_step(Step.CHECK_COPY_STATUS)}
    plan = PollPlan(pause=MINUTE, by_timer=True, since=since)
    temporal.time += 11 * MINUTE
    progress.record_poll(StepOutcome(done=False, details="copying", plan=plan))
    assert list(progress.state.warnings) == []
    for _ in range(2):
        temporal.time += MINUTE
        progress.record_poll(StepOutcome(done=False, details="copying", plan=plan))
    progress.record_poll(StepOutcome(details="Copy completed", durations={Change.SNAPSHOT_COPY: 13 * 60}))
    slow = (
        "check-copy-status takes longer than usual: snapshot-copy took at most 0:10:00 in 95 % of this target's last 5 "
        "restores."
    )
    assert list(progress.state.warnings) == [slow]
    assert f"- Warning: {slow}" in temporal.current_details


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
