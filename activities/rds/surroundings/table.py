"""What is around a cluster and not part of it: what is put back, what stays because names stay, what cannot be kept.

Pure data and texts, for the plan and for docs/reference/what-is-kept.md. Nothing is called here.
Source: Aurora User Guide, "Deleting Aurora DB clusters and DB instances"; the pages of each service.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from activities.rds.restore_parameters import identifier_of
from models.configuration import ClusterSettings

MAX_LISTED = 5
"""How many instances a text names at most."""


class Remains(StrEnum):
    """What becomes of something around the cluster."""

    PUT_BACK = "put back"
    """The pipeline makes it again."""
    BY_NAME = "stays by name"
    """It names the cluster or its instances, whose names stay."""
    LOST = "cannot be kept"
    """It names what is new, or goes with the old cluster."""


@dataclass(frozen=True)
class Around:
    """One row."""

    what: str
    remains: Remains
    text: str
    """By which call, or what its owner has to do."""
    setting: str | None = None
    """The field of `ClusterSettings` that holds it."""


AROUND = (
    Around("targets of RDS Proxies", Remains.PUT_BACK, "RegisterDBProxyTargets", "proxy_targets"),
    Around("the scalable target and its limits", Remains.PUT_BACK, "RegisterScalableTarget", "scalable_target"),
    Around("scaling policies", Remains.PUT_BACK, "PutScalingPolicy", "scalable_target"),
    Around("scheduled actions", Remains.PUT_BACK, "PutScheduledAction", "scalable_target"),
    Around("event subscriptions, CloudWatch alarms", Remains.BY_NAME, "they name the cluster or an instance"),
    Around(
        "Route 53 records, DMS endpoints, applications", Remains.BY_NAME, "they name an endpoint, which has its name"
    ),
    Around("schedulers that select by tag", Remains.BY_NAME, "the tags of cluster and instances are kept"),
    Around(
        "alarms, dashboards and IAM policies by resource id",
        Remains.LOST,
        "the cluster and its instances get new resource ids: name them by name, or allow every id",
    ),
    Around(
        "consumers and rotation of the managed master secret",
        Remains.LOST,
        "RDS makes a new secret with a new ARN: read it from the notification, or set master_user_secret_id",
    ),
    Around(
        "automated backups, point-in-time restore",
        Remains.LOST,
        "RDS deletes them with the cluster: take a manual snapshot of what must stay",
    ),
    Around(
        "Performance Insights data, backtrack records",
        Remains.LOST,
        "they are of the old instances and the old volume",
    ),
)


def list_lost_names(cluster: str, existing: ClusterSettings, configured: ClusterSettings) -> list[str]:
    """What stays by name only as long as the name stays: a sentence if instances do not come back under their names."""
    before = {instance.identifier for instance in existing.instances or () if instance.identifier}
    instances = enumerate(configured.instances or (), start=1)
    gone = sorted(before - {identifier_of(cluster, number, instance) for number, instance in instances})
    if not gone:
        return []
    more = f" and {len(gone) - MAX_LISTED} more" if len(gone) > MAX_LISTED else ""
    text = (
        f"No instance is named {', '.join(gone[:MAX_LISTED])}{more} any more: event subscriptions, alarms, DNS records and "
        "schedulers that name one apply to nothing."
    )
    return [text]
