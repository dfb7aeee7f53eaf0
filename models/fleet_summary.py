"""The morning summary of a fleet: what it reads and where it is published."""

from datetime import timedelta

from pydantic import Field

from models.identifiers import Region, RoleArn, TopicArn
from models.model import Model


class SummaryInput(Model):
    """The input of the summary's workflow and of its activity."""

    fleet: str
    target_arns: tuple[str, ...]
    topic_arn: TopicArn
    role_arn: RoleArn | None = None
    external_id: str | None = None
    max_age: timedelta = Field(description="How old the last good restore of a target may be.")

    @property
    def region(self) -> Region:
        """The topic's region."""
        return self.topic_arn.split(":")[3]


class TargetReport(Model):
    """One target in the summary."""

    name: str
    is_good: bool
    text: str = Field(description="What is found, and what was expected.")
    what_to_do: str | None = None


class SummaryOutcome(Model):
    """What was published."""

    subject: str
    message_id: str
