"""How long a restore waits for AWS and when it polls, and what happens after a step has failed."""

from datetime import timedelta
from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from models.model import Model


class Change(StrEnum):
    """What AWS does by itself while a step waits for it: each has a duration of its own."""

    SNAPSHOT_COPY = "snapshot-copy"
    SNAPSHOT = "snapshot"
    CLUSTER_START = "cluster-start"
    CLUSTER_DELETION = "cluster-deletion"
    CLUSTER_RESTORE = "cluster-restore"
    WRITER_CREATION = "writer-creation"
    READER_CREATION = "reader-creation"
    CLUSTER_RENAME = "cluster-rename"
    MASTER_PASSWORD = "master-password"  # noqa: S105 - what is changed, no password
    CAPACITY = "capacity"
    """AWS has no room for the request, or another change must end first."""
    OTHER = "other"


DURATIONS_FACT = "durations"
"""The fact of a step's row with the seconds of each change that ended in the step, in JSON."""


class Interval(Model):
    """The limits of the time between two polls."""

    shortest: timedelta
    longest: timedelta


Durations = dict[Change, tuple[int, ...]]
"""The seconds that each change took in a target's earlier restores, the newest first."""


class Watch(Model):
    """Asks an activity to poll several times before it returns, and to plan the poll after that."""

    first_pause: timedelta = Field(description="How long to wait before the first poll.")
    length: timedelta = Field(description="After how long it returns, whatever it has seen; 0: after the first poll.")
    interval: Interval
    earlier: Durations = Field(default={}, description="How long AWS's changes took before.")
    since: dict[Change, AwareDatetime] = Field(
        default={}, description="The changes in progress at the poll before the watch, each since it was first seen."
    )
    last_poll: AwareDatetime | None = Field(default=None, description="When that poll was.")
    details: str = Field(default="", description="What that poll saw.")


class PollPlan(Model):
    """When the next poll is worth it: planned by the activity, so that the history has it and the workflow only obeys."""

    pause: timedelta
    by_timer: bool = Field(description="Whether a durable timer carries the pause; else the next watch begins with it.")
    since: dict[Change, AwareDatetime] = Field(
        default={}, description="The changes in progress, each since it was first seen."
    )


class WatchedProgress(Model):
    """The details of a watch's heartbeat: how far the step was at its last poll."""

    details: str
    percent: int | None = None
    last_poll_at: AwareDatetime
    next_poll_at: AwareDatetime
    unchanged_since: AwareDatetime = Field(description="When the watch's poll was that first saw what this one saw.")


class Wait(Model):
    """How long to wait for AWS; durations are ISO 8601 (PT30S, PT12H).

    When to poll is learned from the target's earlier restores; the intervals are limits that few need.
    """

    deadline: timedelta = Field(gt=timedelta(0), le=timedelta(hours=24))
    first_interval: timedelta = Field(
        default=timedelta(seconds=3),
        ge=timedelta(milliseconds=100),
        description="The shortest time between two polls.",
    )
    maximum_interval: timedelta = Field(
        default=timedelta(minutes=30), le=timedelta(hours=1), description="The longest time between two polls."
    )

    @model_validator(mode="after")
    def _intervals_are_ordered(self) -> Self:
        if self.first_interval > self.maximum_interval:
            raise ValueError("first_interval must not be longer than maximum_interval")
        if self.deadline > 1000 * self.maximum_interval:
            raise ValueError(
                "deadline must not be longer than 1000 times maximum_interval: Temporal keeps every poll in the history"
            )
        return self


class Waits(Model):
    """The wait for each of the three changes that take long."""

    copy_snapshot: Wait = Wait(deadline=timedelta(hours=12))
    delete_rds: Wait = Wait(deadline=timedelta(hours=1))
    restore_snapshot: Wait = Wait(deadline=timedelta(hours=6))


class Leftover(StrEnum):
    """What happens to something half-done when the restore has ended without success."""

    KEEP = "keep"
    REMOVE = "remove"


class OnFailure(Model):
    """What happens after a step has failed."""

    wait_for_operator: timedelta | None = Field(
        default=None,
        gt=timedelta(0),
        le=timedelta(hours=24),
        description="How long a failed step waits for starter.py retry, skip or abort (ISO 8601, such as PT4H); "
        "default: the restore ends at once, and starter.py retry resets it.",
    )
    unfinished_copy: Leftover = Field(
        default=Leftover.KEEP,
        description="A copy that this operation made and that is not available: keep, so that the next restore can adopt "
        "it, or remove.",
    )
    half_restored_target: Leftover | None = Field(
        default=None,
        description="A cluster that this operation restored and whose users are not set up: keep, so that starter.py "
        "retry continues with it and the next restore replaces it, or remove. Default: keep; with target.replacement swap, "
        "remove, because the old target answers, and the next swap needs the name; with drill, remove, because it costs money.",
    )
