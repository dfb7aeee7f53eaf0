"""restores.toml: every target of an environment, each with its request and its schedule. `models.fleet_file` reads it."""

from datetime import time, timedelta
from difflib import get_close_matches
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, Field, StringConstraints

from models.identifiers import RoleArn, TopicArn
from models.model import Model
from models.request import RestoreRequest
from models.source import ExternalId
from models.text_forms import text_form
from models.workflow_names import SCHEDULE_ID_PREFIX

MAX_FILES, MAX_RESTORES = 200, 1_000
"""Files of a folder, and entries of a fleet."""


def _time_zone(name: str) -> str:
    """The name of a zone of the IANA time zone database."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        similar = get_close_matches(name, available_timezones(), n=1)
        hint = f"; did you mean `{similar[0]}`?" if similar else ""
        raise ValueError(f"must be a time zone such as Europe/Berlin or UTC{hint}") from None
    return name


TimeOfDay = Annotated[str, text_form(r"^([01][0-9]|2[0-3]):[0-5][0-9](:00)?$", "a time of day such as 04:05")]
TimeZone = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_time_zone)]
EntryName = Annotated[
    str, text_form(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$", "1 to 63 letters, digits, underscores and hyphens")
]
ScheduleId = Annotated[
    str, text_form(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$", "letters, digits, underscores, dots and hyphens")
]


class DailyTime(Model):
    """When something starts every day."""

    at: TimeOfDay = Field(default="00:05", description="When it starts every day, such as 04:05.")
    time_zone: TimeZone = Field(default="UTC", description="The time zone of `at`, such as Europe/Berlin.")

    @property
    def time(self) -> time:
        """`at` as a time of day."""
        return time.fromisoformat(self.at)

    @property
    def zone(self) -> ZoneInfo:
        """`time_zone` with its changes of the clocks."""
        return ZoneInfo(self.time_zone)


class RestoreSchedule(DailyTime):
    """When a target is restored, and how urgent that is."""

    catch_up: timedelta = Field(
        default=timedelta(hours=1),
        ge=timedelta(seconds=10),
        le=timedelta(hours=24),
        description="How late Temporal may still start a restore after an outage of its own.",
    )
    priority: Annotated[int, Field(ge=1, le=5)] | None = Field(
        default=None,
        description="1 is the most urgent, 5 the least; default: Temporal's, which is 3. It decides who is served first "
        "when targets wait for the worker or for one of AWS's copies.",
    )
    initially_paused: bool = Field(
        default=False,
        description="A new schedule begins paused, and `starter.py resume` starts it; an existing one is not changed.",
    )
    id: ScheduleId | None = Field(
        default=None,
        description="The id of Temporal's schedule; default: aurora-restore-CLUSTER, of a drill with -drill.",
    )


class FleetEntry(RestoreRequest):
    """One `[restores.NAME]`: a restore request and its schedule."""

    schedule: RestoreSchedule = RestoreSchedule()

    @property
    def request(self) -> RestoreRequest:
        """The request alone, as a request file would have it."""
        given = {name: getattr(self, name) for name in self.model_fields_set if name in RestoreRequest.model_fields}
        return RestoreRequest.model_validate(given)

    @property
    def schedule_id(self) -> str:
        """The id of Temporal's schedule."""
        return self.schedule.id or default_schedule_id(self.target.cluster, drills=self.target.drills)


def default_schedule_id(cluster: str, *, drills: bool) -> str:
    """The id of the schedule of a target's restores, or of its drills: a target may have both."""
    return f"{SCHEDULE_ID_PREFIX}{cluster}{'-drill' if drills else ''}"


class FleetSummary(DailyTime):
    """`[summary]`: one message a day over all targets of the fleet."""

    topic_arn: TopicArn = Field(description="The standard SNS topic to which it is published.")
    role_arn: RoleArn | None = Field(
        default=None, description="The role to assume in the topic's account; default: the worker's own."
    )
    external_id: ExternalId | None = Field(
        default=None, description="The external id that the role's trust policy requires."
    )
    max_age: timedelta = Field(
        default=timedelta(hours=26),
        gt=timedelta(0),
        le=timedelta(days=366),
        description="How old the last good restore of a target may be.",
    )


class FleetFile(Model):
    """A restores.toml as it is written, before the defaults are merged into its entries."""

    name: EntryName | None = Field(
        default=None,
        description="The fleet's name, which its schedules have in Temporal: `apply --prune` deletes only those. "
        "Default: restores.",
    )
    defaults: dict[str, Any] = Field(
        default={}, description="What every entry has unless it says otherwise: tables are merged, lists replaced."
    )
    restores: dict[EntryName, dict[str, Any]] = Field(
        default={}, max_length=MAX_RESTORES, description="One table for each target."
    )
    summary: FleetSummary | None = Field(default=None, description="One message a day over all targets.")
