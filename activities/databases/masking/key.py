"""The key of the rules that hash: read from Secrets Manager, and turned into what the servers' SQL needs of it.

Neither PostgreSQL nor MySQL has HMAC without an extension, but both have SHA-256: HMAC(key, text) is
SHA-256(outer pad + SHA-256(inner pad + text)). The server gets the two pads of a key that is derived from the secret's,
so that not even they lead back to the secret. Source: RFC 2104.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from errors import StepFailed

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

MIN_CHARACTERS = 32
BLOCK_BYTES = 64
"""Of SHA-256."""
PURPOSE = b"aurora-restore masking 1"
"""What the derived key is for."""


@dataclass(frozen=True)
class MaskingKey:
    """The pads of the derived key, which are as secret as the key: they are never shown."""

    inner: bytes = field(repr=False)
    outer: bytes = field(repr=False)

    @classmethod
    def derive(cls, secret: str) -> MaskingKey:
        """From the text of the secret."""
        block = hmac.new(secret.encode(), PURPOSE, hashlib.sha256).digest().ljust(BLOCK_BYTES, b"\0")
        return cls(bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block))

    def hash(self, text: str) -> bytes:
        """What the servers compute of a text."""
        return hashlib.sha256(self.outer + hashlib.sha256(self.inner + text.encode()).digest()).digest()


def read_masking_key(secrets: SecretsManagerClient, secret_id: str) -> MaskingKey:
    """The value of "key" in the secret's JSON.

    Raises `StepFailed` if it is no text of at least 32 characters; no error quotes it.
    Source: Secrets Manager API Reference, GetSecretValue.
    """
    key = _parse(secrets.get_secret_value(SecretId=secret_id).get("SecretString", ""))
    if key is None:
        raise StepFailed(
            "Masking key not usable",
            f'The secret {secret_id} is not JSON with a text of at least {MIN_CHARACTERS} characters under "key". '
            "Correct the secret, then retry.",
        )
    return MaskingKey.derive(key)


def _parse(secret: str) -> str | None:
    """None instead of an error, because the error's text, or its cause's, would quote the secret."""
    try:
        content = json.loads(secret)
    except (ValueError, RecursionError):
        return None
    key = content.get("key") if isinstance(content, dict) else None
    if not isinstance(key, str) or len(key) < MIN_CHARACTERS:
        return None
    try:
        key.encode()
    except UnicodeEncodeError:
        return None
    return key
