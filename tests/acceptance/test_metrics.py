"""worker.py's metrics under a whole restore, as Prometheus reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import urllib3

from devstack.pipeline import start_worker
from devstack.processes import Scratch, free_port
from devstack.stack import Stack
from tests.integration.cli.test_worker_program import run_worker
from tests.rigs.cli import ROOT, run_command

EXAMPLE = ROOT / "examples" / "restore.json"
TARGET = ('account="111122223333"', 'region="eu-central-1"', 'target="orders-staging"')


class Measured(NamedTuple):
    """A worker with metrics that has run one restore."""

    stack: Stack
    port: int
    text: str

    def value(self, name: str, *labels: str) -> float:
        """The value of the series with these labels, among others."""
        lines = [line for line in self.text.splitlines() if re.match(rf"{name}(\{{|\s)", line)]
        [found] = [line for line in lines if all(label in line for label in labels)]
        return float(found.rpartition(" ")[2])


@pytest.fixture(scope="module")
def measured() -> Iterator[Measured]:
    with Stack() as stack, Scratch("metrics") as scratch:
        assert run_command(stack, "setup").code == 0
        port = free_port()
        start_worker(scratch, {**stack.environment, "AURORA_RESTORE_METRICS_ADDRESS": str(port)})
        assert run_command(stack, "start", EXAMPLE).code == 0
        text = urllib3.request("GET", f"http://127.0.0.1:{port}/metrics").data.decode()
        yield Measured(stack, port, text)


def test_the_metrics_of_a_restore(measured: Measured) -> None:
    """Temporal's own and ours, with the units and suffixes of Prometheus' conventions."""
    assert measured.value("aurora_restore_operations_total", *TARGET, 'outcome="succeeded"') == 1
    last = measured.value("aurora_restore_last_success_timestamp_seconds", *TARGET)
    assert 0 < last - measured.value("aurora_restore_data_timestamp_seconds", *TARGET) < 26 * 3600
    for step in ("snapshot-check", "restore-snapshot", "sns-notification"):
        assert measured.value("aurora_restore_step_duration_seconds_count", f'step="{step}"') == 1
        assert measured.value("aurora_restore_polls_total", f'step="{step}"') >= 1
    assert measured.value("aurora_restore_trail_lag_seconds") < 60
    call = ('service="rds"', 'operation="RestoreDBClusterFromSnapshot"', 'outcome="ok"')
    assert measured.value("aurora_restore_aws_calls_total", *call) == 1
    assert measured.value("aurora_restore_differences_total", *TARGET) == 0
    assert measured.value("temporal_num_pollers", 'poller_type="activity_task"') >= 1


def test_ours_have_few_labels(measured: Measured) -> None:
    """No series has a label whose values grow with the number of operations."""
    ours = [line for line in measured.text.splitlines() if line.startswith("aurora_restore_")]
    assert len(ours) < 300
    assert not re.search(r"op-001|workflow_id|run_id|arn:", "\n".join(ours))


def test_an_address_in_use_is_named(measured: Measured) -> None:
    """With the setting that has it."""
    result = run_worker(measured.stack, "run", AURORA_RESTORE_METRICS_ADDRESS=str(measured.port))
    assert result.code == 2
    assert f"AURORA_RESTORE_METRICS_ADDRESS: cannot listen at 127.0.0.1:{measured.port}" in result.err
