"""``OtelTracer``: the Tracer port on OpenTelemetry's SDK, sent as OTLP over HTTP by its own thread."""

import threading
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, format_trace_id, set_span_in_context

from director.model.names import TaskId

FAREWELL_S: Final = 3.0
_NS: Final = 1_000_000_000


class OtelTracer:
    """Implements ``ports.tracer.Tracer``. Address, headers, TLS and sampling come from OTEL_* variables.

    Its queue is the SDK's: bounded, drops what is too much, and its thread retries with a budget.
    """

    def __init__(self, *, director: str, uuid: str, version: str, exporter: SpanExporter | None = None) -> None:
        about = {"service.name": "director", "service.instance.id": uuid, "service.version": version}
        # create lets OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word on what they name.
        self._provider = TracerProvider(
            resource=Resource.create({**about, "director.name": director}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("director", version)
        self._open: dict[TaskId, Span] = {}

    def begin(self, task: TaskId, name: str, facts: dict[str, str]) -> str:
        span = self._tracer.start_span(name, kind=SpanKind.INTERNAL, attributes={**facts, "director.task": task})
        self._open[task] = span
        return format_trace_id(span.get_span_context().trace_id)

    def span(self, task: TaskId, name: str, began: float, ended: float, error: str, facts: dict[str, str]) -> None:
        above = self._open.get(task)
        if above is None:
            return
        inside = set_span_in_context(above)
        span = self._tracer.start_span(name, context=inside, attributes=dict(facts), start_time=int(began * _NS))
        _judge(span, error)
        span.end(int(ended * _NS))

    def end(self, task: TaskId, error: str = "") -> None:
        span = self._open.pop(task, None)
        if span is not None:
            _judge(span, error)
            span.end()

    def close(self) -> None:
        """Sends what is left, for a few seconds at most: the SDK's own deadlines are longer than a director's end."""
        farewell = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        farewell.start()
        farewell.join(FAREWELL_S)


def _judge(span: Span, error: str) -> None:
    span.set_status(Status(StatusCode.ERROR, error) if error else Status(StatusCode.OK))
