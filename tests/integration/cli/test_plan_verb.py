"""`starter.py plan` is made by a worker, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.rigs.cli import CommandResult, run_command

Operator = Callable[..., CommandResult]


def test_an_unreadable_request_file_is_the_users_mistake(operator: Operator, tmp_path: Path) -> None:
    """Exit 2, as for every verb."""
    unreadable = tmp_path / "request.json"
    unreadable.write_text('{"source": ')
    said = operator("plan", unreadable)
    assert (said.code, said.out) == (2, "")


def test_without_aws_there_is_no_plan(worker: Stack, operator: Operator, target: str, request_file: Path) -> None:
    """Exit 5 and nothing on stdout: nobody signs half a plan."""
    worker.emulator.faults.add("rds", "DescribeDBClusterSnapshots", "error", code="InternalFailure", count=None)
    try:
        said = operator("plan", request_file)
    finally:
        worker.emulator.faults.clear()
    assert (said.code, said.out) == (5, "")
    assert "InternalFailure" in said.err


def test_without_a_worker_there_is_no_plan(
    operator: Operator, request_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 3 at once, with the task queue on which nobody polls."""
    monkeypatch.setenv("AURORA_RESTORE_TASK_QUEUE", "nobody")
    said = operator("plan", request_file)
    assert (said.code, said.out) == (3, "")
    assert said.err.endswith("No worker polls the task queue nobody. Start one:\n    python worker.py\n")


def test_in_a_pipe_a_plan_is_plain_text(worker: Stack, target: str, request_file: Path) -> None:
    """No colours and no folded lines: the page can be searched, mailed and compared with last week's."""
    said = run_command(worker, "plan", request_file)
    assert (said.code, "\x1b" in said.out) == (0, False)
    assert max(map(len, said.out.splitlines())) < 300
