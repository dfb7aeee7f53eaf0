"""What Application Auto Scaling knows of a cluster: how many readers it may have, and by which policies and schedule.

Source: Application Auto Scaling API Reference, RegisterScalableTarget, PutScalingPolicy, PutScheduledAction.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, JsonValue

from models.model import SparseModel

MAX_POLICIES, MAX_SCHEDULED_ACTIONS, MAX_MEMBERS = 100, 400, 20
"""More than AWS allows of one scalable target and has in one configuration."""
MAX_CAPACITY = 2_147_483_647
"""AWS's own type is an integer; it is Aurora that has at most 15 readers."""


class Suspendable(StrEnum):
    """A kind of scaling that can be suspended."""

    SCALE_IN = "scale-in"
    SCALE_OUT = "scale-out"
    SCHEDULED = "scheduled"


class PolicyType(StrEnum):
    """The kinds of policies that Aurora clusters can have, by AWS's names."""

    TARGET_TRACKING = "TargetTrackingScaling"
    STEP = "StepScaling"


class ScalingPolicy(SparseModel):
    """A policy by which readers are added and removed."""

    name: str = Field(min_length=1, max_length=256, description="The name of the policy.")
    policy_type: PolicyType = Field(default=PolicyType.TARGET_TRACKING, description="As AWS names it.")
    configuration: dict[str, JsonValue] = Field(
        max_length=MAX_MEMBERS,
        description="As PutScalingPolicy takes it, by AWS's names: TargetTrackingScalingPolicyConfiguration or "
        "StepScalingPolicyConfiguration.",
    )


class ScheduledAction(SparseModel):
    """New limits at a time or on a schedule."""

    name: str = Field(min_length=1, max_length=256, description="The name of the action.")
    schedule: str = Field(min_length=1, max_length=1600, description="Such as cron(0 6 ? * MON-FRI *).")
    timezone: str | None = Field(default=None, description="The schedule's time zone, such as Europe/Berlin.")
    start_time: AwareDatetime | None = Field(default=None, description="When the schedule begins.")
    end_time: AwareDatetime | None = Field(default=None, description="When the schedule ends.")
    min_capacity: int | None = Field(
        default=None, ge=0, le=MAX_CAPACITY, description="The fewest readers from then on."
    )
    max_capacity: int | None = Field(default=None, ge=0, le=MAX_CAPACITY, description="The most readers from then on.")


class ScalableTarget(SparseModel):
    """How many readers Application Auto Scaling may add to the cluster."""

    min_capacity: int = Field(ge=0, le=MAX_CAPACITY, description="The fewest readers that it keeps.")
    max_capacity: int = Field(ge=0, le=MAX_CAPACITY, description="The most readers that it keeps.")
    suspended: Annotated[tuple[Suspendable, ...], Field(max_length=len(Suspendable))] = Field(
        default=(), description="What is suspended at the moment."
    )
    tags: dict[str, str] | None = Field(default=None, description="The tags of the scalable target.")
    policies: Annotated[tuple[ScalingPolicy, ...], Field(max_length=MAX_POLICIES)] = Field(
        default=(), description="The policies by which it scales."
    )
    scheduled_actions: Annotated[tuple[ScheduledAction, ...], Field(max_length=MAX_SCHEDULED_ACTIONS)] = Field(
        default=(), description="The actions that change the limits."
    )
