"""aws-check as a program: what it prints, what it refuses, and that a killed run is removed by the next one or by --clean."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import starter
from commands.exit_codes import INTERRUPTED
from conformance import own_resources
from devstack.aws import Durations
from tests.integration.conformance.conftest import kit_on_an_emulator
from tests.rigs import warm
from tests.rigs.cli import ROOT
from tests.rigs.conformance import Kit, everything_in
from tests.rigs.emulated_aws import ACCOUNT, SOURCE, TARGET

REGIONS = ["--region", TARGET, "--second-region", SOURCE]
WRITE = ["aws-check", *REGIONS, "--account", ACCOUNT, "--write", "--yes", "--poll-seconds", "0.02"]
CLEAN = ["aws-check", *REGIONS, "--account", ACCOUNT, "--clean", "--yes", "--poll-seconds", "0.02"]
SHORT = Durations(**dict.fromkeys(Durations.__dataclass_fields__, 0.1) | {"visibility_lag": 0.0})
LONGER_THAN_A_TEST = 20


@pytest.fixture(scope="module")
def kit() -> Iterator[Kit]:
    """An emulator in real time."""
    with kit_on_an_emulator() as kit:
        kit.aws.emulator.durations = SHORT
        kit.aws.emulator.clock.set(kit.aws.emulator.clock.now())
        yield kit


def own_names(kit: Kit) -> set[str]:
    return {name for name in everything_in(kit.aws) if name.startswith("aws-check-")}


def run_until(kit: Kit, operation: str, skip: int, *numbers: int) -> int:
    """Run the program, and signal it while it waits for the answer of a call that has taken effect; returns its exit code.

    At SIGHUP its terminal is closed.
    """
    terminal, stderr = pty.openpty()
    kit.aws.emulator.faults.add("rds", operation, "late-response", seconds=LONGER_THAN_A_TEST, skip=skip)
    kit.aws.emulator.calls.clear()
    program = ROOT / "starter.py"
    with subprocess.Popen(
        # A process that loses its terminal is the real one.
        [sys.executable, program, *WRITE] if signal.SIGHUP in numbers else warm.command(program, *WRITE),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env=os.environ,
    ) as process:
        os.close(stderr)
        deadline = time.monotonic() + 60
        while not any(fault.fired for fault in kit.aws.emulator.faults):
            assert process.poll() is None, os.read(terminal, 10_000)
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.2)
        if signal.SIGHUP in numbers:
            os.close(terminal)
        # The second signal comes while the removal reads.
        kit.aws.emulator.faults.add("rds", "DescribeDBInstances", "late-response", seconds=1)
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.2)
        process.wait(60)
    if signal.SIGHUP not in numbers:
        os.close(terminal)
    kit.aws.emulator.faults.clear()
    return process.returncode


@pytest.mark.parametrize(
    ("operation", "skip"),
    [("CreateDBInstance", 0), ("RestoreDBClusterFromSnapshot", 6), ("StopDBCluster", 0)],
)
def test_clean_removes_what_a_killed_run_left(
    kit: Kit, operation: str, skip: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it was killed, a stopped cluster included; what the owner has stays."""
    assert run_until(kit, operation, skip, signal.SIGKILL) == -signal.SIGKILL
    assert own_names(kit)
    assert starter.main(CLEAN) == 0
    assert own_names(kit) == set()
    assert {"orders", "orders-1"} <= everything_in(kit.aws)
    assert "Removed" in capsys.readouterr().out


@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGTERM, signal.SIGHUP)], ids=["stopped", "closed"])
def test_a_run_that_is_terminated_removes_what_it_has_made(kit: Kit, signals: tuple[int, ...]) -> None:
    """Also a cluster of which it never got the answer, and where a second signal follows and the terminal is closed."""
    assert run_until(kit, "CreateDBCluster", 12, *signals) == INTERRUPTED
    assert own_names(kit) == set()


def test_the_next_run_removes_what_has_expired(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run whose time is over is removed, one that may be going on is named; its own resources go in any case."""
    for run, lifetime in (("aws-check-00000000000a", -1.0), ("aws-check-00000000000b", 1.0)):
        tags = own_resources.tags_of(run, kit.aws.emulator.clock.now())
        expires = time.time() + lifetime * 3600
        tags[1]["Value"] = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(expires))
        kit.aws.client(region=TARGET).create_db_cluster(
            DBClusterIdentifier=f"{run}-cluster", Engine="aurora-postgresql", MasterUsername="boss",
            ManageMasterUserPassword=True, Tags=tags,
        )  # fmt: skip
    # In real time a poll may miss a status, which would be a difference; test_same_answers.py is about those.
    assert starter.main([*WRITE, "-o", "json", "--file", str(tmp_path / "report.json")]) in (0, 1)
    assert own_names(kit) == {"aws-check-00000000000b-cluster"}
    written: dict[str, Any] = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert (written["write"], written["counts"]["failed"]) == (True, 0)
    printed = capsys.readouterr()
    assert "The report is in" in printed.out
    assert "There already is the cluster aws-check-00000000000b-cluster" in printed.err
    assert starter.main(CLEAN) == 0
    assert own_names(kit) == set()
