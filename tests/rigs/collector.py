"""An OpenTelemetry collector on this machine: keeps the spans and metrics that it is sent by HTTP.

Source: OpenTelemetry docs, "OTLP Specification 1.9", OTLP/HTTP.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.rigs.local_http import QuietHandler, served


@dataclass
class Collector:
    """What was sent."""

    url: str
    spans: list[Any] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)
    """The attributes of what sent spans."""
    values: dict[str, list[tuple[dict[str, str], float]]] = field(default_factory=dict)
    """By metric: the labels and the value of each point of a sum or gauge."""

    def _take_spans(self, body: bytes) -> None:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append({each.key: each.value.string_value for each in group.resource.attributes})
            self.spans += [span for scope in group.scope_spans for span in scope.spans]

    def _take_metrics(self, body: bytes) -> None:
        for group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for metric in (metric for scope in group.scope_metrics for metric in scope.metrics):
                for point in (*metric.sum.data_points, *metric.gauge.data_points):
                    labels = {each.key: each.value.string_value for each in point.attributes}
                    self.values.setdefault(metric.name, []).append((labels, point.as_double or point.as_int))


@contextmanager
def collector() -> Iterator[Collector]:
    """Run one during the block."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802 - the name that the server calls
            body = self.read_body()
            body = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
            take = {"/v1/traces": collects._take_spans, "/v1/metrics": collects._take_metrics}[self.path]
            take(body)
            self.respond(200)

    with served(Handler) as url:
        collects = Collector(url)
        yield collects
