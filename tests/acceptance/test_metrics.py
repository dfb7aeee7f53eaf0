"""worker.py's metrics under a whole restore, as Prometheus reads them."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import boto3
import pytest
import urllib3
from opentelemetry import trace
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from devstack.demo_environment import ACCOUNT, TARGET_REGION
from devstack.pipeline import start_worker
from devstack.processes import Scratch, Server, free_port
from devstack.stack import Stack
from tests.rigs import warm
from tests.rigs.cli import EXAMPLE, WORKER, run_command, run_worker
from tests.rigs.collector import Collector, collector
from tests.rigs.dashboard import graphs
from tests.rigs.dashboard_picture import page
from tests.rigs.prometheus import Prometheus, missing, needs
from traces import traced

TARGET = ('account="111122223333"', 'region="eu-central-1"', 'target="orders-staging"')


class Measured(NamedTuple):
    """A worker with metrics that has run one restore."""

    stack: Stack
    port: int
    text: str
    worker: Server
    scratch: Scratch
    prometheus: Prometheus | None
    collects: Collector

    def value(self, name: str, *labels: str) -> float:
        """The value of the series with these labels, among others."""
        lines = [line for line in self.text.splitlines() if re.match(rf"{name}(\{{|\s)", line)]
        [found] = [line for line in lines if all(label in line for label in labels)]
        return float(found.rpartition(" ")[2])


@pytest.fixture(scope="module")
def measured() -> Iterator[Measured]:
    with Stack() as stack, Scratch("metrics") as scratch, collector() as collects:
        assert run_command(stack, "setup").code == 0
        port = free_port()
        own = {
            "AURORA_RESTORE_METRICS_ADDRESS": str(port),
            "AURORA_RESTORE_TRACES_OTLP_URL": f"{collects.url}/v1/traces",
            "AURORA_RESTORE_EVENTS_QUEUE_ARNS": make_queue(stack),
        }
        worker = start_worker(scratch, {**stack.environment, **own}, command=warm.command(WORKER))
        prometheus = None if missing() else Prometheus(scratch, port)
        assert run_command(stack, "start", EXAMPLE).code == 0
        text = urllib3.request("GET", f"http://127.0.0.1:{port}/metrics").data.decode()
        yield Measured(stack, port, text, worker, scratch, prometheus, collects)


def make_queue(stack: Stack) -> str:
    """A queue of RDS's events, and the rule that fills it; returns the queue's ARN."""
    make: Any = boto3.client
    options = {"endpoint_url": stack.environment["AWS_ENDPOINT_URL"], "region_name": TARGET_REGION}
    sqs, events = (
        make(service, **options, aws_access_key_id=ACCOUNT, aws_secret_access_key="-") for service in ("sqs", "events")
    )
    sqs.create_queue(QueueName="aurora-restore-events")
    arn = f"arn:aws:sqs:{TARGET_REGION}:{ACCOUNT}:aurora-restore-events"
    events.put_rule(Name="aurora-restore-events", EventPattern=json.dumps({"source": ["aws.rds"]}))
    events.put_targets(Rule="aurora-restore-events", Targets=[{"Id": "queue", "Arn": arn}])
    return arn


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
    assert measured.value("aurora_restore_rds_events_total", 'outcome="asked"') >= 1
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


@needs("prometheus")
def test_each_panel_of_the_dashboard_has_series(measured: Measured) -> None:
    """In a real Prometheus; of a restore without a failure only what counts failures and differences has none."""
    assert measured.prometheus is not None
    time.sleep(2.5)  # two more samples
    empty = {graph.title for graph in graphs() if not measured.prometheus.ask(graph.query)}
    assert empty <= {
        "Differences found, a day",
        "Columns without a rule, a day",
        "Requests that AWS throttled or did not answer",
        "Failed attempts of activities",
        "Workflow tasks that failed",
    }


@needs("prometheus")
def test_the_picture_for_the_docs_has_every_panel(measured: Measured) -> None:
    """Each is drawn by its type and unit, with what it says if it has no series."""
    assert measured.prometheus is not None
    drawn = page(measured.prometheus, time.time() - 60, time.time())
    assert [html.unescape(title) for title in re.findall("<h3>(.*?)</h3>", drawn)] == [
        graph.title for graph in graphs()
    ]
    assert drawn.count("<svg") + drawn.count("<p>") == len(graphs())
    assert "<p>None found</p>" in drawn


def test_a_restarted_worker_knows_the_last_successes_and_sends_what_is_left_of_the_trace(measured: Measured) -> None:
    """The gauges come from the trail, here by OTLP; the spans are one trace of the restore, without a text of an error."""
    measured.worker.stop()
    spans = {span.name: span for span in measured.collects.spans}
    assert {f"RunActivity:{step}" for step in ("snapshot-check", "delete-rds", "sns-notification")} <= spans.keys()
    restore = spans["RunWorkflow:AuroraRestoreWorkflow"]
    assert spans["RunActivity:delete-rds"].trace_id == restore.trace_id
    assert restore.end_time_unix_nano - restore.start_time_unix_nano > 1e9
    assert measured.collects.resources[0]["service.name"] == "aurora-restore-pipeline"
    assert not any(span.events for span in measured.collects.spans)
    own = {"AURORA_RESTORE_METRICS_OTLP_URL": f"{measured.collects.url}/v1/metrics"}
    metrics = ("aurora_restore_last_success_timestamp_seconds", "aurora_restore_data_timestamp_seconds")
    worker = start_worker(measured.scratch, {**measured.stack.environment, **own}, "restarted", warm.command(WORKER))
    worker.wait_until(lambda: measured.collects.values.keys() >= set(metrics), 60)
    worker.stop()
    for metric in metrics:
        labels = {"target": "orders-staging", "region": "eu-central-1", "account": "111122223333"}
        [(found, value)] = measured.collects.values[metric][-1:]
        assert found.items() >= labels.items()
        series = [f'{name}="{label}"' for name, label in found.items() if name != "service_name"]
        assert value == pytest.approx(measured.value(metric, *series), abs=0.002)


async def test_a_span_has_no_text_of_an_error() -> None:
    """Neither the traceback nor the message, which may quote data of a database; the type remains."""
    with collector() as collects:
        async with traced(f"{collects.url}/v1/traces"):
            with suppress(ValueError), trace.get_tracer("test").start_as_current_span("RunActivity:x"):
                raise ValueError("ada@example.com")
    [span] = collects.spans
    assert "ada@" not in str(span)
    assert (span.status.code, span.status.message) == (Status.STATUS_CODE_ERROR, "ValueError")
