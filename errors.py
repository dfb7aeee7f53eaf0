"""The errors of the pipeline, sorted by the one question of the operator on call: wait, or wake someone?

    PipelineError                 has a text for the operator: what happened, what was expected, what to do
    ├── Transient                 WAIT: Temporal repeats the activity, the restore continues
    │   ├── AwsUnavailable        AWS throttled, answered with HTTP 5xx, or could not be reached; a token expired
    │   ├── ResourceBusy          RDS is still busy with the resource
    │   ├── StaleRead             the worker stood still between a read and the deletion that is based on it
    │   ├── DatabaseUnreachable   the restored database does not accept the connection
    │   ├── WebhookUnavailable    the webhook of the notification does not take it for now
    │   └── TrailUnavailable      the audit trail did not accept a row that must be written first
    └── Final                     WAKE SOMEONE: the restore ends, the error notification is sent
        ├── Refused               a guard refused; this step changed nothing
        ├── StepFailed            AWS or the database refused the call
        ├── DeadlinePassed        a wait took longer than the request allows
        ├── Cancelled             an operator cancelled while the step was waiting
        ├── InvalidRequest        the workflow's input is not a restore request
        ├── RestoreAlreadyRunning another restore of the target is running
        ├── Skipped               the restore began too late, or while another one runs; it changed nothing
        └── TrailConflict         the audit trail has another row under the key of this one

Both branches are Temporal ``ApplicationError``s, so that type, text and `Fault` reach the history, the Web UI, the trail
and the notification unchanged. Never put a secret into one.
Source: Temporal docs, Failure detection, "Application Failure".
"""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    ServerError,
    TimeoutError,  # noqa: A004 - Temporal's, the one that an activity ends with
    is_cancelled_exception,
)

from limits import MAX_MESSAGE, MAX_SHORT, MAX_TRANSIENT_MESSAGE, shorten


class Fault(BaseModel):
    """One failure, in the same words in the trail, the notification, the Web UI and on the terminal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    """The name of the class in this module, and the failure's type in Temporal."""
    short: Annotated[str, AfterValidator(lambda text: shorten(text, MAX_SHORT))]
    """The text of the trail's Details column, such as "Invalid snapshot ID"."""
    message: Annotated[str, AfterValidator(lambda text: shorten(text, MAX_MESSAGE))]
    """What happened, to which resource, what was expected, what to do."""
    code: str | None = None
    """The code of the AWS error or the SQLSTATE that caused it, if there is one."""
    request_id: str | None = None
    """The AWS request id, for a support case."""


class PipelineError(ApplicationError):
    """The base class: an error that an operator can act on."""

    retryable = False
    max_message = MAX_MESSAGE

    def __init__(
        self,
        short: str,
        message: str,
        *,
        code: str | None = None,
        request_id: str | None = None,
        server_text: str | None = None,
    ) -> None:
        """`short` is the text of the trail's Details column; the other arguments are those of `Fault`.

        `server_text` is what a database's server said. It may quote data, so Temporal, trail and notification never get
        it; the worker's log does if a setting says so.
        """
        self.server_text = server_text
        message = shorten(message, self.max_message)
        self.fault = Fault(type=type(self).__name__, short=short, message=message, code=code, request_id=request_id)
        super().__init__(
            f"{self.fault.short}: {self.fault.message}",
            self.fault.model_dump(),
            type=self.fault.type,
            non_retryable=not self.retryable,
        )

    def with_more(self, text: str) -> Self:
        """The same error with this text appended to its message, of which only what leaves room for the text is kept."""
        fault = self.fault
        message = shorten(fault.message, self.max_message - len(text) - 1)
        return type(self)(
            fault.short,
            f"{message} {text}",
            code=fault.code,
            request_id=fault.request_id,
            server_text=self.server_text,
        )


class Transient(PipelineError):
    """Wait: the same call may succeed later."""

    retryable = True
    max_message = MAX_TRANSIENT_MESSAGE


class AwsUnavailable(Transient):
    """AWS throttled, had an internal error, or could not be reached."""


class ResourceBusy(Transient):
    """RDS refuses the call while it is busy with the resource."""


class StaleRead(Transient):
    """A deletion was not sent, because what it is based on may have changed since it was read."""


class DatabaseUnreachable(Transient):
    """The restored database does not accept the connection."""


class WebhookUnavailable(Transient):
    """The webhook of the notification does not take it for now."""


class TrailUnavailable(Transient):
    """The audit trail cannot be written, and nothing is deleted without it."""


class Final(PipelineError):
    """Wake someone: repeating the call would not help."""


class Refused(Final):
    """A guard refused; the step changed nothing."""


class StepFailed(Final):
    """AWS or the database refused the step's call, or a resource is in a status from which it does not recover."""


class DeadlinePassed(Final):
    """A wait took longer than the request allows."""


class Cancelled(Final):
    """An operator cancelled while the step was waiting; the text has the progress."""


class InvalidRequest(Final):
    """The workflow's input is not a restore request."""


class RestoreAlreadyRunning(Final):
    """Another restore of the same target is running."""


class Skipped(Final):
    """The restore could begin only too late, or while another one of its target runs; it changed nothing."""


class TrailConflict(Final):
    """The trail has another row under the key of this one: it was changed, or two operations share a number."""


_DRIVERS = ("psycopg", "pymysql")


def is_from_driver(error: BaseException) -> bool:
    """Whether a database's driver raised the error: then its text may quote a statement or data."""
    return type(error).__module__.partition(".")[0] in _DRIVERS


_WRAPPERS = (ActivityError, ChildWorkflowError, TimeoutError, ServerError)


def fault_of(error: BaseException) -> Fault:
    """The fault of any error that a workflow can catch from an activity or a child workflow.

    Timeouts and cancellations are failures of Temporal's own without a text of ours; they get one here.
    """
    cause: BaseException = error
    # A schedule-to-close timeout between two attempts has the last attempt's failure as its cause: the operator needs that.
    # If that failure is too long for Temporal to keep between two attempts, it is the cause of an error of the server.
    while isinstance(cause, _WRAPPERS) and cause.__cause__ is not None:
        cause = cause.__cause__
    if is_cancelled_exception(cause):
        return Fault(type="Cancelled", short="Cancelled", message="The operation was cancelled.")
    if isinstance(cause, TimeoutError):
        return _timeout_fault(cause)
    if isinstance(cause, ApplicationError):
        return _application_fault(cause)
    text = "" if is_from_driver(cause) else str(cause)
    return Fault(type=type(cause).__name__, short="Unexpected error", message=text or type(cause).__name__)


def _application_fault(error: ApplicationError) -> Fault:
    for detail in error.details:
        if isinstance(detail, dict) and "short" in detail:
            return Fault.model_validate(detail)
    return Fault(type=error.type or "ApplicationError", short="Unexpected error", message=error.message)


def _timeout_fault(error: TimeoutError) -> Fault:
    kind = error.type.name if error.type else "TIMEOUT"
    advice = (
        "No worker started the call. Check that a worker polls this task queue."
        if kind == "SCHEDULE_TO_START"
        else "The worker did not answer in time; its call may have taken effect. The next attempt reads first."
    )
    return Fault(type="Timeout", short=f"Timed out ({kind})", message=advice)
