"""The exit code and the sentence for an error that an operator can do something about."""

from __future__ import annotations

import json

from botocore.exceptions import BotoCoreError, ClientError
from temporalio.service import RPCError, RPCStatusCode

from activities.rds.aws_errors import pipeline_error_for
from audit.verify.verifier import UnknownOperation
from clients.aws import WrongEndpoint
from clients.aws_problems import SETTINGS_ERRORS, describe_aws_problem
from clients.temporal import TemporalUnreachable
from commands.exit_codes import MISTAKE, REFUSED, UNREACHABLE
from commands.terminal import print_progress
from errors import PipelineError
from models.request_file import UnreadableRequest
from runs.availability import UNAVAILABLE
from runs.decisions import DecisionUnknown
from runs.restores import RestoreRefused
from runs.schedules import OtherSchedule
from runs.search_attributes import SearchAttributesRefused
from settings import WrongSettings

_EXIT_CODES: dict[int, tuple[type[Exception], ...]] = {
    MISTAKE: (WrongSettings, WrongEndpoint, UnreadableRequest, *SETTINGS_ERRORS),
    REFUSED: (RestoreRefused, OtherSchedule, UnknownOperation),
    UNREACHABLE: (
        TemporalUnreachable,
        SearchAttributesRefused,
        DecisionUnknown,
        RPCError,
        PipelineError,
        ClientError,
        BotoCoreError,
    ),
}
_CREDENTIALS_REFUSED = (RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED)


def exit_code_for(error: Exception) -> int | None:
    """The exit code; None for an error of this program, which deserves its traceback."""
    cause = _root_cause(error)
    return next((code for code, errors in _EXIT_CODES.items() if isinstance(cause, errors)), None)


def describe(error: Exception) -> str:
    """What happened and what to do, for an error that has an exit code."""
    cause = _root_cause(error)
    match cause:
        case PipelineError():
            return f"{cause.fault.short}: {cause.fault.message}"
        case WrongSettings() | WrongEndpoint():
            return f"The settings are wrong:\n{cause}"
        case RPCError():
            return _temporal_problem(cause)
        case ClientError():
            return describe(pipeline_error_for(cause))
        case BotoCoreError():
            return describe_aws_problem(cause)
    return str(cause)


def print_failure(error: Exception, exit_code: int, output: str) -> None:
    """Print on stderr what happened and what to do; for `json` as one line. Stdout has results only, as restic and gh do."""
    text = describe(error)
    print_progress(json.dumps({"error": {"exit_code": exit_code, "message": text}}) if output == "json" else text)


def _root_cause(error: Exception) -> Exception:
    """What made the audit trail unavailable, if it is this machine's configuration, credentials or network."""
    cause = error.__cause__
    return cause if isinstance(error, PipelineError) and isinstance(cause, BotoCoreError) else error


def _temporal_problem(error: RPCError) -> str:
    message = error.message.rstrip(".")
    if error.status in UNAVAILABLE:
        return f"Temporal is unavailable: {message}. Repeat the command."
    if error.status in _CREDENTIALS_REFUSED:
        return (
            f"Temporal refused the credentials: {message}. Check TEMPORAL_API_KEY, TEMPORAL_TLS_… or TEMPORAL_PROFILE."
        )
    if "search attribute" in message.lower():
        return (
            f"Temporal refused the request: {message}. Register the search attributes first:\n"
            "    python starter.py setup"
        )
    if error.status is RPCStatusCode.NOT_FOUND and "namespace" in message.lower():
        return f"Temporal refused the request: {message}. Check TEMPORAL_NAMESPACE."
    return f"Temporal refused the request: {message}."
