"""`starter.py audit verify`: the trail is what Temporal and its seals say, or the first row that is not is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.rigs.cli import Said, run

Operator = Callable[..., Said]
TABLE = "aurora-restore-audit"


@pytest.fixture(scope="module")
def night(worker: Stack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An operation that succeeded."""
    worker.demo.take_automated_snapshot()
    request = json.loads((Path(__file__).resolve().parents[3] / "examples" / "restore.json").read_text())
    request["target"]["missing"] = "create"
    for wait in request["waits"].values():
        wait |= {"first_interval": "PT0.2S", "maximum_interval": "PT0.7S"}
    path = tmp_path_factory.mktemp("verify") / "night.json"
    path.write_text(json.dumps(request))
    said = run(worker, "start", path)
    assert said.code == 0, said.err
    return said.out.split()[0]


def test_a_true_trail_is_said_to_be_true(night: str, operator: Operator) -> None:
    """One line for the operation, and exit code 0; without a name, all of the past days."""
    said = operator("audit", "verify", night)
    assert said.code == 0
    assert said.out.startswith(f"{night} (ended): the trail agrees with Temporal's history and its seals (")
    everything = operator("audit", "verify", "--days", "1", "--format", "json")
    found = json.loads(everything.out)
    assert everything.code == 0
    assert found[0] | {"operation_id": night, "ok": True} == found[0]


def test_a_row_that_somebody_changed_is_named(night: str, operator: Operator, worker: Stack) -> None:
    """Changed after it was sealed: the row is named, the exit code is 1, and a repair does not hide it."""
    dynamodb = worker.demo.client("dynamodb")
    items = dynamodb.scan(TableName=TABLE)["Items"]
    [row] = [
        item
        for item in items
        if item["operation_id"]["S"] == night
        and item.get("step") == {"S": "setup-db-users"}
        and item["phase"] == {"S": "outcome"}
    ]
    dynamodb.put_item(TableName=TABLE, Item=row | {"details": {"S": "Users deleted"}})
    try:
        for options in ([], ["--repair"]):
            said = operator("audit", "verify", night, *options)
            assert said.code == 1
            assert row["event_key"]["S"] in said.out
    finally:
        dynamodb.put_item(TableName=TABLE, Item=row)
    assert operator("audit", "verify", night).code == 0


def test_an_operation_that_nobody_opened_is_refused(operator: Operator) -> None:
    """A sentence and the exit code for what is not there."""
    said = operator("audit", "verify", "op-999")
    assert said.code == 3
    assert "op-999" in said.err
