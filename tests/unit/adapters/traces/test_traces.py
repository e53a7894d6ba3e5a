"""Against a collector made of canned answers, which reads what was sent with OpenTelemetry's own messages."""

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from structlog.testing import capture_logs

from director.adapters.traces import tracer_for
from director.model.names import TaskId
from director.ports.tracer import NO_TRACER

ABOUT = {"director": "prod", "uuid": "u-1", "version": "0.1.0"}


@pytest.fixture
def collector():
    """``sent`` are the requests; ``url`` where it listens."""
    sent = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            sent.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args): ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.sent, server.url = sent, f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def spans_in(sent):
    found, about = {}, {}
    for path, body in sent:
        assert path == "/v1/traces"
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            about |= {one.key: one.value.string_value for one in resource.resource.attributes}
            found |= {span.name: span for scope in resource.scope_spans for span in scope.spans}
    return found, about


def test_a_task_is_a_trace_and_its_steps_are_spans_in_it(collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    tracer, close = tracer_for({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}, **ABOUT)
    trace = tracer.begin(TaskId(7), "deploy", {"director.deployment": "web"})
    tracer.span(TaskId(7), "CreateVm", 100.0, 102.5, "", {"director.step": "web/0:create-vm"})
    tracer.span(TaskId(7), "AwaitAgent", 102.5, 103.0, "It did not come.", {})
    tracer.end(TaskId(7), "It did not come.")
    close()
    spans, about = spans_in(collector.sent)
    task, step, failed = spans["deploy"], spans["CreateVm"], spans["AwaitAgent"]
    assert task.trace_id.hex() == step.trace_id.hex() == trace
    assert step.parent_span_id == task.span_id
    assert (step.start_time_unix_nano, step.end_time_unix_nano) == (100_000_000_000, 102_500_000_000)
    assert (step.status.code, failed.status.code, task.status.code) == (1, 2, 2)
    assert failed.status.message == "It did not come."
    assert about["service.name"] == "director"
    assert about["service.instance.id"] == "u-1"


def test_the_end_of_a_task_nobody_began_is_nothing(collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    tracer, close = tracer_for({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}, **ABOUT)
    tracer.span(TaskId(7), "CreateVm", 1.0, 2.0, "", {})
    tracer.end(TaskId(7))
    close()
    assert collector.sent == []


@pytest.mark.parametrize("environment", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "OTEL_SDK_DISABLED": "true"}])
def test_nothing_is_traced_unless_a_collector_is_named(environment):
    assert tracer_for(environment, **ABOUT)[0] is NO_TRACER


def test_without_the_library_the_director_says_so_and_goes_on(monkeypatch):
    monkeypatch.delitem(sys.modules, "director.adapters.traces.otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with capture_logs() as logs:
        tracer, _ = tracer_for({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, **ABOUT)
    assert tracer is NO_TRACER
    assert "director[otel]" in logs[0]["fix"]


def test_a_collector_that_is_away_holds_the_end_up_for_seconds_only(monkeypatch):
    pytest.importorskip("director.adapters.traces.otel")
    monkeypatch.setattr("director.adapters.traces.otel.FAREWELL_S", 0.2)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    tracer, close = tracer_for({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, **ABOUT)
    tracer.begin(TaskId(1), "deploy", {})
    tracer.end(TaskId(1))
    began = time.monotonic()
    close()
    assert time.monotonic() - began < 5
