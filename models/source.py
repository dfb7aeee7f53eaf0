"""Where a restore reads from: the source cluster, which of its snapshots, and the role that may read them."""

import datetime as dt
from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from models.identifiers import (
    AccountId,
    ClusterIdentifier,
    Region,
    RoleArn,
    SnapshotIdentifier,
    SnapshotPrefix,
    cluster_arn,
)
from models.model import Model
from models.text_forms import text_form

NEWEST_SNAPSHOT_MAX_AGE = timedelta(hours=26)
"""An automated snapshot is at most a day old; two hours are for a backup window that was changed."""


ExternalId = Annotated[
    str,
    text_form(
        r"^[A-Za-z0-9_+=,.@:/-]+$", "letters, digits and the characters _+=,.@:/-", min_length=2, max_length=1224
    ),
]


class Location(Model):
    """Where a cluster is, and the role that may access it."""

    account_id: AccountId = Field(description="The account that owns it; the session must belong to the same account.")
    region: Region
    role_arn: RoleArn | None = Field(default=None, description="The role to assume; default: the worker's own.")
    external_id: ExternalId | None = Field(
        default=None, description="The external id that the role's trust policy requires."
    )

    @property
    def location(self) -> "Location":
        """Only where it is."""
        return Location(**{name: getattr(self, name) for name in Location.model_fields})


class SnapshotSelector(Model):
    """Which snapshot of the source: by exact name, by prefix and date, or by default the newest automated one."""

    identifier: SnapshotIdentifier | None = Field(default=None, description="The snapshot's exact name.")
    prefix: SnapshotPrefix | None = Field(
        default=None, description="The part of the name before its date: daily-backup selects daily-backup-2024-03-20."
    )
    date: dt.date | None = Field(
        default=None, description="With prefix: the date in the name; default: the UTC day on which the restore starts."
    )
    max_age: timedelta | None = Field(
        default=None,
        gt=timedelta(0),
        description="A snapshot older than this is refused (ISO 8601, such as PT26H); default: PT26H for the newest "
        "automated one, no limit for one that identifier or prefix selects.",
    )

    @model_validator(mode="after")
    def _one_way_to_select(self) -> Self:
        if self.identifier and self.prefix:
            raise ValueError("give identifier or prefix, not both")
        if self.date and not self.prefix:
            raise ValueError("date needs prefix")
        return self

    @property
    def age_limit(self) -> timedelta | None:
        """The age that the snapshot may have when the restore starts; None: any."""
        named = self.identifier or self.prefix
        return self.max_age or (None if named else NEWEST_SNAPSHOT_MAX_AGE)


class Source(Location):
    """The cluster whose snapshot is restored, usually production. It is only read."""

    cluster: ClusterIdentifier
    snapshot: SnapshotSelector = SnapshotSelector()

    @property
    def arn(self) -> str:
        """The ARN of the source cluster."""
        return cluster_arn(self.region, self.account_id, self.cluster)
