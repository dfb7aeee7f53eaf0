"""Grafana's dashboard, made by its own SDK: `python -m tests.rigs.dashboard` writes deploy/monitoring/dashboard.json.

Source: Grafana docs, "Grafana Foundation SDK"; Prometheus docs, "Querying".
"""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.builders import bargauge, common, prometheus, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, Row, ThresholdsConfig
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import VizOrientation
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode

from tests.rigs.documents import ROOT

FILE = ROOT / "deploy" / "monitoring" / "dashboard.json"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
BY_TARGET = "account, region, target"
HOUR = 3600.0


@dataclass(frozen=True)
class Graph:
    """One panel: what it answers, and its query."""

    title: str
    text: str
    query: str
    legend: str
    unit: str = "short"


def _since(metric: str) -> str:
    return f"time() - max by ({BY_TARGET}) (max_over_time({metric}[8d]))"


AGES = (
    Graph(
        "Since the last success",
        "Red after 26 hours, as the alert. A target without a success in eight days has no bar.",
        _since("aurora_restore_last_success_timestamp_seconds"),
        "{{target}}",
        "s",
    ),
    Graph(
        "Age of the data",
        "How old the data is that the target has.",
        _since("aurora_restore_data_timestamp_seconds"),
        "{{target}}",
        "s",
    ),
)
ROWS: dict[str, tuple[Graph, ...]] = {
    "Operations": (
        Graph(
            "Operations by outcome, a day",
            "What ended in the 24 hours before.",
            "sum by (outcome) (increase(aurora_restore_operations_total[1d]))",
            "{{outcome}}",
        ),
        Graph(
            "Duration of steps",
            "The mean of the steps that ended in the six hours before.",
            "sum by (step) (increase(aurora_restore_step_duration_seconds_sum[6h])) / "
            "sum by (step) (increase(aurora_restore_step_duration_seconds_count[6h]))",
            "{{step}}",
            "s",
        ),
        Graph(
            "Differences found, a day",
            "Settings of restored clusters that are not as configured.",
            "sum by (target) (increase(aurora_restore_differences_total[1d]))",
            "{{target}}",
        ),
        Graph(
            "Columns without a rule, a day",
            "Attempts that ended at columns without a masking rule; nobody was let in.",
            "sum(increase(aurora_restore_unmasked_columns_total[1d]))",
            "attempts",
        ),
    ),
    "AWS and the trail": (
        Graph(
            "Requests to AWS",
            "With botocore's own retries.",
            "sum by (service) (rate(aurora_restore_aws_calls_total[5m]))",
            "{{service}}",
            "reqps",
        ),
        Graph(
            "Requests that AWS throttled or did not answer",
            "An error that a step expects, such as NotFound, is not among them.",
            'sum by (service, outcome) (rate(aurora_restore_aws_calls_total{outcome=~"throttled|no-answer"}[5m]))',
            "{{service}} {{outcome}}",
            "reqps",
        ),
        Graph(
            "Failed attempts of activities",
            "Temporal repeats those that may pass.",
            "sum by (activity, error_type) (increase(aurora_restore_failed_attempts_total[15m]))",
            "{{activity}} {{error_type}}",
        ),
        Graph(
            "How far the trail is behind",
            "The age of the newest row that was to be written; nothing is deleted without the trail.",
            "max by (task_queue) (aurora_restore_trail_lag_seconds)",
            "{{task_queue}}",
            "s",
        ),
    ),
    "Workers": (
        Graph(
            "Calls of steps",
            "Each is a poll of what AWS is doing, or more of them.",
            "sum by (step) (rate(aurora_restore_polls_total[5m]))",
            "{{step}}",
            "reqps",
        ),
        Graph(
            "Pollers",
            "None means that no worker takes anything.",
            "sum by (task_queue, poller_type) (temporal_num_pollers)",
            "{{task_queue}} {{poller_type}}",
        ),
        Graph(
            "Wait of activities for a worker, 95 %",
            "From when Temporal has it until a worker begins.",
            "histogram_quantile(0.95, sum by (le, task_queue) "
            "(rate(temporal_activity_schedule_to_start_latency_seconds_bucket[10m])))",
            "{{task_queue}}",
            "s",
        ),
    ),
}


def graphs() -> list[Graph]:
    """Every panel."""
    return [*AGES, *(graph for row in ROWS.values() for graph in row)]


def dashboard_json() -> str:
    """The dashboard as Grafana imports it."""
    dashboard = (
        Dashboard("Aurora restores")
        .uid("aurora-restore")
        .tags(["aurora-restore", "temporal"])
        .refresh("1m")
        .time("now-7d", "now")
        .timezone("utc")
        .with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for age in AGES:
        dashboard = dashboard.with_panel(_age(age))
    for title, row in ROWS.items():
        dashboard = dashboard.with_row(Row(title))
        for graph in row:
            dashboard = dashboard.with_panel(_graph(graph))
    return JSONEncoder(sort_keys=True, indent=2).encode(dashboard.build()) + "\n"


def _query(graph: Graph) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(graph.query).legend_format(graph.legend)


def _age(graph: Graph) -> bargauge.Panel:
    steps = [Threshold(color="green"), Threshold(value=26 * HOUR, color="red")]
    return (
        bargauge.Panel()
        .title(graph.title)
        .description(graph.text)
        .datasource(SOURCE)
        .unit(graph.unit)
        .min(0)
        .orientation(VizOrientation.HORIZONTAL)
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .with_target(_query(graph).instant())
        .height(8)
        .span(12)
    )


def _graph(graph: Graph) -> timeseries.Panel:
    return (
        timeseries.Panel()
        .title(graph.title)
        .description(graph.text)
        .datasource(SOURCE)
        .unit(graph.unit)
        .min(0)
        .fill_opacity(10)
        .legend(common.VizLegendOptions().show_legend(True))
        .with_target(_query(graph))
        .height(8)
        .span(12)
    )


if __name__ == "__main__":
    FILE.write_text(dashboard_json(), "utf-8")
