"""`starter.py healthy`: exit code, line and JSON of a monitoring check, from the trail's two tables and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import starter
from audit.numbers import COUNTER, PREVIOUS_TARGET
from devstack.aws import Emulator
from errors import Fault
from models.steps import STEPS, Replacement, Status, Step
from tests.rigs.audit_tables import row
from tests.rigs.verification import Tables, trail_variables

ARN = "arn:aws:rds:{region}:111122223333:cluster:{cluster}"
ORDERS, BILLING = (ARN.format(region="eu-central-1", cluster=name) for name in ("orders-staging", "billing-staging"))
Healthy = Callable[..., tuple[int, str]]


@pytest.fixture
def healthy(
    aws: Emulator, tables: Tables, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Healthy:
    """Runs the verb against the emulator; returns the exit code and what it printed."""
    for name, value in trail_variables(aws, tables).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        try:
            code = starter.main(["healthy", *arguments])
        except SystemExit as ended:
            code = int(str(ended.code))
        return code, capsys.readouterr().out.strip()

    return run


def restore(tables: Tables, arn: str, hours_ago: float, fails_at: Step | None = None, short: str = "-") -> str:
    """An operation of the target; returns its number."""
    began, run_id = datetime.now(UTC) - timedelta(hours=hours_ago), f"run {hours_ago}"
    operation_id = tables.open(f"workflow of {arn}", run_id, arn)
    fault = Fault(type="StepFailed", short=short, message="-")
    for step in STEPS[Replacement.DELETE_FIRST]:
        made: dict[str, Any] = {"status": Status.FAILED, "details": short, "fault": fault} if step is fails_at else {}
        tables.trail.put(row(operation_id=operation_id, run_id=run_id, step=step, timestamp=began, **made))
        if step is fails_at:
            break
    return operation_id


def test_every_target_is_young(tables: Tables, healthy: Healthy) -> None:
    """The line of a monitoring plugin, with the ages as performance data; no Temporal is asked."""
    for hours_ago in (29, 5):
        restore(tables, ORDERS, hours_ago)
    restore(tables, BILLING, 7)
    code, out = healthy()
    text, _, data = out.partition(" | ")
    assert (code, text) == (
        0,
        (
            "AURORA_RESTORE OK: billing-staging: last good restore 7 h ago (op-003); "
            "orders-staging: last good restore 5 h ago (op-002)"
        ),
    )
    assert [each.partition("s;")[2] for each in data.split()] == [";93600", ";93600"]
    assert data.startswith("'billing-staging'=252")


def test_the_worst_is_the_exit_code_and_comes_first(tables: Tables, healthy: Healthy) -> None:
    """What failed though the target is good warns, what is too old is critical; a text of AWS breaks no line."""
    restore(tables, ORDERS, 40)
    restore(tables, BILLING, 5)
    restore(tables, BILLING, 1, fails_at=Step.COPY_SNAPSHOT, short="Quota | of\ncopies")
    code, out = healthy("--max-age", "1d")
    assert code == 2
    assert out.startswith(
        "AURORA_RESTORE CRITICAL: 2 of 2 targets: orders-staging: last good restore 40 h ago (op-001), "
        "expected at most 24 h; what to do: python starter.py list; billing-staging: last good restore 5 h ago (op-002); "
        "op-003 failed at copy-snapshot (Quota / of copies); what to do: python starter.py retry op-003 | 'billing"
    )
    assert healthy("billing-staging")[0] == 1


def test_json_has_every_target(tables: Tables, healthy: Healthy) -> None:
    """The same in fields."""
    restore(tables, ORDERS, 5)
    code, out = healthy("-o", "json", ORDERS)
    [target] = json.loads(out)["targets"]
    assert (code, json.loads(out)["level"], target.pop("restored_at")) == (0, "OK", target.pop("last_at"))
    assert 18_000 <= target.pop("age_seconds") < 18_060
    assert target == {
        "target": ORDERS,
        "level": "OK",
        "restored_by": "op-001",
        "last_operation": "op-001",
        "last_outcome": "succeeded",
        "last_step": "sns-notification",
        "text": "last good restore 5 h ago (op-001)",
    }


def test_a_name_of_two_regions_means_both(tables: Tables, healthy: Healthy) -> None:
    """Their ARNs tell them apart."""
    elsewhere = ARN.format(region="eu-west-1", cluster="orders-staging")
    restore(tables, ORDERS, 5)
    restore(tables, elsewhere, 40)
    code, out = healthy("Orders-Staging")
    assert (code, f"1 of 2 targets: {elsewhere}: last good" in out) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("order-staging",), "order-staging: the trail has no operation of this target; did you mean orders-staging?"),
        ((BILLING,), f"{BILLING}: the trail has no operation of this target; did you mean {ORDERS}?"),
        (("xyz",), "xyz: the trail has no operation of this target; it has orders-staging"),
    ],
)
def test_a_name_that_the_trail_does_not_know(
    tables: Tables, healthy: Healthy, arguments: tuple[str, ...], expected: str
) -> None:
    """Neither good nor bad, with the names that it knows."""
    restore(tables, ORDERS, 5)
    code, out = healthy(*arguments)
    assert (code, expected in out.replace(f"{BILLING.rpartition(':')[2]}: ", f"{BILLING}: ")) == (3, True)


def test_a_trail_without_operations(healthy: Healthy) -> None:
    """Perhaps another trail than the worker's."""
    code, out = healthy()
    assert (code, "the trail has no operation; expected at least one restore" in out) == (3, True)


@pytest.mark.parametrize("table", ["AURORA_RESTORE_AUDIT_TABLE", "AURORA_RESTORE_OPERATIONS_TABLE"])
def test_an_unreadable_table(tables: Tables, healthy: Healthy, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    """UNKNOWN with the cure, on one line."""
    restore(tables, ORDERS, 5)
    monkeypatch.setenv(table, "missing-table")
    code, out = healthy()
    assert (code, out.splitlines()) == (3, [out])
    assert out.startswith("AURORA_RESTORE UNKNOWN: the audit trail: ")
    assert "DynamoDB table missing-table" in out
    assert "python starter.py setup" in out


def test_mistakes_are_unknown_too(healthy: Healthy, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 would be CRITICAL."""
    assert healthy("--max-age", "soon")[0] == 3
    assert healthy("--max-aeg", "26h")[0] == 3
    monkeypatch.delenv("AURORA_RESTORE_AUDIT_REGION")
    code, out = healthy()
    assert (code, "AURORA_RESTORE_AUDIT_REGION" in out) == (3, True)


def test_what_is_read_depends_on_the_named_target_only(aws: Emulator, tables: Tables, healthy: Healthy) -> None:
    """One read for each target, then the target's own operations back to the last good one."""
    for hours_ago in (53, 29, 5):
        restore(tables, ORDERS, hours_ago)
        restore(tables, BILLING, hours_ago)
    aws.calls.clear()
    assert healthy("billing-staging")[0] == 0
    # The counter and each target for the list, the named target and its newest operation; its rows.
    assert sorted(call.operation for call in aws.calls) == [*["GetItem"] * 5, "Query"]


def test_a_target_from_before_the_list_is_added_by_its_next_operation(tables: Tables, healthy: Healthy) -> None:
    """A table of an earlier version has no list."""
    restore(tables, ORDERS, 29)
    for record in (COUNTER, f"target#{ORDERS}"):
        item = tables.dynamodb.get_item(TableName=tables.operations, Key={"record": {"S": record}})["Item"]
        of_the_list = ("newest_target", PREVIOUS_TARGET)
        old = {name: value for name, value in item.items() if name not in of_the_list}
        tables.dynamodb.put_item(TableName=tables.operations, Item=old)
    assert tables.numbers.list_targets() == []
    for arn in (BILLING, ORDERS, BILLING, ORDERS):
        restore(tables, arn, 5)
        restore(tables, arn, 4)
    assert tables.numbers.list_targets() == [ORDERS, BILLING]
    assert healthy()[0] == 0
