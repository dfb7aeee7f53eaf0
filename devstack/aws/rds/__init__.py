"""The RDS service of the emulator; its only entry point is `respond`.

A call is parsed by botocore's model (`protocol`), refused if it has a member that the operation does not model
(`operations`), the transitions that are due are applied (`state`), the operation is carried out (one module per noun),
and the response is written by the model (`protocol`).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import NamedTuple

from devstack.aws.caller import Caller
from devstack.aws.rds import (  # noqa: F401 - imported for the operations that they register
    account,
    attachments,
    cluster_changes,
    copies,
    endpoints,
    engine_versions,
    global_clusters,
    instances,
    protocol,
    proxies,
    restarts,
    restores,
    roles,
    sharing,
    stops,
    tagging,
)
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.groups import add_default_groups
from devstack.aws.rds.operations import OPERATIONS, WITHOUT_EFFECT, refuse_unmodelled
from devstack.aws.rds.parameters import Parameters
from devstack.aws.rds.state import Call, RdsState

log = logging.getLogger(__name__)


class XmlResponse(NamedTuple):
    """One HTTP response of the query protocol."""

    status: int
    body: str
    request_id: str
    outcome: str
    """`OK` or the wire code of the error."""


def respond(state: RdsState, caller: Caller, form: Mapping[str, str]) -> XmlResponse:
    """Carry out one call of the query protocol."""
    operation, request_id = form.get("Action", ""), str(uuid.uuid4())
    try:
        _check_operation(operation, form.get("Version", ""))
        body = _carry_out(state, caller, operation, form, request_id)
        return XmlResponse(200, body, request_id, "OK")
    except RdsError as error:
        return _modelled_error_response(operation, error, request_id)
    except Exception:
        # The client gets a defect of the emulator as an internal error of AWS; the log has the traceback.
        log.exception("the emulator failed in %s", operation)
        return _error_response("InternalFailure", "The emulator failed; its log has the traceback.", 500, request_id)


def _check_operation(operation: str, version: str) -> None:
    if operation not in OPERATIONS:
        raise RdsError("InvalidAction", f"Could not find operation {operation} for version {version}")


def _carry_out(state: RdsState, caller: Caller, operation: str, form: Mapping[str, str], request_id: str) -> str:
    parameters = Parameters(protocol.parse(operation, form))
    refuse_unmodelled(operation, parameters)
    with state.lock:
        call = Call(operation, parameters, caller, state)
        add_default_groups(call.region)
        state.apply_due_transitions()
        body = protocol.write(operation, OPERATIONS[operation](call), request_id)
    if ignored := sorted(set(parameters.unread()) - WITHOUT_EFFECT.get(operation, {}).keys()):
        # A defect of the emulator itself: the client sees InternalFailure, and the log has this.
        raise RuntimeError(f"{operation} declares that it models {', '.join(ignored)}, and did not read it")
    return body


def _modelled_error_response(operation: str, error: RdsError, request_id: str) -> XmlResponse:
    """The error as AWS sends it; InternalFailure if botocore's model does not list its code for the operation."""
    status = protocol.status_of(error.code, operation) if operation in OPERATIONS else 400
    if status is None:
        log.error("%s may not return %s: botocore's model does not list it", operation, error.code)
        return _error_response("InternalFailure", f"Not a code of {operation}: {error}", 500, request_id)
    return _error_response(error.code, error.message, status, request_id)


def _error_response(code: str, message: str, status: int, request_id: str) -> XmlResponse:
    return XmlResponse(status, protocol.write_error(code, message, status, request_id), request_id, code)
