"""A request as the operator keeps it: a JSON or a TOML file."""

import json
import tomllib
from datetime import date, time
from pathlib import Path

from pydantic import ValidationError

from models.request import RestoreRequest
from models.validation_errors import describe_validation_errors


class UnreadableRequest(Exception):
    """The file holds no request; the text names the file and every fault, one a line."""


def read_request(path: Path) -> RestoreRequest:
    """The request that a .json or .toml file holds.

    Raises `UnreadableRequest` with every fault listed; never with a value, which might be a secret in the wrong place.
    """
    try:
        text = path.read_text("utf-8-sig")
        return RestoreRequest.model_validate_json(_as_json(path, text))
    except OSError as error:
        raise UnreadableRequest(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnreadableRequest(f"{path}: is not UTF-8 text; wanted JSON or TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise UnreadableRequest(f"{path}: is not TOML: {error}") from None
    except ValidationError as error:
        raise UnreadableRequest(f"{path} is not a restore request:\n{describe_validation_errors(error)}") from None
    except RecursionError:
        raise UnreadableRequest(f"{path}: is nested too deeply; a restore request has a few levels") from None
    except ValueError:
        # tomllib leaves Python's own limit on the digits of a number to its caller.
        raise UnreadableRequest(f"{path}: has a number that is too long to be read") from None


def _as_json(path: Path, text: str) -> str:
    """The models are strict, and it is in JSON that a time or a duration is a text."""
    match path.suffix.lower():
        case ".json":
            return text
        case ".toml":
            return json.dumps(tomllib.loads(text), default=_as_text)
        case _:
            raise UnreadableRequest(f"{path}: wanted a file that ends in .json or .toml")


def _as_text(value: date | time) -> str:
    """TOML has dates and times of its own."""
    return value.isoformat()
