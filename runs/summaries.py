"""Short texts about a run that refusals and commands share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from models.expected_end import expect_restore_end
from models.restore_state import RestoreState, StepState
from models.steps import Outcome


def summarize(state: RestoreState) -> str:
    """The step or the outcome of a restore in a few words, such as "at step 3 of 9, check-copy-status, 43 %"."""
    if state.waiting_until:
        return f"waiting until {state.waiting_until:%H:%M} UTC for retry, skip or abort of {state.failed_step}"
    if state.old_kept_until and state.is_keeping_old:
        return f"succeeded, the old cluster is kept until {state.old_kept_until:%Y-%m-%d %H:%M} UTC"
    drill = "drill, " if state.drills else ""
    if state.outcome is not Outcome.RUNNING:
        return f"{drill}{state.outcome}"
    if not state.steps:
        return f"{drill}before its first step"
    current = state.steps[-1]
    percent = f", {current.percent} %" if current.percent is not None else ""
    return f"{drill}at step {state.position_of(current.step)}, {current.step}{percent}"


def describe_end(state: RestoreState, now: datetime) -> str:
    """When the whole restore should end, by this target's earlier ones; "" if too little is known. `now` is aware."""
    end = expect_restore_end(state, now)
    if end is None:
        return ""
    day = "%H:%M" if end.astimezone(UTC).date() == now.astimezone(UTC).date() else "%Y-%m-%d %H:%M"
    return f"the whole {state.kind} usually ends by {end.astimezone(UTC):{day}} UTC"


NO_PROGRESS_AFTER = timedelta(minutes=5)
"""From this length on it is news that polls see the same."""


def describe_wait(state: RestoreState) -> str:
    """The wait of the current step for AWS: its polls, when it should end, since when nothing moves; "" if there is none."""
    step = state.steps[-1] if state.steps else None
    if step is None or step.deadline is None or step.last_poll_at is None:
        return ""
    polls = f"polled at {_time(step.last_poll_at, seconds=True)}"
    if step.next_poll_at:
        polls += f", next at {_time(step.next_poll_at, seconds=True)}"
    facts = [f"{polls} UTC"]
    if step.expected_end_at:
        facts.append(f"usually done by {_time(step.expected_end_at)} UTC")
    if step.unchanged_since and has_no_progress(step):
        facts.append(f"no progress since {_time(step.unchanged_since)} UTC")
    return "; ".join([*facts, f"deadline {step.deadline.astimezone(UTC):%Y-%m-%d %H:%M} UTC"])


def has_no_progress(step: StepState) -> bool:
    """Whether polls have seen the same for so long that it is news."""
    seen, polled = step.unchanged_since, step.last_poll_at
    return seen is not None and polled is not None and polled - seen >= NO_PROGRESS_AFTER


def _time(at: datetime, *, seconds: bool = False) -> str:
    return f"{at.astimezone(UTC):{'%H:%M:%S' if seconds else '%H:%M'}}"


def format_duration(began: datetime, ended: datetime) -> str:
    """The time between two moments as 0:47:10; never negative."""
    return str(max(ended - began, timedelta(0))).split(".")[0]
