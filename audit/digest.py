"""The canonical form of an item of the trail, and its SHA-256 digest.

The form must never change: the seals in the trail are held against digests of it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any


def canonical_form(item: dict[str, Any]) -> bytes:
    """Serialize an item so that equal content gives equal bytes: DynamoDB's typed JSON, keys sorted, no spaces.

    Raises `TypeError` for a value that DynamoDB does not store.
    """
    return json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_as_base64).encode()


def digest_of(item: dict[str, Any]) -> str:
    """The SHA-256 of an item's canonical form, in hexadecimal."""
    return hashlib.sha256(canonical_form(item)).hexdigest()


def _as_base64(value: Any) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"DynamoDB does not store a {type(value).__name__}")
    return base64.b64encode(value).decode()
