"""What SQS does and moto does not: queues of another account, and long polls during which RDS goes on.

Moto keeps the queues; it takes each for one of the caller's account. RDS of the emulator changes when it is called, so that a
reader that waits for the event of a change would wait for ever.
Sources: SQS API Reference, GetQueueUrl; SQS Developer Guide, "Basic examples of Amazon SQS policies" and "Amazon SQS short and
long polling".
"""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import urlsplit

from werkzeug.wrappers import Response

from devstack.aws.caller import Caller
from devstack.aws.error_responses import error_response
from devstack.aws.rds.state import RdsState
from devstack.aws.requests import AwsRequest
from devstack.aws.services import OtherServices, ServiceError
from devstack.iam.evaluation import as_list, matches

SERVICE = "sqs"
LONGEST_WAIT_SECONDS = 20
STEP_SECONDS = 0.1


def respond(state: RdsState, services: OtherServices, request: AwsRequest) -> Response:
    """Carry out a call in the account of its queue, whose policy must allow it to a caller of another account."""
    caller = request.caller
    owner = replace(caller, account=_owner(request) or caller.account)
    if owner != caller and not _is_allowed(services, request, owner):
        text = f"Access to the resource {request.parameters.get('QueueUrl', '')} is denied."
        return error_response(SERVICE, "AccessDenied", text, HTTPStatus.FORBIDDEN)
    if request.operation == "ReceiveMessage":
        return _receive(state, services, request, owner)
    return services.respond(request.environ, owner)


def _owner(request: AwsRequest) -> str | None:
    """The account in the queue's URL, or that GetQueueUrl names."""
    if request.operation == "GetQueueUrl":
        return request.parameters.get("QueueOwnerAWSAccountId")
    parts = urlsplit(request.parameters.get("QueueUrl", "")).path.split("/")
    return parts[1] if len(parts) == len(("", "ACCOUNT", "NAME")) else None


def _is_allowed(services: OtherServices, request: AwsRequest, owner: Caller) -> bool:
    """Whether a statement of the queue's policy allows the call to the caller's account, whatever its conditions say."""
    url = request.parameters.get("QueueUrl") or f"https://{SERVICE}/{owner.account}/{request.parameters['QueueName']}"
    parameters = {"QueueUrl": url, "AttributeNames": ["Policy"]}
    try:
        found = services.call(owner, "AmazonSQS.GetQueueAttributes", parameters)
    except ServiceError:
        return False
    policy = json.loads(found.get("Attributes", {}).get("Policy") or "{}")
    action = f"{SERVICE}:{request.operation.removesuffix('Batch')}"
    return any(
        statement["Effect"] == "Allow"
        and f"arn:aws:iam::{request.caller.account}:root" in as_list(statement["Principal"].get("AWS", []))
        and any(matches(each, action) for each in as_list(statement["Action"]))
        for statement in policy.get("Statement", [])
    )


def _receive(state: RdsState, services: OtherServices, request: AwsRequest, owner: Caller) -> Response:
    """Respond as soon as there is a message, at the latest after the call's WaitTimeSeconds."""
    wait = int(request.parameters.get("WaitTimeSeconds", 0))
    if not 0 <= wait <= LONGEST_WAIT_SECONDS:
        # Moto refuses it, as SQS does.
        return services.respond(request.environ, owner)
    ends_at = time.monotonic() + wait
    while True:
        with state.lock:
            state.apply_due_transitions()
        response = services.respond(_at_once(request), owner)
        is_empty = response.status_code == HTTPStatus.OK and not json.loads(response.get_data()).get("Messages")
        if not is_empty or state.is_closed or time.monotonic() >= ends_at:
            return response
        time.sleep(STEP_SECONDS)


def _at_once(request: AwsRequest) -> dict[str, object]:
    """The request as moto gets it: without a wait."""
    body = json.dumps({**request.parameters, "WaitTimeSeconds": 0}).encode()
    return {**request.environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
