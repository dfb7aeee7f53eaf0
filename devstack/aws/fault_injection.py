"""Injected faults: which calls fail, how, and how often.

error           the operation's modelled error, in the protocol of its service; the call has no effect
throttle        the service's throttling error; the call has no effect
http500         an internal failure of the service; the call has no effect
reset-before    the connection is reset; the call has no effect
reset-after     the call takes effect, then the connection is reset: the response is lost
latency         the call takes effect after some seconds of real time
late-response   the call takes effect at once, and its response comes after some seconds of real time
no-response     the call has no effect, and the connection is reset after some seconds of real time

Answers with status 200 that are not AWS's (`foreign_answers.py`), each before (the call has no effect) or after it:
html-page-before, html-page-after            a page that is well-formed XML, as a proxy's sign-in page may be
empty-body-before, empty-body-after          AWS's headers with a Content-Length of 0
truncated-body-before, truncated-body-after  AWS's headers with a Content-Length that is too short
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from devstack.aws.rds.protocol import service_model, status_of

ForeignAnswer = Literal[
    "html-page-before", "html-page-after", "empty-body-before", "empty-body-after", "truncated-body-before",
    "truncated-body-after",
]  # fmt: skip
FOREIGN_ANSWERS: tuple[ForeignAnswer, ...] = get_args(ForeignAnswer)
Kind = (
    Literal["error", "throttle", "http500", "reset-before", "reset-after", "latency", "late-response", "no-response"]
    | ForeignAnswer
)
KINDS: tuple[str, ...] = (*get_args(get_args(Kind)[0]), *FOREIGN_ANSWERS)
ANY = "*"


@dataclass
class InjectedFault:
    """One active fault, and how often it has fired."""

    service: str
    """The signing name: rds, dynamodb, sns, kms, secretsmanager, sts …; or `*` for every service."""
    operation: str
    """The API operation, or `*` for every operation of the service."""
    kind: Kind
    code: str = ""
    message: str = ""
    status: int = 400
    count: int | None = 1
    """How often it fires; None means until it is removed."""
    seconds: float = 0.0
    """The real time that latency, late-response and no-response take."""
    region: str | None = None
    """Only calls to this region; None means every region."""
    skip: int = 0
    """How many more matching calls pass before it fires."""
    share: float = 1.0
    """The share of the matching calls on which it fires, by chance."""
    fired: int = 0

    def matches(self, service: str, operation: str, region: str) -> bool:
        """Whether the fault applies to a call."""
        return (
            self.service in (ANY, service)
            and self.operation in (ANY, operation)
            and self.region in (None, region)
            and (self.count is None or self.fired < self.count)
        )

    def as_json(self) -> dict[str, Any]:
        """The fault as plain JSON values."""
        return asdict(self)


class FaultInjector:
    """The active faults, in the order in which they were added."""

    def __init__(self) -> None:
        """Start without faults."""
        self._lock = threading.Lock()
        self._faults: list[InjectedFault] = []
        self._random = random.Random(0)  # noqa: S311 - the same faults in every run

    def seed(self, seed: int) -> None:
        """Let chance decide anew, in the same way for the same seed and the same calls."""
        self._random.seed(seed)

    def add(
        self,
        service: str,
        operation: str,
        kind: Kind,
        *,
        code: str = "",
        message: str = "",
        status: int | None = None,
        count: int | None = 1,
        seconds: float = 0.0,
        region: str | None = None,
        skip: int = 0,
        share: float = 1.0,
    ) -> InjectedFault:
        """Add a fault. Raises ValueError for an unknown kind, and for an error that AWS cannot return."""
        if kind not in KINDS:
            raise ValueError(f"unknown kind of fault {kind!r}; the kinds are {', '.join(KINDS)}")
        if kind == "error":
            status = status or _modelled_status(service, operation, code)
        if service == ANY and kind in ("error", "throttle", "http500"):
            raise ValueError(f"a fault of kind {kind!r} needs a service: each service has its own form of it")
        fault = InjectedFault(
            service, operation, kind, code, message, status or 400, count, seconds, region, skip, share
        )
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault: InjectedFault) -> None:
        """Remove one fault; do nothing if it is not active."""
        with self._lock:
            self._faults = [each for each in self._faults if each is not fault]

    def clear(self) -> None:
        """Remove every fault."""
        with self._lock:
            self._faults.clear()

    def fire(self, service: str, operation: str, region: str) -> list[InjectedFault]:
        """Fire the faults that apply to a call, every latency and the first of the others; returns them."""
        with self._lock:
            matching = [fault for fault in self._faults if fault.matches(service, operation, region)]
            due = [fault for fault in matching if fault.skip == 0 and self._random.random() < fault.share]
            for fault in matching:
                fault.skip = max(fault.skip - 1, 0)
            latencies = [fault for fault in due if fault.kind == "latency"]
            others = [fault for fault in due if fault.kind != "latency"][:1]
            for fault in latencies + others:
                fault.fired += 1
            return latencies + others

    def __iter__(self) -> Iterator[InjectedFault]:
        """Go through a copy of the faults."""
        with self._lock:
            return iter(list(self._faults))


def _modelled_status(service: str, operation: str, code: str) -> int:
    if not code:
        raise ValueError("a fault of kind 'error' needs a code, such as DBClusterNotFoundFault")
    if operation == ANY:
        return 400
    known = service_model(service).operation_names
    if operation not in known:
        raise ValueError(f"{service} has no operation {operation}")
    status = status_of(code, operation, service)
    if status is None:
        raise ValueError(
            f"{service} {operation} cannot return {code}: botocore's model does not list it for that operation; "
            "choose a listed code, or set a status to send it all the same"
        )
    return status
