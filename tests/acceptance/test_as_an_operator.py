"""The whole pipeline as its operators meet it: worker.py, starter.py, `temporal` and `aws` as processes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from audit.table import AuditTable
from devstack.demo_environment import USERS
from devstack.pipeline import ROOT, own_environment, start_worker
from devstack.processes import Scratch, Server
from devstack.stack import Stack
from models.snapshots import STARTED_BY_FACT
from models.workflow_names import STATE_QUERY
from tests.rigs import warm
from tests.rigs.cli import WORKER
from tests.rigs.durations import SECONDS
from tests.rigs.restores import TIMERS_AT_ONCE

BIN = Path(sys.executable).parent
EXAMPLE = ROOT / "examples" / "restore.json"
TARGET_WORKFLOW = "aurora-restore:111122223333:eu-central-1:orders-staging"
STEPS = 9


class Operator:
    """An operator at a terminal."""

    def __init__(self, stack: Stack, scratch: Scratch) -> None:
        self.stack, self.scratch, self.workers = stack, scratch, 0

    def run(self, *command: str | Path, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(part) for part in command], env=own_environment(self.stack.environment), capture_output=True, text=True,
            timeout=150, check=False, cwd=ROOT,
        )  # fmt: skip
        assert code is None or done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def starter(self, *arguments: str | Path, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.run(*warm.command(ROOT / "starter.py", *arguments), code=code)

    def temporal(self, *arguments: str | Path) -> str:
        return self.run(BIN / "temporal", *arguments).stdout

    def worker(self) -> Server:
        self.workers += 1
        return start_worker(self.scratch, self.stack.environment, f"worker-{self.workers}", warm.command(WORKER))

    def table(self) -> AuditTable:
        return AuditTable(self.stack.demo.client("dynamodb"), "aurora-restore-audit")

    def outcomes(self, operation_id: str) -> list[tuple[str, str]]:
        rows = self.table().list_rows(operation_id)
        return [(row.step.value, row.status.value) for row in rows if row.phase == "outcome"]

    def wait_for_step(self, step: str) -> None:
        asyncio.run(wait_for_step(self.stack.temporal.address, step))

    def count_calls(self, operation: str) -> int:
        """How many calls of an AWS operation succeeded."""
        return sum(call.operation == operation and call.outcome == "OK" for call in self.stack.emulator.calls)


async def wait_for_step(address: str, step: str) -> None:
    """Wait until the state of the target's restore names the step, or another word."""
    restore = (await Client.connect(address)).get_workflow_handle(TARGET_WORKFLOW)
    for _ in range(300):
        with suppress(RPCError):  # it has not begun
            if step in json.dumps(await restore.query(STATE_QUERY)):
                return
        await asyncio.sleep(0.1)
    raise AssertionError(f"the restore did not reach {step}")


@pytest.fixture(scope="module")
def operator() -> Iterator[Operator]:
    with Stack(durations=SECONDS, dynamic_config_values=[TIMERS_AT_ONCE]) as stack, Scratch("acceptance") as scratch:
        operator = Operator(stack, scratch)
        operator.run(sys.executable, ROOT / "starter.py", "setup")
        yield operator


def test_starter_runs_a_restore(operator: Operator) -> None:
    """`starter.py start` follows it to its end; the trail has nine rows, and a user that the restore set reads the data."""
    operator.stack.demo.write_to_source("INSERT INTO orders VALUES (77, 'Margaret', 10)")
    operator.stack.demo.take_automated_snapshot()
    worker = operator.worker()
    done = operator.starter("start", EXAMPLE)
    assert "succeeded" in done.stdout + done.stderr
    trail = operator.starter("audit", "op-001", "-o", "markdown").stdout
    assert trail.count("| SUCCESS |") == STEPS
    assert operator.stack.demo.read_from_target("orders_report", "SELECT customer FROM orders WHERE id = 77") == [
        ("Margaret",)
    ]
    assert operator.starter("status", "op-001").returncode == 0
    worker.stop()


def test_a_killed_worker_loses_nothing(operator: Operator) -> None:
    """After a worker is killed twice and started again, the restore succeeds with one copy, one restore and a whole trail."""
    operator.stack.demo.take_automated_snapshot()
    copies, restores = (
        operator.count_calls("CopyDBClusterSnapshot"),
        operator.count_calls("RestoreDBClusterFromSnapshot"),
    )
    killed = operator.worker()
    operator.temporal(
        "workflow", "start", "--type", "AuroraRestoreWorkflow", "--task-queue", "aurora-restore", "--workflow-id", "by-cli",
        "--input-file", EXAMPLE,
    )  # fmt: skip
    operator.wait_for_step("check-copy-status")
    killed.kill()
    running = operator.worker()
    operator.wait_for_step("delete-rds")
    running.kill()
    running = operator.worker()
    operator.temporal("workflow", "result", "--workflow-id", "by-cli")
    assert [status for _, status in operator.outcomes("op-002")] == ["SUCCESS"] * STEPS
    assert operator.count_calls("CopyDBClusterSnapshot") == copies + 1
    assert operator.count_calls("RestoreDBClusterFromSnapshot") == restores + 1
    running.stop()


def test_the_schedule_runs_a_restore(operator: Operator) -> None:
    """The schedule of starter.py runs a restore when triggered; a second start is refused and names the running one."""
    operator.stack.demo.take_automated_snapshot()
    worker = operator.worker()
    operator.starter("schedule", EXAMPLE, "--time-zone", "Europe/Berlin")
    operator.temporal("schedule", "trigger", "--schedule-id", "aurora-restore-orders-staging")
    operator.wait_for_step("op-003")
    refused = operator.starter("start", EXAMPLE, code=3)
    assert TARGET_WORKFLOW in refused.stderr
    assert "op-003" in refused.stderr
    for _ in range(600):
        if len(operator.outcomes("op-003")) == STEPS:
            break
        time.sleep(0.1)
    assert [status for _, status in operator.outcomes("op-003")] == ["SUCCESS"] * STEPS
    clusters = json.loads(operator.run(BIN / "aws", "rds", "describe-db-clusters", "--output", "json").stdout)[
        "DBClusters"
    ]
    assert [cluster["DBClusterIdentifier"] for cluster in clusters] == ["orders-staging"]
    rows = operator.table().list_rows("op-003")
    assert [row.facts[STARTED_BY_FACT] for row in rows if STARTED_BY_FACT in row.facts] == ["its schedule"]
    worker.stop()


def test_a_failed_restore_is_retried_after_its_data_is_fixed(operator: Operator, tmp_path: Path) -> None:
    """A check fails, the data is fixed, `retry` succeeds: no second copy, and the trail has every step of it."""
    demo = operator.stack.demo
    demo.write_to_source("INSERT INTO orders VALUES (78, 'Unknown', -1)")
    demo.take_automated_snapshot()
    none_below_zero = {"database": "orders", "query": "SELECT count(*) FROM orders WHERE total < 0", "expected": [[0]]}
    checked = tmp_path / "checked.json"
    checked.write_text(json.dumps(json.loads(EXAMPLE.read_text()) | {"checks": [none_below_zero]}))
    copies, restores = (
        operator.count_calls("CopyDBClusterSnapshot"),
        operator.count_calls("RestoreDBClusterFromSnapshot"),
    )
    worker = operator.worker()
    operator.starter("start", checked, code=1)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        demo.read_from_target("orders_app", "SELECT 1")  # nobody is let in before the checks have passed
    assert demo.write_to_target("DELETE FROM orders WHERE total < 0 RETURNING id") == [(78,)]
    operator.starter("retry", "op-004", "--by", "kim@ops", "--reason", "the refund of order 78 was removed")
    trail = json.loads(operator.starter("audit", "op-004", "-o", "json").stdout)["rows"]
    assert [(row["step"], row["status"], row["details"]) for row in trail][5:] == [
        ("check-restore-status", "SUCCESS", "Restore completed"),
        ("setup-db-users", "FAILED", "Check failed"),
        ("sns-notification", "SUCCESS", "Error notification sent"),
        ("setup-db-users", "IN_PROGRESS", "Retry, decided by kim@ops: the refund of order 78 was removed"),
        ("setup-db-users", "SUCCESS", "Users configured"),
        ("archive-snapshot", "SUCCESS", "Snapshot archived"),
        ("sns-notification", "SUCCESS", "Notification sent"),
    ]
    assert operator.count_calls("CopyDBClusterSnapshot") == copies + 1
    assert operator.count_calls("RestoreDBClusterFromSnapshot") == restores + 1
    operator.starter("audit", "verify", "op-004")
    demo.write_to_source("DELETE FROM orders WHERE total < 0")
    worker.stop()


def test_no_secret_was_left_anywhere(operator: Operator) -> None:
    """After these restores no password is in a history, a row, a message or a log."""
    demo = operator.stack.demo
    manager = demo.client("secretsmanager")
    planted = [
        json.loads(manager.get_secret_value(SecretId=name)["SecretString"])["password"] for name in USERS.values()
    ]
    managed = demo.client("rds").describe_db_clusters(DBClusterIdentifier="orders-staging")["DBClusters"][0]
    secret = manager.get_secret_value(SecretId=managed["MasterUserSecret"]["SecretArn"])["SecretString"]
    planted += [json.loads(secret)["password"], demo.master_password]
    places = {"histories": asyncio.run(histories(operator.stack.temporal.address))}
    items = demo.client("dynamodb").scan(TableName="aurora-restore-audit")["Items"]
    places["trail"] = json.dumps(items, default=lambda of_a_seal: zlib.decompress(of_a_seal).decode())
    places["messages"] = json.dumps(demo.receive_notifications())
    places["logs"] = "".join(path.read_text() for path in operator.scratch.path.glob("*.log"))
    assert all(len(text) > 1000 for text in places.values())
    exposed = {place for place, text in places.items() for password in planted if password in text}
    assert not exposed


async def histories(address: str) -> str:
    client = await Client.connect(address)
    texts = [history.to_json() async for history in client.list_workflows("").map_histories()]
    return "".join(texts)
