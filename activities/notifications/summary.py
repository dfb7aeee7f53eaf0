"""publish-summary: one message over all targets of a fleet, from the trail and from Temporal's schedules."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from temporalio import activity

from activities.step import translate_errors
from clients.aws import AwsClients
from limits import MAX_NOTIFICATION_BYTES, MAX_SUBJECT, first_and_more, shorten_utf8
from models.fleet_summary import ScheduleReport, SchedulesRead, SummaryInput, SummaryOutcome, TargetReport
from models.source import Location
from runs.fleet_schedules import read_schedules
from waiting.clock import now

PUBLISH_SUMMARY = "publish-summary"
LIST_COMMAND = "python starter.py list"
MAX_PROBLEMS = 10
"""Schedules that could not be read, of which the message says why."""
SESSION = "summary"
"""In place of an operation's number: in the names of the assumed role's sessions, and so in CloudTrail."""


class HealthReader(Protocol):
    """What the trail knows of targets."""

    def read(self, target_arns: Sequence[str], max_age: timedelta, at: datetime) -> Sequence[TargetReport]:
        """A report for each target, in this order. Raises `TrailUnavailable` (transient)."""


class SummaryActivities:
    """Publishes the summary of a fleet."""

    def __init__(self, aws: AwsClients, healths: HealthReader) -> None:
        """`aws` has the clients, `healths` reads the trail."""
        self._aws = aws
        self._healths = healths

    @activity.defn(name=PUBLISH_SUMMARY)
    async def publish_summary(self, summary_input: SummaryInput) -> SummaryOutcome:
        """Read each target's health from the trail and its schedules from Temporal, and publish all of it in one message.

        Raises `StepFailed` if the topic does not exist or the role may not publish, `AwsUnavailable` and
        `TrailUnavailable` to be retried.
        Run twice: two messages. SNS delivers at least once and has no conditional publish.
        """
        at = now()
        schedules = await read_schedules(activity.client(), summary_input.target_arns, activity.info().task_queue, at)
        return await asyncio.to_thread(self._publish, summary_input, schedules, at)

    @translate_errors
    def _publish(self, summary_input: SummaryInput, schedules: SchedulesRead, at: datetime) -> SummaryOutcome:
        topic_arn = summary_input.topic_arn
        healths = self._healths.read(summary_input.target_arns, summary_input.max_age, at)
        reports = [
            add_schedule(health, schedules.reports.get(arn))
            for arn, health in zip(summary_input.target_arns, healths, strict=True)
        ]
        subject = describe_subject(summary_input.fleet, reports)
        owner = Location(
            account_id=topic_arn.split(":")[4],
            region=summary_input.region,
            role_arn=summary_input.role_arn,
            external_id=summary_input.external_id,
        )
        published = self._aws.sns(owner, SESSION, topic_arn).publish(
            TopicArn=topic_arn,
            Subject=subject,
            Message=shorten_utf8(
                describe_fleet(summary_input.fleet, reports, at, schedules.problems), MAX_NOTIFICATION_BYTES
            ),
            MessageAttributes={
                "fleet": {"DataType": "String", "StringValue": summary_input.fleet},
                "outcome": {"DataType": "String", "StringValue": "good" if _all_good(reports) else "not good"},
            },
        )
        return SummaryOutcome(subject=subject, message_id=published["MessageId"])


def describe_subject(fleet: str, reports: Sequence[TargetReport]) -> str:
    """How many targets are good, and how many are not."""
    bad = sum(not report.is_good for report in reports)
    text = f"{bad} of {len(reports)} targets are not good" if bad else f"all {len(reports)} targets are good"
    return f"{fleet}: {text}".encode("ascii", "replace").decode()[:MAX_SUBJECT]


def add_schedule(report: TargetReport, schedule: ScheduleReport | None) -> TargetReport:
    """The report with what Temporal knows of the target's schedule: a target whose restore did not begin is not good."""
    if schedule is None:
        return report
    cure = {"is_good": False, "what_to_do": report.what_to_do or LIST_COMMAND} if schedule.missed else {}
    text = "; ".join((*schedule.missed, report.text, *schedule.notes))
    return report.model_copy(update={"text": text, **cure})


def describe_fleet(fleet: str, reports: Sequence[TargetReport], at: datetime, problems: Sequence[str] = ()) -> str:
    """The message: what is not good and what to do about it comes first, then the rest, a line for each.

    `problems` are schedules that could not be read.
    """
    good = [f"- {report.name}: {report.text}" for report in reports if report.is_good]
    bad = [line for report in reports if not report.is_good for line in _lines(report)]
    lines = [f"{describe_subject(fleet, reports)}, by the audit trail at {at:%Y-%m-%d %H:%M} UTC."]
    if problems:
        lines += ["", "SCHEDULES", *(f"- {problem}" for problem in first_and_more(problems, MAX_PROBLEMS))]
    if bad:
        lines += ["", "NOT GOOD", *bad]
    if good:
        lines += ["", "GOOD", *good]
    return "\n".join(lines)


def _lines(report: TargetReport) -> list[str]:
    cure = [f"  what to do: {report.what_to_do}"] if report.what_to_do else []
    return [f"- {report.name}: {report.text}", *cure]


def _all_good(reports: Sequence[TargetReport]) -> bool:
    return all(report.is_good for report in reports)
