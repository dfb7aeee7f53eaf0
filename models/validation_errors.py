"""The errors of an invalid request or of invalid settings, in words for the operator who wrote them."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from limits import MAX_ERROR_TEXT, MAX_LISTED_ERRORS, MAX_PATH, first_and_more, shorten
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


def describe_validation_errors(error: ValidationError, model: type[BaseModel] = RestoreRequest) -> str:
    """One line for each of the first errors: the path of the field, and what is expected there; then how many follow.

    Never the value, which could be a secret in the wrong field. `model` is what was expected as a whole. An input may
    have 100,000 errors: only those that are listed are put into words, because a workflow's task has 2 seconds for it.
    """
    listed: set[tuple[str, ...]] = set()
    lines: dict[str, None] = {}
    all_details = _errors(error)
    for path, text in _describe(all_details, error.title, model):
        listed.add(path)
        lines[f"{shorten('.'.join(path), MAX_PATH) or 'request'}: {shorten(text, MAX_ERROR_TEXT)}"] = None
        if len(lines) == MAX_LISTED_ERRORS:
            more = {_path(details, error.title) for details in all_details} - listed
            return "\n".join(first_and_more(list(lines), MAX_LISTED_ERRORS, len(more)))
    return "\n".join(lines)


def describe_each(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each error as the path of the field and what is expected there."""
    return _describe(_errors(error), error.title, model)


def _describe(
    all_details: list[ErrorDetails], title: str, model: type[BaseModel]
) -> Iterator[tuple[tuple[str, ...], str]]:
    for details in all_details:
        path = _path(details, title)
        # pydantic counts only the valid entries, so such a list need not be too short.
        if details["type"] == "too_short" and any(_is_below(_path(other, title), path) for other in all_details):
            continue
        yield path, _text(details, path, model)


def _errors(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_input=False)


def _path(details: ErrorDetails, title: str) -> tuple[str, ...]:
    path = tuple(str(part) for part in details["loc"] if part not in (RestoreRequest.__name__, title))
    if path[-1:] == ("[key]",):
        return path[:-2]
    return path


def _is_below(path: tuple[str, ...], parent: tuple[str, ...]) -> bool:
    return len(path) > len(parent) and path[: len(parent)] == parent


def _text(details: ErrorDetails, path: tuple[str, ...], model: type[BaseModel]) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            text = _unknown_field(path, model)
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
    similar = get_close_matches(name[:MAX_PATH], _field_names(parents, model), n=1)
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
