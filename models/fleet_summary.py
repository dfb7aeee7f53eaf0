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


class ScheduleReport(Model):
    """What Temporal knows of one target's schedules."""

    missed: tuple[str, ...] = Field(default=(), description="What was due and did not begin, a clause each.")
    notes: tuple[str, ...] = Field(default=(), description="What else a reader should know: a pause.")


class SchedulesRead(Model):
    """What Temporal knows of the schedules of a fleet."""

    reports: dict[str, ScheduleReport] = Field(default={}, description="By the target's ARN, without those in order.")
    problems: tuple[str, ...] = Field(default=(), description="What could not be read, a sentence each.")


class SummaryOutcome(Model):
    """What was published."""

    subject: str
    message_id: str
