"""What the small nights are made of, and the activities that do as they are told and count what they did."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from temporalio import activity

from errors import AwsUnavailable, StepFailed
from models.model import Model
from models.operation import StepInput, StepOutcome
from models.steps import Step

UNREGISTERED = Step.SETUP_DB_USERS
UNDECODABLE = Step.ARCHIVE_SNAPSHOT
NOBODYS_QUEUE = "nobody-works-here"

effects: Counter[str] = Counter()
"""How often each operation's activities took effect."""
breaking: Counter[str] = Counter()
"""How many workflow tasks of an operation are still to fail."""


class Call(Model):
    """One step and how it is to end."""

    step: Step = Step.COPY_SNAPSHOT
    behaviour: str = "succeed"
    start_to_close: float = 10
    heartbeat: float | None = None
    attempts: int = 1
    looks: int = 1
    task_queue: str | None = None
    fatal: bool = False
    cancelled_at_once: bool = False


class Night(Model):
    """The input of the workflow."""

    operation_id: str
    calls: tuple[Call, ...]
    written_after_each: bool = False
    sealed_for: str | None = None


class ScriptedInput(StepInput):
    """What a step is told: how to end."""

    behaviour: str


class WantsMore(StepInput):
    """What no call of these nights brings along."""

    behaviour: str
    missing: str


class CannotTravel(StepOutcome):
    """An outcome that does not become JSON."""

    thing: Any


def breaks(operation_id: str) -> bool:
    """Whether this workflow task is to fail; asked once for each."""
    breaking[operation_id] -= 1
    return breaking[operation_id] >= 0


def act(step_input: ScriptedInput) -> StepOutcome:
    """Take effect, then end as told."""
    effects[step_input.operation_id] += 1
    return BEHAVIOURS[step_input.behaviour](step_input)


def _succeed(step_input: ScriptedInput) -> StepOutcome:
    return StepOutcome(details="Found snapshot: rds:orders", resource_arns=("arn:aws:rds:eu-central-1:1:snapshot:s",))


def _not_yet(step_input: ScriptedInput) -> StepOutcome:
    return StepOutcome(done=False, details="Copying", percent=10 * step_input.poll)


def _fail(step_input: ScriptedInput) -> StepOutcome:
    raise StepFailed(
        "Invalid snapshot ID", "The snapshot is gone.", code="DBClusterSnapshotNotFoundFault", request_id="r-1"
    )


def _fail_transiently(step_input: ScriptedInput) -> StepOutcome:
    raise AwsUnavailable("AWS unavailable", f"Throttled in attempt {activity.info().attempt}.", code="Throttling")


def _third_time_lucky(step_input: ScriptedInput) -> StepOutcome:
    return _succeed(step_input) if activity.info().attempt == 3 else _fail_transiently(step_input)


def _unexpected(step_input: ScriptedInput) -> StepOutcome:
    raise KeyError("a defect")


def _late(step_input: ScriptedInput) -> StepOutcome:
    time.sleep(2.2)
    return _succeed(step_input)


def _until_cancelled(step_input: ScriptedInput) -> StepOutcome:
    for _ in range(200):
        activity.heartbeat()
        time.sleep(0.05)
    return _succeed(step_input)


def _untravelled(step_input: ScriptedInput) -> StepOutcome:
    return CannotTravel(details="Found", thing=object())


def _endless(step_input: ScriptedInput) -> StepOutcome:
    return StepOutcome(details="快照" * 5_000)


def _endless_fault(step_input: ScriptedInput) -> StepOutcome:
    raise StepFailed("快照" * 5_000, "快照" * 100_000)


BEHAVIOURS: dict[str, Callable[[ScriptedInput], StepOutcome]] = {
    "succeed": _succeed,
    "not-yet": _not_yet,
    "fail": _fail,
    "fail-transiently": _fail_transiently,
    "third-time-lucky": _third_time_lucky,
    "unexpected": _unexpected,
    "late": _late,
    "until-cancelled": _until_cancelled,
    "untravelled": _untravelled,
    "endless": _endless,
    "endless-fault": _endless_fault,
}


def _wants_more(step_input: WantsMore) -> StepOutcome:
    raise AssertionError("never reached: its input does not decode")


def _activity(step: Step) -> Callable[..., Any]:
    function = _wants_more if step is UNDECODABLE else act

    def of_its_own(of: Any) -> Any:
        return function(of)

    of_its_own.__annotations__ = {"of": WantsMore if step is UNDECODABLE else ScriptedInput, "return": StepOutcome}
    return activity.defn(name=step.value)(of_its_own)


ACTIVITIES = [_activity(step) for step in Step if step is not UNREGISTERED]
