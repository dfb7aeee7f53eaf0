"""Passwords from Secrets Manager: read just before they are used, never logged and never put into an error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from errors import StepFailed

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


def read_password(secrets: SecretsManagerClient, secret_id: str) -> str:
    """The value of "password" in the secret's JSON.

    Raises `StepFailed` if it is not a text that a database accepts; the error quotes nothing of the secret.
    Source: Secrets Manager API Reference, GetSecretValue.
    """
    password = _parse_password(secrets.get_secret_value(SecretId=secret_id).get("SecretString", ""))
    if password is None:
        text = f'The secret {secret_id} is not JSON with a text under "password". Correct the secret, then retry.'
        raise StepFailed("Secret not usable", text)
    return password


def _parse_password(secret: str) -> str | None:
    """None instead of an error, because the error's text, or its cause's, would quote the secret."""
    try:
        password = json.loads(secret)["password"]
        password.encode()
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return password if isinstance(password, str) and password and "\x00" not in password else None
