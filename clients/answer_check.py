"""Refuses an answer that is not AWS's: a proxy's page, an empty or a truncated body, somebody else's JSON.

botocore reads XML and JSON leniently: an answer without known elements is an answer without members. So a proxy's page
with status 200 says to a reader that there is no cluster, and to a writer that the row is written. AWS's own answers
have what no other has: the query protocols a root element and a result named after the operation and a request id, the
JSON protocol a request id in its header and an object in its body, DynamoDB a checksum where it sends one.
What botocore's parser cannot read, in an answer or in an error, is refused in the same way: its `ResponseParserError`
is no `BotoCoreError`, and its text quotes the whole body.
Sources: Smithy, "AWS query protocol", "AWS EC2 query protocol" and "AWS JSON 1.1 protocol"; AWS SDK for Go v2, package
`dynamodb/internal/customizations` (X-Amz-Crc32, compared if present); botocore.parsers; docs/decisions/0018.
"""

from __future__ import annotations

import json
import random
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

from botocore.exceptions import BotoCoreError
from botocore.parsers import ResponseParserError

from clients.answer_parser import forget_ahead, parse_ahead

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from botocore.session import Session as BotocoreSession

CHECKED_PROTOCOLS = ("query", "ec2", "json")
"""The protocols of every service that the pipeline calls. botocore's own calls for credentials may have others."""

FIRST_ERROR_STATUS, FIRST_SERVER_ERROR_STATUS = 300, 500
"""From the first on botocore raises an error; from the second on it repeats the call whatever the body is."""

MAX_NAME = 60
"""How much of somebody else's root element the message quotes."""

FIRST_DELAY_SECONDS = 0.1
"""The longest wait before the second attempt; it doubles with each."""

_FOREIGN = "NotAwsAnswer"
"""Where the exception waits in botocore's parsed answer until its attempts are over."""
_GENERIC_ERROR_STATUS = 502
"""botocore's parsers read a status of 5xx without a body as an error without asking for more."""

_PARSER_ERRORS = (ResponseParserError, ValueError, LookupError, TypeError, AttributeError)
"""What botocore's parsers raise on values, elements and types that the model does not have."""


class NotAwsAnswer(BotoCoreError):
    """Something between the worker and AWS answered in its place. Whether AWS carried out the call is not known."""

    fmt = (
        "{operation} got HTTP {status} with {actual}, expected {expected}. Something between this machine and AWS answered "
        "in its place, and AWS may have carried out the call. Check the proxy and the network."
    )


class _Mismatch(NamedTuple):
    actual: str
    expected: str


def refuse_foreign_answers(session: BotocoreSession) -> None:
    """Check every answer to every client that the session will create, before botocore reads it.

    botocore repeats such a call as it repeats one whose connection broke: as often as the client's settings say. The last
    of these answers raises `NotAwsAnswer`, and Temporal repeats the activity.
    """
    events = session.get_component("event_emitter")
    events.register("before-parse", _replace_foreign_answer, unique_id="replace-foreign-answer")
    events.register("needs-retry", _repeat_after_foreign_answer, unique_id="repeat-after-foreign-answer")
    events.register_first("after-call", _raise_foreign_answer, unique_id="raise-foreign-answer")


def _replace_foreign_answer(
    operation_model: OperationModel,
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: object,
) -> None:
    """Leave nothing of the answer for botocore to read, but an error that has no code and the exception to raise."""
    if operation_model.service_model.resolved_protocol not in CHECKED_PROTOCOLS:
        return
    mismatch = _find_mismatch(operation_model, response_dict)
    if mismatch is None:
        return
    status = response_dict["status_code"]
    customized_response_dict[_FOREIGN] = NotAwsAnswer(
        operation=operation_model.name, status=status, **mismatch._asdict()
    )
    forget_ahead(response_dict)
    response_dict.update(status_code=_GENERIC_ERROR_STATUS, body=b"")


def _repeat_after_foreign_answer(
    response: tuple[Any, dict[str, Any]] | None, attempts: int, request_dict: dict[str, Any], **_: object
) -> float | None:
    """How many seconds to wait before the next attempt; None if this handler does not ask for one."""
    if response is None or _FOREIGN not in response[1]:
        return None
    retries = request_dict["context"]["client_config"].retries or {}
    if attempts >= retries.get("total_max_attempts", 1):
        return None
    return float(random.uniform(0, FIRST_DELAY_SECONDS * 2 ** (attempts - 1)))  # noqa: S311 - no secret


def _raise_foreign_answer(parsed: dict[str, Any], **_: object) -> None:
    foreign: NotAwsAnswer | None = parsed.get(_FOREIGN)
    if foreign is not None:
        raise foreign


def _find_mismatch(operation_model: OperationModel, response: dict[str, Any]) -> _Mismatch | None:
    protocol = operation_model.service_model.resolved_protocol
    if response["status_code"] >= FIRST_ERROR_STATUS:
        return _mismatch_of_error(operation_model, response)
    find = _mismatch_of_json if protocol == "json" else _mismatch_of_xml
    mismatch = find(operation_model, response)
    if mismatch is None and _parse(operation_model, response) is None:
        return _Mismatch("values that the model does not have", f"the output of {operation_model.name}")
    return mismatch


def _mismatch_of_xml(operation_model: OperationModel, response: dict[str, Any]) -> _Mismatch | None:
    expected = f"{operation_model.name}Response in XML"
    try:
        root = ET.fromstring(response["body"])  # noqa: S314 - botocore's own parser reads the same next
    except ET.ParseError:
        return _Mismatch(_describe_body(response["body"]), expected)
    if _local_name(root) != f"{operation_model.name}Response":
        return _Mismatch(f"the root element {_local_name(root)[:MAX_NAME]}", expected)
    is_ec2 = operation_model.service_model.resolved_protocol == "ec2"
    request_id = _find_child(root, "requestId") if is_ec2 else _find_child(root, "ResponseMetadata", "RequestId")
    if request_id is None or not request_id.text:
        return _Mismatch("no request id", "AWS's request id")
    output = operation_model.output_shape
    wrapper = output.serialization.get("resultWrapper") if output is not None else None
    if wrapper and _find_child(root, wrapper) is None:
        return _Mismatch(f"no element {wrapper}", f"an element {wrapper}")
    return None


def _mismatch_of_json(operation_model: OperationModel, response: dict[str, Any]) -> _Mismatch | None:
    headers, body = response["headers"], response["body"]
    if not headers.get("x-amzn-requestid"):
        return _Mismatch(f"{_describe_body(body)} and no request id", "AWS's header x-amzn-RequestId")
    checksum = headers.get("x-amz-crc32")
    # AWS computes it over the body as sent; a compressed body is not that any more.
    if checksum and not headers.get("content-encoding") and checksum != str(zlib.crc32(body)):
        return _Mismatch(f"{_describe_body(body)} that does not have the checksum of x-amz-crc32", "the whole body")
    output = operation_model.output_shape
    says_nothing = output is None or not output.members
    if not body and says_nothing:
        return None
    try:
        content = json.loads(body)
    except ValueError:
        return _Mismatch(_describe_body(body), "a JSON object")
    if isinstance(content, dict) or (content is None and says_nothing):
        return None
    return _Mismatch(_describe_body(body), "a JSON object")


def _mismatch_of_error(operation_model: OperationModel, response: dict[str, Any]) -> _Mismatch | None:
    """A refusal of AWS's has a code. A server error needs none: botocore repeats it, the fault table reads its status."""
    parsed, status = _parse(operation_model, response), response["status_code"]
    expected = "an error of AWS"
    if parsed is None:
        return _Mismatch(_describe_body(response["body"]), expected)
    has_code = parsed.get("Error", {}).get("Code") not in (None, "", str(status))
    if has_code or response["headers"].get("x-amzn-requestid") or status >= FIRST_SERVER_ERROR_STATUS:
        return None
    return _Mismatch(_describe_body(response["body"]), expected)


def _parse(operation_model: OperationModel, response: dict[str, Any]) -> dict[str, Any] | None:
    """What botocore will make of the answer; None if it cannot read it."""
    protocol = operation_model.service_model.resolved_protocol
    try:
        parsed = parse_ahead(protocol, response, operation_model.output_shape)
    except _PARSER_ERRORS:
        return None
    return parsed if isinstance(parsed, dict) else None


def _describe_body(body: bytes) -> str:
    """What the body is, without quoting it: it may be anybody's and hold anything."""
    if not body.strip():
        return "an empty body"
    kind = "an HTML page" if b"<html" in body[:1000].lower() else "a body"
    return f"{kind} of {len(body)} bytes"


def _find_child(element: ET.Element, *path: str) -> ET.Element | None:
    """The element at the path of names, whatever their namespaces."""
    found: ET.Element | None = element
    for name in path:
        found = next((child for child in found if _local_name(child) == name), None) if found is not None else None
    return found


def _local_name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
