"""The commands that a notification offers: each fits the state of the restore."""

from __future__ import annotations

from dataclasses import dataclass

from models.cures import START_COMMAND, cure_command, describe_left_old, retry_command, retry_step
from models.decisions import SKIPPABLE
from models.restore_state import RestoreState
from models.steps import Outcome, Step

LOST = {Step.COPY_SNAPSHOT: "the copy cannot be used", Step.RESTORE_SNAPSHOT: "the restored cluster cannot be used"}
"""By the step that a retry goes back to: why."""


@dataclass(frozen=True)
class NextStep:
    """One command, and what it is for."""

    what: str
    command: str


def list_next_steps(state: RestoreState) -> tuple[NextStep, ...]:
    """The commands, the one that helps most first."""
    name = state.operation_id
    trail = [NextStep("read the audit trail", f"python starter.py audit {name}")] if name else []
    if state.outcome is Outcome.SUCCEEDED:
        return (*_rollback(state), *trail)
    if state.outcome is Outcome.WAITING and name:
        return (*_decisions(state, name), *trail)
    if left := describe_left_old(state):
        return (NextStep(left, cure_command(state)), *trail)
    like = "" if state.drills else ", as the schedule does"
    start = NextStep(f"start a new {state.kind}{like}; it adopts an existing copy", START_COMMAND)
    return (*_retry(state), start, *trail)


def _rollback(state: RestoreState) -> list[NextStep]:
    """While the old cluster is kept."""
    if state.old_kept_until is None:
        return []
    until = f"{state.old_kept_until:%Y-%m-%d %H:%M} UTC"
    command = f"python starter.py rollback {state.operation_id} --reason TEXT"
    return [
        NextStep(f"if the data is wrong: until {until} the old cluster is kept and can have its name back", command)
    ]


def _decisions(state: RestoreState, name: str) -> list[NextStep]:
    """What an operator may decide while the restore waits."""
    step = state.failed_step
    abort = f"python starter.py abort {name}"
    if retry_step(state) is not step:
        return [
            NextStep("end the operation as failed now", abort),
            NextStep("then, after fixing the cause", cure_command(state)),
        ]
    skip = [NextStep("continue without the step", f"python starter.py skip {name}")] if step in SKIPPABLE else []
    return [
        NextStep(f"after fixing the cause, run {step} again", retry_command(name)),
        *skip,
        NextStep("end the operation as failed now; it ends by itself when the time is over", abort),
    ]


def _retry(state: RestoreState) -> list[NextStep]:
    """The retry, from the failed step or from the one that makes again what that step needs."""
    step = retry_step(state)
    if step is None:
        return []
    if state.outcome is Outcome.SKIPPED:
        return [NextStep("restore now after all", cure_command(state))]
    verb = "continue" if state.outcome is Outcome.CANCELLED else "after fixing the cause, retry"
    because = f", because {LOST[step]}" if step is not state.failed_step and step in LOST else ""
    return [NextStep(f"{verb} from {step}{because}", cure_command(state))]
