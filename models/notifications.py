"""What sns-notification is asked and answers."""

from pydantic import Field

from models.operation import RestoreState, StepInput, StepOutcome
from models.request import Notification, Target


class NotificationInput(StepInput):
    """For sns-notification: the night as it stands, and whom to tell."""

    notification: Notification
    target: Target
    workflow_id: str
    state: RestoreState


class NotificationOutcome(StepOutcome):
    """Of sns-notification."""

    message_id: str = Field(description="SNS's id of the message.")
