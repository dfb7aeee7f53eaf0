"""What the schedules of a fleet's targets missed, and what is due: for the fleet's summary, which a worker publishes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from models.fleet_summary import ScheduleReport, SchedulesRead
from models.identifiers import arn_of_workflow_id
from runs.due_runs import DueRun, list_running
from runs.scheduled_targets import ScheduledTarget, list_scheduled_targets, unreadable_text
from runs.summaries import format_duration

DUE_FOR = timedelta(minutes=1)
"""A run that is due for less time is only just being started."""


async def read_schedules(client: Client, target_arns: Sequence[str], task_queue: str, at: datetime) -> SchedulesRead:
    """A report for each target that has something to report at `at` (aware); `task_queue` is the environment's.

    The summary is published also if Temporal does not answer, or has a schedule that cannot be read, and says so.
    """
    try:
        _, due = await list_running(client)
        schedules, unreadable = await list_scheduled_targets(client)
    except RPCError as error:
        return SchedulesRead(problems=(f"Temporal did not list the schedules: {error.message}",))
    own = [each for each in schedules if each.task_queue == task_queue]
    waiting = [run for run in due if run.task_queue == task_queue and at - run.due_at > DUE_FOR]
    # One of those that cannot be read may be the schedule of any target.
    reports = {arn: _report(arn, own, waiting, at, all_read=not unreadable) for arn in target_arns}
    problems = tuple(unreadable_text(schedule_id, reason) for schedule_id, reason in unreadable.items())
    return SchedulesRead(reports={arn: report for arn, report in reports.items() if report}, problems=problems)


def _report(
    arn: str, schedules: Sequence[ScheduledTarget], waiting: Sequence[DueRun], at: datetime, *, all_read: bool
) -> ScheduleReport | None:
    own = [each for each in schedules if each.target_arn == arn]
    has_none = all_read and all(each.drills for each in own)
    missed = [
        *(["it has no schedule of restores"] if has_none else []),
        *(
            f"no start of its {each.kind} of {each.missed_at:%Y-%m-%d %H:%M} UTC is known"
            for each in own
            if each.missed_at
        ),
        *(
            f"its {run.kind} of {run.due_at:%Y-%m-%d %H:%M} UTC waits for a worker for {format_duration(run.due_at, at)}"
            for run in waiting
            if arn_of_workflow_id(run.target_workflow_id) == arn
        ),
    ]
    notes = [each.pause.text for each in own if each.pause]
    return ScheduleReport(missed=tuple(missed), notes=tuple(notes)) if missed or notes else None
