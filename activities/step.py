"""What every activity has in common: its name, the translation of botocore's errors, the end of a wait, the intents."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from temporalio import activity

from activities.rds.aws_errors import pipeline_error_for
from errors import Cancelled, DeadlinePassed
from models.clusters import LastDeletion, LastSwap
from models.step_call import FinalPoll, StepInput, StepOutcome
from models.steps import AuditedStep, Step
from models.trail_tables import TrailTables
from waiting.clock import now

P = ParamSpec("P")
R = TypeVar("R")

NOT_FOUND_GRACE = timedelta(minutes=5)
"""How long a poll may miss what the pipeline just created: RDS reads are eventually consistent."""


def step_activity(step: Step) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a method the activity of a step.

    A cancellation does not interrupt the thread: it could come between a call's effect and its answer.
    """
    return named_activity(step.value)


def named_activity(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a method an activity of this name: the fault table translates botocore's errors, its outcome has limits."""

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        defined: Any = activity.defn(name=name, no_thread_cancel_exception=True)(translate_errors(method))
        return defined  # type: ignore[no-any-return]

    return decorate


def translate_errors(method: Callable[P, R]) -> Callable[P, R]:
    """The method, with botocore's errors translated by the fault table and its outcome within the limits."""

    @wraps(method)
    def run_and_translate(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            answer = method(*args, **kwargs)
        except ParamValidationError as error:
            # Without its cause: a cause's text enters the history too, and botocore's quotes the values.
            raise pipeline_error_for(error) from None
        except (ClientError, BotoCoreError) as error:
            raise pipeline_error_for(error) from error
        return answer.shortened() if isinstance(answer, StepOutcome) else answer

    return run_and_translate


def time_in_step(step_input: StepInput) -> timedelta:
    """How long ago the workflow began this step."""
    return now() - step_input.step_started_at


def end_wait_if_final(
    step_input: StepInput, progress: str, advice: str, evidence: Callable[[], str] | None = None
) -> None:
    """End the wait if this poll is its last one: raise with what the poll saw and with what to do.

    A deadline and a cancellation end a step through a final poll, so that the history, the trail and the notification
    all have the last state that was really observed.
    `evidence` reads, only at a deadline, a sentence without its full stop about why nothing more happened.
    Raises `DeadlinePassed` or `Cancelled`; returns if polls follow.
    """
    if step_input.final_poll is FinalPoll.DEADLINE:
        waited = str(time_in_step(step_input)).split(".")[0]
        found = f"{evidence()}. " if evidence else ""
        raise DeadlinePassed(progress, f"The step waited {waited} h, longer than the request allows. {found}{advice}")
    if step_input.final_poll is FinalPoll.CANCELLED:
        raise Cancelled(f"Cancelled: {progress[0].lower()}{progress[1:]}", f"The operation was cancelled. {advice}")


class Intents(Protocol):
    """The part of the trail that an activity needs before it deletes anything."""

    @property
    def tables(self) -> TrailTables:
        """The tables that hold the trail."""

    def declare(
        self,
        step: AuditedStep,
        step_input: StepInput,
        details: str,
        resource_arns: tuple[str, ...],
        facts: Mapping[str, str] | None = None,
    ) -> None:
        """Write the intent of this step to delete the resources, once for each run of the step.

        A retried step runs anew and writes another intent. Raises `TrailUnavailable` if the trail cannot be written.
        """

    def has_intent(self, step: AuditedStep, operation_id: str) -> bool:
        """Whether the trail holds an intent of this operation's step, in any of its runs."""

    def list_declared_arns(self, step: AuditedStep, step_input: StepInput) -> tuple[str, ...]:
        """The ARNs that this run of the step has declared, in that order."""

    def has_succeeded(self, step: AuditedStep, operation_id: str, since: datetime) -> bool:
        """Whether this operation began the step at `since` or later and completed it."""

    def find_last_deletion(self, target_arn: str, at: datetime, since: datetime | None = None) -> LastDeletion | None:
        """The newest deletion of the target that an operation declared before `at`; none before `since` counts."""

    def find_last_swap(self, target_arn: str, old_resource_id: str, at: datetime) -> LastSwap | None:
        """The newest swap of the target before `at` in which this cluster was the old one; None if the trail has none."""
