"""What an error of AWS or of botocore becomes: the rule of the fault table, and the pipeline's own error.

It is the only place that compares AWS's error codes.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from activities.rds.fault_table import ANY, INTERNAL, TABLE, Action, FaultRule
from clients.answer_check import NotAwsAnswer
from clients.complete_answers import IncompleteAnswer
from errors import AwsUnavailable, PipelineError, Refused, ResourceBusy, StepFailed

Answer = TypeVar("Answer")
SERVER_ERROR, TOO_MANY_REQUESTS = 500, 429

UNKNOWN_ADVICE = "The pipeline does not know this fault: find it in the API Reference of the operation, and report it."


def rule_for(error: ClientError) -> FaultRule:
    """The first row that matches; an unknown fault fails the step, unless its HTTP status says that AWS is at fault."""
    operation, code, message = error.operation_name, _code(error), error.response["Error"].get("Message", "")
    for rule in TABLE:
        if rule.operation in (operation, ANY) and rule.code == code and rule.fragment.lower() in message.lower():
            return rule
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    if status >= SERVER_ERROR or status == TOO_MANY_REQUESTS:
        return FaultRule(operation, code, Action.RETRY, INTERNAL)
    return FaultRule(operation, code, Action.FAIL, f"{operation} refused", UNKNOWN_ADVICE)


def action_for(error: ClientError) -> Action:
    """What the pipeline does about the fault."""
    return rule_for(error).action


def is_unknown_refusal(error: ClientError) -> bool:
    """Whether the fault table has no row for it, and AWS itself is not at fault: what AWS refuses now, it may take later."""
    rule = rule_for(error)
    return rule.action is Action.FAIL and rule not in TABLE


def answer_if_exists(call: Callable[[], Answer]) -> Answer | None:
    """AWS's answer, or None if the fault table says that there is no such resource, or no such operation."""
    try:
        return call()
    except ClientError as error:
        if action_for(error) is Action.ABSENT:
            return None
        raise


def pipeline_error_for(error: ClientError | BotoCoreError) -> PipelineError:
    """The pipeline's error for one of botocore's: class, short text, advice, code and request id."""
    if isinstance(error, ClientError):
        return _error_for_answer(error)
    if isinstance(error, ParamValidationError):
        return _error_for_parameters(error)
    if isinstance(error, NotAwsAnswer):
        return AwsUnavailable("Answer is not from AWS", str(error), code=type(error).__name__)
    if isinstance(error, IncompleteAnswer):
        return AwsUnavailable("Answer is incomplete", str(error), code=type(error).__name__)
    return AwsUnavailable("AWS not reachable", f"{type(error).__name__}: {error}", code=type(error).__name__)


def _error_for_parameters(error: ParamValidationError) -> StepFailed:
    """Names the parameters only: botocore's report quotes their values, which can be passwords."""
    names = ", ".join(dict.fromkeys(re.findall(r"parameter (?:in input: )?\"?([A-Za-z0-9_.\[\]]+)", str(error))))
    text = (
        f"botocore refused the parameters {names or 'of a call'}. This is an error of the pipeline: please report it."
    )
    return StepFailed("Request not valid for AWS", text)


_ERRORS: dict[Action, type[PipelineError]] = {
    Action.RETRY: AwsUnavailable,
    Action.WAIT: ResourceBusy,
    Action.PRUNE: StepFailed,
    Action.ADOPT: StepFailed,
    Action.ABSENT: StepFailed,
    Action.REFUSE: Refused,
    Action.FAIL: StepFailed,
}


def _error_for_answer(error: ClientError) -> PipelineError:
    rule, code = rule_for(error), _code(error)
    aws_message = error.response["Error"].get("Message", "").strip()
    message = f"{error.operation_name} answered {code}: {aws_message}"
    return _ERRORS[rule.action](
        rule.short or f"{error.operation_name} answered {code}",
        f"{message.rstrip('.')}. {rule.advice}".strip(),
        code=code,
        request_id=error.response.get("ResponseMetadata", {}).get("RequestId"),
    )


def _code(error: ClientError) -> str:
    return error.response["Error"].get("Code", "Unknown")
