"""Traces that cross the bus (OpenTelemetry, W3C Trace Context).

Whoever handles a message continues the trace of whoever said it, so one experiment is one trace from the
vendor's command line to the edge's worker. Spans go to an OTLP collector if the standard variable
``OTEL_EXPORTER_OTLP_ENDPOINT`` names one, and to a file of JSON lines if the settings name one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from bus.errors import MusterError

_OTLP: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_tracer: Final = trace.get_tracer("muster")


def configure(service: str, principal: str, trace_file: Path | None) -> Callable[[], None]:
    """Set up tracing for this process; returns what flushes and ends it.

    Args:
        service: Kind of process, e.g. ``edge_daemon``.
        principal: Who it is.
        trace_file: Append spans here as JSON lines; ``None`` for no file.
    """
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service, SERVICE_INSTANCE_ID: principal}))
    if trace_file is not None:
        trace_file.parent.mkdir(parents=True, exist_ok=True)
        out = trace_file.open("a", encoding="utf-8")
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=out, formatter=_json_line)))
    if os.environ.get(_OTLP):
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider.shutdown


@contextmanager
def span(name: str, *, kind: SpanKind = SpanKind.INTERNAL, parent: str | None = None, **facts: str) -> Iterator[None]:
    """Trace a piece of work.

    Args:
        name: What is done, e.g. ``handle cycle.opened``.
        kind: Producer, consumer or internal.
        parent: ``traceparent`` of the message that led to it; ``None`` continues what is traced here already.
        facts: Attributes; never payloads.
    """
    context = propagate.extract({"traceparent": parent}) if parent else None
    attributes = {f"muster.{key}": value for key, value in facts.items()}
    with _tracer.start_as_current_span(name, context=context, kind=kind, attributes=attributes) as current:
        try:
            yield
        except MusterError as error:
            current.set_status(Status(StatusCode.ERROR, error.code))
            raise


def traceparent() -> str | None:
    """The current span, as a header."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


def _json_line(found: ReadableSpan) -> str:
    line: str = found.to_json(indent=None)
    return line + "\n"
