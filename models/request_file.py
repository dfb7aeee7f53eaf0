"""Reads a request from a JSON or a TOML file."""

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, time
from pathlib import Path
from typing import Any

from models.request import RestoreRequest
from models.request_json import NotARequest, parse_request


class UnreadableRequest(Exception):
    """The file has no valid request, or no valid fleet; the text names the file and has a line for each error."""


def read_request(path: Path) -> RestoreRequest:
    """Read the request in a .json or .toml file.

    Raises `UnreadableRequest`, which lists every error but no value: that could be a secret in the wrong field.
    """
    try:
        return parse_request(_read_as_json(path))
    except NotARequest as error:
        raise UnreadableRequest(f"{path} is not a restore request:\n{error}") from None
    except RecursionError:
        raise _nested_too_deeply(path) from None


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a .toml file. Raises `UnreadableRequest`."""
    text = _read_text(path)
    if path.suffix.lower() != ".toml":
        raise UnreadableRequest(f"{path}: expected a name that ends in .toml")
    with _translate_errors(path):
        return tomllib.loads(text)


def as_json_value(tables: dict[str, Any]) -> dict[str, Any]:
    """TOML's tables with its dates and times as text, as the models accept them."""
    value: dict[str, Any] = json.loads(json.dumps(tables, default=_as_text))
    return value


def _read_as_json(path: Path) -> str:
    """The content as JSON: the models are strict, and accept a date or a duration as text only in JSON."""
    text = _read_text(path)
    match path.suffix.lower():
        case ".json":
            return text
        case ".toml":
            return json.dumps(read_toml(path), default=_as_text)
        case _:
            raise UnreadableRequest(f"{path}: expected a name that ends in .json or .toml")


def _read_text(path: Path) -> str:
    with _translate_errors(path):
        return path.read_text("utf-8-sig")


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    """Raise `UnreadableRequest` for a file that cannot be read, or is not what its name says."""
    try:
        yield
    except OSError as error:
        raise UnreadableRequest(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnreadableRequest(f"{path}: is not UTF-8 text; expected JSON or TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise UnreadableRequest(f"{path}: is not TOML: {error}") from None
    except RecursionError:
        raise _nested_too_deeply(path) from None
    except ValueError:
        # Python limits the digits of a number, and tomllib passes the error on.
        raise UnreadableRequest(f"{path}: has a number with too many digits") from None


def _nested_too_deeply(path: Path) -> UnreadableRequest:
    return UnreadableRequest(f"{path}: is nested too deeply; a restore request has a few levels")


def _as_text(value: date | time) -> str:
    """TOML has types of its own for dates and times."""
    return value.isoformat()
