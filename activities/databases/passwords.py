"""A password out of Secrets Manager: read where it is used, told to nobody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from errors import StepFailed

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


def read_password(secrets: SecretsManagerClient, secret_id: str) -> str:
    """The text under "password" in the secret's JSON.

    Raises `StepFailed` if there is none that a database could take; nothing of the secret is quoted.
    """
    password = _password_in(secrets.get_secret_value(SecretId=secret_id).get("SecretString", ""))
    if password is None:
        raise StepFailed("Secret not usable", f'the secret {secret_id} is not JSON with a text under "password".')
    return password


def _password_in(text: str) -> str | None:
    """None instead of an error: the error's own text, or its cause's, would quote the secret."""
    try:
        password = json.loads(text)["password"]
        password.encode()
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return password if isinstance(password, str) and password and "\x00" not in password else None
