"""Activities of the steps that end as their input says, and count how often they took effect."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from temporalio import activity

from errors import AwsUnavailable, StepFailed
from models.model import Model
from models.step_call import StepInput, StepOutcome
from models.steps import Step

UNREGISTERED = Step.SETUP_DB_USERS
"""The step without an activity on the worker."""
UNDECODABLE = Step.ARCHIVE_SNAPSHOT
"""The step whose activity cannot decode its input."""
UNPOLLED_QUEUE = "no-worker-polls-this"
"""A task queue without a worker."""

effects: Counter[str] = Counter()
"""How often the activities of each operation took effect."""
failing_tasks: Counter[str] = Counter()
"""How many workflow tasks of each operation will fail."""


class ScriptedStep(Model):
    """One step, and how it is to end."""

    step: Step = Step.COPY_SNAPSHOT
    behaviour: str = "succeed"
    start_to_close: float = 10
    heartbeat: float | None = None
    attempts: int = 1
    polls: int = 1
    task_queue: str | None = None
    fatal: bool = False
    """Whether a failure ends the workflow."""
    cancelled_at_once: bool = False
    """Whether the workflow cancels the activity before Temporal has scheduled it."""


class ScriptedOperation(Model):
    """The input of the scripted workflow."""

    operation_id: str
    steps: tuple[ScriptedStep, ...]
    wait_after_each_step: bool = False
    """Whether the workflow waits until the trail has the step's row."""
    decided_by: str | None = None
    """The operator whose decision to retry the workflow records at its end; its result then says "decided" or "cancelled"."""
    written_within: float | None = None
    """For how many seconds the workflow waits for its rows at its end; its result then says "written" or "not written"."""
    seal_target_arn: str | None = None
    """The target in whose chain the workflow seals the operation at its end."""


class ScriptedInput(StepInput):
    """The input of a step's activity."""

    behaviour: str


class LargerInput(StepInput):
    """An input with a field that the scripted workflow does not send."""

    behaviour: str
    missing: str


class UnencodableOutcome(StepOutcome):
    """An outcome that cannot be encoded as JSON."""

    thing: Any


def fails_workflow_task(operation_id: str) -> bool:
    """Count one workflow task, and return whether it is to fail."""
    failing_tasks[operation_id] -= 1
    return failing_tasks[operation_id] >= 0


def act(step_input: ScriptedInput) -> StepOutcome:
    """Take effect, then end as the input says."""
    effects[step_input.operation_id] += 1
    return BEHAVIOURS[step_input.behaviour](step_input)


def _succeed(step_input: ScriptedInput) -> StepOutcome:
    return StepOutcome(details="Found snapshot: rds:orders", resource_arns=("arn:aws:rds:eu-central-1:1:snapshot:s",))


def _not_done(step_input: ScriptedInput) -> StepOutcome:
    return StepOutcome(done=False, details="Copying", percent=10 * step_input.poll)


def _fail(step_input: ScriptedInput) -> StepOutcome:
    raise StepFailed(
        "Invalid snapshot ID", "The snapshot is gone.", code="DBClusterSnapshotNotFoundFault", request_id="r-1"
    )


def _fail_transiently(step_input: ScriptedInput) -> StepOutcome:
    raise AwsUnavailable("AWS unavailable", f"Throttled in attempt {activity.info().attempt}.", code="Throttling")


def _succeed_in_third_attempt(step_input: ScriptedInput) -> StepOutcome:
    return _succeed(step_input) if activity.info().attempt == 3 else _fail_transiently(step_input)


def _raise_key_error(step_input: ScriptedInput) -> StepOutcome:
    raise KeyError("a defect")


def _succeed_late(step_input: ScriptedInput) -> StepOutcome:
    time.sleep(2.2)
    return _succeed(step_input)


def _run_until_cancelled(step_input: ScriptedInput) -> StepOutcome:
    for _ in range(200):
        activity.heartbeat()
        time.sleep(0.05)
    return _succeed(step_input)


def _return_unencodable(step_input: ScriptedInput) -> StepOutcome:
    return UnencodableOutcome(details="Found", thing=object())


def _succeed_with_long_details(step_input: ScriptedInput) -> StepOutcome:
    return StepOutcome(details="快照" * 5_000)


def _fail_with_long_message(step_input: ScriptedInput) -> StepOutcome:
    raise StepFailed("快照" * 5_000, "快照" * 100_000)


BEHAVIOURS: dict[str, Callable[[ScriptedInput], StepOutcome]] = {
    "succeed": _succeed,
    "not-done": _not_done,
    "fail": _fail,
    "fail-transiently": _fail_transiently,
    "succeed-in-third-attempt": _succeed_in_third_attempt,
    "raise-key-error": _raise_key_error,
    "succeed-late": _succeed_late,
    "run-until-cancelled": _run_until_cancelled,
    "return-unencodable": _return_unencodable,
    "succeed-with-long-details": _succeed_with_long_details,
    "fail-with-long-message": _fail_with_long_message,
}


def _act_on_larger_input(step_input: LargerInput) -> StepOutcome:
    raise AssertionError("never reached: its input cannot be decoded")


def _activity(step: Step) -> Callable[..., Any]:
    """The activity of a step: a function of its own, because a function can be one activity only."""
    function = _act_on_larger_input if step is UNDECODABLE else act

    def run(step_input: Any) -> Any:
        return function(step_input)

    run.__annotations__ = {
        "step_input": LargerInput if step is UNDECODABLE else ScriptedInput,
        "return": StepOutcome,
    }
    return activity.defn(name=step.value)(run)


ACTIVITIES = [_activity(step) for step in Step if step is not UNREGISTERED]
