"""What every activity of a night has in common: its name, and that botocore's errors leave it as ours."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from temporalio import activity

from activities.rds.aws_errors import pipeline_error_for
from errors import Cancelled, DeadlinePassed
from models.operation import FinalPoll, StepInput
from models.steps import AuditedStep, Step

P = ParamSpec("P")
R = TypeVar("R")


def step_activity(step: Step) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a method the activity of a step.

    A cancellation never interrupts the thread: it could land between an effect and its answer.
    """
    return named_activity(step.value)


def named_activity(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a method an activity whose botocore errors are pipeline_error_for by the fault table."""

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        @wraps(method)
        def translating(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return method(*args, **kwargs)
            except ParamValidationError as error:
                # Not as its cause: a cause's text goes into the history as well, and botocore's quotes the values.
                raise pipeline_error_for(error) from None
            except (ClientError, BotoCoreError) as error:
                raise pipeline_error_for(error) from error

        defined: Any = activity.defn(name=name, no_thread_cancel_exception=True)(translating)
        return defined  # type: ignore[no-any-return]

    return decorate


def now() -> datetime:
    """When this attempt was scheduled, on Temporal's clock, so that a worker's own clock decides nothing."""
    return activity.info().current_attempt_scheduled_time


def time_in_step(step_input: StepInput) -> timedelta:
    """How long ago the workflow came to this step."""
    return now() - step_input.step_started_at


def end_wait_if_final(step_input: StepInput, how_far: str, then: str) -> None:
    """End a wait that nothing will look at again: raises, saying how far it was and what becomes of it.

    Deadline and cancellation end a step through its own last look, so that the history, the trail and the
    notification all hold what was really seen at the end.
    """
    if step_input.final_poll is FinalPoll.DEADLINE:
        waited = str(time_in_step(step_input)).split(".")[0]
        raise DeadlinePassed(how_far, f"The wait took {waited} h, longer than the request allows. {then}")
    if step_input.final_poll is FinalPoll.CANCELLED:
        raise Cancelled(f"Cancelled: {how_far[0].lower()}{how_far[1:]}", f"The operation was cancelled. {then}")


class Intents(Protocol):
    """The trail, as an activity that deletes needs it."""

    def declare(
        self,
        step: AuditedStep,
        step_input: StepInput,
        details: str,
        resource_arns: tuple[str, ...],
        facts: Mapping[str, str] | None = None,
    ) -> None:
        """Write that this step is about to delete, once; raises `TrailUnavailable` if that cannot be written.

        Once for each time that the step is taken: a retried one declares anew.
        """

    def has_intent(self, step: AuditedStep, operation_id: str) -> bool:
        """Whether this operation wrote that it is about to delete."""

    def list_declared_arns(self, step: AuditedStep, step_input: StepInput) -> tuple[str, ...]:
        """The ARNs that this taking of the step has declared, in that order."""

    def has_succeeded(self, step: AuditedStep, operation_id: str, since: datetime) -> bool:
        """Whether this operation began the step at that time or later, and ended it well."""

    def find_deleted_settings(self, target_arn: str, at: datetime) -> str | None:
        """The settings (JSON) of a target that an operation of ours deleted and none has restored since."""
