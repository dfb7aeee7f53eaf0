"""DescribeEvents: what happened to clusters, instances and cluster snapshots; EventBridge and event subscriptions get each too.

Messages and categories: Aurora User Guide, "Amazon RDS event categories and event messages for Aurora".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from devstack.aws import event_rules
from devstack.aws.rds import event_subscriptions, requests
from devstack.aws.rds.errors import RdsError
from devstack.aws.rds.operations import serves
from devstack.aws.rds.resources import Cluster, Event, Instance, Snapshot
from devstack.aws.rds.state import Call, RdsState

RETENTION = timedelta(days=14)
_SOURCE_TYPES = {Cluster: "db-cluster", Instance: "db-instance", Snapshot: "db-cluster-snapshot"}


def record(
    state: RdsState, source: Cluster | Instance | Snapshot, at: datetime, message: str, *categories: str
) -> None:
    """Record an event of a resource."""
    owner = source.cluster if isinstance(source, Instance) else source
    region = state.region_of(owner)
    event = Event(at, _SOURCE_TYPES[type(source)], source.identifier, source.arn, message, categories)
    region.events.append(event)
    event_rules.deliver(state.services, region.account, region.name, event)
    event_subscriptions.deliver(state.services, region, event)


@serves(
    "DescribeEvents",
    models="Duration EndTime EventCategories Marker MaxRecords SourceIdentifier SourceType StartTime",
)
def describe_events(call: Call) -> dict[str, Any]:
    """The events in a time window, oldest first; without a window, those of the last hour."""
    parameters = call.parameters
    if "SourceIdentifier" in parameters and "SourceType" not in parameters:
        raise RdsError("InvalidParameterCombination", "SourceType must be supplied together with SourceIdentifier.")
    since, until = _window(call)
    source_type, identifier = parameters.get("SourceType"), parameters.get("SourceIdentifier")
    categories = parameters.get("EventCategories", [])
    matching = [
        each
        for each in call.region.events
        if since <= each.date <= until
        and source_type in (None, each.source_type)
        and (identifier is None or identifier.lower() == each.source_identifier)
        and (not categories or any(category in each.categories for category in categories))
    ]
    numbered = {f"{each.date.timestamp():020.6f}-{place:08d}": each for place, each in enumerate(matching)}
    page, marker = requests.page(parameters, numbered, key=str)
    return {"Events": [_response(numbered[key]) for key in page], "Marker": marker}


def _window(call: Call) -> tuple[datetime, datetime]:
    until = call.parameters.get("EndTime", call.now)
    since = call.parameters.get("StartTime", until - timedelta(minutes=call.parameters.get("Duration", 60)))
    return max(since, call.now - RETENTION), until


def _response(event: Event) -> dict[str, Any]:
    """Event."""
    return {
        "Date": event.date,
        "EventCategories": list(event.categories),
        "Message": event.message,
        "SourceArn": event.source_arn,
        "SourceIdentifier": event.source_identifier,
        "SourceType": event.source_type,
    }
