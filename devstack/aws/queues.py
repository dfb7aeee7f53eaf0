"""SQS's long polls: moto keeps the queues, and RDS goes on while an answer is held back.

RDS of the emulator changes when it is called; a reader that waits for the event of a change would wait for ever.
Source: SQS Developer Guide, "Amazon SQS short and long polling".
"""

from __future__ import annotations

import io
import json
import time
from http import HTTPStatus

from werkzeug.wrappers import Response

from devstack.aws.rds.state import RdsState
from devstack.aws.requests import AwsRequest
from devstack.aws.services import OtherServices

RECEIVE = "ReceiveMessage"
LONGEST_WAIT_SECONDS = 20
STEP_SECONDS = 0.1


def receive(state: RdsState, services: OtherServices, request: AwsRequest) -> Response:
    """Respond as soon as there is a message, at the latest after the call's WaitTimeSeconds."""
    wait = min(int(request.parameters.get("WaitTimeSeconds", 0)), LONGEST_WAIT_SECONDS)
    ends_at = time.monotonic() + wait
    while True:
        with state.lock:
            state.apply_due_transitions()
        response = services.respond(_at_once(request), request.signed_by)
        is_empty = response.status_code == HTTPStatus.OK and not json.loads(response.get_data()).get("Messages")
        if not is_empty or state.is_closed or time.monotonic() >= ends_at:
            return response
        time.sleep(STEP_SECONDS)


def _at_once(request: AwsRequest) -> dict[str, object]:
    """The request as moto gets it: without a wait."""
    body = json.dumps({**request.parameters, "WaitTimeSeconds": 0}).encode()
    return {**request.environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
