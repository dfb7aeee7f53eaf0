"""Traces of restores: a span for each workflow and each attempt of an activity, sent to an OpenTelemetry collector.

Spans are made by the plugin of Temporal's SDK, which repeats none in a replay. They carry names, ids and times, and no
text of an error: that of a database may quote data, and the trail has ours. OpenTelemetry is an extra, so that only a
worker with a collector imports it.
Source: Temporal docs, Python SDK, Observability; OpenTelemetry docs, "OTLP Exporter Configuration".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from settings import PREFIX, WrongSettings
from version import NAME, VERSION

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult
    from temporalio.client import Plugin
    from temporalio.contrib.opentelemetry import ReplaySafeTracerProvider


@asynccontextmanager
async def traced(otlp_url: str | None) -> AsyncIterator[tuple[Plugin, ...]]:
    """The plugin for the client of a worker that sends its spans to this URL; none without a URL.

    What was not sent yet is sent at the end of the block. A collector that does not answer delays nothing else.
    Raises `WrongSettings` if OpenTelemetry is not installed.
    """
    if otlp_url is None:
        yield ()
        return
    try:
        from opentelemetry import trace
        from temporalio.contrib.opentelemetry import OpenTelemetryPlugin

        provider = _create_provider(otlp_url)
    except ImportError as error:
        missing = f"{PREFIX}TRACES_OTLP_URL: {error.name} is not installed; run: pip install '.[traces]'"
        raise WrongSettings(missing) from error
    trace.set_tracer_provider(provider)
    try:
        yield (OpenTelemetryPlugin(add_temporal_spans=True),)
    finally:
        await asyncio.to_thread(provider.shutdown)


def _create_provider(otlp_url: str) -> ReplaySafeTracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from temporalio.contrib.opentelemetry import create_tracer_provider

    class WithoutErrorTexts(OTLPSpanExporter):
        """Sends spans without their events, which are tracebacks, and of an error only its type."""

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return super().export([_without_error_text(span) for span in spans])

    provider = create_tracer_provider(resource=Resource.create({"service.name": NAME, "service.version": VERSION}))
    provider.add_span_processor(BatchSpanProcessor(WithoutErrorTexts(otlp_url)))
    return provider


def _without_error_text(span: ReadableSpan) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Status

    error_type = (span.status.description or "").partition(":")[0]
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, error_type or None),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
