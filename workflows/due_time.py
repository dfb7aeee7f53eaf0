"""When a restore was due: at its schedule's time, or when an operator started it."""

from __future__ import annotations

from datetime import datetime

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from workflows.memo import memo_text

with workflow.unsafe.imports_passed_through():
    from models.workflow_names import DUE_AT_MEMO, DUE_WHEN_STARTED

SCHEDULED_START_TIME = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
"""What Temporal sets in a workflow that a schedule starts. Source: Temporal docs, Search Attributes."""


def is_scheduled() -> bool:
    """Whether a schedule has started this workflow."""
    return workflow.info().typed_search_attributes.get(SCHEDULED_START_TIME) is not None


def due_at() -> datetime | None:
    """When this restore was due; None if nobody said so, or if an operator has reset it, who wants it now.

    What `starter.py` starts is due at once, which its memo says; a child has its parent's time in the memo. A start by
    another client may be delayed on purpose, which a workflow cannot see, so it has no time.
    """
    info = workflow.info()
    if info.run_id != info.first_execution_run_id:
        return None
    scheduled = info.typed_search_attributes.get(SCHEDULED_START_TIME)
    if scheduled is not None:
        return scheduled
    sent = memo_text(DUE_AT_MEMO)
    if sent == DUE_WHEN_STARTED:
        return info.start_time
    try:
        due = datetime.fromisoformat(sent or "")
    except ValueError:  # not the pipeline's own text
        return None
    return due if due.tzinfo else None
