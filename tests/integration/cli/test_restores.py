"""A restore as its operator sees it: worker.py and starter.py as processes against the devstack."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import IO

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from devstack.pipeline import own_environment
from devstack.stack import Stack
from tests.rigs import warm
from tests.rigs.cli import ROOT, CommandResult, run_command, start_command
from tests.rigs.requests import CANONICAL_ID

Operator = Callable[..., CommandResult]
TARGET = "orders-staging"
WORKFLOW_ID = CANONICAL_ID


def wait_until(ready: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.1)


def read_until(stream: IO[str] | None, words: str) -> str:
    """Read up to the line with the words."""
    assert stream is not None
    read = ""
    for line in stream:
        read += line
        if words in line:
            return read
    raise AssertionError(f"{words!r} was not printed: {read}")


@pytest.fixture
def idle(worker: Stack, operator: Operator) -> Iterator[Stack]:
    """No restore is running when the test starts, and none when it has ended."""
    yield worker
    operator("cancel", TARGET)


def test_a_restore_is_followed_line_by_line_to_its_end(idle: Stack, operator: Operator, request_file: Path) -> None:
    """Without a terminal: a line for every change and no other within a minute, the outcome on stdout, exit code 0."""
    following = start_command(idle, "start", request_file)
    assert following.stderr
    lines = list(following.stderr)
    assert following.wait(30) == 0
    assert following.stdout
    answer = following.stdout.read()
    assert re.fullmatch(
        r"op-\d{3} succeeded after 0:00:\d\d: orders-staging\.[a-z0-9.-]+\.rds\.localhost:\d+\n", answer
    ), answer
    assert lines[0] == f"Started {WORKFLOW_ID}\n"
    done = [found[1] for line in lines if (found := re.search(r"(\d)/9 [a-z-]+  SUCCESS", line))]
    assert done == list("123456789")
    without_times = [line.partition("  ")[2] for line in lines[1:]]
    assert all(earlier != later for earlier, later in pairwise(without_times))
    assert len([line for line in lines if " at step " in line]) <= 1

    operation = answer.split()[0]
    table = operator("audit", operation, "-o", "markdown").out.splitlines()
    assert len(table) == 2 + 9
    assert {line.split(" | ")[3] for line in table[2:]} == {"SUCCESS"}
    for name in (TARGET, operation, WORKFLOW_ID, "arn:aws:rds:eu-central-1:111122223333:cluster:orders-staging"):
        result = operator("status", name)
        assert (result.code, f"{operation} succeeded" in result.out) == (0, True)
    assert operator("status", "--request", request_file).out == operator("status").out
    refused = operator("cancel", operation)
    assert (refused.code, "is not running" in refused.err) == (3, True)


def test_a_second_start_is_refused_and_names_the_running_restore(
    idle: Stack, operator: Operator, request_file: Path
) -> None:
    """Exit code 3, the workflow, its operation and its step. After `cancel` the status has the notification and exit code 4."""
    assert operator("start", request_file, "--no-wait").code == 0
    wait_until(lambda: "at step 6 of 9" in operator("status", "--request", request_file).out)
    second = operator("start", request_file)
    assert (second.code, second.out) == (3, "")
    assert re.search(
        rf"already running: {WORKFLOW_ID}, operation op-\d+, at step 6 of 9, check-restore-status", second.err
    )

    cancelled = operator("cancel", TARGET, "--reason", "a test")
    assert (cancelled.code, " was cancelled after " in cancelled.out) == (0, True)
    status = operator("status", TARGET)
    assert (status.code, "Error notification sent" in status.out) == (4, True)


def test_a_failed_restore_prints_the_fault_and_the_runbooks_section(
    idle: Stack, operator: Operator, request_file: Path, tmp_path: Path
) -> None:
    """Exit code 1, the step, the fault, and the section of the runbook."""
    request = json.loads(request_file.read_text())
    request["source"]["snapshot"] = {"identifier": "never-taken"}
    path = tmp_path / "failing.json"
    path.write_text(json.dumps(request))
    result = operator("start", path)
    assert result.code == 1
    headline, *others = result.out.splitlines()
    assert re.fullmatch(r"op-\d{3} failed after 0:00:\d\d at snapshot-check", headline)
    assert "never-taken" in others[0]
    assert others[1] == "What to do: docs/runbook.md#snapshot-check"
    assert operator("status", TARGET).code == 1


def test_ctrl_c_stops_following_and_not_the_restore(idle: Stack, operator: Operator, request_file: Path) -> None:
    """It prints the commands that show the state and that cancel; `watch` joins the restore, and is left the same way."""
    request = json.loads(request_file.read_text())
    # The restore must not end before the signal arrives, however busy the machine is.
    request["waits"]["restore_snapshot"] |= {"first_interval": "PT5M", "maximum_interval": "PT5M"}
    request_file.write_text(json.dumps(request))
    following = start_command(idle, "start", request_file)
    read_until(following.stderr, "snapshot-check")
    following.send_signal(signal.SIGINT)
    _, err = following.communicate(timeout=30)
    assert following.returncode == 130
    assert "Traceback" not in err
    assert "the restore continues" in err
    assert f"starter.py status {WORKFLOW_ID}" in err
    assert f"starter.py cancel {WORKFLOW_ID}" in err
    assert " is running, " in operator("status", TARGET).out

    watching = start_command(idle, "watch", TARGET)
    assert " next at " in read_until(watching.stderr, "; deadline ").splitlines()[-1]
    watching.send_signal(signal.SIGINT)
    assert ("the restore continues" in watching.communicate(timeout=30)[1], watching.returncode) == (True, 130)
    # While a poll waits for AWS there is no next one yet.
    wait_until(lambda: " next at " in (status := operator("status", TARGET).out) and " is running, " in status)


def test_a_restore_without_a_worker_says_why_it_waits(set_up: Stack, request_file: Path) -> None:
    """`start`, `status` and a second `start` all report that no worker answers."""
    queue = {"AURORA_RESTORE_TASK_QUEUE": "no-worker"}
    following = start_command(set_up, "start", request_file, **queue)
    try:
        read_until(following.stderr, "no worker answers on task queue no-worker")
        status = run_command(set_up, "status", TARGET, **queue)
        assert (status.code, "No worker answers" in status.out) == (0, True)
        second = run_command(set_up, "start", request_file, **queue)
        assert (second.code, "No worker answers, so its step is unknown" in second.err) == (3, True)
    finally:
        terminate(set_up)
    out, _ = following.communicate(timeout=30)
    assert following.returncode == 1
    assert "no notification was sent" in out


def test_a_cancel_without_a_required_setting_cancels_nothing(
    set_up: Stack, operator: Operator, monkeypatch: pytest.MonkeyPatch, request_file: Path
) -> None:
    """Exit code 2 before anything is cancelled; with `--no-wait` the setting is not needed."""
    monkeypatch.setenv("AURORA_RESTORE_TASK_QUEUE", "no-worker")
    assert operator("start", request_file, "--no-wait").code == 0
    try:
        monkeypatch.delenv("AURORA_RESTORE_AUDIT_REGION")
        result = operator("cancel", WORKFLOW_ID)
        assert (result.code, result.out, "Requested" in result.err) == (2, "", False)
        assert "AURORA_RESTORE_AUDIT_REGION: is required" in result.err
        assert not cancel_requested(set_up)
        assert operator("cancel", WORKFLOW_ID, "--no-wait").code == 0
        assert cancel_requested(set_up)
    finally:
        terminate(set_up)


def test_a_restore_that_ends_before_its_cancellation_was_not_cancelled(set_up: Stack, request_file: Path) -> None:
    """Exit code 3, and how it ended."""
    queue = {"AURORA_RESTORE_TASK_QUEUE": "no-worker"}
    assert run_command(set_up, "start", request_file, "--no-wait", **queue).code == 0
    try:
        cancelling = start_command(set_up, "cancel", WORKFLOW_ID, **queue)
        read_until(cancelling.stderr, "Requested")
    finally:
        terminate(set_up)
    out, err = cancelling.communicate(timeout=30)
    assert (cancelling.returncode, "Terminated" in out) == (3, True)
    assert err.endswith("Not cancelled: it ended before the cancellation could take effect.\n")


def cancel_requested(stack: Stack) -> bool:
    import asyncio

    async def is_requested() -> bool:
        handle = (await Client.connect(stack.temporal.address)).get_workflow_handle(WORKFLOW_ID)
        types = {event.event_type async for event in handle.fetch_history_events()}
        return EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED in types

    return asyncio.run(is_requested())


def terminate(stack: Stack) -> None:
    import asyncio

    async def end() -> None:
        client = await Client.connect(stack.temporal.address)
        await client.get_workflow_handle(WORKFLOW_ID).terminate("the test has ended")

    asyncio.run(end())


def test_on_a_terminal_the_nine_steps_are_redrawn_in_place(idle: Stack, request_file: Path) -> None:
    """All nine from the start, with their details."""
    drawn = on_a_terminal(idle, "start", request_file)
    assert "9" in drawn
    assert "sns-notification" in drawn
    assert "Notification sent" in drawn
    assert "\x1b[" in drawn


def on_a_terminal(stack: Stack, *arguments: str | Path) -> str:
    """What a command writes to a terminal until it ends."""
    ours, theirs = pty.openpty()
    environment = own_environment(stack.environment) | {"TERM": "xterm-256color", "COLUMNS": "140", "LINES": "40"}
    command = warm.command(ROOT / "starter.py", *arguments)
    process = subprocess.Popen(command, env=environment, stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    drawn = b""
    while select.select([ours], [], [], 30)[0]:
        try:
            read = os.read(ours, 65536)
        except OSError:  # how Linux reports that no process has the terminal open
            break
        if not read:
            break
        drawn += read
    os.close(ours)
    assert process.wait(10) == 0, drawn.decode()
    return drawn.decode()


def test_a_closed_pipe_is_no_error(set_up: Stack, operator: Operator) -> None:
    """`audit | head -1` ends without a message, with exit code 0."""
    process = start_command(set_up, "audit", "--attempts")
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read() == ""
    assert process.wait(30) == 0
