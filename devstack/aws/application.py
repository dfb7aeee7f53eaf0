"""The WSGI application: every request goes to the control endpoint, to RDS, or to moto.

Around each AWS call, in this order: the faults that are in force, the call itself, the journal.
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

from devstack.aws import rds, sockets
from devstack.aws.control import Control
from devstack.aws.error_answers import error_answer, fault_answer
from devstack.aws.fault_injection import FaultInjector, InjectedFault
from devstack.aws.journal import Journal, RecordedCall, redact
from devstack.aws.rds.errors import Refusal
from devstack.aws.rds.protocol import parse
from devstack.aws.rds.state import RdsState
from devstack.aws.requests import AwsRequest
from devstack.aws.services import OtherServices

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)
CONTROL = "/_devstack/"
OK = "OK"


class Application:
    """The emulator as a WSGI application."""

    def __init__(self, state: RdsState, services: OtherServices, faults: FaultInjector, calls: Journal) -> None:
        """Put the parts together."""
        self._state = state
        self._services = services
        self._faults = faults
        self._calls = calls
        self._control = Control(state, faults, calls)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request."""
        request = AwsRequest.read(environ)
        if environ.get("PATH_INFO", "").startswith(CONTROL):
            return self._control.answer(request)(environ, start_response)
        return self._call(request)(environ, start_response)

    def _call(self, request: AwsRequest) -> Response:
        caller = request.caller
        fired = self._faults.take(caller.service, request.operation, caller.region)
        for fault in fired:
            if fault.kind == "latency":
                time.sleep(fault.seconds)
        broken = next((fault for fault in fired if fault.kind != "latency"), None)
        if broken is not None:
            return self._break(request, broken)
        return self._carry_out(request)

    def _break(self, request: AwsRequest, fault: InjectedFault) -> Response:
        if fault.kind == "late-answer":
            response = self._carry_out(request)
            time.sleep(fault.seconds)
            return response
        if fault.kind not in ("reset-before", "reset-after", "silence"):
            response = fault_answer(fault)
            self._record(request, _outcome(response), carried_out=False)
            return response
        carried_out = fault.kind == "reset-after" and _outcome(self._answer(request)) == OK
        self._record(request, fault.kind, carried_out=carried_out)
        if fault.kind == "silence":
            time.sleep(fault.seconds)
        sockets.reset(request.environ["werkzeug.socket"])
        raise ConnectionResetError(f"{request.operation} was reset on demand ({fault.kind})")

    def _carry_out(self, request: AwsRequest) -> Response:
        response = self._answer(request)
        outcome = _outcome(response)
        self._record(request, outcome, carried_out=outcome == OK)
        return response

    def _answer(self, request: AwsRequest) -> Response:
        if request.caller.service == "rds":
            answer = rds.answer(self._state, request.caller, request.form)
            headers = {"x-amzn-RequestId": answer.request_id}
            return Response(answer.body, answer.status, headers, content_type="text/xml")
        try:
            return self._services.answer(request.environ, request.signed_by)
        except Exception:
            # A defect of moto, or something that it does not have: botocore must see an AWS error, not HTML.
            log.exception("moto failed in %s %s", request.caller.service, request.operation)
            return error_answer(request.caller.service, "InternalFailure", "moto failed; see the emulator's log.", 500)

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
    """What was asked for: nested by the model for RDS, as it came in for everything else and for nonsense."""
    if request.caller.service != "rds":
        return request.parameters
    try:
        return parse(request.operation, request.form)
    except (OperationNotFoundError, Refusal):
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
