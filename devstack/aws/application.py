"""The WSGI application: it sends every request to the control endpoint, to RDS, or to moto.

For each AWS call it applies the injected faults, carries out the call and records it in the journal, in this order.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.model import OperationNotFoundError
from werkzeug.wrappers import Response

from devstack.aws import event_rules, iam, publishing, queues, rds, scaling, sockets
from devstack.aws.control import Control
from devstack.aws.error_responses import error_response, fault_response
from devstack.aws.fault_injection import FOREIGN_ANSWERS, FaultInjector, InjectedFault
from devstack.aws.foreign_answers import foreign_answer
from devstack.aws.journal import Journal, RecordedCall, redact
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.protocol import parse
from devstack.aws.rds.state import RdsState
from devstack.aws.requests import AwsRequest
from devstack.aws.services import OtherServices

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)
CONTROL = "/_devstack/"
OK = "OK"
REFUSALS = {publishing.SERVICE: publishing.refuse, event_rules.SERVICE: event_rules.refuse}
"""By service: what refuses the calls that moto would take and should not."""


class Application:
    """The emulator as a WSGI application."""

    def __init__(self, state: RdsState, services: OtherServices, faults: FaultInjector, calls: Journal) -> None:
        """`faults` and `calls` are shared with the emulator and its control endpoint."""
        self._state = state
        self._services = services
        self._faults = faults
        self._calls = calls
        self._control = Control(state, faults, calls)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to one HTTP request."""
        request = AwsRequest.read(environ)
        if environ.get("PATH_INFO", "").startswith(CONTROL):
            return self._control.respond(request)(environ, start_response)
        return self._call(request)(environ, start_response)

    def _call(self, request: AwsRequest) -> Response:
        caller = request.caller
        fired = self._faults.fire(caller.service, request.operation, caller.region)
        for fault in fired:
            if fault.kind == "latency":
                time.sleep(fault.seconds)
        disruption = next((fault for fault in fired if fault.kind != "latency"), None)
        if disruption is not None:
            return self._disrupt(request, disruption)
        return self._carry_out(request)

    def _disrupt(self, request: AwsRequest, fault: InjectedFault) -> Response:
        """The response that an injected fault leads to; resets the connection for a fault without a response."""
        if fault.kind == "late-response":
            response = self._carry_out(request)
            time.sleep(fault.seconds)
            return response
        if fault.kind in FOREIGN_ANSWERS:
            answer = self._dispatch(request) if fault.kind.endswith("-after") else None
            self._record(request, fault.kind, carried_out=answer is not None and _outcome(answer) == OK)
            return foreign_answer(fault.kind, request.caller.service, request.operation, answer)
        if fault.kind not in ("reset-before", "reset-after", "no-response"):
            response = fault_response(fault)
            self._record(request, _outcome(response), carried_out=False)
            return response
        carried_out = fault.kind == "reset-after" and _outcome(self._dispatch(request)) == OK
        self._record(request, fault.kind, carried_out=carried_out)
        if fault.kind == "no-response":
            time.sleep(fault.seconds)
        sockets.reset(request.environ["werkzeug.socket"])
        raise ConnectionResetError(f"{request.operation}: an injected fault reset the connection ({fault.kind})")

    def _carry_out(self, request: AwsRequest) -> Response:
        response = self._dispatch(request)
        outcome = _outcome(response)
        self._record(request, outcome, carried_out=outcome == OK)
        return response

    def _dispatch(self, request: AwsRequest) -> Response:
        if request.caller.service == "rds":
            response = rds.respond(self._state, request.caller, request.form)
            headers = {"x-amzn-RequestId": response.request_id}
            return Response(response.body, response.status, headers, content_type="text/xml")
        if (request.caller.service, request.operation) == ("iam", iam.SIMULATE):
            return iam.simulate(request.form)
        if request.caller.service == scaling.SERVICE:
            return scaling.respond(self._state, request.caller, request.operation, request.parameters)
        refuse = REFUSALS.get(request.caller.service)
        if refuse is not None and (refusal := refuse(request)) is not None:
            return refusal
        try:
            if request.caller.service == queues.SERVICE:
                return queues.respond(self._state, self._services, request)
            return self._services.respond(request.environ, request.signed_by)
        except Exception:
            # A defect of moto, or an operation that it lacks: botocore must see an AWS error, not HTML.
            log.exception("moto failed in %s %s", request.caller.service, request.operation)
            return error_response(
                request.caller.service, "InternalFailure", "moto failed; see the emulator's log.", 500
            )

    def _record(self, request: AwsRequest, outcome: str, *, carried_out: bool) -> None:
        caller = request.caller
        self._calls.add(
            RecordedCall(
                time=self._state.clock.now(),
                account=caller.account,
                region=caller.region,
                service=caller.service,
                operation=request.operation,
                parameters=redact(_parameters(request)),
                outcome=outcome,
                carried_out=carried_out,
            )
        )


def _parameters(request: AwsRequest) -> dict[str, Any]:
    """The parameters of a call: nested by the model for RDS, as they came in for other services and invalid calls."""
    if request.caller.service != "rds":
        return request.parameters
    try:
        return parse(request.operation, request.form)
    except (OperationNotFoundError, RdsError):
        return request.parameters


def _outcome(response: Response) -> str:
    """`OK`, or the wire code of the error in a response."""
    if response.status_code < HTTPStatus.BAD_REQUEST:
        return OK
    text = response.get_data(as_text=True)
    if text.startswith("{"):
        return str(json.loads(text).get("__type", response.status_code)).rpartition("#")[2]
    code = re.search(r"<Code>([^<]+)</Code>", text)
    return code[1] if code else str(response.status_code)
