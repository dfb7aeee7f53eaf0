"""Error responses in the protocol of the called service."""

from __future__ import annotations

import json
import uuid
from http import HTTPStatus
from xml.sax.saxutils import escape

from botocore.exceptions import UnknownServiceError
from werkzeug.wrappers import Response

from devstack.aws.fault_injection import InjectedFault
from devstack.aws.rds.protocol import service_model

_THROTTLING = {"dynamodb": "ThrottlingException", "sqs": "RequestThrottled", "s3": "SlowDown"}
"""Services whose throttling code is neither `Throttling` (XML) nor `ThrottlingException` (JSON)."""


def fault_response(fault: InjectedFault) -> Response:
    """The response of a service to a fault of kind error, throttle or http500."""
    if fault.kind == "error":
        return error_response(fault.service, fault.code, fault.message or fault.code, fault.status)
    if fault.kind == "throttle":
        code = fault.code or _throttling_code(fault.service)
        return error_response(fault.service, code, fault.message or "Rate exceeded", 400)
    code = fault.code or ("InternalServerError" if is_json(fault.service) else "InternalFailure")
    return error_response(fault.service, code, fault.message or "An internal error occurred.", 500)


def error_response(service: str, code: str, message: str, status: int) -> Response:
    """An error as the service sends it: XML for the query protocols and S3, JSON otherwise."""
    request_id = str(uuid.uuid4())
    if is_json(service):
        return _json_error(code, message, status, request_id)
    body = _xml_error(service, code, message, status, request_id)
    return Response(body, status, {"x-amzn-RequestId": request_id}, content_type="text/xml")


def _json_error(code: str, message: str, status: int, request_id: str) -> Response:
    headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": code}
    body = json.dumps({"__type": code, "message": message})
    return Response(body, status, headers, content_type="application/x-amz-json-1.0")


def _xml_error(service: str, code: str, message: str, status: int, request_id: str) -> str:
    kind = "Sender" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Receiver"
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    protocol = _protocol(service)
    if protocol == "ec2":
        return f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    if protocol == "rest-xml":
        return f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
    error = f"<Error><Type>{kind}</Type>{error}</Error>"
    namespace = service_model(service).metadata.get("xmlNamespace", "")
    return f'<ErrorResponse xmlns="{namespace}">{error}<RequestId>{request_id}</RequestId></ErrorResponse>'


def _throttling_code(service: str) -> str:
    return _THROTTLING.get(service, "ThrottlingException" if is_json(service) else "Throttling")


def is_json(service: str) -> bool:
    """Whether the service speaks JSON; one that botocore does not know is taken for such a service."""
    return "json" in _protocol(service)


def _protocol(service: str) -> str:
    try:
        return str(service_model(service).metadata["protocol"])
    except UnknownServiceError:
        return "json"
