"""Results as one JSON document on stdout: names in snake_case, durations in seconds, times in ISO 8601 in UTC.

docs/reference/commands.md lists the fields of each verb's document; a field without a value is null or left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from pydantic import BaseModel

SECONDS = "_seconds"
"""Ends the name of a duration, of which the code knows the unit by its type."""


def print_json(document: Mapping[str, object]) -> None:
    """Print the document; raises `TypeError` for a value that has no form in it."""
    print(json.dumps(document, indent=2, ensure_ascii=False, default=_plain))


def fields_of(value: BaseModel | tuple[Any, ...]) -> dict[str, Any]:
    """The fields of a model, without those that have no value, or of a named tuple."""
    fields: dict[str, Any] = value._asdict() if isinstance(value, tuple) else value.model_dump(exclude_none=True)  # type: ignore[attr-defined]
    return {f"{name}{SECONDS}" if isinstance(field, timedelta) else name: field for name, field in fields.items()}


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case ZoneInfo():
            return value.key
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
