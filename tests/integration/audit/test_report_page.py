"""`starter.py report` against the two tables: which operations are on the page, and how it refuses."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import starter
from devstack.aws import Emulator
from models.operation import OpenOperationInput
from models.steps import Step
from tests.rigs.audit_tables import row
from tests.rigs.verification import Tables, trail_variables

ARN = "arn:aws:rds:eu-central-1:111122223333:cluster:"
Report = Callable[..., tuple[int, str]]


@pytest.fixture
def report(
    aws: Emulator, tables: Tables, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Report:
    """Runs the verb against the emulator; returns the exit code, and the page or what it says on stderr."""
    for name, value in trail_variables(aws, tables).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str]:
        file = tmp_path / "report.html"
        code = starter.main(["report", *arguments, "--html", str(file)])
        return code, file.read_text("utf-8") if file.exists() else capsys.readouterr().err

    return run


def restore(tables: Tables, cluster: str, days_ago: int) -> str:
    """An operation whose only step succeeded; returns its number."""
    began, arn = datetime.now(UTC) - timedelta(days=days_ago), ARN + cluster
    run_id = f"{cluster} {days_ago}"
    opened = OpenOperationInput(workflow_id=arn, first_run_id=run_id, target_arn=arn, opened_at=began)
    operation_id = tables.numbers.open(opened).operation_id
    tables.trail.put(row(operation_id=operation_id, step=Step.SNAPSHOT_CHECK, timestamp=began, run_id=run_id))
    return operation_id


def test_the_page_has_the_operations_of_these_days_and_targets(report: Report, tables: Tables) -> None:
    """Not one that began earlier, nor one of another target; both if nothing is named."""
    old, new = restore(tables, "orders-staging", 40), restore(tables, "orders-staging", 2)
    other = restore(tables, "billing-staging", 1)
    code, page = report("orders-staging", "--days", "30")
    assert (code, old in page, new in page, other in page) == (0, False, True, False)
    code, page = report()
    assert (code, old in page, new in page, other in page) == (0, False, True, True)


def test_an_operation_is_shown_however_old_it_is(report: Report, tables: Tables) -> None:
    """With its target's days around it."""
    old, new = restore(tables, "orders-staging", 400), restore(tables, "orders-staging", 2)
    code, page = report("--operation", old, "--web-ui", "https://temporal.example/")
    assert (code, f'id="operation-{old}"' in page, f'id="operation-{new}"' in page) == (0, True, False)
    assert "https://temporal.example/namespaces/default/workflows/arn%3Aaws" in page


def test_what_is_not_in_the_trail_is_refused(report: Report, tables: Tables) -> None:
    """No page is written; a name that is nearly right is suggested."""
    restore(tables, "orders-staging", 1)
    code, text = report("order-staging")
    assert (code, "did you mean orders-staging?" in text) == (3, True)
    assert report("--operation", "op-999")[0] == 3


def test_an_empty_trail_is_a_page_that_says_so(report: Report, tables: Tables) -> None:
    """Before the first restore."""
    assert not tables.numbers.list_targets()
    code, page = report()
    assert (code, "no restore has begun" in page) == (0, True)


def test_without_the_extra_it_says_which_command_installs_it(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's image has neither library."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    code, text = report()
    assert code == 2
    assert text.endswith("To install it:\npython -m pip install jinja2 matplotlib\n")
