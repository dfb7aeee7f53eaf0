"""The RDS query protocol, API version 2014-10-31, driven by botocore's own service model.

Requests are parsed, and responses written, member by member from the model's shapes. So a response cannot have a
member, a type or a list element name that the real service does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

import botocore.session
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StructureShape

from devstack.aws.rds.errors import COMMON_CODES, RdsError

NAMESPACE = "http://rds.amazonaws.com/doc/2014-10-31/"


@cache
def service_model(service: str = "rds") -> ServiceModel:
    """Botocore's model of a service, loaded once per process."""
    return botocore.session.get_session().get_service_model(service)


@cache
def operation_model(operation: str) -> OperationModel:
    """Botocore's model of an RDS operation."""
    return service_model().operation_model(operation)


@cache
def modelled_codes(operation: str, service: str = "rds") -> dict[str, int]:
    """The wire codes that the model lists for an operation, each with its HTTP status."""
    shapes = service_model(service).operation_model(operation).error_shapes
    errors = [(shape.name, shape.metadata.get("error", {})) for shape in shapes]
    return {error.get("code", name): error.get("httpStatusCode", 400) for name, error in errors}


def status_of(code: str, operation: str, service: str = "rds") -> int | None:
    """The HTTP status of a wire code for an operation; None if the operation cannot return it."""
    return modelled_codes(operation, service).get(code) or COMMON_CODES.get(code)


# Requests


def parse(operation: str, form: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of a call as Python values.

    Raises RdsError if one is missing, of the wrong type, or not in botocore's model of the operation.
    """
    unread = {key: value for key, value in form.items() if key not in ("Action", "Version") and key[:6] != "X-Amz-"}
    shape = operation_model(operation).input_shape
    parsed = _parse_structure(shape, unread, prefix="") if isinstance(shape, StructureShape) else {}
    if unread:
        raise RdsError(
            "InvalidParameterValue",
            f"Unknown parameter {', '.join(sorted(unread))}: botocore's model of {operation} does not have it.",
        )
    return parsed


def _parse_structure(shape: StructureShape, unread: dict[str, str], prefix: str) -> dict[str, Any]:
    """Parse a structure, and remove from `unread` what belongs to it."""
    parsed = {}
    for name, member in shape.members.items():
        value = _parse(member, unread, prefix + str(member.serialization.get("name", name)))
        if value is not None:
            parsed[name] = value
        elif name in shape.required_members:
            raise RdsError("MissingParameter", f"The request must contain the parameter {prefix}{name}.")
    return parsed


def _parse(shape: Shape, unread: dict[str, str], key: str) -> Any:
    if isinstance(shape, StructureShape):
        present = any(name.startswith(f"{key}.") for name in unread)
        return _parse_structure(shape, unread, prefix=f"{key}.") if present else None
    if isinstance(shape, ListShape):
        return _parse_list(shape, unread, key)
    return None if key not in unread else _parse_scalar(shape, unread.pop(key), key)


def _parse_list(shape: ListShape, unread: dict[str, str], key: str) -> list[Any] | None:
    element = shape.member.serialization.get("name", "member")
    items: list[Any] = []
    while (item := _parse(shape.member, unread, f"{key}.{element}.{len(items) + 1}")) is not None:
        items.append(item)
    empty = unread.pop(key, None)
    return items if items or empty is not None else None


def _parse_scalar(shape: Shape, text: str, key: str) -> Any:
    try:
        return _SCALARS[shape.type_name](text)
    except (KeyError, ValueError):
        raise RdsError(
            "InvalidParameterValue", f"Invalid value {text!r} for {key}. Must be of type {shape.type_name}."
        ) from None


def _parse_timestamp(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_SCALARS: dict[str, Any] = {
    "string": str,
    "integer": int,
    "long": int,
    "double": float,
    "float": float,
    "boolean": {"true": True, "false": False}.__getitem__,
    "timestamp": _parse_timestamp,
}


# Responses


def write(operation: str, response: Mapping[str, Any], request_id: str) -> str:
    """The XML of a response. Raises TypeError or KeyError if it is not of the model's shape."""
    shape = operation_model(operation).output_shape
    result = ""
    if isinstance(shape, StructureShape):
        result = _element(str(shape.serialization["resultWrapper"]), _write_structure(shape, response, operation))
    metadata = _element("ResponseMetadata", _element("RequestId", request_id))
    return f'<{operation}Response xmlns="{NAMESPACE}">{result}{metadata}</{operation}Response>'


def write_error(code: str, message: str, status: int, request_id: str) -> str:
    """The XML of an error response."""
    kind = "Sender" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Receiver"
    error = _element("Type", kind) + _element("Code", escape(code)) + _element("Message", escape(message))
    return (
        f'<ErrorResponse xmlns="{NAMESPACE}">{_element("Error", error)}'
        f"{_element('RequestId', request_id)}</ErrorResponse>"
    )


def _write_structure(shape: StructureShape, value: Mapping[str, Any], path: str) -> str:
    unknown = value.keys() - shape.members.keys()
    if unknown:
        raise TypeError(f"{path} has no member {', '.join(sorted(unknown))} in botocore's model of {shape.name}")
    return "".join(
        _element(str(member.serialization.get("name", name)), _write(member, value[name], f"{path}.{name}"))
        for name, member in shape.members.items()
        if value.get(name) is not None
    )


def _write(shape: Shape, value: Any, path: str) -> str:
    if isinstance(shape, StructureShape):
        return _write_structure(shape, value, path)
    if isinstance(shape, ListShape):
        element = str(shape.member.serialization.get("name", "member"))
        return "".join(_element(element, _write(shape.member, item, path)) for item in value)
    return _write_scalar(shape, value, path)


def _write_scalar(shape: Shape, value: Any, path: str) -> str:
    expected = _PYTHON_TYPES[shape.type_name]
    if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
        raise TypeError(f"{path} is {value!r}; botocore's model expects {shape.type_name}")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return escape(str(value))


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
    "float": (int, float),
    "boolean": (bool,),
    "timestamp": (datetime,),
}


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"
