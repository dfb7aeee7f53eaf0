"""An OpenTelemetry collector on this machine: keeps the spans and metrics that it is sent by HTTP.

Source: OpenTelemetry docs, "OTLP Specification 1.9", OTLP/HTTP.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


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

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
            take = {"/v1/traces": collects._take_spans, "/v1/metrics": collects._take_metrics}[self.path]
            take(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collects = Collector(f"http://127.0.0.1:{listening.server_address[1]}")
    thread = Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield collects
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
