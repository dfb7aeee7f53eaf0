"""What the running activity of a restore has reported since it began: its heartbeat's details.

Source: PendingActivityInfo in the Temporal API, which DescribeWorkflowExecution returns.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from temporalio.client import WorkflowExecutionDescription

from models.restore_state import RestoreState, StepState


async def describe_masking_progress(description: WorkflowExecutionDescription) -> str | None:
    """How many tables are masked and how many are left; None if the restore masks nothing at the moment."""
    for pending in description.raw_description.pending_activities:
        for details in await description.data_converter.decode(pending.heartbeat_details.payloads):
            if isinstance(details, dict) and (text := _masking(details)):
                return text
    return None


async def with_watched_progress(state: RestoreState, description: WorkflowExecutionDescription) -> RestoreState:
    """The state with what the activity of its last step has seen since the workflow knew of it."""
    *before, current = state.steps
    for pending in description.raw_description.pending_activities:
        if pending.activity_type.name != current.step:
            continue
        for details in await description.data_converter.decode(pending.heartbeat_details.payloads):
            if isinstance(details, dict) and isinstance(details.get("details"), str):
                return state.model_copy(update={"steps": (*before, _as_seen(current, details))})
    return state


def _as_seen(step: StepState, seen: dict[str, Any]) -> StepState:
    """The step as its watch's last poll saw it; what is the same as before the watch is so since then."""
    is_same = (step.details, step.percent) == (seen["details"], seen.get("percent"))
    names = ("last_poll_at", "next_poll_at", *(() if is_same and step.unchanged_since else ("unchanged_since",)))
    times = {name: datetime.fromisoformat(seen[name]) for name in names if seen.get(name)}
    return step.model_copy(update={"details": seen["details"], "percent": seen.get("percent"), **times})


def _masking(details: dict[str, Any]) -> str | None:
    masked, rows, left = (details.get(name, 0) for name in ("masked_tables", "masked_rows", "tables_left"))
    if not masked and not left:
        return None
    return f"Masking: {masked} tables with {rows:,} rows are masked, {left} tables are left."
