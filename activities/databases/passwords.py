"""Passwords from Secrets Manager: read just before they are used, never logged and never put into an error.

The preflight reads them with the same functions, so that it and the steps cannot disagree about a secret.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from errors import StepFailed

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

MAX_NAME_CHARACTERS = 63
"""Of a login that an error quotes."""
MASTER_PASSWORD = re.compile(r"[!#-.0-?A-~]{8,41}")
"""What RDS accepts. Source: RDS API Reference, ModifyDBCluster, MasterUserPassword; a space is refused too."""


def read_password(secrets: SecretsManagerClient, secret_id: str, login: str | None = None) -> str:
    """The value of "password" in the secret's JSON, for the user `login` unless the password is the master user's.

    Raises `StepFailed` if it is not a text that a database accepts, or if the secret's "username" names another user,
    as one does whose rotation alternates between two users; no error quotes a password.
    Source: Secrets Manager API Reference, GetSecretValue; User Guide, "Rotation strategy: alternating users".
    """
    content = _parse(secrets.get_secret_value(SecretId=secret_id).get("SecretString", ""))
    password = _password(content)
    if password is None:
        text = f'The secret {secret_id} is not JSON with a text under "password". Correct the secret, then retry.'
        raise StepFailed("Secret not usable", text)
    username = content.get("username")
    if login is not None and isinstance(username, str) and username != login:
        raise StepFailed(
            "Secret of another user",
            f"the secret {secret_id} has the password of {username[:MAX_NAME_CHARACTERS]!r}, but users has it for "
            f"{login!r}. Correct the secret or users; a rotation that alternates between two users cannot be used.",
        )
    return password


def is_master_password(password: str) -> bool:
    """Whether RDS accepts it for the master user."""
    return MASTER_PASSWORD.fullmatch(password) is not None


def _parse(secret: str) -> dict[str, object]:
    """Empty instead of an error, because the error's text, or its cause's, would quote the secret."""
    try:
        content = json.loads(secret)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _password(content: dict[str, object]) -> str | None:
    password = content.get("password")
    if not isinstance(password, str) or not password or "\x00" in password:
        return None
    try:
        password.encode()
    except UnicodeEncodeError:
        return None
    return password
