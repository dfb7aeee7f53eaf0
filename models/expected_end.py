"""When a whole restore should end, by this target's earlier operations of the same kind."""

from datetime import datetime, timedelta

from models.restore_state import RestoreState
from models.steps import Outcome, Status, Step


def expect_restore_end(state: RestoreState, now: datetime) -> datetime | None:
    """When the restore ends with its notification, if each step takes what it usually does; `now` is aware.

    The target is handed over earlier, and the deletion of an old cluster that is kept comes later.
    A step that already takes longer ends now at the earliest. None while an operator is waited for, and if it is not known
    of a step that is still to come how long it usually takes.
    """
    usual = state.usual_seconds
    if state.outcome is not Outcome.RUNNING or state.waiting_until:
        return None
    begun = {step.step: step for step in state.steps}
    # An old cluster that is kept is deleted after everything else.
    planned = [step for step in state.planned_steps if not (state.keeps_old and step is Step.DELETE_RDS)]
    running = [step for step in planned if step in begun and begun[step].status is Status.IN_PROGRESS]
    to_come = [step for step in planned if step not in begun]
    if not (running or to_come) or not all(step in usual for step in (*running, *to_come)):
        return None
    ends = [begun[step].started_at + timedelta(seconds=usual[step]) for step in running]
    return max((now, *ends)) + timedelta(seconds=sum(usual[step] for step in to_come))
