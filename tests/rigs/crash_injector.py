"""A worker that dies at its n-th call to AWS."""

from __future__ import annotations

from typing import Any

from clients.aws import AwsClients
from tests.rigs.activities import ACCOUNT, session_of


class WorkerCrash(BaseException):
    """The worker is killed; no `except Exception` lives to see it."""


class CrashInjector:
    """Counts the moments between two calls, and strikes at one of them."""

    def __init__(self) -> None:
        self.moments = 0
        self._at: int | None = None

    def crash_at(self, moment: int | None) -> None:
        """From now on, die at this moment; None means never."""
        self.moments, self._at = 0, moment

    def count_call(self, **_: Any) -> None:
        """A call was carried out; nobody has seen its answer, and the next one was not made."""
        self.moments += 1
        if self.moments == self._at:
            raise WorkerCrash


def crashing_clients() -> tuple[AwsClients, CrashInjector]:
    """The clients of a worker that can die."""
    crash_injector, session = CrashInjector(), session_of(ACCOUNT)
    session.register("after-call", crash_injector.count_call)
    return AwsClients(session), crash_injector
