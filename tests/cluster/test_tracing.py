"""OpenTelemetry's traces: one trace from the sender's command to the receiver's socket, over two nodes."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.ports import wait_for
from tests.support.server import ROOT


class Collector(ThreadingHTTPServer):
    """A server that takes spans by OTLP over HTTP and keeps them as (node, span)."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def named(self, name):
        return [(node, span) for node, span in list(self.spans) if span.name == name]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in asked.resource_spans:
            about = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.server.spans += [(about["service.instance.id"], span) for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments):
        """Log nothing."""


@pytest.fixture
def collector():
    started = Collector()
    yield started
    started.shutdown()
    started.server_close()


def test_one_trace_reaches_from_the_senders_command_to_the_receivers_socket(start_nodes, device, collector):
    first, second = start_nodes(
        2, IM_TRACING="on", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="200"
    )
    ada, bob = device(first, "ada").connect(), device(second, "bob").connect()
    conversation = ada.send("hello", to_user_id=bob.id)["message"]["conversation_id"]
    wait_for(lambda: collector.named("commit"), what="the first trace")
    wait_for(lambda: bob.received("message_created") or bob.received("sync_required"), what="Bob's rooms")

    message = ada.send("the sealed words", conversation_id=conversation)["message"]
    bob.wait_for("message_created", lambda event: event["message"]["id"] == message["id"])
    assert not bob.call("send_message", {"nonsense": 1})["ok"]

    def commit():
        return next((span for _, span in collector.named("commit") if message["id"] in str(span.attributes)), None)

    wait_for(lambda: commit() is not None, what="the commit's span")
    trace_id = commit().trace_id

    def parts():
        return {(span.name, node): span for node, span in list(collector.spans) if span.trace_id == trace_id}

    expected = {("send_message", "node-1"), ("commit", "node-1"), ("publish", "node-1"), ("deliver", "node-2")}
    wait_for(lambda: parts().keys() >= expected, what="all spans of the trace")
    spans = parts()
    assert spans.keys() == expected
    command = spans["send_message", "node-1"]
    assert {span.parent_span_id for key, span in spans.items() if key[0] != "send_message"} == {command.span_id}
    assert command.parent_span_id == b""
    assert spans["commit", "node-1"].end_time_unix_nano <= spans["publish", "node-1"].end_time_unix_nano
    assert "sealed" not in str(collector.spans)

    def failed():
        return [span for node, span in collector.named("send_message") if node == "node-2" and span.status.code == 2]

    wait_for(failed, what="the span of the command that failed")
    assert failed()[0].status.message == "invalid_input"


def test_an_absent_collector_delays_no_message(start_server, device):
    server = start_server(
        IM_TRACING="on", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_BSP_SCHEDULE_DELAY="50"
    )
    ada, bob = device(server, "ada").connect(), device(server, "bob").connect()

    for number in range(50):
        assert ada.send(f"text {number}", to_user_id=bob.id)["message"]["seq"] == number + 1


def test_the_exporter_is_not_imported_while_tracing_is_off(tmp_path):
    code = (
        "import sys; from config import Settings; from imapp.app import create_app; from pathlib import Path; "
        f"create_app(Settings(data_dir=Path({str(tmp_path)!r}), secret_key='k' * 32)); "
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.exporter')]"
    )

    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_log_lines_of_a_command_carry_its_trace_id(start_server, device, collector):
    node = start_server(
        IM_TRACING="on",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_BSP_SCHEDULE_DELAY="200",
        IM_LOG_FORMAT="json",
        IM_LOG_LEVEL="DEBUG",
    )

    device(node, "ada").connect().call("send_message", {"nonsense": 1})

    wait_for(lambda: collector.named("send_message"), what="the span")
    (_, span), *_ = collector.named("send_message")
    (line,) = [json.loads(line) for line in node.log.splitlines() if '"command_refused"' in line]
    assert line["trace_id"] == span.trace_id.hex()
