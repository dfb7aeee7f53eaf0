"""What SNS refuses of a Publish before it delivers anything, and moto does not.

Moto takes any text as a message of structure json, counts characters where SNS counts bytes, and leaves the attributes out.
Source: SNS API Reference, Publish; the texts of the refusals are SNS's own, of which AWS documents none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus

from werkzeug.wrappers import Response

from devstack.aws.error_responses import error_response
from devstack.aws.requests import AwsRequest

SERVICE = "sns"
MAX_BYTES = 262_144
"""Of the message and its attributes together, by default."""


class _DuplicateKeyError(ValueError):
    """An object has a key twice."""


def refuse(request: AwsRequest) -> Response | None:
    """The error response to a call; None for one that SNS would take, and for every other operation."""
    reason = next(_reasons(request.form), None) if request.operation == "Publish" else None
    if reason is None:
        return None
    return error_response(SERVICE, "InvalidParameter", f"Invalid parameter: {reason}", HTTPStatus.BAD_REQUEST)


def _reasons(form: Mapping[str, str]) -> Iterator[str]:
    message, structure = form.get("Message", ""), form.get("MessageStructure")
    attributes = [value for name, value in form.items() if name.startswith("MessageAttributes.")]
    if sum(len(text.encode()) for text in (message, *attributes)) > MAX_BYTES:
        yield "Message too long"
    if structure == "json":
        yield from _reasons_for_json(message)


def _reasons_for_json(message: str) -> Iterator[str]:
    try:
        texts = json.loads(message, object_pairs_hook=_object)
    except ValueError:
        yield "Message Structure - JSON message body failed to parse"
        return
    if not isinstance(texts, dict) or not isinstance(texts.get("default"), str):
        yield "Message Structure - No default entry in JSON message body"


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _DuplicateKeyError
    return members
