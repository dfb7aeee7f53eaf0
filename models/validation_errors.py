"""The errors of an invalid restore request, in words for the operator who wrote it."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from models.request import RestoreRequest
from models.text_forms import EXPECTED

TEXTS = {
    "missing": "is required",
    "json_invalid": "is not valid JSON: {error}",
    "string_type": "must be a string",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "multiple_of": "must be a multiple of {multiple_of}",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "enum": "must be {expected}",
    "date_type": "must be a date such as 2024-03-20",
    "date_parsing": "must be a date such as 2024-03-20",
    "date_from_datetime_parsing": "must be a date such as 2024-03-20",
    "date_from_datetime_inexact": "must be a date such as 2024-03-20, without a time",
    "time_delta_type": "must be an ISO 8601 duration such as PT30M",
    "time_delta_parsing": "must be an ISO 8601 duration such as PT30M",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "too_long": "must have at most {max_length} entries",
}
"""By pydantic's type of the error; the placeholders are pydantic's context. Source: pydantic docs, Validation Errors."""


def describe_validation_errors(error: ValidationError) -> str:
    """One line for each error: the path of the field, and what is expected there.

    Never the value, which could be a secret in the wrong field.
    """
    lines = [f"{_path(details)}: {_text(details)}" for details in error.errors(include_url=False, include_input=False)]
    return "\n".join(dict.fromkeys(lines))


def _path(details: ErrorDetails) -> str:
    return ".".join(str(part) for part in details["loc"] if part != RestoreRequest.__name__) or "request"


def _text(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            return _unknown_field(details)
        case "too_short" if context["min_length"] == 1:
            return f"list at least one {str(details['loc'][-1]).removesuffix('s')}"
        case "string_too_short" if context["min_length"] == 1:
            return "must not be empty"
        case "string_pattern_mismatch" if context["pattern"] in EXPECTED:
            return f"must be {EXPECTED[context['pattern']]}"
        case type_ if type_ in TEXTS:
            return TEXTS[type_].format_map(context)
        case _:
            return details["msg"].removeprefix("Value error, ")


def _unknown_field(details: ErrorDetails) -> str:
    *parents, name = details["loc"]
    similar = get_close_matches(str(name), _field_names(parents), n=1)
    return f"unknown field; did you mean `{similar[0]}`?" if similar else "unknown field"


def _field_names(path: Iterable[int | str]) -> list[str]:
    """The fields that the request may have at a path."""
    model: type[BaseModel] | None = RestoreRequest
    for part in path:
        if isinstance(part, str) and part != RestoreRequest.__name__ and model is not None:
            field = model.model_fields.get(part)
            model = _find_model(field.annotation) if field else None
    return list(model.model_fields) if model else []


def _find_model(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `tuple[DatabaseUser, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for argument in get_args(annotation) if (model := _find_model(argument))), None)
