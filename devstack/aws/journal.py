"""The journal of the emulator: one entry per AWS call, without secrets."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

SECRETS = frozenset(
    {
        "MasterUserPassword",
        "Password",
        "Plaintext",
        "PreSignedUrl",
        "SecretBinary",
        "SecretString",
        "TdeCredentialPassword",
    }
)
"""Parameters whose value is never recorded, at any depth."""

REDACTED = "***"


@dataclass(frozen=True)
class RecordedCall:
    """One AWS call as the emulator received it."""

    time: datetime
    """The time of the response, on the emulator's clock."""
    account: str
    region: str
    service: str
    operation: str
    parameters: Mapping[str, Any]
    outcome: str
    """`OK`, the wire code of the returned error, or the kind of the fault that took the answer's place."""
    carried_out: bool = False
    """Whether it took effect, also if the client did not learn of it."""

    def as_json(self) -> dict[str, Any]:
        """The call as plain JSON values."""
        return {**asdict(self), "time": self.time.isoformat()}


class Journal:
    """The recorded calls, oldest first; safe to read while calls come in."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._calls: list[RecordedCall] = []

    def add(self, call: RecordedCall) -> None:
        """Append one call."""
        with self._lock:
            self._calls.append(call)

    def clear(self) -> None:
        """Forget every call."""
        with self._lock:
            self._calls.clear()

    def of(self, operation: str, service: str = "rds") -> list[RecordedCall]:
        """The calls of one operation, oldest first."""
        return [call for call in self if (call.service, call.operation) == (service, operation)]

    def __iter__(self) -> Iterator[RecordedCall]:
        """Iterate over a copy of the calls."""
        with self._lock:
            return iter(list(self._calls))

    def __len__(self) -> int:
        """The number of recorded calls."""
        with self._lock:
            return len(self._calls)


def redact(value: Any) -> Any:
    """The same value with every secret replaced, and times as text."""
    if isinstance(value, Mapping):
        return {key: REDACTED if _is_secret(key) else redact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _is_secret(key: str) -> bool:
    return key.rpartition(".")[2] in SECRETS
