"""RDS's events of a cluster or an instance: why it failed, in RDS's own words.

RDS sends events "on a best effort basis" and keeps them for 14 days (Aurora User Guide, "Monitoring Amazon Aurora events"):
they explain a failure, and decide nothing.
"""

from __future__ import annotations

from datetime import timedelta

from botocore.exceptions import BotoCoreError, ClientError

from activities.rds.target import TargetCluster

KEPT = timedelta(days=14)
MOST_EVENTS = 5
LONGEST_EVENT = 200


def newest_events(target: TargetCluster, source_type: str, identifier: str, within: timedelta = KEPT) -> list[str]:
    """The newest events of a resource, the oldest of them first, each with its time (UTC).

    `source_type` is RDS's: db-cluster or db-instance. Empty if AWS does not give them: they are never worth an error.
    """
    try:
        events = target.list_events(source_type, identifier, min(within, KEPT))
    except (ClientError, BotoCoreError):
        return []
    texts = [
        (event["Date"], " ".join(event["Message"].split()))
        for event in events
        if event.get("Message") and event.get("Date")
    ]
    return [f"{date:%Y-%m-%d %H:%M}: {text[:LONGEST_EVENT]}" for date, text in sorted(texts)[-MOST_EVENTS:]]


def quote_events(target: TargetCluster, source_type: str, identifier: str, within: timedelta) -> str:
    """A sentence with the newest events of a resource; one that says so if there are none."""
    events = newest_events(target, source_type, identifier, within)
    return f"RDS reported for {identifier}: {'; '.join(events)}" if events else f"RDS reported no event of {identifier}"
