"""What can go wrong, sorted by the one question of a night shift: wait, or wake someone?

    PipelineError               what the operator reads: found, wanted, what to do
    ├── Transient               WAIT: Temporal repeats the step's call, the night goes on
    │   ├── AwsUnavailable      throttled, HTTP 5xx, connection lost, token expired
    │   ├── ResourceBusy        RDS is still busy with the resource
    │   ├── StaleRead          the worker stood still between its look and a deletion
    │   ├── DatabaseUnreachable the restored database does not take the connection
    │   └── TrailUnavailable    the audit trail did not take a row that must be there first
    └── Final                   WAKE SOMEONE: the night ends, the error notification goes out
        ├── Refused             a guard said no, nothing was changed by this step
        ├── StepFailed          AWS or the database said no
        ├── DeadlinePassed      a wait took longer than the request allows
        └── Cancelled           an operator cancelled while the step was waiting

Both branches are Temporal ``ApplicationError``s, so that the type, the text and the `Fault` reach the history,
the Web UI, the trail and the notification without translation. Nothing secret may be put into one.
Source: Temporal docs, Failure detection, "Application Failure".
"""

from typing import Self

from pydantic import BaseModel, ConfigDict
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    ServerError,
    TimeoutError,  # noqa: A004 - Temporal's, the one that an activity ends with
    is_cancelled_exception,
)


class Fault(BaseModel):
    """One failure as it is told everywhere: trail, notification, Web UI, exit of the starter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    """The name of the class in this module, also the failure's type in Temporal."""
    short: str
    """The text of the trail's Details column, such as "Invalid snapshot ID"."""
    message: str
    """What was found, what was wanted, what to do."""
    code: str | None = None
    """The wire code of the AWS fault or the SQLSTATE, if one was behind it."""
    request_id: str | None = None
    """The AWS request id, for a support case."""


class PipelineError(ApplicationError):
    """The root: an error that an operator can act on."""

    retryable = False

    def __init__(
        self,
        short: str,
        message: str,
        *,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        """`short` is the trail's Details; `message` says what was found, what was wanted and what to do."""
        self.fault = Fault(type=type(self).__name__, short=short, message=message, code=code, request_id=request_id)
        super().__init__(
            f"{short}: {message}",
            self.fault.model_dump(),
            type=self.fault.type,
            non_retryable=not self.retryable,
        )

    def with_more(self, text: str) -> Self:
        """The same error, whose message goes on with this text."""
        fault = self.fault
        return type(self)(
            fault.short,
            f"{fault.message} {text}",
            code=fault.code,
            request_id=fault.request_id,
        )


class Transient(PipelineError):
    """Wait: the same call may go through later."""

    retryable = True


class AwsUnavailable(Transient):
    """AWS throttled, failed inside or could not be reached."""


class ResourceBusy(Transient):
    """RDS refuses for now, because it is busy with the resource."""


class StaleRead(Transient):
    """A deletion was held back, because what it was based on may have changed since."""


class DatabaseUnreachable(Transient):
    """The restored database does not take the connection."""


class TrailUnavailable(Transient):
    """The audit trail could not be written, and nothing is deleted without it."""


class Final(PipelineError):
    """Wake someone: repeating the call would not help."""


class Refused(Final):
    """A guard refused; the step changed nothing."""


class StepFailed(Final):
    """AWS or the database refused the step's call, or a resource ended in a state from which it does not return."""


class DeadlinePassed(Final):
    """A wait took longer than the request allows."""


class Cancelled(Final):
    """The operator cancelled while the step was waiting; the text says how far it was."""


class InvalidRequest(Final):
    """The workflow's input is not a restore request."""


class RestoreAlreadyRunning(Final):
    """Another restore of the same target is running."""


class TrailConflict(Final):
    """The trail holds another row under the key of this one: somebody changed it, or two operations share a number."""


_AROUND = (ActivityError, ChildWorkflowError, TimeoutError, ServerError)


def fault_of(error: BaseException) -> Fault:
    """The fault behind any error that a workflow can catch from an activity or a child.

    Timeouts and cancellations are Temporal's own failures and have no text of ours; they get one here.
    """
    cause: BaseException = error
    # A schedule-to-close timeout between two attempts carries the last attempt's failure: that is what the operator needs.
    # Should that be too long for Temporal to keep while it is tried again, it stands behind an error of the server's.
    while isinstance(cause, _AROUND) and cause.__cause__ is not None:
        cause = cause.__cause__
    if is_cancelled_exception(cause):
        return Fault(type="Cancelled", short="Cancelled", message="The operation was cancelled.")
    if isinstance(cause, TimeoutError):
        return _timeout_fault(cause)
    if isinstance(cause, ApplicationError):
        return _application_fault(cause)
    return Fault(type=type(cause).__name__, short="Unexpected error", message=str(cause) or type(cause).__name__)


def _application_fault(error: ApplicationError) -> Fault:
    for detail in error.details:
        if isinstance(detail, dict) and "short" in detail:
            return Fault.model_validate(detail)
    return Fault(type=error.type or "ApplicationError", short="Unexpected error", message=error.message)


def _timeout_fault(error: TimeoutError) -> Fault:
    kind = error.type.name if error.type else "TIMEOUT"
    advice = (
        "No worker took the call: is one running on this task queue?"
        if kind == "SCHEDULE_TO_START"
        else "The worker did not answer in time; the call may have taken effect. The next attempt or night looks first."
    )
    return Fault(type="Timeout", short=f"Timed out ({kind})", message=advice)
