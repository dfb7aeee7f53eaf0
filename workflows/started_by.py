"""Who started a restore, as far as it was said."""

from __future__ import annotations

from temporalio import workflow

from workflows.due_time import is_scheduled
from workflows.memo import memo_text

with workflow.unsafe.imports_passed_through():
    from limits import MAX_STARTED_BY, shorten
    from models.workflow_names import STARTED_BY_MEMO

SCHEDULE = "its schedule"


def started_by() -> str | None:
    """The user and host that `starter.py` names in the memo, or its schedule; None of a start by another client."""
    if is_scheduled():
        return SCHEDULE
    said = memo_text(STARTED_BY_MEMO)
    return shorten(" ".join(said.split()), MAX_STARTED_BY) if said else None
