"""Faults on demand: which calls go wrong, how, and how often.

error          the operation's modelled fault, in the protocol of its service; nothing is carried out
throttle       the service's throttling error; nothing is carried out
http500        an internal failure of the service; nothing is carried out
reset-before   the connection is reset; nothing is carried out
reset-after    the call is carried out, then the connection is reset: the answer is lost
latency        the call is carried out after some seconds of real time
late-answer    the call is carried out at once, and answered after some seconds of real time
silence        nothing is carried out, and the connection is reset after some seconds of real time
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from devstack.aws.rds.protocol import service_model, status_of

Kind = Literal["error", "throttle", "http500", "reset-before", "reset-after", "latency", "late-answer", "silence"]
KINDS: tuple[str, ...] = get_args(Kind)
ANY = "*"


@dataclass
class InjectedFault:
    """One fault that is in force, and how often it has fired."""

    service: str
    """The signing name: rds, dynamodb, sns, kms, secretsmanager, sts …"""
    operation: str
    """The API operation, or `*` for every operation of the service."""
    kind: Kind
    code: str = ""
    message: str = ""
    status: int = 400
    count: int | None = 1
    """How often it fires; None means until it is removed."""
    seconds: float = 0.0
    """Of latency, late-answer and silence, in real time."""
    region: str | None = None
    """Only calls to this region; None means every region."""
    skip: int = 0
    """How many matching calls still pass before it fires."""
    fired: int = 0

    def matches(self, service: str, operation: str, region: str) -> bool:
        """Whether a call is one that this fault is for."""
        return (
            self.service == service
            and self.operation in (ANY, operation)
            and self.region in (None, region)
            and (self.count is None or self.fired < self.count)
        )

    def as_json(self) -> dict[str, Any]:
        """The fault as plain JSON values."""
        return asdict(self)


class FaultInjector:
    """The faults in force, in the order in which they were added."""

    def __init__(self) -> None:
        """Start without any."""
        self._lock = threading.Lock()
        self._faults: list[InjectedFault] = []

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
    ) -> InjectedFault:
        """Let calls go wrong from now on; ValueError if AWS could not answer so."""
        if kind not in KINDS:
            raise ValueError(f"there is no fault of kind {kind!r}; the kinds are {', '.join(KINDS)}")
        if kind == "error":
            status = status or _modelled_status(service, operation, code)
        fault = InjectedFault(service, operation, kind, code, message, status or 400, count, seconds, region, skip)
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault: InjectedFault) -> None:
        """Take one fault out of force; nothing happens if it is not in force."""
        with self._lock:
            self._faults = [each for each in self._faults if each is not fault]

    def clear(self) -> None:
        """Take every fault out of force."""
        with self._lock:
            self._faults.clear()

    def take(self, service: str, operation: str, region: str) -> list[InjectedFault]:
        """The faults that fire on a call: every latency, and the first of the others."""
        with self._lock:
            matching = [fault for fault in self._faults if fault.matches(service, operation, region)]
            due = [fault for fault in matching if not _passes(fault)]
            latencies = [fault for fault in due if fault.kind == "latency"]
            others = [fault for fault in due if fault.kind != "latency"][:1]
            for fault in latencies + others:
                fault.fired += 1
            return latencies + others

    def __iter__(self) -> Iterator[InjectedFault]:
        """Go through a copy of the faults."""
        with self._lock:
            return iter(list(self._faults))


def _passes(fault: InjectedFault) -> bool:
    """Use up one of the calls that a fault lets through, if it still lets any through."""
    if fault.skip == 0:
        return False
    fault.skip -= 1
    return True


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
            f"{service} {operation} cannot answer {code}: botocore's model does not list it for that "
            "operation. Give a listed code, or a status of your own to insist"
        )
    return status
