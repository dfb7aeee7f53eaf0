"""Grafana's dashboard, made by its own SDK: `python -m tests.rigs.dashboard` writes deploy/monitoring/dashboard.json.

Source: Grafana docs, "Grafana Foundation SDK"; Prometheus docs, "Querying".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import bargauge, common, prometheus, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, Row, ThresholdsConfig
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import VizOrientation
from grafana_foundation_sdk.models.dashboard import DataSourceRef, DynamicConfigValue, Threshold, ThresholdsMode

from tests.rigs.documents import ROOT

FILE = ROOT / "deploy" / "monitoring" / "dashboard.json"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
BY_TARGET = "account, region, target"
HOUR = 3600.0
SHOWN = 20
"""Targets that a panel shows, because a fleet has hundreds."""
OUTCOMES = {"succeeded": "green", "failed": "red", "cancelled": "orange", "skipped": "yellow"}


@dataclass(frozen=True)
class Graph:
    """One panel: what it answers, and its query."""

    title: str
    text: str
    query: str
    legend: str
    unit: str = "short"
    red_after_seconds: float | None = None
    colours: Mapping[str, str] = field(default_factory=dict)
    """By the end of a series' name; the others have Grafana's."""
    empty: str = "No data"
    """What the panel says if nothing was counted, which is usual for what counts faults."""


def _since(metric: str) -> str:
    return f"topk({SHOWN}, time() - max by ({BY_TARGET}) (max_over_time({metric}[8d])))"


def _increase(metric: str, window: str) -> str:
    """How much a counter has grown. One that appears has grown from nothing, which increase() does not see."""
    return f"(({metric} unless {metric} offset {window}) or increase({metric}[{window}]))"


AGES = (
    Graph(
        "Since the last success",
        f"The {SHOWN} longest; red after 26 hours, as the alert. A target without a success in eight days has no bar.",
        _since("aurora_restore_last_success_timestamp_seconds"),
        "{{target}}",
        "s",
        26 * HOUR,
    ),
    Graph(
        "Age of the data",
        f"How long ago the snapshot of each target was taken, the {SHOWN} oldest; red after 36 hours, as the alert.",
        _since("aurora_restore_data_timestamp_seconds"),
        "{{target}}",
        "s",
        36 * HOUR,
    ),
)
ROWS: dict[str, tuple[Graph, ...]] = {
    "Operations": (
        Graph(
            "Operations by outcome, a day",
            "What ended in the 24 hours before.",
            f"sum by (kind, outcome) ({_increase('aurora_restore_operations_total', '1d')})",
            "{{kind}} {{outcome}}",
            colours=OUTCOMES,
        ),
        Graph(
            "Duration of steps",
            "The mean of the steps that ended in the six hours before.",
            f"sum by (step) ({_increase('aurora_restore_step_duration_seconds_sum', '6h')}) / "
            f"sum by (step) ({_increase('aurora_restore_step_duration_seconds_count', '6h')})",
            "{{step}}",
            "s",
        ),
        Graph(
            "Differences found, a day",
            "Settings of restored clusters that are not as configured; a target without one has no line.",
            f"topk({SHOWN}, sum by ({BY_TARGET}) ({_increase('aurora_restore_differences_total', '1d')}) > 0)",
            "{{target}}",
            empty="None found",
        ),
        Graph(
            "Columns without a rule, a day",
            "Attempts that ended at columns without a masking rule; nobody was let in.",
            f"sum({_increase('aurora_restore_unmasked_columns_total', '1d')})",
            "attempts",
            empty="None found",
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
            empty="None so far",
        ),
        Graph(
            "Failed attempts of activities",
            "In the 15 minutes before. Temporal repeats those that may pass.",
            f"sum by (activity, error_type) ({_increase('aurora_restore_failed_attempts_total', '15m')})",
            "{{activity}} {{error_type}}",
            empty="None so far",
        ),
        Graph(
            "RDS's events, an hour",
            "Messages in the queues of events, if the workers read any, by what became of them.",
            f"sum by (outcome) ({_increase('aurora_restore_rds_events_total', '1h')})",
            "{{outcome}}",
            empty="None read",
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
            "Each has one poll of what AWS is doing, or several.",
            "sum by (step) (rate(aurora_restore_polls_total[5m]))",
            "{{step}}",
            "reqps",
        ),
        Graph(
            "Pollers",
            "Without one no worker polls the task queue.",
            "sum by (task_queue, poller_type) (temporal_num_pollers)",
            "{{task_queue}} {{poller_type}}",
        ),
        Graph(
            "Wait of activities for a worker, 95 %",
            "From the time when Temporal schedules an activity until a worker starts it.",
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
        for graph, columns in zip(row, _columns(len(row)), strict=True):
            dashboard = dashboard.with_panel(_graph(graph, columns))
    return JSONEncoder(sort_keys=True, indent=2).encode(dashboard.build()) + "\n"


def _columns(panels: int) -> list[int]:
    """Of the 24 columns of the grid, those of each panel of a row, so that no line of it has a hole; from two panels on."""
    thirds = panels % 2 * 3
    return [8] * thirds + [12] * (panels - thirds)


def _query(graph: Graph) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(graph.query).legend_format(graph.legend).ref_id("A")


def _age(graph: Graph) -> bargauge.Panel:
    steps = [Threshold(color="green"), Threshold(value=graph.red_after_seconds, color="red")]
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


def _graph(graph: Graph, columns: int) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(graph.title)
        .description(graph.text)
        .datasource(SOURCE)
        .unit(graph.unit)
        .min(0)
        .fill_opacity(10)
        .no_value(graph.empty)
        .legend(common.VizLegendOptions().show_legend(True))
        .with_target(_query(graph))
        .height(8)
        .span(columns)
    )
    for ending, colour in graph.colours.items():
        fixed = DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})
        panel = panel.override_by_regexp(f"/.*{ending}/", [fixed])
    return panel


if __name__ == "__main__":
    FILE.write_text(dashboard_json(), "utf-8")
