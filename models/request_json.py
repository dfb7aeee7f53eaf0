"""Reads a request in JSON, and refuses a text that pydantic would take for another one than the operator wrote."""

import json
import re
from collections import Counter
from typing import Any

from pydantic import ValidationError

from limits import MAX_PATH, MAX_REQUEST_BYTES, MAX_REQUEST_VALUES, shorten
from models.request import RestoreRequest
from models.validation_errors import describe_validation_errors

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


class NotARequest(Exception):
    """The JSON is no restore request; the text has a line for each error, and no value."""


def parse_request(text: str | bytes) -> RestoreRequest:
    """The request in a JSON text. Raises `NotARequest`, which lists every error."""
    if refusal := find_refusal(text):
        raise NotARequest(refusal)
    try:
        return RestoreRequest.model_validate_json(text)
    except ValidationError as error:
        raise NotARequest(describe_validation_errors(error)) from None


def find_refusal(text: str | bytes) -> str | None:
    """Why a text is refused before its fields are validated: too large, too many values, a field twice; None: it is not.

    Of a field that is given twice, JSON parsers take the last; which one the operator meant is unknown, and one may name
    another cluster to delete.
    """
    raw = text.encode(errors="replace") if isinstance(text, str) else text
    if len(raw) > MAX_REQUEST_BYTES:
        return f"request: has {len(raw):,} bytes; a restore request has at most {MAX_REQUEST_BYTES:,}"
    if _count_values(raw) > MAX_REQUEST_VALUES:
        return f"request: has too many values; a restore request has at most {MAX_REQUEST_VALUES:,}"
    twice: list[str] = []

    def note_names_given_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice.extend(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        return dict(pairs)

    try:
        json.loads(raw, object_pairs_hook=note_names_given_twice)
    except (ValueError, RecursionError):
        return None  # not JSON: pydantic says where
    return f"{shorten(twice[0], MAX_PATH)}: is given twice in one object; remove one" if twice else None


def _count_values(raw: bytes) -> int:
    """At least as many as a JSON text has texts, numbers, lists and objects, without parsing it.

    A workflow's task has 2 seconds, and parsing 500 KB of empty objects takes one.
    """
    structure = _STRING.sub(b"", raw)
    return 1 + sum(structure.count(mark) for mark in (b",", b"[", b"{"))
