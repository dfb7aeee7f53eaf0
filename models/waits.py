"""How long a restore waits for RDS, and what happens after a step has failed."""

from datetime import timedelta
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from models.model import Model


class Wait(Model):
    """How long to wait and how often to poll; durations are ISO 8601 (PT30S, PT12H)."""

    deadline: timedelta = Field(gt=timedelta(0), le=timedelta(hours=24))
    first_interval: timedelta = Field(default=timedelta(seconds=30), ge=timedelta(milliseconds=100))
    maximum_interval: timedelta = Field(default=timedelta(minutes=5), le=timedelta(minutes=15))

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
    half_restored_target: Leftover = Field(
        default=Leftover.KEEP,
        description="A cluster that this operation restored and whose users are not set up: keep, so that starter.py "
        "retry continues with it and the next restore replaces it, or remove.",
    )
