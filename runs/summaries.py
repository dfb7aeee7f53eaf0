"""Short texts about a run that refusals and commands share."""

from __future__ import annotations

from datetime import datetime, timedelta

from models.operation import RestoreState
from models.steps import Outcome


def summarize(state: RestoreState) -> str:
    """The step or the outcome of a restore in a few words, such as "at step 3 of 9, check-copy-status, 43 %"."""
    if state.waiting_until:
        return f"waiting until {state.waiting_until:%H:%M} UTC for retry, skip or abort of {state.failed_step}"
    if state.old_kept_until and state.outcome is Outcome.SUCCEEDED:
        return f"succeeded, the old cluster is kept until {state.old_kept_until:%Y-%m-%d %H:%M} UTC"
    if state.outcome is not Outcome.RUNNING:
        return str(state.outcome)
    if not state.steps:
        return "before its first step"
    current = state.steps[-1]
    percent = f", {current.percent} %" if current.percent is not None else ""
    return f"at step {state.position_of(current.step)}, {current.step}{percent}"


def format_duration(began: datetime, ended: datetime) -> str:
    """The time between two moments as 0:47:10; never negative."""
    return str(max(ended - began, timedelta(0))).split(".")[0]
