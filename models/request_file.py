"""Reads a request from a JSON or a TOML file."""

import json
import tomllib
from datetime import date, time
from pathlib import Path

from models.request import RestoreRequest
from models.request_json import NotARequest, parse_request


class UnreadableRequest(Exception):
    """The file has no valid request; the text names the file and has a line for each error."""


def read_request(path: Path) -> RestoreRequest:
    """Read the request in a .json or .toml file.

    Raises `UnreadableRequest`, which lists every error but no value: that could be a secret in the wrong field.
    """
    try:
        text = path.read_text("utf-8-sig")
        return parse_request(_as_json(path, text))
    except OSError as error:
        raise UnreadableRequest(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnreadableRequest(f"{path}: is not UTF-8 text; expected JSON or TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise UnreadableRequest(f"{path}: is not TOML: {error}") from None
    except NotARequest as error:
        raise UnreadableRequest(f"{path} is not a restore request:\n{error}") from None
    except RecursionError:
        raise UnreadableRequest(f"{path}: is nested too deeply; a restore request has a few levels") from None
    except ValueError:
        # Python limits the digits of a number, and tomllib passes the error on.
        raise UnreadableRequest(f"{path}: has a number with too many digits") from None


def _as_json(path: Path, text: str) -> str:
    """The content as JSON: the models are strict, and accept a date or a duration as text only in JSON."""
    match path.suffix.lower():
        case ".json":
            return text
        case ".toml":
            return json.dumps(tomllib.loads(text), default=_as_text)
        case _:
            raise UnreadableRequest(f"{path}: expected a name that ends in .json or .toml")


def _as_text(value: date | time) -> str:
    """TOML has types of its own for dates and times."""
    return value.isoformat()
