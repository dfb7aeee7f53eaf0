"""The RDS service of the emulator: one entry point, `answer`.

A call goes through: parse by the model (`protocol`), settle what is due (`world`), carry it out (one module
per noun), write by the model (`protocol`).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from typing import NamedTuple

from devstack.aws.caller import Caller
from devstack.aws.rds import (  # noqa: F401 - imported for the operations that they register
    cluster_changes,
    copies,
    engine_versions,
    global_clusters,
    instances,
    protocol,
    restores,
    sharing,
    tagging,
)
from devstack.aws.rds.errors import Refusal
from devstack.aws.rds.groups import furnish
from devstack.aws.rds.operations import OPERATIONS
from devstack.aws.rds.state import Call, RdsState

log = logging.getLogger(__name__)


class XmlAnswer(NamedTuple):
    """What goes back over HTTP."""

    status: int
    body: str
    request_id: str
    outcome: str
    """`OK` or the wire code of the error."""


def answer(state: RdsState, caller: Caller, form: Mapping[str, str]) -> XmlAnswer:
    """Carry out one call of the query protocol."""
    operation, request_id = form.get("Action", ""), str(uuid.uuid4())
    try:
        _check_operation(operation, form.get("Version", ""))
        body = _carry_out(state, caller, operation, form, request_id)
        return XmlAnswer(200, body, request_id, "OK")
    except Refusal as refusal:
        return _refused(operation, refusal, request_id)
    except Exception:
        # A defect of the emulator must look like AWS's own, and must be found by whoever runs it.
        log.exception("the emulator failed in %s", operation)
        return error("InternalFailure", "The emulator failed; its log has the traceback.", 500, request_id)


def error(code: str, message: str, status: int, request_id: str) -> XmlAnswer:
    """An error answer."""
    return XmlAnswer(status, protocol.write_error(code, message, status, request_id), request_id, code)


def _check_operation(operation: str, version: str) -> None:
    if operation not in OPERATIONS:
        raise Refusal("InvalidAction", f"Could not find operation {operation} for version {version}")


def _carry_out(state: RdsState, caller: Caller, operation: str, form: Mapping[str, str], request_id: str) -> str:
    parameters = protocol.parse(operation, form)
    with state.lock:
        call = Call(operation, parameters, caller, state)
        furnish(call.region)
        state.settle()
        return protocol.write(operation, OPERATIONS[operation](call), request_id)


def _refused(operation: str, refusal: Refusal, request_id: str) -> XmlAnswer:
    known = operation in OPERATIONS
    status = protocol.status_of(refusal.code, operation) if known else 400
    if status is None:
        log.error("%s may not answer %s: botocore's model does not list it", operation, refusal.code)
        return error("InternalFailure", f"Not a code of {operation}: {refusal}", 500, request_id)
    return error(refusal.code, refusal.message, status, request_id)
