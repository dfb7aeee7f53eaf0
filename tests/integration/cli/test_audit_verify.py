"""`starter.py audit verify`: confirms the trail, or names the first row that differs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clients.temporal import connect
from devstack.stack import Stack
from models.steps import Step
from tests.rigs.cli import CommandResult, quick_example, run_command
from tests.rigs.durations import SLOW_COPY
from tests.rigs.emulator import delete_copies

Operator = Callable[..., CommandResult]
TABLE = "aurora-restore-audit"


@pytest.fixture(scope="module")
def operation_id(worker: Stack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An operation that succeeded."""
    worker.demo.take_automated_snapshot()
    path = tmp_path_factory.mktemp("verify") / "restore.json"
    path.write_text(json.dumps(quick_example()))
    result = run_command(worker, "start", path)
    assert result.code == 0, result.err
    return result.out.split()[0]


def test_a_complete_trail_is_confirmed(operation_id: str, operator: Operator) -> None:
    """One line for the operation, and exit code 0; without an operation, all of the past days."""
    one = operator("audit", "verify", operation_id)
    assert one.code == 0
    assert one.out.startswith(f"{operation_id} (ended): the trail agrees with Temporal's history and its seals (")
    everything = operator("audit", "verify", "--days", "1", "-o", "json")
    verifications = json.loads(everything.out)["operations"]
    assert everything.code == 0
    assert verifications[0] | {"operation_id": operation_id, "ok": True} == verifications[0]


def test_a_changed_row_is_named(operation_id: str, operator: Operator, worker: Stack) -> None:
    """A row that changed after it was sealed is named, the exit code is 1, and a repair does not hide it."""
    dynamodb = worker.demo.client("dynamodb")
    items = dynamodb.scan(TableName=TABLE)["Items"]
    [row] = [
        item
        for item in items
        if item["operation_id"]["S"] == operation_id
        and item.get("step") == {"S": "setup-db-users"}
        and item["phase"] == {"S": "outcome"}
    ]
    dynamodb.put_item(TableName=TABLE, Item=row | {"details": {"S": "Users deleted"}})
    try:
        for options in ([], ["--repair"]):
            result = operator("audit", "verify", operation_id, *options)
            assert result.code == 1
            assert row["event_key"]["S"] in result.out
    finally:
        dynamodb.put_item(TableName=TABLE, Item=row)
    assert operator("audit", "verify", operation_id).code == 0


def test_an_operation_that_never_started_is_refused(operator: Operator) -> None:
    """Exit code 3 and a sentence that names it."""
    result = operator("audit", "verify", "op-999")
    assert result.code == 3
    assert "op-999" in result.err


def test_a_worker_adds_what_is_missing(
    operation_id: str, operator: Operator, worker: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a terminated restore: the end of its step and a seal, because the operator's identity may not write the trail."""
    path = tmp_path / "restore.json"
    path.write_text(json.dumps(quick_example()))
    delete_copies(worker.demo)
    monkeypatch.setattr(worker.emulator, "durations", SLOW_COPY)
    assert operator("start", path, "--no-wait").code == 0
    terminated = _terminate_in_its_copy(operator)
    delete_copies(worker.demo)
    assert terminated != operation_id
    before = operator("audit", "verify", terminated)
    assert (before.code, "step without end" in before.out) == (1, True), before.out
    repaired = operator("audit", "verify", terminated, "--repair", "-o", "json")
    [document] = json.loads(repaired.out)["operations"]
    assert (repaired.code, len(document["added"])) == (0, 2), repaired.out
    assert operator("audit", "verify", terminated).code == 0


def _terminate_in_its_copy(operator: Operator) -> str:
    """Terminate the running restore while its copy is not done; returns its operation."""
    document: dict[str, Any] = {}
    deadline = time.monotonic() + 60
    while not document.get("steps") or document["steps"][-1]["step"] != Step.CHECK_COPY_STATUS:
        assert time.monotonic() < deadline, document.get("steps")
        time.sleep(0.05)
        document = json.loads(operator("status", "-o", "json").out)

    async def terminate() -> None:
        await (await connect()).get_workflow_handle(document["workflow_id"]).terminate()

    asyncio.run(terminate())
    return str(document["operation_id"])
