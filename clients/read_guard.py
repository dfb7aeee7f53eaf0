"""Holds back a call that deletes or changes something when the read it is based on is too old.

RDS deletes and changes by name and has no conditional call. A worker may freeze between its read and its call (swapped
out, moved to another host, stopped by a debugger). When it wakes, the name may belong to a cluster that another worker
restored or that its owner created. So just before such a call is sent, also when botocore sends it again, the guard
checks how old the last read of the same activity is. The limit is shorter than the heartbeat timeout, after which
Temporal starts another attempt, and far shorter than a deletion and a restore together.
Sources: botocore, "Extending botocore", events before-call and before-send; docs/decisions/0014.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from errors import StaleRead

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_rds import RDSClient

MAX_READ_AGE_SECONDS = 10.0
"""How old the read may be when the call that is based on it is sent."""

REQUIRED_READS = {
    "DeleteDBCluster": "DescribeDBClusters",
    "DeleteDBInstance": "DescribeDBClusters",
    "DeleteDBClusterSnapshot": "DescribeDBClusterSnapshots",
    "RestoreDBClusterFromSnapshot": "DescribeDBClusters",
    "CreateDBInstance": "DescribeDBClusters",
    "ModifyDBCluster": "DescribeDBClusters",
}
"""Guarded call: the read that it must be based on."""


class _Request(TypedDict):
    """What the guard reads of a request: the parameters as RDS's query protocol sends them."""

    body: dict[str, str]


class ClockReadings(NamedTuple):
    """Seconds on two clocks, because each may stop while the other goes on."""

    since_boot: float
    """Goes on while the machine is suspended; Linux only, elsewhere the monotonic clock."""
    wall: float


_reads_started_at: ContextVar[dict[str, ClockReadings] | None] = ContextVar("reads_started_at", default=None)
"""By read, when the last one of this activity was sent."""


def install(client: RDSClient) -> None:
    """Make an RDS client record its reads and raise `StaleRead` instead of sending a call whose read is too old."""
    for call, read in REQUIRED_READS.items():
        client.meta.events.register(f"before-call.rds.{read}", _record_read)
        client.meta.events.register(f"before-send.rds.{call}", _require_fresh_read, unique_id=f"read-guard-{call}")


def _record_read(model: OperationModel, params: _Request, **_: object) -> None:
    if "Marker" in params["body"]:
        return  # a further page; the list is as old as its first page
    # A new dictionary, because other activities may share the old one.
    _reads_started_at.set({**(_reads_started_at.get() or {}), model.name: _read_clocks()})


def _require_fresh_read(event_name: str, **_: object) -> None:
    call = event_name.rpartition(".")[2]
    read = REQUIRED_READS[call]
    age = _age_seconds((_reads_started_at.get() or {}).get(read))
    if age is not None and age <= MAX_READ_AGE_SECONDS:
        return
    actual = f"this attempt has not called {read}" if age is None else f"the last {read} was {age:.0f} s ago"
    raise StaleRead(
        "Stale read",
        f"{call} was not sent: {actual}, expected at most {MAX_READ_AGE_SECONDS:.0f} s ago. Nothing was changed; the next "
        "attempt reads again. If this happens often, check why the worker's machine freezes.",
    )


def _age_seconds(started_at: ClockReadings | None) -> float | None:
    """The larger age of the two clocks; None if there was no read."""
    if started_at is None:
        return None
    return max(now - then for now, then in zip(_read_clocks(), started_at, strict=True))


def _read_clocks() -> ClockReadings:
    return ClockReadings(time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)), time.time())
