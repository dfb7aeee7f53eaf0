"""The last restore that a schedule should have started, if it did not, and what a fleet's summary says of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import ScheduleRange
from temporalio.common import TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from models.fleet_summary import ScheduleReport
from models.workflow_names import SCHEDULED_ID_PREFIX
from runs import fleet_schedules, scheduled_targets
from runs.fleet_schedules import read_schedules
from runs.pauses import Pause
from runs.restores import DisplayMetadata
from runs.scheduled_targets import ScheduledTarget, ScheduledTargets, _find_missed
from runs.schedules import Nightly, nightly_schedule
from tests.rigs.requests import request
from tests.unit.cli.test_due_runs import DUE as RUN_DUE
from tests.unit.cli.test_due_runs import ScriptedClient

BERLIN = ZoneInfo("Europe/Berlin")
DUE = datetime(2026, 11, 26, 23, 5, tzinfo=UTC)
NOW = DUE + timedelta(hours=7)
SKIPPED = datetime(2027, 3, 28, 1, 5, tzinfo=UTC)
"""03:05 in Berlin, on the day that has no 02:05."""
BEFORE = DUE - timedelta(days=40)


def schedule(started: tuple[datetime, ...] = (), **changes: Any) -> Any:
    """Temporal's description of a schedule at 00:05 in Berlin."""
    when = Nightly(time(0, 5), BERLIN, timedelta(hours=1))
    made = nightly_schedule(request(), when, "queue", DisplayMetadata("-", "-", TypedSearchAttributes.empty))
    made.state.paused = changes.pop("paused", False)
    made.spec.start_at = changes.pop("start_at", None)
    made.spec.end_at = changes.pop("end_at", None)
    made.state.limited_actions = changes.pop("limited_actions", False)
    [calendar] = made.spec.calendars
    calendar.hour = (changes.pop("hour", calendar.hour[0]),)
    calendar.day_of_week = (changes.pop("day_of_week", calendar.day_of_week[0]),)
    info = {"created_at": BEFORE, "last_updated_at": None, **changes}
    return SimpleNamespace(
        schedule=made, info=SimpleNamespace(recent_actions=[SimpleNamespace(scheduled_at=at) for at in started], **info)
    )


@pytest.mark.parametrize(
    ("described", "now", "missed"),
    [
        (schedule(), NOW, DUE),
        (schedule((DUE - timedelta(days=1),)), NOW, DUE),
        (schedule((DUE,)), NOW, None),
        (schedule((DUE - timedelta(days=1),)), DUE + timedelta(seconds=20), None),
        (schedule(), DUE - timedelta(minutes=2), DUE - timedelta(days=1)),
        (schedule(paused=True), NOW, None),
        (schedule(start_at=NOW + timedelta(days=2)), NOW, None),
        (schedule(created_at=DUE + timedelta(minutes=1)), NOW, None),
        (schedule(last_updated_at=DUE + timedelta(minutes=1)), NOW, None),
        (schedule(day_of_week=ScheduleRange(1)), NOW, None),
        (schedule(hour=ScheduleRange(0, 6)), NOW, None),
        (schedule(end_at=DUE - timedelta(days=9)), NOW, None),
        (schedule(limited_actions=True), NOW, None),
        (schedule((SKIPPED - timedelta(days=1),), hour=ScheduleRange(2)), SKIPPED + timedelta(hours=7), None),
        (schedule((SKIPPED - timedelta(days=1),), hour=ScheduleRange(3)), SKIPPED + timedelta(hours=7), SKIPPED),
    ],
)
def test_a_due_time_without_a_start_is_missed(described: Any, now: datetime, missed: datetime | None) -> None:
    """Not one that only just came, none from before a change of the schedule, and none on which it was not due."""
    assert _find_missed(described, now) == missed


def scheduled(cluster: str, **changes: Any) -> ScheduledTarget:
    arn = f"arn:aws:rds:eu-central-1:111122223333:cluster:{cluster}"
    of_it = {
        "fleet": None,
        "next_at": None,
        "pause": None,
        "missed": 0,
        "start_before": timedelta(hours=1),
        "zone": BERLIN,
    }
    return ScheduledTarget(f"id-{cluster}", arn, "aurora-restore", topic_arns=(), **(of_it | changes))


async def test_a_summary_has_what_was_missed_and_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a pause and a target without a schedule of restores here; nothing of a target in order.

    Beside a schedule that cannot be read, no target is said to have none.
    """
    pause = Pause("a freeze", "ada", None)
    targets = [
        scheduled("fine"),
        scheduled("missed", missed_at=DUE),
        scheduled("paused", pause=pause),
        scheduled("waits"),
    ]
    elsewhere = scheduled("elsewhere")._replace(task_queue="another")
    none = [scheduled("drilled", drills=True), elsewhere]
    unreadable: dict[str, str] = {}

    async def listed(_: Any) -> ScheduledTargets:
        return ScheduledTargets([*targets, *none], unreadable)

    monkeypatch.setattr(fleet_schedules, "list_scheduled_targets", listed)
    client: Any = ScriptedClient(f"{SCHEDULED_ID_PREFIX}111122223333:eu-central-1:waits-2026-11-25T00:05:00Z")
    arns = [each.target_arn for each in (*targets, *none)]
    at = datetime(2026, 11, 25, 7, 5, tzinfo=UTC)
    read = await read_schedules(client, arns, "aurora-restore", at)
    reported = {
        "missed": ScheduleReport(missed=("no start of its restore of 2026-11-26 23:05 UTC is known",)),
        "paused": ScheduleReport(notes=(pause.text,)),
        "waits": ScheduleReport(missed=("its restore of 2026-11-25 00:05 UTC waits for a worker for 7:00:00",)),
    }
    without = ScheduleReport(missed=("it has no schedule of restores",))
    assert {arn.rpartition(":")[2]: report for arn, report in read.reports.items()} == {
        **reported,
        "drilled": without,
        "elsewhere": without,
    }
    only_just_due = await read_schedules(client, arns, "aurora-restore", RUN_DUE + timedelta(seconds=30))
    assert targets[-1].target_arn not in only_just_due.reports
    of_another_queue = await read_schedules(client, [targets[-1].target_arn], "another", at)
    assert list(of_another_queue.reports.values()) == [without]
    unreadable["id-broken"] = "target: Field required"
    read = await read_schedules(client, arns, "aurora-restore", at)
    assert {arn.rpartition(":")[2]: report for arn, report in read.reports.items()} == reported
    assert "id-broken" in read.problems[0]


async def test_a_schedule_that_others_broke_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time zone that this machine does not know is a line about one schedule."""
    fine, broken = (schedule(next_action_times=(), num_actions_missed_catchup_window=0) for _ in range(2))
    fine.id, broken.id = "fine", "broken"
    broken.schedule.spec.time_zone_name = "Mars/Base"

    class Scripted:
        data_converter = SimpleNamespace(decode=lambda *_: asyncio.sleep(0, [request()]))

        async def list_schedules(self) -> AsyncIterator[Any]:
            return ScriptedClient().list_workflows("")

    async def find(_: Any, schedule_id: str) -> Any:
        return {"fine": fine, "broken": broken}[schedule_id]

    monkeypatch.setattr(scheduled_targets, "find_schedule", find)
    client: Any = Scripted()
    read = await scheduled_targets.list_scheduled_targets(client, also=("fine", "broken"))
    assert [each.schedule_id for each in read.readable] == ["fine"]
    assert "Mars/Base" in read.unreadable["broken"]


async def test_a_temporal_that_does_not_answer_is_said() -> None:
    """The summary is published nevertheless."""

    class Silent:
        async def list_workflows(self, _: str) -> AsyncIterator[Any]:
            raise RPCError("no permission", RPCStatusCode.PERMISSION_DENIED, b"")
            yield

    client: Any = Silent()
    read = await read_schedules(client, ["arn"], "queue", NOW)
    assert (read.reports, "no permission" in read.problems[0]) == ({}, True)
