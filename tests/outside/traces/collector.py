"""A collector of traces in miniature: takes OTLP over HTTP and reads it with OpenTelemetry's own definitions."""

import gzip
import http.server
import ssl
import threading
import time
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

PATIENCE = 60  # seconds


@dataclass
class Span:
    """A span as it arrived, with IDs in hexadecimal."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    flags: int
    begin: int
    end: int
    status: str
    attributes: dict
    resource: dict
    scope: tuple


@dataclass
class Request:
    """A request as it arrived."""

    path: str
    headers: dict
    body: bytes
    at: float


def value(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def attributes(pairs):
    found = {pair.key: value(pair.value) for pair in pairs}
    assert len(found) == len(pairs), "no attribute is there twice"
    return found


def spans_of(body):
    message = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    name=span.name,
                    kind=trace_pb2.Span.SpanKind.Name(span.kind),
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    flags=span.flags,
                    begin=span.start_time_unix_nano,
                    end=span.end_time_unix_nano,
                    status=trace_pb2.Status.StatusCode.Name(span.status.code),
                    attributes=attributes(span.attributes),
                    resource=attributes(resource.resource.attributes),
                    scope=(scope.scope.name, scope.scope.version),
                )


def partial(rejected, message):
    """The response of a collector that does not take all spans."""
    response = trace_service_pb2.ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message
    return response.SerializeToString()


TAKEN = (200, {}, b"")
# does not answer, until the collector is closed
SILENCE = None


class Collector:
    """Gives `answers` in their order, and then takes everything. `certificate` and `key` are files, for TLS."""

    def __init__(self, answers=(), port=0, certificate=None, key=None):
        self.requests, self._answers = [], list(answers)
        self._arrived, self._closing = threading.Condition(), threading.Event()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = PATIENCE

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = collector.take(Request(self.path, headers, body, time.monotonic()))
                if answer is SILENCE:
                    collector._closing.wait(PATIENCE)
                    self.close_connection = True
                    return
                status, fields, content = answer
                self.send_response_only(status)
                for name, field in fields.items():
                    self.send_header(name, field)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.scheme = "https"
        self.port = self._server.server_address[1]
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, request):
        with self._arrived:
            answer = self._answers.pop(0) if self._answers else TAKEN
            self.requests.append(request)
            self._arrived.notify_all()
            return answer

    def answer_next(self, answer):
        with self._arrived:
            self._answers.append(answer)

    def wait_for_requests(self, count):
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.requests) >= count, PATIENCE), len(self.requests)
            return list(self.requests)

    def spans(self):
        return [span for request in list(self.requests) for span in spans_of(request.body)]

    def wait_for_trace(self, trace_id, count=1):
        """The spans of a trace, once there are so many."""
        def those():
            return [span for span in self.spans() if span.trace_id == trace_id]
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(those()) >= count, PATIENCE), self.spans()
        return those()
