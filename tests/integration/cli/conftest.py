"""A devstack whose RDS takes tenths of a second, and the operator's commands against it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import starter
from devstack.demo_environment import REPLACED_BY, TARGET
from devstack.pipeline import own_environment, start_worker
from devstack.processes import Scratch
from devstack.stack import Stack
from tests.rigs import warm
from tests.rigs.cli import WORKER, CommandResult, quick_example, run_command
from tests.rigs.durations import COMMANDS
from tests.rigs.emulator import delete_target
from tests.rigs.restores import TIMERS_AT_ONCE

IN_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        if IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK):
            patch.setattr(tempfile, "tempdir", str(IN_MEMORY))
        with Stack(durations=COMMANDS, dynamic_config_values=[TIMERS_AT_ONCE]) as stack:
            yield stack


@pytest.fixture(scope="package")
def set_up(stack: Stack) -> Stack:
    """The stack after `starter.py setup`."""
    assert run_command(stack, "setup").code == 0
    return stack


@pytest.fixture(scope="package")
def worker(set_up: Stack) -> Iterator[Stack]:
    """The stack with a worker."""
    with Scratch("cli-worker") as scratch:
        start_worker(scratch, set_up.environment, command=warm.command(WORKER))
        yield set_up


@pytest.fixture
def operator(
    set_up: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., CommandResult]:
    """Runs starter.py inside this process, which saves a second each time."""
    environment = own_environment(set_up.environment)
    for name in [name for name in os.environ if name not in environment]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str | Path) -> CommandResult:
        capsys.readouterr()
        try:
            code = starter.main([str(argument) for argument in arguments])
        except SystemExit as ended:  # how argparse ends a program
            code = int(str(ended.code))
        printed = capsys.readouterr()
        return CommandResult(code, printed.out, printed.err)

    return run


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    """The example's request with polls every few tenths of a second; it also restores after a half-way cancellation."""
    path = tmp_path / "restore.json"
    path.write_text(json.dumps(quick_example()))
    return path


@pytest.fixture
def target(set_up: Stack) -> Iterator[str]:
    """The target's ARN; the cluster exists and has opted in, before and after the test."""
    demo, rds = set_up.demo, set_up.demo.client("rds")
    clusters = rds.describe_db_clusters(Filters=[{"Name": "db-cluster-id", "Values": [TARGET]}])["DBClusters"]
    if not clusters or "MasterUserSecret" in clusters[0]:  # another file's restore made it, with a managed password
        delete_target(demo)
        demo.make_target()
    opt_in: dict[str, Any] = {
        "ResourceName": demo.target_arn,
        "Tags": [{"Key": REPLACED_BY, "Value": demo.source_arn}],
    }
    rds.add_tags_to_resource(**opt_in)
    # Another file's restores may have left copies in this process's stack.
    for copy in rds.describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]:
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=copy["DBClusterSnapshotIdentifier"])
    yield demo.target_arn
    rds.add_tags_to_resource(**opt_in)
