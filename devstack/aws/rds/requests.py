"""The parameters that many operations have: identifiers, ARNs, tags, filters and pages."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.resources import Tags

T = TypeVar("T")
FilterValues = dict[str, list[str]]

LONGEST_IDENTIFIER = 63
PAGE_SIZES = range(20, 101)
MAX_TAGS = 50

_IDENTIFIER = re.compile(r"[a-z](?:-?[a-z0-9])*")
_ARN = re.compile(r"arn:aws[a-z-]*:rds:(?P<region>[a-z0-9-]*):(?P<account>\d{12}):(?P<kind>[a-z-]+):(?P<name>.+)")


class Arn(NamedTuple):
    """The parts of an RDS ARN that matter."""

    region: str
    account: str
    kind: str
    name: str


def identifier(parameters: Mapping[str, Any], name: str) -> str:
    """A new identifier as RDS stores it, in lower case. Raises RdsError if it is not valid."""
    value = str(parameters[name])
    lowered = value.lower()
    if len(value) > LONGEST_IDENTIFIER or not _IDENTIFIER.fullmatch(lowered):
        raise RdsError(
            "InvalidParameterValue",
            f"The parameter {name} is not a valid identifier. Identifiers must begin with a letter; must "
            "contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain "
            "two consecutive hyphens.",
        )
    return lowered


def arn(value: str) -> Arn | None:
    """The parts of an RDS ARN; None for any other text."""
    match = _ARN.fullmatch(value)
    return Arn(match["region"], match["account"], match["kind"], match["name"].lower()) if match else None


def name_of(value: str, kind: str) -> str:
    """The identifier in a parameter that takes an identifier or an ARN of `kind`."""
    parts = arn(value)
    return parts.name if parts and parts.kind == kind else value.lower()


def tags(parameters: Mapping[str, Any]) -> Tags:
    """The `Tags` of a call. Raises RdsError if a key is reserved."""
    given = {tag.get("Key", ""): tag.get("Value", "") for tag in parameters.get("Tags", [])}
    refuse_reserved(given)
    check_tag_count(given)
    return given


def check_tag_count(keys: Iterable[str]) -> None:
    """Raise RdsError for more tags than a resource can have.

    Source: Aurora User Guide, "Tagging Amazon Aurora and Amazon RDS resources": those of AWS itself do not count.
    """
    if sum(not key.lower().startswith("aws:") for key in keys) > MAX_TAGS:
        raise RdsError("InvalidParameterValue", f"A resource can have at most {MAX_TAGS} tags.")


def refuse_reserved(keys: Iterable[str]) -> None:
    """Raise RdsError for a tag key that only AWS may set."""
    if any(key.lower().startswith(("aws:", "rds:")) for key in keys):
        raise RdsError("InvalidParameterValue", "Tag keys cannot start with the reserved prefix: aws:, rds:")


def select(parameters: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The parameters among `names` that the call has."""
    return {name: parameters[name] for name in names if name in parameters}


def filters(parameters: Mapping[str, Any], supported: Sequence[str]) -> FilterValues:
    """The `Filters` of a call by name. Raises RdsError for a name that the operation does not support."""
    given: FilterValues = {each.get("Name", ""): each.get("Values", []) for each in parameters.get("Filters", [])}
    for name in given:
        if name not in supported:
            raise RdsError("InvalidParameterValue", f"Unrecognized filter name: {name}")
    return given


def matches_filter(filters: FilterValues, name: str, *values: str | None) -> bool:
    """Whether the call has no filter of that name, or one of the resource's values passes it."""
    return name not in filters or any(value in filters[name] for value in values)


def page(
    parameters: Mapping[str, Any], items: Iterable[T], key: Callable[[T], str], sizes: range = PAGE_SIZES
) -> tuple[list[T], str | None]:
    """One page of a Describe response and the Marker of the next page; `sizes` are those that MaxRecords may have.

    The Marker names the last item rather than a position: if the list changes between two pages, no unchanged item is
    repeated or skipped.
    """
    size = parameters.get("MaxRecords", 100)
    if size not in sizes:
        limits = f"between {sizes[0]} and {sizes[-1]}"
        raise RdsError("InvalidParameterValue", f"Invalid value {size} for MaxRecords. Must be {limits}")
    ordered = sorted(items, key=key)
    after = _read_marker(parameters.get("Marker"))
    rest = [item for item in ordered if key(item) > after] if after is not None else ordered
    return rest[:size], _write_marker(key(rest[size - 1])) if len(rest) > size else None


def _write_marker(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _read_marker(marker: str | None) -> str | None:
    try:
        return base64.urlsafe_b64decode(marker.encode()).decode() if marker else None
    except ValueError:
        raise RdsError(
            "InvalidParameterValue", "The marker is invalid: give the Marker of the previous page."
        ) from None
