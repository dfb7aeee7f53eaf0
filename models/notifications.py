"""The input and the outcome of sns-notification."""

from pydantic import Field

from models.archive import Notification
from models.request import Target
from models.restore_state import RestoreState
from models.step_call import StepInput, StepOutcome


class NotificationInput(StepInput):
    """The input of sns-notification: the state to report, and the topics."""

    notification: Notification
    target: Target
    workflow_id: str
    state: RestoreState


class NotificationOutcome(StepOutcome):
    """The outcome of sns-notification."""

    message_id: str | None = Field(default=None, description="SNS's id of the message; None: only a webhook has it.")
