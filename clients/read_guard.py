"""A call that deletes or changes something by its name leaves this process only while the look that led to it is fresh.

RDS deletes and changes by name and knows no condition. A worker that stood still between its look and its call (swapped out,
moved to another host, stopped by a debugger) wakes with an old look in hand, and by then the name may lead to the cluster that
another worker restored, or that its owner has put there. So each such call is held against the last look of the same activity
just before it is sent, also when botocore sends it once more. The limit is shorter than the heartbeat timeout, after which
Temporal gives the work to another worker, and far shorter than a deletion and a restore together.
Source: botocore, "Extending botocore", events before-call and before-send.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Any

from errors import StaleRead

MAX_READ_AGE_SECONDS = 10.0
"""How old a look may be when its call is sent."""

LOOKS = {
    "DeleteDBCluster": "DescribeDBClusters",
    "DeleteDBInstance": "DescribeDBClusters",
    "DeleteDBClusterSnapshot": "DescribeDBClusterSnapshots",
    "RestoreDBClusterFromSnapshot": "DescribeDBClusters",
    "CreateDBInstance": "DescribeDBClusters",
    "ModifyDBCluster": "DescribeDBClusters",
}
"""By call, the look that must come before it."""

Moment = tuple[float, float]
_begun: ContextVar[dict[str, Moment] | None] = ContextVar("looks", default=None)


def watch(client: Any) -> None:
    """Let an RDS client remember when its looks began, and hold back calls that come too late."""
    for call, look in LOOKS.items():
        client.meta.events.register(f"before-call.rds.{look}", _remember)
        client.meta.events.register(f"before-send.rds.{call}", _hold_back, unique_id=f"hold-back-{call}")


def _remember(model: Any, params: dict[str, Any], **_: object) -> None:
    if "Marker" in params["body"]:
        return  # a further page: the list is as old as its first one
    # Never changed in place: other activities may share the older one.
    _begun.set({**(_begun.get() or {}), model.name: _now()})


def _hold_back(event_name: str, **_: object) -> None:
    call = event_name.rpartition(".")[2]
    begun, now = (_begun.get() or {}).get(LOOKS[call]), _now()
    age = max(later - earlier for later, earlier in zip(now, begun, strict=True)) if begun else None
    if age is None or age > MAX_READ_AGE_SECONDS:
        was = f"{age:.0f} s ago" if age is not None else "never"
        raise StaleRead(
            "Look too old",
            f"{call} was held back: {LOOKS[call]} was asked {was}, wanted within {MAX_READ_AGE_SECONDS:.0f} s. Nothing was "
            "sent; the next attempt looks again. If this comes often, the worker's machine stands still at times.",
        )


def _now() -> Moment:
    """Two clocks, because each may stand still while the other does not: since boot, suspension included, and the wall's."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)), time.time()
