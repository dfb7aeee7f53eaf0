"""A worker that crashes right after its n-th call to AWS that may change something."""

from __future__ import annotations

from typing import Any

from botocore.model import OperationModel

from clients.aws import AwsClients
from tests.rigs.activity_resources import ACCOUNT, session_of

READS = ("BatchGet", "Describe", "Get", "List", "Query")
"""How the operations of AWS begin that change nothing."""


class WorkerCrash(BaseException):
    """The worker's process is killed; no `except Exception` sees it."""


class CrashInjector:
    """Counts the changing calls of a worker, and crashes it after one of them.

    Reads are not counted: what a worker has read dies with it, so that a crash after a read is one after the change before.
    """

    def __init__(self) -> None:
        self.call_count = 0
        self._crash_after: int | None = None

    def crash_after(self, call_number: int | None) -> None:
        """Start counting anew and crash after this call; None means never."""
        self.call_count, self._crash_after = 0, call_number

    def count_call(self, **event: Any) -> None:
        """Botocore's event `after-call`: the call took effect, and nobody has read its response."""
        operation: OperationModel = event["model"]
        if operation.name.startswith(READS):
            return
        self.call_count += 1
        if self.call_count == self._crash_after:
            raise WorkerCrash


def crashing_clients() -> tuple[AwsClients, CrashInjector]:
    """The AWS clients of a worker that can crash."""
    injector, session = CrashInjector(), session_of(ACCOUNT)
    session.register("after-call", injector.count_call)
    return AwsClients(session), injector
