"""The schedule of a fleet's morning summary in Temporal."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from temporalio.client import Schedule, ScheduleActionStartWorkflow

from models.fleet_file import Fleet
from models.fleet_summary import SummaryInput
from models.workflow_names import FLEET_MEMO, SUMMARY_ID_PREFIX, SUMMARY_WORKFLOW
from runs.restores import DisplayMetadata
from runs.schedules import Nightly, nightly_schedule

CATCH_UP = timedelta(hours=1)


def summary_schedule_id(fleet: Fleet) -> str:
    """The id of the schedule, and of the workflows that it starts."""
    return f"{SUMMARY_ID_PREFIX}{fleet.name}"


def summary_schedule(fleet: Fleet, task_queue: str, display: DisplayMetadata) -> Schedule | None:
    """The schedule that publishes the summary once a day; None if the fleet has none."""
    summary = fleet.summary
    if summary is None:
        return None
    when = Nightly(summary.time, summary.zone, CATCH_UP)
    nightly = nightly_schedule(fleet.restores[0].entry.request, when, task_queue, display)
    action = ScheduleActionStartWorkflow(
        SUMMARY_WORKFLOW,
        SummaryInput(
            fleet=fleet.name,
            target_arns=_restored_arns(fleet),
            topic_arn=summary.topic_arn,
            role_arn=summary.role_arn,
            external_id=summary.external_id,
            max_age=summary.max_age,
        ),
        id=summary_schedule_id(fleet),
        task_queue=task_queue,
        static_summary=f"summary of the fleet {fleet.name}",
        static_details="Publishes one message that says how each target of the fleet is.",
        memo={FLEET_MEMO: fleet.name},
    )
    return dataclasses.replace(nightly, action=action)


def _restored_arns(fleet: Fleet) -> tuple[str, ...]:
    """The targets that are restored; what is only drilled has no good restore, unless the fleet has nothing else."""
    arns = [each.entry.target.arn for each in fleet.restores if not each.entry.target.drills]
    return tuple(dict.fromkeys(arns or [each.entry.target.arn for each in fleet.restores]))
