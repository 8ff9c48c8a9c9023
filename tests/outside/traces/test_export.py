"""Spans as a collector receives them: their tree, their attributes, and nothing else; and a collector that is away,
slow or unwilling."""

import hashlib
import json
import re
import subprocess
from importlib.metadata import files

import pytest
from collector import SILENCE, TAKEN, Collector, partial, spans_of
from free_ports import free_port
from importexport import KEY_ID, SECRET
from traced_proxy import FORM
from waiting import eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{PARENT}-01"
SOON = 'interval = "50ms"'
REMOTE_PARENT, IS_KNOWN, RANDOM, FLAG_SAMPLED = 0x200, 0x100, 0x2, 0x1


def lines(collector, more=SOON):
    return f'endpoint = "{collector.url}"\n{more}'


def by_name(spans):
    found = {span.name: span for span in spans}
    assert len(found) == len(spans), spans
    return found


def test_a_trace_as_it_is_received(trace, endpoint):
    with Collector() as collector:
        resource = 'resource = ["deployment.environment.name=test"]'
        traced = trace(lines(collector, f"{SOON}\n{resource}"))
        status, line, _ = traced.call(traceparent=SAMPLED, tracestate="vendor=marker-of-a-state")
        spans = by_name(collector.wait_for_trace(TRACE, 4))
        requests = collector.wait_for_requests(1)
    assert set(spans) == {"POST /", "connect", "sign", "POST"}
    exchange, connect, sign, call = (spans[name] for name in ("POST /", "connect", "sign", "POST"))

    # the tree
    assert exchange.parent_id == PARENT
    assert {connect.parent_id, sign.parent_id, call.parent_id} == {exchange.span_id}
    assert len({span.span_id for span in spans.values()} | {PARENT}) == 5
    assert exchange.flags == IS_KNOWN | REMOTE_PARENT | FLAG_SAMPLED
    assert {span.flags for span in (connect, sign, call)} == {IS_KNOWN | FLAG_SAMPLED}
    kinds = {span.name: span.kind.removeprefix("SPAN_KIND_") for span in spans.values()}
    assert kinds == {"POST /": "SERVER", "connect": "INTERNAL", "sign": "INTERNAL", "POST": "CLIENT"}
    assert exchange.begin <= connect.begin <= connect.end <= sign.begin <= sign.end <= call.begin <= call.end
    assert call.end <= exchange.end
    assert {span.status for span in spans.values()} == {"STATUS_CODE_UNSET"}

    # the attributes, all of them
    client = exchange.attributes.pop("client.port")
    assert exchange.attributes == {
        "http.request.method": "POST",
        "url.scheme": "http",
        "url.path": "/",
        "http.route": "/",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "server.address": traced.host,
        "server.port": traced.port,
        "client.address": "127.0.0.1",
        "network.peer.address": "127.0.0.1",
        "network.peer.port": client,
        "countersign.request_id": line["request_id"],
        "countersign.listener": "local",
        "countersign.route": "main",
        "countersign.client": line["client"],
        "countersign.action": "GetStatus",
        "countersign.decision": "any_local",
        "countersign.key": KEY_ID,
        "countersign.outcome": "answered_2xx",
        "http.request.body.size": len(FORM),
        "http.response.body.size": line["bytes_out"],
    }
    server = {"server.address": "127.0.0.1", "server.port": endpoint.port}
    assert connect.attributes == server
    assert sign.attributes == {"countersign.key": KEY_ID}
    assert call.attributes == server | {
        "http.request.method": "POST",
        "url.full": f"{endpoint.url}/",
        "network.protocol.version": "1.1",
        "http.response.status_code": 200,
    }
    assert (status, line["trace_id"]) == (200, TRACE)
    instance = exchange.resource.pop("service.instance.id")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", instance)
    version = exchange.resource.pop("service.version")
    assert exchange.resource == {
        "service.name": "countersign",
        "deployment.environment.name": "test",
        "telemetry.sdk.language": "rust",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": exchange.resource["telemetry.sdk.version"],
    }
    assert exchange.scope == ("countersign", version)

    # the request, and what is not in it
    [request] = requests
    assert request.path == "/v1/traces"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["user-agent"] == f"countersign/{version}"
    for secret in (SECRET, "marker-of-a-value", "marker-of-a-state", "Signature", "JobId"):
        assert secret.encode() not in request.body
    # counted once the collector has answered
    eventually(lambda: traced.spans_exported() == 4, traced.metrics)


def test_a_call_that_a_sandbox_verifies_is_traced_too(trace, sandbox):
    with Collector() as collector:
        traced = trace(lines(collector), endpoint=sandbox)
        status, line, _ = traced.call("Action=ListJobs&Version=2010-06-03")
        spans = by_name(collector.wait_for_trace(line["trace_id"], 4))
    assert (status, spans["POST"].attributes["http.response.status_code"]) == (200, 200)


def test_what_was_not_asked_to_be_traced_is_a_trace_of_its_own(trace):
    with Collector() as collector:
        traced = trace(lines(collector))
        _, line, _ = traced.call()
        spans = by_name(collector.wait_for_trace(line["trace_id"], 4))
    assert spans["POST /"].parent_id == ""
    assert spans["POST /"].flags == IS_KNOWN | RANDOM | FLAG_SAMPLED
    assert re.fullmatch("[0-9a-f]{32}", line["trace_id"])


def test_refusals_and_failures_say_what_they_are_and_whose(trace):
    with Collector() as collector:
        traced = trace(lines(collector), endpoint=f"http://127.0.0.1:{free_port()}/")
        refused, line, _ = traced.call("JobId=marker-of-a-value", traceparent=SAMPLED)
        [span] = collector.wait_for_trace(TRACE, 1)
        assert (refused, span.name, span.status) == (400, "POST /", "STATUS_CODE_UNSET")
        assert "error.type" not in span.attributes
        assert span.attributes["countersign.code"] == "MissingAction"
        assert span.attributes["countersign.outcome"] == "refused"
        assert span.attributes["countersign.reason"] == line["reason"]

        unreachable, line, _ = traced.call()
        spans = by_name(collector.wait_for_trace(line["trace_id"], 2))
    assert unreachable == 502
    assert spans["POST /"].status == spans["connect"].status == "STATUS_CODE_ERROR"
    assert spans["POST /"].attributes["error.type"] == "ProxyUpstreamUnreachable"
    assert spans["connect"].attributes["error.type"] == "connection_refused"


def test_the_status_of_the_endpoint_is_the_error_of_the_call(trace):
    with Collector() as collector, Collector([(503, {}, b""), (404, {}, b"")]) as endpoint:
        traced = trace(lines(collector), endpoint=endpoint.url)
        for status, exchange_status in ((503, "STATUS_CODE_ERROR"), (404, "STATUS_CODE_UNSET")):
            answered, line, _ = traced.call("Action=CreateJob")
            spans = {span.name: span for span in collector.wait_for_trace(line["trace_id"], 3)}
            assert answered == status
            assert spans["POST"].status == "STATUS_CODE_ERROR"
            assert spans["POST"].attributes["error.type"] == str(status)
            assert spans["POST /"].status == exchange_status


def test_a_parent_that_is_not_sampled_has_no_spans_and_its_id_is_in_the_log(trace):
    other = TRACE.replace("0af", "fa0")
    with Collector() as collector:
        traced = trace(lines(collector))
        _, line, _ = traced.call(traceparent=f"00-{other}-{PARENT}-00")
        traced.call(traceparent=SAMPLED)
        collector.wait_for_trace(TRACE, 3)
        assert line["trace_id"] == other
        assert other not in {span.trace_id for span in collector.spans()}


def test_the_ratio_decides_where_no_parent_does_or_may(trace):
    low, high = ("0" * 31 + "1", "f" * 32)
    with Collector() as collector:
        traced = trace(lines(collector, f"{SOON}\nsample_ratio = 0.5\nparent_based = false"))
        for trace_id, flags in ((low, "01"), (high, "00")):
            traced.call(traceparent=f"00-{trace_id}-{PARENT}-{flags}")
        collector.wait_for_trace(high, 3)
        assert {span.trace_id for span in collector.spans()} == {high}


def test_a_call_that_moves_to_the_fallback_tells_of_both_endpoints(trace, endpoint):
    port = free_port()
    with Collector() as collector:
        fallback = f'[[route.main.fallback]]\nendpoint = "{endpoint.url}"'
        traced = trace(lines(collector), endpoint=f"http://127.0.0.1:{port}/", route=fallback)
        status, line, _ = traced.call()
        spans = sorted(collector.wait_for_trace(line["trace_id"], 5), key=lambda span: span.begin)
    assert (status, line["endpoint"]) == (200, f"{endpoint.url}/")
    assert [span.name for span in spans] == ["POST /", "connect", "connect", "sign", "POST"]
    exchange, refused, connect, _, call = spans
    assert (refused.attributes["server.port"], refused.attributes["error.type"]) == (port, "connection_refused")
    assert (connect.attributes["server.port"], connect.status) == (endpoint.port, "STATUS_CODE_UNSET")
    assert (call.attributes["url.full"], exchange.status) == (f"{endpoint.url}/", "STATUS_CODE_UNSET")
    assert "error.type" not in exchange.attributes and "http.request.resend_count" not in call.attributes


def test_an_existing_connection_is_no_span(trace):
    with Collector() as collector:
        traced = trace(lines(collector), more="[process]\nworkers = 1")
        traced.call()
        _, line, _ = traced.call()
        assert set(by_name(collector.wait_for_trace(line["trace_id"], 3))) == {"POST /", "sign", "POST"}


def test_calls_go_on_and_spans_are_counted_while_the_collector_is_away(trace):
    port = free_port()
    traced = trace(f'endpoint = "http://127.0.0.1:{port}"\n{SOON}\nqueue = 2\nbatch = 1')
    statuses = [traced.call()[0] for _ in range(10)]
    assert statuses == [200] * 10
    traced.wait_for_dropped("queue_full", 8 * 3)
    traced.process.wait_for('"level":"WARN".*spans cannot be exported.*')
    with Collector(port=port) as collector:
        collector.wait_for_requests(2)
        traced.process.wait_for("spans reach the collector of traces again")
        eventually(lambda: traced.spans_exported() >= 6, traced.metrics)
    assert traced.spans_dropped("unreachable") == 0


@pytest.mark.parametrize("status", [400, 401, 500, 307])
def test_a_collector_that_does_not_take_a_request_is_not_asked_again(trace, status):
    with Collector([(status, {"Location": "/elsewhere"}, b"marker-of-a-value")]) as collector:
        traced = trace(lines(collector))
        traced.call(traceparent=SAMPLED)
        traced.wait_for_dropped("refused", 4)
        assert traced.spans_exported() == 0
        traced.process.wait_for(f"the collector answered {status}")
        assert len(collector.requests) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_collector_without_time_gets_the_same_spans_again_and_not_before_it_says(trace, status):
    with Collector([(status, {"Retry-After": "2"}, b"")]) as collector:
        traced = trace(lines(collector))
        traced.call(traceparent=SAMPLED)
        first, second = collector.wait_for_requests(2)
        assert [span.span_id for span in spans_of(first.body)] == [span.span_id for span in spans_of(second.body)]
        assert second.at - first.at >= 2
        eventually(lambda: traced.spans_exported() == 4, traced.metrics)


def test_a_collector_that_takes_spans_in_part_is_believed(trace):
    with Collector([(200, {}, partial(3, "no room"))]) as collector:
        traced = trace(lines(collector))
        traced.call(traceparent=SAMPLED)
        traced.wait_for_dropped("rejected", 3)
        eventually(lambda: traced.spans_exported() == 1, traced.metrics)
        line = json.loads(traced.process.wait_for("took spans in part").string)
        assert (line["rejected"], line["of"], line["said"]) == (3, 4, '"no room"')


def test_a_collector_that_says_nothing_is_given_up_after_the_timeout(trace):
    with Collector([SILENCE]) as collector:
        traced = trace(lines(collector, f'{SOON}\ntimeout = "2s"'))
        traced.call(traceparent=SAMPLED)
        first, second = collector.wait_for_requests(2)
        assert list(spans_of(first.body)) == list(spans_of(second.body))
        traced.process.wait_for("no response came within 2000 ms")
        eventually(lambda: traced.spans_exported() == 4, traced.metrics)


def test_what_waits_is_sent_when_the_process_ends(trace):
    with Collector() as collector:
        traced = trace(lines(collector, 'interval = "1h"'))
        traced.call(traceparent=SAMPLED)
        assert collector.requests == []
        assert traced.process.stop() == 0
        assert len(collector.spans()) == 4


def test_a_collector_that_says_nothing_does_not_hold_the_end_up(trace):
    with Collector([SILENCE] * 10) as collector:
        traced = trace(lines(collector, 'interval = "1h"'))
        traced.call(traceparent=SAMPLED)
        assert traced.process.stop() == 0, "within the patience of `stop`"
        assert any("the process ends before these spans were exported" in line for line in traced.process.log)


def test_one_clients_calls_leave_places_for_the_spans_of_another(trace):
    tokens = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("greedy", "modest")}
    clients = "".join(f'[client.{name}]\ntoken_sha256 = "{digest}"\nallow = ["main:*"]\n'
                      for name, digest in tokens.items())
    with Collector([SILENCE] * 100) as collector:
        traced = trace(
            lines(collector, f"{SOON}\nqueue = 8\nbatch = 8\ntimeout = \"1h\""),
            listener='authenticate = ["token"]', more=clients,
        )
        for _ in range(8):
            assert traced.call(traceparent=SAMPLED, authorization="Bearer greedy")[0] == 200
        traced.wait_for_dropped("client_share", 4 * 3)
        for _ in range(4):
            assert traced.call(traceparent=SAMPLED, authorization="Bearer modest")[0] == 200
        assert traced.spans_dropped("queue_full") == 0
        # a stranger's flag counts nothing beyond the ratio, and its place is of its own
        assert traced.call(traceparent=SAMPLED, authorization="Bearer nobody")[0] == 403
        traced.wait_for_dropped("queue_full", 1)


def test_the_token_of_the_collector_is_a_secret_that_may_be_renewed(trace, tmp_path):
    headers = tmp_path / "headers"
    headers.write_text("Authorization: Bearer marker-of-a-value\nX-Scope-OrgID: one\n")
    headers.chmod(0o600)
    with Collector() as collector:
        traced = trace(lines(collector, f'{SOON}\nheaders_file = "{headers}"'))
        traced.call()
        collector.wait_for_requests(1)
        headers.write_text("Authorization: Bearer renewed\n")
        traced.call()
        first, second = collector.wait_for_requests(2)
    assert (first.headers["authorization"], first.headers["x-scope-orgid"]) == ("Bearer marker-of-a-value", "one")
    assert (second.headers["authorization"], second.headers.get("x-scope-orgid")) == ("Bearer renewed", None)


def test_a_collector_is_known_by_its_certificate(trace, tmp_path):
    certificate, key = tmp_path / "collector.pem", tmp_path / "collector.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-subj", "/CN=collector", "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )
    with Collector(certificate=certificate, key=key) as collector:
        traced = trace(lines(collector, f'{SOON}\nca_file = "{certificate}"'))
        traced.call(traceparent=SAMPLED)
        assert len(collector.wait_for_trace(TRACE, 4)) == 4


def test_the_environment_of_opentelemetry_changes_nothing(trace):
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-injected=yes",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_SERVICE_NAME": "other",
        "OTEL_RESOURCE_ATTRIBUTES": "injected=yes",
    }
    with Collector() as collector:
        traced = trace(lines(collector), **environment)
        traced.call(traceparent=SAMPLED)
        spans = collector.wait_for_trace(TRACE, 4)
        [request] = collector.requests
    assert "x-injected" not in request.headers and "content-encoding" not in request.headers
    assert spans[0].resource["service.name"] == "countersign" and "injected" not in spans[0].resource


def test_a_process_that_exports_may_connect_to_the_collector_and_no_further(trace, endpoint, countersign_bin):
    with Collector() as collector:
        traced = trace(lines(collector))
        checked = subprocess.run(
            [countersign_bin, "check", "--config", traced.configuration], capture_output=True, text=True, check=False,
        ).stdout
    assert f"trace: spans go to {collector.url}/v1/traces; endpoints are told nothing" in checked
    ports = re.search(r"may connect to ports: (.*)", checked)[1].split(", ")
    assert sorted(ports) == sorted([str(collector.port), str(endpoint.port)])


@pytest.mark.parametrize(("answer", "told"), [
    (TAKEN, "online trace.endpoint: the collector takes spans"),
    ((404, {}, b""), "WARNING online trace.endpoint: the collector takes no spans, which would be dropped: "
                     "it answered 404 Not Found"),
])
def test_a_check_asks_the_collector_whether_it_takes_spans(trace, countersign_bin, answer, told):
    with Collector() as collector:
        traced = trace(lines(collector))
        collector.answer_next(answer)
        checked = subprocess.run(
            [countersign_bin, "check", "--online", "--config", traced.configuration],
            capture_output=True, text=True, check=False,
        )
    assert told in checked.stdout, checked.stderr
    assert checked.returncode == 0
    assert [request.body for request in collector.requests] == [b""]


def test_a_real_collector_takes_spans_and_passes_them_on(trace, tmp_path):
    [program] = [path for path in files("rotel") if path.name == "rotel-agent"]
    http, grpc = free_port(), free_port()
    with Collector() as behind:
        command = [
            program.locate(), "start", "--otlp-http-endpoint", f"127.0.0.1:{http}",
            "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}", "--exporter", "otlp",
            "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint", behind.url,
            "--otlp-exporter-compression", "none", "--batch-timeout", "100ms",
        ]
        with (tmp_path / "rotel.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as rotel:
            try:
                traced = trace(f'endpoint = "http://127.0.0.1:{http}"\n{SOON}')
                _, line, _ = traced.call(traceparent=SAMPLED)
                spans = by_name(behind.wait_for_trace(TRACE, 4))
            finally:
                rotel.terminate()
    assert set(spans) == {"POST /", "connect", "sign", "POST"}
    assert spans["POST /"].parent_id == PARENT
    assert spans["POST"].parent_id == spans["POST /"].span_id
    assert spans["POST /"].attributes["countersign.request_id"] == line["request_id"]
    assert spans["POST /"].resource["service.name"] == "countersign"
