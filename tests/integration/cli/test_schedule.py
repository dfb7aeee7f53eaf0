"""`starter.py schedule`: creates the schedule once, updates it only where it differs, and warns of clock changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import Client, ScheduleActionStartWorkflow, ScheduleDescription, ScheduleOverlapPolicy
from temporalio.common import TypedSearchAttributes

from audit.plugin import AuroraRestorePlugin
from devstack.stack import Stack
from models.request_file import read_request
from runs.restores import DisplayMetadata
from runs.schedules import Nightly, apply_schedule, clock_changes, nightly_schedule
from tests.rigs.cli import EXAMPLE, ROOT, CommandResult

Operator = Callable[..., CommandResult]


@pytest.fixture
def schedule_id(set_up: Stack, request: pytest.FixtureRequest) -> Iterator[str]:
    """An id of the test's own; the schedule is deleted afterwards."""
    name = f"s-{abs(hash(request.node.name))}"
    yield name
    delete(set_up, name)


def delete(stack: Stack, schedule_id: str) -> None:
    async def ask() -> None:
        await (await Client.connect(stack.temporal.address)).get_schedule_handle(schedule_id).delete()

    asyncio.run(ask())


def described(stack: Stack, schedule_id: str) -> ScheduleDescription:
    async def describe() -> ScheduleDescription:
        client = await Client.connect(stack.temporal.address)
        return await client.get_schedule_handle(schedule_id).describe()

    return asyncio.run(describe())


def test_the_schedule_has_the_options_of_the_command(set_up: Stack, operator: Operator, schedule_id: str) -> None:
    """Time and zone, a run for every time, the catch-up window, and a workflow id that is not the target's own."""
    result = operator(
        "schedule", EXAMPLE, "--id", schedule_id, "--at", "04:05", "--time-zone", "Europe/Berlin", "--catch-up", "2h"
    )
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"created schedule {schedule_id}: daily at 04:05 Europe/Berlin, next ")
    description = described(set_up, schedule_id)
    next_start = description.info.next_action_times[0].astimezone(ZoneInfo("Europe/Berlin"))
    assert (next_start.hour, next_start.minute) == (4, 5)
    assert description.schedule.policy.overlap is ScheduleOverlapPolicy.ALLOW_ALL
    assert description.schedule.policy.catchup_window == timedelta(hours=2)
    assert description.schedule.spec.jitter is None
    action = description.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    assert (action.workflow, action.id) == (
        "AuroraRestoreWorkflow",
        "aurora-restore-nightly-111122223333:eu-central-1:orders-staging",
    )
    assert action.static_summary


def test_the_default_is_five_past_midnight_utc(set_up: Stack, operator: Operator, schedule_id: str) -> None:
    """With an hour to catch up; Temporal's own default is a year."""
    operator("schedule", EXAMPLE, "--id", schedule_id)
    description = described(set_up, schedule_id)
    next_start = description.info.next_action_times[0].astimezone(UTC)
    assert (next_start.hour, next_start.minute) == (0, 5)
    assert description.schedule.policy.catchup_window == timedelta(hours=1)


def test_the_command_can_run_in_every_deployment(set_up: Stack, operator: Operator, schedule_id: str) -> None:
    """Run again it changes nothing, and run with another time it updates."""
    asked = ("schedule", EXAMPLE, "--id", schedule_id, "--time-zone", "Europe/Berlin")
    words = [operator(*asked).out.split()[0] for _ in range(2)]
    assert [*words, operator(*asked, "--at", "05:00").out.split()[0]] == ["created", "unchanged", "updated"]
    [calendar] = described(set_up, schedule_id).schedule.spec.calendars
    assert calendar.hour[0].start == 5


def test_a_changed_request_updates_the_schedule(operator: Operator, schedule_id: str, tmp_path: Path) -> None:
    """The request is the input of the scheduled workflow."""
    request = json.loads(EXAMPLE.read_text())
    path = tmp_path / "restore.json"
    path.write_text(json.dumps(request | {"archive": {"keep": 3}}))
    asked = ("--id", schedule_id)
    results = [operator("schedule", file, *asked).out for file in (EXAMPLE, path, path)]
    assert [result.split()[0] for result in results] == ["created", "updated", "unchanged"]
    assert results[1].splitlines()[1:] == ["    archive.keep: 2 → 3"]


@pytest.mark.parametrize(
    "options",
    [["--at", "04:05"], ["--time-zone", "Europe/Berlin"], ["--catch-up", "2h"]],
    ids=lambda options: options[0],
)
def test_every_option_updates_the_schedule(operator: Operator, schedule_id: str, options: list[str]) -> None:
    """A change of any of them is noticed, and made once."""
    asked = ("schedule", EXAMPLE, "--id", schedule_id)
    words = [operator(*asked, *more).out.split()[0] for more in ([], options, options)]
    assert words == ["created", "updated", "unchanged"]


def test_another_task_queue_updates_the_schedule(
    operator: Operator, schedule_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The restores that it starts must reach the workers."""
    asked = ("schedule", EXAMPLE, "--id", schedule_id)
    operator(*asked)
    monkeypatch.setenv("AURORA_RESTORE_TASK_QUEUE", "another")
    assert operator(*asked).out.split()[0] == "updated"


async def test_another_summary_updates_the_schedule(
    set_up: Stack, operator: Operator, schedule_id: str, request_file: Path
) -> None:
    """A new version of the pipeline may describe the same request in other words."""
    client = await Client.connect(set_up.temporal.address, plugins=[AuroraRestorePlugin()])
    when = Nightly(time(0, 5), ZoneInfo("UTC"), timedelta(hours=1))
    request = read_request(request_file)
    applied = []
    for summary in ("old", "new", "new"):
        display = DisplayMetadata(summary, "details", TypedSearchAttributes.empty)
        applied.append(await apply_schedule(client, schedule_id, nightly_schedule(request, when, "queue", display)))
    assert applied == ["created", "updated", "unchanged"]


def test_an_update_changes_what_it_names(operator: Operator, schedule_id: str) -> None:
    """Hour and zone stay when only the catch-up window is named; what changed is printed, field by field."""
    asked = ("schedule", EXAMPLE, "--id", schedule_id)
    operator(*asked, "--at", "04:05", "--time-zone", "Europe/Berlin")
    result = operator(*asked, "--catch-up", "2h")
    assert result.out.startswith(f"updated schedule {schedule_id}: daily at 04:05 Europe/Berlin, next ")
    assert result.out.splitlines()[1:] == ["    schedule.catch_up: PT1H → PT2H"]
    assert operator(*asked).out.startswith("unchanged")


def test_a_schedule_never_moves_to_another_target(operator: Operator, schedule_id: str) -> None:
    """Clusters of two accounts may have one name; the cluster that is deleted must not change by accident."""
    operator("schedule", EXAMPLE, "--id", schedule_id)
    result = operator("schedule", ROOT / "examples" / "restore-production.toml", "--id", schedule_id)
    assert (result.code, result.out) == (3, "")
    assert "arn:aws:rds:eu-central-1:111122223333:cluster:orders-staging" in result.err
    assert "--id" in result.err


def test_a_schedule_of_drills_never_becomes_one_of_restores(operator: Operator, schedule_id: str) -> None:
    """The target that is only drilled would be deleted."""
    operator("schedule", ROOT / "examples" / "drill.toml", "--id", schedule_id)
    result = operator("schedule", EXAMPLE, "--id", schedule_id)
    assert (result.code, result.out) == (3, "")
    target = "arn:aws:rds:eu-central-1:111122223333:cluster:orders-staging"
    assert f"already exists for drills of {target}, not for restores of {target}" in result.err


def test_what_a_drill_and_a_restore_share_is_warned_of(
    set_up: Stack, operator: Operator, schedule_id: str, tmp_path: Path
) -> None:
    """A drill prunes the copies of its target's restores: it must keep as many. Of two at one time one is skipped."""
    request = json.loads(EXAMPLE.read_text())
    target, restore, drill = request["target"] | {"cluster": "beside"}, tmp_path / "r.json", tmp_path / "d.json"
    restore.write_text(json.dumps(request | {"target": target, "archive": {"keep": 7}}))
    operator("schedule", restore)
    try:
        for keep, at, warned in ((2, "00:05", True), (7, "12:05", False)):
            drills = {"target": target | {"replacement": "drill"}, "archive": {"keep": keep}}
            drill.write_text(json.dumps(request | drills))
            result = operator("schedule", drill, "--id", schedule_id, "--at", at)
            assert result.code == 0
            assert ("that of aurora-restore-beside keeps 7" in result.err) is warned
            assert ("aurora-restore-beside starts at 00:05 UTC, too" in result.err) is warned
    finally:
        delete(set_up, "aurora-restore-beside")


def test_days_on_which_the_clocks_change_are_warned_of(operator: Operator, schedule_id: str) -> None:
    """02:30 in Berlin does not exist on one day of the year and occurs twice on another."""
    result = operator("schedule", EXAMPLE, "--id", schedule_id, "--time-zone", "Europe/Berlin", "--at", "02:30")
    assert result.code == 0
    assert result.err.count("does not exist") == result.err.count("occurs twice") == 1


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
def test_clock_changes_are_those_of_the_time_zone_database(zone: str, at: str, warnings: list[str]) -> None:
    """In four zones for the coming year; UTC has none."""
    when = Nightly(time.fromisoformat(at), ZoneInfo(zone), timedelta(hours=1))
    found = clock_changes(when, date(2027, 1, 1))
    assert [sentence.split(f" in {zone}")[0] for sentence in found] == warnings


def test_temporal_starts_as_often_as_the_warning_says(set_up: Stack, operator: Operator, schedule_id: str) -> None:
    """Temporal skips a time that does not exist, and starts twice at one that occurs twice."""
    operator("schedule", EXAMPLE, "--id", schedule_id, "--time-zone", "Europe/Berlin", "--at", "02:30")
    [gap, *_] = clock_changes(
        Nightly(time(2, 30), ZoneInfo("Europe/Berlin"), timedelta(hours=1)), datetime.now(UTC).date()
    )
    day = date.fromisoformat(gap.split(":")[0])
    assert starts_on(set_up, schedule_id, day) == (0 if "does not exist" in gap else 2)


def starts_on(stack: Stack, schedule_id: str, day: date) -> int:
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
