"""Answers with status 200 that are not AWS's, or not all of it: what a proxy between a client and AWS may send.

They are made from HTTP alone (RFC 9110, sections 8.6 and 15.3.1), not from what a client checks.
"""

from __future__ import annotations

import uuid

from werkzeug.wrappers import Response

from devstack.aws.error_responses import is_json
from devstack.aws.fault_injection import ForeignAnswer
from devstack.aws.rds.protocol import service_model

HTML_PAGE = (
    "<html><head><title>Sign in</title></head><body><h1>Sign in to use this network</h1>"
    "<p>Your request was not forwarded.</p></body></html>"
)


def foreign_answer(kind: ForeignAnswer, service: str, operation: str, answer: Response | None) -> Response:
    """What the client gets instead of the service's `answer`, which is None if the call was not carried out."""
    if kind.startswith("html-page"):
        return Response(HTML_PAGE, 200, content_type="text/html; charset=utf-8")
    whole = answer if answer is not None else _unfinished_answer(service, operation)
    body = b"" if kind.startswith("empty-body") else whole.get_data()[: len(whole.get_data()) // 2]
    headers = [(name, value) for name, value in whole.headers if name.lower() != "content-length"]
    return Response(body, 200, headers)


def _unfinished_answer(service: str, operation: str) -> Response:
    """An answer that nothing has been carried out for: only its beginning is ever sent."""
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    if is_json(service):
        return Response('{"Unfinished": {}}', 200, headers, content_type="application/x-amz-json-1.0")
    namespace = service_model(service).metadata.get("xmlNamespace", "")
    body = f'<?xml version="1.0"?>\n<{operation}Response xmlns="{namespace}">' + f"<{operation}Result/>" * 4
    return Response(body, 200, headers, content_type="text/xml")
