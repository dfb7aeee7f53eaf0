"""Whether a restore may still begin: a target that people work with in the morning must not be deleted by a late restore."""

from __future__ import annotations

from temporalio import activity

from errors import Skipped
from models.snapshots import SnapshotCheckInput


def skip_if_too_late(step_input: SnapshotCheckInput) -> None:
    """Raise `Skipped` if the restore was due too long ago, or if another workflow works on the target.

    The time is when the attempt started: a worker that was away may start it hours after it was scheduled.
    """
    if running := step_input.running_workflow_id:
        raise Skipped(
            "Skipped: another restore is running",
            f"the workflow {running} is restoring or cleaning up {step_input.target.arn}; one runs at a time. Nothing was "
            "changed. Run python starter.py status to see how far the other one is.",
        )
    begin_before, due_at, started_at = step_input.begin_before, step_input.due_at, activity.info().started_time
    if begin_before is None or due_at is None or started_at <= begin_before:
        return
    raise Skipped(
        "Skipped: too late",
        f"the restore of {step_input.target.arn} was due at {due_at:%Y-%m-%d %H:%M} UTC and could begin only at "
        f"{started_at:%Y-%m-%d %H:%M} UTC; expected before {begin_before:%Y-%m-%d %H:%M} UTC (start_before). Nothing was "
        "changed. Find out why no worker took it in time, then start a new restore when the target may be replaced.",
    )
