"""DescribeEvents: what happened to clusters, instances and cluster snapshots.

Messages and categories: Aurora User Guide, "Amazon RDS event categories and event messages for Aurora".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from devstack.aws.rds import answers, requests
from devstack.aws.rds.errors import Refusal
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster, Event, Instance, Snapshot
from devstack.aws.rds.state import Call, RdsState

KEPT = timedelta(days=14)
_SOURCE_TYPES = {Cluster: "db-cluster", Instance: "db-instance", Snapshot: "db-cluster-snapshot"}


def record(
    state: RdsState, source: Cluster | Instance | Snapshot, at: datetime, message: str, *categories: str
) -> None:
    """Note that something happened to a resource."""
    home = source.cluster if isinstance(source, Instance) else source
    state.of(home).events.append(
        Event(at, _SOURCE_TYPES[type(source)], source.identifier, source.arn, message, categories)
    )


@serves("DescribeEvents")
def describe_events(call: Call) -> dict[str, Any]:
    """Events of a time window, oldest first; the last hour unless told otherwise."""
    wanted = call.parameters
    if "SourceIdentifier" in wanted and "SourceType" not in wanted:
        raise Refusal("InvalidParameterCombination", "SourceType must be supplied together with SourceIdentifier.")
    requests.filters(wanted, ())
    since, until = _window(call)
    found = [each for each in call.region.events if since <= each.date <= until and _matches(each, wanted)]
    numbered = {f"{each.date.timestamp():020.6f}-{place:08d}": each for place, each in enumerate(found)}
    shown, marker = requests.page(wanted, numbered, key=str)
    return {"Events": [answers.event(numbered[key]) for key in shown], "Marker": marker}


def _window(call: Call) -> tuple[datetime, datetime]:
    until = call.parameters.get("EndTime", call.now)
    since = call.parameters.get("StartTime", until - timedelta(minutes=call.parameters.get("Duration", 60)))
    return max(since, call.now - KEPT), until


def _matches(event: Event, wanted: dict[str, Any]) -> bool:
    categories = wanted.get("EventCategories", [])
    return (
        wanted.get("SourceType", event.source_type) == event.source_type
        and wanted.get("SourceIdentifier", event.source_identifier).lower() == event.source_identifier
        and (not categories or any(category in event.categories for category in categories))
    )
