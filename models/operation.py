"""An operation and its number, and what the trail knows of earlier ones of its target."""

from typing import NamedTuple

from pydantic import AwareDatetime, Field

from models.model import Model
from models.steps import Replacement, Step
from models.waits import Durations


class OpenOperationInput(Model):
    """The input of open-operation. A workflow gets one number for all its runs and resets."""

    workflow_id: str
    first_run_id: str = Field(description="The id of the first run, which a reset or a retry of the workflow keeps.")
    target_arn: str
    opened_at: AwareDatetime


class Earlier(NamedTuple):
    """What the trail knows of a target's earlier restores."""

    durations: Durations
    """As `Operation.earlier_durations`."""
    usual_seconds: dict[Replacement, dict[Step, int]]
    """As `Operation.usual_seconds`."""


class Operation(Model):
    """An operation and its number."""

    operation_id: str = Field(description="op-001, op-002 …, in the order of time.")
    opened_at: AwareDatetime
    earlier_durations: Durations = Field(
        default={},
        description="The seconds that AWS's changes took in this target's earlier restores, the newest first.",
    )
    usual_seconds: dict[Replacement, dict[Step, int]] = Field(
        default={},
        exclude_if=lambda usual: not usual,
        description="By kind, the median of the seconds that each step took in this target's earlier operations; none of a "
        "kind of which too few have succeeded.",
    )
