"""`starter.py apply`, `pause` and `resume`: Temporal's schedules as restores.toml declares them."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, WorkflowFailureError

from commands.restores import temporal_client
from devstack.stack import Stack
from runs.pauses import Pause, pause_of
from tests.rigs.cli import EXAMPLE, CommandResult
from tests.rigs.documents import ROOT, section, text

Operator = Callable[..., CommandResult]
FLEET = ROOT / "examples" / "restores.toml"
IDS = [f"aurora-restore-orders-{name}" for name in ("staging", "analytics", "training")]
SUMMARY_ID = "aurora-restore-summary-laptop"


def in_temporal(act: Callable[[Client], Awaitable[Any]]) -> Any:
    """Act with a client of the environment's Temporal."""

    async def connected() -> Any:
        return await act(await temporal_client())

    return asyncio.run(connected())


@pytest.fixture
def fleet(operator: Operator, tmp_path: Path) -> Iterator[Path]:
    """A copy of the example, whose schedules are deleted afterwards."""
    path = tmp_path / "restores.toml"
    written = FLEET.read_text()
    path.write_text(written.replace(written[written.index("[summary]") : written.index("# The most urgent")], ""))
    yield path

    async def delete(client: Client) -> None:
        async for entry in await client.list_schedules():
            await client.get_schedule_handle(entry.id).delete()

    in_temporal(delete)


def edit(path: Path, old: str, new: str) -> None:
    written = path.read_text()
    assert old in written
    path.write_text(written.replace(old, new))


def schedule_of(schedule_id: str) -> Any:
    async def describe(client: Client) -> Any:
        return (await client.get_schedule_handle(schedule_id).describe()).schedule

    return in_temporal(describe)


def actions(operator: Operator, fleet: Path, *options: str) -> dict[str, str]:
    """What `apply` does with each schedule, by its id, from its JSON."""
    result = operator("apply", fleet, "-o", "json", *options)
    return {each["schedule_id"]: each["action"] for each in json.loads(result.out)["schedules"]}


def test_the_commands_of_the_document_work(worker: Stack, operator: Operator, fleet: Path) -> None:
    """docs/run.md, "Many targets": three targets of which one fails, a pause until Monday, and its end."""
    written = re.findall(r"^```\n(.*?)^```$", section(text("docs", "run.md"), "Many targets"), re.MULTILINE | re.DOTALL)
    commands = [line for block in written for line in block.splitlines()]
    # As in every test here, polls every few tenths of a second.
    fleet.write_text(fleet.read_text().replace('"PT1S"', '"PT0.2S"').replace('"PT2S"', '"PT0.7S"'))
    out: dict[str, list[str]] = {}
    monday, triggered = datetime.now(UTC).date() + timedelta(days=3), []
    for command in commands:
        words = shlex.split(command.replace("2026-11-30", f"{monday}").replace("examples/restores.toml", str(fleet)))
        if words[0] == "temporal":
            triggered.append(words[-1])
            continue
        if triggered:
            trigger_and_wait(triggered)
            triggered = []
        assert words[:2] == ["python", "starter.py"]
        result = operator(*words[2:])
        assert result.code == {"--dry-run": 1, "healthy": 2}.get(words[-1], 0), (words, result)
        out.setdefault(words[2], []).append(result.out)
        if "--yes" in words:
            in_temporal(wait_until_listed)
    before, after, paused = out["list"]
    assert all("UTC" in line_of(before, target) for target in ("staging", "analytics", "training"))
    succeeded = [line_of(after, target).count(" succeeded, ") for target in ("staging", "analytics", "training")]
    assert succeeded == [1, 1, 0]
    assert "failed at snapshot-check" in line_of(after, "training")
    assert f"; paused until {monday - timedelta(days=1)} 2" in line_of(paused, "staging")
    assert line_of(paused, "staging").count(": release freeze") == 1
    assert ": nobody needs it before the course" in line_of(paused, "training")
    assert [line.count(": resumed, was paused") for line in out["resume"][0].splitlines()] == [1, 1, 1]


async def wait_until_listed(client: Client) -> None:
    """Temporal's list of schedules comes a moment later."""
    for _ in range(100):
        if len([entry async for entry in await client.list_schedules()]) == len(IDS):
            return
        await asyncio.sleep(0.1)


def line_of(table: str, target: str) -> str:
    [line] = [line for line in table.splitlines() if f"orders-{target}" in line]
    return line


def trigger_and_wait(schedule_ids: list[str]) -> None:
    """Trigger the schedules, and wait for the end of what they start."""

    async def act(client: Client) -> None:
        handles = [client.get_schedule_handle(schedule_id) for schedule_id in schedule_ids]
        for handle in handles:
            await handle.trigger()
        for handle in handles:
            for _ in range(100):
                if begun := (await handle.describe()).info.recent_actions:
                    break
                await asyncio.sleep(0.1)
            started = begun[-1].action
            assert isinstance(started, ScheduleActionExecutionStartWorkflow)
            with suppress(WorkflowFailureError):  # of the one that fails
                await client.get_workflow_handle(started.workflow_id).result()

    in_temporal(act)


def test_apply_is_idempotent_and_shows_each_field(operator: Operator, fleet: Path) -> None:
    """Created once; a change of the file is printed field by field, the stored request included."""
    assert actions(operator, fleet, "--yes") == dict.fromkeys(IDS, "create")
    assert actions(operator, fleet) == dict.fromkeys(IDS, "none")
    edit(fleet, "schedule.priority = 1", "schedule.priority = 2\ntarget.instances = []\narchive.keep = 3")
    assert operator("apply", fleet).code == 2  # an empty list is a mistake
    edit(fleet, "target.instances = []\n", "target.engine_version = '16.8'\n")
    result = operator("apply", fleet, "--yes")
    assert result.code == 0
    assert result.out.splitlines() == [
        "orders-staging: schedule aurora-restore-orders-staging is changed",
        "    schedule.priority: 1 → 2",
        "    target.engine_version: not set → 16.8",
        "    archive.keep: 2 → 3",
        "3 restores declared, 2 unchanged",
    ]
    assert result.err == "changed aurora-restore-orders-staging\n"
    changed = schedule_of(IDS[0])
    assert changed.action.priority.priority_key == 2
    assert operator("apply", fleet).out.endswith("3 restores declared, 3 unchanged\n")


def test_nothing_is_changed_without_a_yes(operator: Operator, fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run, a pipe, and an answer other than yes leave Temporal as it is; yes does not."""

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    assert [operator("apply", fleet, "--dry-run").code, operator("apply", fleet).code] == [1, 2]
    answers = {}
    for answer in ("n\n", "\n", "", "y\n"):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        answers[answer] = operator("apply", fleet)
    assert [result.code for result in answers.values()] == [3, 3, 3, 0]
    assert "Make 3 changes? [y/N]" in answers["n\n"].err
    assert set(actions(operator, fleet).values()) == {"none"}


def test_prune_deletes_only_what_the_fleet_had_declared(operator: Operator, fleet: Path, tmp_path: Path) -> None:
    """Neither another fleet's schedule nor one that a person made; without the option it stays, and is listed."""
    operator("schedule", EXAMPLE, "--id", "by-hand", "--at", "04:05")
    other = tmp_path / "other.toml"
    other.write_text(fleet.read_text().partition("[restores.analytics]")[0])
    edit(other, 'name = "laptop"', 'name = "other"')
    edit(other, "orders-staging", "orders-other")
    assert actions(operator, other, "--yes") == {"aurora-restore-orders-other": "create", "by-hand": "leave"}
    actions(operator, fleet, "--yes")
    fleet.write_text(fleet.read_text().partition("# Neither does this one")[0])
    assert "aurora-restore-orders-training is not in the file; --prune deletes it" in operator("apply", fleet).out
    expected = {"by-hand": "leave", "aurora-restore-orders-other": "leave", IDS[2]: "delete"}
    assert actions(operator, fleet, "--prune", "--yes").items() >= expected.items()
    assert IDS[2] not in actions(operator, fleet, "--prune")
    assert "the fleet other declares it" in operator("apply", fleet).out


def test_a_schedule_that_exists_is_taken_over(operator: Operator, fleet: Path) -> None:
    """Made by `schedule` before: the difference shows it, and afterwards the fleet has it."""
    operator("schedule", EXAMPLE, "--at", "01:00")
    lines = operator("apply", fleet, "--yes").out.splitlines()
    assert {"    fleet: not set → laptop", "    schedule.at: 01:00 → 04:05"} <= set(lines)
    warned = operator("schedule", EXAMPLE)
    assert "the fleet laptop declares this schedule" in warned.err
    assert "    target.instances[1].instance_class: not set → db.r6g.large" in warned.out.splitlines()


def test_the_schedule_of_another_environment_is_refused(
    operator: Operator, fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two environments must not restore one target by turns."""
    operator("apply", fleet, "--yes")
    monkeypatch.setenv("AURORA_RESTORE_TASK_QUEUE", "another")
    result = operator("apply", fleet, "--yes")
    assert (result.code, "is of the task queue aurora-restore, not of another" in result.err) == (3, True)


def test_a_pause_survives_apply_and_schedule(operator: Operator, fleet: Path) -> None:
    """Its reason, its person and its end are in Temporal's schedule; a new one may begin paused."""
    edit(fleet, "schedule.priority = 1", "schedule.initially_paused = true")
    operator("apply", fleet, "--yes")
    assert schedule_of(IDS[0]).state.paused
    operator("resume", "orders-staging")
    now = datetime.now(UTC)
    end = (now + timedelta(days=2)).astimezone(ZoneInfo("Europe/Berlin")).date()
    assert operator("pause", "orders-staging", "--reason", "freeze: 7", "--by", "anna", "--until", f"{end}").code == 0
    assert operator("pause", IDS[1], "--reason", "broken", "--by", "ben").code == 0
    edit(fleet, 'at = "04:05"', 'at = "04:15"')
    listed = json.loads(operator("apply", fleet, "--yes", "-o", "json").out)["schedules"]
    operator("schedule", EXAMPLE, "--at", "04:20")
    midnight = datetime(end.year, end.month, end.day, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    pauses = [pause_of(schedule_of(schedule_id), now) for schedule_id in IDS]
    assert pauses == [Pause("freeze: 7", "anna", midnight), Pause("broken", "ben"), None]
    assert [each["pause"] and each["pause"]["by"] for each in listed] == ["anna", "ben", None]
    paused = schedule_of(IDS[0])
    assert (paused.state.paused, paused.spec.start_at) == (False, midnight)
    assert paused.state.note.startswith(f"Paused until {midnight:%Y-%m-%d %H:%M} UTC by anna on ")

    async def next_starts(client: Client) -> list[datetime]:
        described = await client.get_schedule_handle(IDS[0]).describe()
        return list(described.info.next_action_times)

    assert in_temporal(next_starts)[0].astimezone(ZoneInfo("Europe/Berlin")).isoformat()[:16] == f"{end}T04:20"
    again = operator("pause", "orders-staging", "--reason", "longer")
    assert again.err == f"orders-staging: was {Pause('freeze: 7', 'anna', midnight).text}\n"
    assert operator("resume", "--all").out.count("resumed, was paused") == 2
    assert operator("resume", "--all").out.count("was not paused") == 3


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["pause", "orders-stagin", "--reason", "-"], 3, "did you mean orders-staging?"),
        (["pause", "orders-staging", "--reason", "-", "--until", "2020-01-01"], 3, "Nothing was paused"),
        (["pause", "orders-staging", "--reason", "-", "--until", "monday"], 2, "neither a day such as 2026-11-30"),
        (["pause", "orders-staging"], 2, "--reason"),
        (["pause", "--reason", "-"], 2, "--all"),
        (["resume", "nothing-like-it"], 3, "no schedule of nothing-like-it on the task queue aurora-restore; "),
    ],
)
def test_a_pause_that_is_not_clear_is_refused(
    operator: Operator, fleet: Path, arguments: list[str], code: int, expected: str
) -> None:
    """Nothing is paused or resumed then."""
    operator("apply", fleet, "--yes")
    result = operator(*arguments)
    assert (result.code, expected in result.err) == (code, True), result.err
    assert not schedule_of(IDS[0]).state.paused


def test_the_summary_of_a_fleet_is_published(worker: Stack, operator: Operator, fleet: Path) -> None:
    """`[summary]` has a schedule of its own, which is compared, changed and pruned as the others; it publishes one message."""
    table = '[summary]\nat = "08:00"\ntopic_arn = "arn:aws:sns:eu-central-1:111122223333:aurora-restore"\n'
    without = fleet.read_text()
    fleet.write_text(without + table)
    assert actions(operator, fleet, "--yes") == dict.fromkeys([*IDS, SUMMARY_ID], "create")
    edit(fleet, '"08:00"', '"08:30"')
    fleet.write_text(fleet.read_text() + 'max_age = "PT30H"\n')
    changed = ["    schedule.at: 08:00 → 08:30", "    summary.max_age: P1DT2H → P1DT6H"]
    assert operator("apply", fleet, "--yes").out.splitlines()[1:3] == changed
    assert set(actions(operator, fleet).values()) == {"none"}

    async def publish(client: Client) -> Any:
        handle = client.get_schedule_handle(SUMMARY_ID)
        await handle.trigger()
        for _ in range(100):
            if begun := (await handle.describe()).info.recent_actions:
                break
            await asyncio.sleep(0.1)
        started = begun[-1].action
        assert isinstance(started, ScheduleActionExecutionStartWorkflow)
        return await client.get_workflow_handle(started.workflow_id).result()

    outcome = in_temporal(publish)
    assert re.fullmatch("laptop: [123] of 3 targets are not good", outcome["subject"])
    assert outcome["message_id"]
    fleet.write_text(without)
    assert actions(operator, fleet)[SUMMARY_ID] == "leave"
    assert actions(operator, fleet, "--prune", "--yes")[SUMMARY_ID] == "delete"
