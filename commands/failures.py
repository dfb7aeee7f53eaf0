"""The exit code and the sentence for an error that an operator can do something about."""

from __future__ import annotations

import json

from temporalio.service import RPCError, RPCStatusCode

from commands.exit_codes import MISTAKE, REFUSED, UNREACHABLE
from commands.terminal import print_progress
from errors import PipelineError
from runs.availability import UNAVAILABLE

WRONG_SETTINGS = frozenset({"settings.WrongSettings", "clients.aws.WrongEndpoint"})
FROM_BOTOCORE = frozenset({"botocore.exceptions.BotoCoreError"})
FROM_AWS = frozenset({"botocore.exceptions.ClientError"})
EXIT_CODES: dict[int, frozenset[str]] = {
    MISTAKE: WRONG_SETTINGS
    | {
        "models.request_file.UnreadableRequest",
        # The operator's mistakes in AWS's own settings: clients.aws_problems.SETTINGS_ERRORS.
        "botocore.exceptions.ProfileNotFound",
        "botocore.exceptions.ConfigParseError",
        "botocore.exceptions.ConfigNotFound",
        "botocore.exceptions.InvalidConfigError",
        "botocore.exceptions.NoRegionError",
        "botocore.exceptions.InvalidRegionError",
    },
    REFUSED: frozenset(
        {"runs.restores.RestoreRefused", "runs.schedules.OtherSchedule", "audit.verify.verifier.UnknownOperation"}
    ),
    UNREACHABLE: FROM_AWS
    | FROM_BOTOCORE
    | {
        "clients.temporal.TemporalUnreachable",
        "runs.search_attributes.SearchAttributesRefused",
        "runs.decisions.DecisionUnknown",
        "temporalio.service.RPCError",
        "errors.PipelineError",
    },
}
"""The errors of each exit code, by their names: to import them all would take longer than most of the commands."""
_CREDENTIALS_REFUSED = (RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED)


def exit_code_for(error: Exception) -> int | None:
    """The exit code; None for an error of this program, which deserves its traceback."""
    cause = _root_cause(error)
    return next((code for code, names in EXIT_CODES.items() if _is_one_of(cause, names)), None)


def describe(error: Exception) -> str:
    """What happened and what to do, for an error that has an exit code."""
    cause = _root_cause(error)
    if isinstance(cause, PipelineError):
        return f"{cause.fault.short}: {cause.fault.message}"
    if isinstance(cause, RPCError):
        return _temporal_problem(cause)
    if _is_one_of(cause, WRONG_SETTINGS):
        return f"The settings are wrong:\n{cause}"
    if _is_one_of(cause, FROM_AWS | FROM_BOTOCORE):
        return _describe_aws_error(cause)
    return str(cause)


def print_failure(error: Exception, exit_code: int, output: str) -> None:
    """Print on stderr what happened and what to do; for `json` as one line. Stdout has results only, as restic and gh do."""
    text = describe(error)
    print_progress(json.dumps({"error": {"exit_code": exit_code, "message": text}}) if output == "json" else text)


def _is_one_of(error: BaseException, names: frozenset[str]) -> bool:
    """Whether the error's class, or one that it inherits from, has one of these names."""
    return not names.isdisjoint(f"{each.__module__}.{each.__qualname__}" for each in type(error).__mro__)


def _describe_aws_error(error: Exception) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        from activities.rds.aws_errors import pipeline_error_for

        return describe(pipeline_error_for(error))
    from clients.aws_problems import describe_aws_problem

    return describe_aws_problem(error) if isinstance(error, BotoCoreError) else str(error)


def _root_cause(error: Exception) -> Exception:
    """What made the audit trail unavailable, if it is this machine's configuration, credentials or network."""
    cause = error.__cause__
    if isinstance(error, PipelineError) and isinstance(cause, Exception) and _is_one_of(cause, FROM_BOTOCORE):
        return cause
    return error


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
