"""The nightly schedule: made once, changed only if asked for something else, and honest about the clocks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import Client, ScheduleActionStartWorkflow, ScheduleDescription, ScheduleOverlapPolicy

from devstack.stack import Stack
from runs.schedules import Nightly, clock_changes
from tests.rigs.cli import ROOT, Said

Operator = Callable[..., Said]
EXAMPLE = ROOT / "examples" / "restore.json"


@pytest.fixture
def schedule_id(set_up: Stack, request: pytest.FixtureRequest) -> Iterator[str]:
    """A schedule's id of the test's own; what it made is deleted."""
    name = f"s-{abs(hash(request.node.name))}"
    yield name

    async def delete() -> None:
        await (await Client.connect(set_up.temporal.address)).get_schedule_handle(name).delete()

    asyncio.run(delete())


def described(stack: Stack, schedule_id: str) -> ScheduleDescription:
    async def describe() -> ScheduleDescription:
        client = await Client.connect(stack.temporal.address)
        return await client.get_schedule_handle(schedule_id).describe()

    return asyncio.run(describe())


def test_it_is_what_was_asked_for(set_up: Stack, operator: Operator, schedule_id: str) -> None:
    """Time and zone, no overlap, a catch-up window, and no workflow id that the target's own could be."""
    said = operator(
        "schedule", EXAMPLE, "--id", schedule_id, "--at", "04:05", "--time-zone", "Europe/Berlin", "--catch-up", "2h"
    )
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"created schedule {schedule_id}: daily at 04:05 Europe/Berlin, next ")
    there = described(set_up, schedule_id)
    next_night = there.info.next_action_times[0].astimezone(ZoneInfo("Europe/Berlin"))
    assert (next_night.hour, next_night.minute) == (4, 5)
    assert there.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert there.schedule.policy.catchup_window == timedelta(hours=2)
    assert there.schedule.spec.jitter is None
    action = there.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    assert (action.workflow, action.id) == ("AuroraRestoreWorkflow", "aurora-restore-nightly-orders-staging")
    assert action.static_summary


def test_without_options_it_is_five_past_midnight_utc(set_up: Stack, operator: Operator, schedule_id: str) -> None:
    """And an hour to catch up: not Temporal's own default, which is a year."""
    operator("schedule", EXAMPLE, "--id", schedule_id)
    there = described(set_up, schedule_id)
    next_night = there.info.next_action_times[0].astimezone(UTC)
    assert (next_night.hour, next_night.minute) == (0, 5)
    assert there.schedule.policy.catchup_window == timedelta(hours=1)


def test_twice_is_once_and_a_change_is_a_change(set_up: Stack, operator: Operator, schedule_id: str) -> None:
    """It may run in every deployment: created, unchanged, updated."""
    asked = ("schedule", EXAMPLE, "--id", schedule_id, "--time-zone", "Europe/Berlin")
    words = [operator(*asked).out.split()[0] for _ in range(2)]
    assert [*words, operator(*asked, "--at", "05:00").out.split()[0]] == ["created", "unchanged", "updated"]
    [calendar] = described(set_up, schedule_id).schedule.spec.calendars
    assert calendar.hour[0].start == 5


def test_a_changed_request_is_a_change(operator: Operator, schedule_id: str, tmp_path: Path) -> None:
    """The request is part of the schedule."""
    request = json.loads(EXAMPLE.read_text())
    path = tmp_path / "night.json"
    path.write_text(json.dumps(request | {"archive": {"keep": 3}}))
    asked = ("--id", schedule_id)
    said = [operator("schedule", file, *asked).out.split()[0] for file in (EXAMPLE, path, path)]
    assert said == ["created", "updated", "unchanged"]


def test_a_paused_schedule_stays_paused_until_asked(set_up: Stack, operator: Operator, schedule_id: str) -> None:
    """A deployment does not wake what an operator has put to sleep; and the operator's note stays."""
    asked = ("schedule", EXAMPLE, "--id", schedule_id)
    assert operator(*asked, "--paused").out.endswith(", paused\n")
    assert operator(*asked, "--at", "03:00").out.startswith("updated")
    assert described(set_up, schedule_id).schedule.state.paused
    assert operator(*asked, "--at", "03:00", "--unpaused").out.startswith("updated")
    assert not described(set_up, schedule_id).schedule.state.paused
    assert operator(*asked, "--at", "03:00").out.startswith("unchanged")


def test_a_schedule_never_moves_to_another_target(operator: Operator, schedule_id: str) -> None:
    """Clusters of two accounts may have one name: what is deleted every night must not change by accident."""
    operator("schedule", EXAMPLE, "--id", schedule_id)
    said = operator("schedule", ROOT / "examples" / "restore-production.toml", "--id", schedule_id)
    assert (said.code, said.out) == (3, "")
    assert "arn:aws:rds:eu-central-1:111122223333:cluster:orders-staging" in said.err
    assert "--id" in said.err


def test_days_without_the_hour_and_with_two_of_it_are_warned_of(operator: Operator, schedule_id: str) -> None:
    """02:30 in Berlin is missing once a year and comes twice once a year; the operator hears it when choosing it."""
    said = operator("schedule", EXAMPLE, "--id", schedule_id, "--time-zone", "Europe/Berlin", "--at", "02:30")
    assert said.code == 0
    assert said.err.count("does not exist") == said.err.count("occurs twice") == 1


@pytest.mark.parametrize(
    ("zone", "at", "warnings"),
    [
        ("Europe/Berlin", "02:30", ["2027-03-28: 02:30 does not exist", "2027-10-31: 02:30 occurs twice"]),
        ("America/New_York", "01:30", ["2027-11-07: 01:30 occurs twice"]),
        ("America/New_York", "02:30", ["2027-03-14: 02:30 does not exist"]),
        ("Africa/Cairo", "00:05", ["2027-04-30: 00:05 does not exist"]),
        ("Europe/Berlin", "00:05", []),
        ("Europe/Berlin", "04:05", []),
        ("UTC", "02:30", []),
    ],
)
def test_the_days_are_the_right_ones(zone: str, at: str, warnings: list[str]) -> None:
    """As the time zone database has them for the year to come."""
    when = Nightly(time.fromisoformat(at), ZoneInfo(zone), timedelta(hours=1))
    found = clock_changes(when, date(2027, 1, 1))
    assert [sentence.split(f" in {zone}")[0] for sentence in found] == warnings


def test_the_schedules_next_nights_are_what_the_warning_says(
    set_up: Stack, operator: Operator, schedule_id: str
) -> None:
    """Temporal itself skips the hour that does not exist: the warning is not theory."""
    operator("schedule", EXAMPLE, "--id", schedule_id, "--time-zone", "Europe/Berlin", "--at", "02:30")
    [gap, *_] = clock_changes(
        Nightly(time(2, 30), ZoneInfo("Europe/Berlin"), timedelta(hours=1)), datetime.now(UTC).date()
    )
    day = date.fromisoformat(gap.split(":")[0])
    assert nights_of(set_up, schedule_id, day) == (0 if "does not exist" in gap else 2)


def nights_of(stack: Stack, schedule_id: str, day: date) -> int:
    from google.protobuf.timestamp_pb2 import Timestamp
    from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest

    async def matching() -> int:
        client = await Client.connect(stack.temporal.address)
        begin, end = Timestamp(), Timestamp()
        midnight = datetime.combine(day, time(), ZoneInfo("Europe/Berlin"))
        begin.FromDatetime(midnight.astimezone(UTC))
        end.FromDatetime((midnight + timedelta(days=1)).astimezone(UTC))
        answer = await client.workflow_service.list_schedule_matching_times(
            ListScheduleMatchingTimesRequest(
                namespace="default", schedule_id=schedule_id, start_time=begin, end_time=end
            )
        )
        return len(answer.start_time)

    return asyncio.run(matching())
