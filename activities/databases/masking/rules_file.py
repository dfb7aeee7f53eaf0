"""Reads the rules of a masking file. A message has every mistake, and no value: it may be a secret in the wrong place."""

from __future__ import annotations

import json
import tomllib
from datetime import date, time
from pathlib import Path

from pydantic import ValidationError

from activities.databases.sql_files import read_operator_file
from errors import StepFailed
from limits import MAX_ERROR_TEXT, MAX_LISTED_ERRORS, MAX_PATH, first_and_more, shorten
from models.masking import COLUMNS, TABLE, Masking, MaskingRules
from models.validation_errors import describe_each

TAG_PLACE = 2
"""In the path of an error: after the database and the table."""


def read_masking_rules(directory: Path | None, masking: Masking) -> MaskingRules:
    """The rules of the request's masking file. Raises `StepFailed` if it cannot be used."""
    if reason := find_unusable(directory, masking):
        raise StepFailed("Masking file not usable", f"{reason}. Correct the file or the request's masking.")
    return _parse(_read(directory, masking.file))


def find_unusable(directory: Path | None, masking: Masking) -> str | None:
    """Why the file cannot be used; None if it can."""
    try:
        rules = _parse(_read(directory, masking.file))
    except ValidationError as error:
        return f"{masking.file} is not a masking file:\n{_describe(error)}"
    except tomllib.TOMLDecodeError as error:
        return f"{masking.file} is not TOML: {error}"
    except ValueError as error:
        return str(error)
    except RecursionError:
        return f"{masking.file} is nested too deeply; its lines are database.table.column = rule"
    if rules.needs_key and masking.key_secret_id is None:
        return f"{masking.file} has rules that need a key, and masking.key_secret_id is not set"
    return None


def _read(directory: Path | None, name: str) -> str:
    return read_operator_file(directory, name).decode("utf-8-sig")


def _parse(text: str) -> MaskingRules:
    """As JSON, because the models are strict and accept the name of a rule as text only in JSON."""
    return MaskingRules.model_validate_json(json.dumps(tomllib.loads(text), default=_as_text))


def _as_text(value: date | time) -> str:
    return value.isoformat()


def _describe(error: ValidationError) -> str:
    lines = []
    for path, text in describe_each(error, MaskingRules):
        place = [part for number, part in enumerate(path) if number != TAG_PLACE or part not in (TABLE, COLUMNS)]
        lines.append(f"{shorten('.'.join(place), MAX_PATH) or 'the file'}: {shorten(text, MAX_ERROR_TEXT)}")
    return "\n".join(first_and_more(list(dict.fromkeys(lines)), MAX_LISTED_ERRORS))
