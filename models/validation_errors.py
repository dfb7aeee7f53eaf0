"""The errors of an invalid request or of invalid settings, in words for the operator who wrote them."""

from collections.abc import Iterable, Iterator
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
    "string_unicode": "must be UTF-8 text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
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
    "model_attributes_type": "must be an object",
    "too_long": "must have at most {max_length} entries",
}
"""By pydantic's type of the error; the placeholders are pydantic's context. Source: pydantic docs, Validation Errors."""


_SCALARS = ("bool", "int", "float", "str")
"""What pydantic appends to the path for each type that a value may have, if it may have several."""


def describe_validation_errors(error: ValidationError, model: type[BaseModel] = RestoreRequest) -> str:
    """One line for each error: the path of the field, and what is expected there. `model` is what was expected as a whole.

    Never the value, which could be a secret in the wrong field.
    """
    lines = [f"{'.'.join(path) or 'request'}: {text}" for path, text in describe_each(error, model)]
    return "\n".join(dict.fromkeys(lines))


def describe_each(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each error as the path of the field and what is expected there."""
    all_details = error.errors(include_url=False, include_input=False)
    paths = [_path(details, error.title) for details in all_details]
    for details, path in zip(all_details, paths, strict=True):
        if details["type"] == "too_short" and any(_is_below(other, path) for other in paths):
            continue  # pydantic counts only the valid entries, so this list need not be too short
        yield path, _text(details, path, model)


def _path(details: ErrorDetails, title: str) -> tuple[str, ...]:
    path = tuple(str(part) for part in details["loc"] if part not in (RestoreRequest.__name__, title))
    if path[-1:] == ("[key]",):
        return path[:-2]
    return path[:-1] if _is_one_of_several(details) else path


def _is_below(path: tuple[str, ...], parent: tuple[str, ...]) -> bool:
    return len(path) > len(parent) and path[: len(parent)] == parent


def _is_one_of_several(details: ErrorDetails) -> bool:
    """Whether the error is about one of the types that a scalar may have; each other one has an error too."""
    path = details["loc"]
    return len(path) > 1 and path[-1] in _SCALARS and isinstance(path[-2], int)


def _text(details: ErrorDetails, path: tuple[str, ...], model: type[BaseModel]) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            text = _unknown_field(path, model)
        case _ if _is_one_of_several(details):
            text = "must be a string, a number, true, false or null"
        case "too_short" if context["min_length"] == 1:
            text = f"list at least one {path[-1].removesuffix('s').replace('_', ' ')}"
        case "string_too_short" if context["min_length"] == 1:
            text = "must not be empty"
        case "string_pattern_mismatch" if context["pattern"] in EXPECTED:
            each_key = "each key " if details["loc"][-1] == "[key]" else ""
            text = f"{each_key}must be {EXPECTED[context['pattern']]}"
        case type_ if type_ in TEXTS:
            text = TEXTS[type_].format_map({name: _plain(limit) for name, limit in context.items()})
        case _:
            text = details["msg"].removeprefix("Value error, ")
    return text


def _plain(limit: object) -> str:
    """A limit as pydantic gives it: a number, or a duration such as "15 minutes" or "100000 microseconds"."""
    if isinstance(limit, str) and limit.endswith(" microseconds"):
        return f"{int(limit.split()[0]) / 1_000_000:g} seconds"
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def _unknown_field(path: tuple[str, ...], model: type[BaseModel]) -> str:
    *parents, name = path
    similar = get_close_matches(name, _field_names(parents, model), n=1)
    return f"unknown field; did you mean `{similar[0]}`?" if similar else "unknown field"


def _field_names(path: Iterable[str], root: type[BaseModel]) -> list[str]:
    """The fields that the input may have at a path."""
    model: type[BaseModel] | None = root
    for part in path:
        if not part.isdigit() and model is not None:
            field = model.model_fields.get(part)
            model = _find_model(field.annotation) if field else None
    return list(model.model_fields) if model else []


def _find_model(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `tuple[DatabaseUser, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for argument in get_args(annotation) if (model := _find_model(argument))), None)
