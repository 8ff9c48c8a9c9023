"""Which trace a call belongs to, beside OpenTelemetry's own reader; and what endpoints are told of it."""

import json
import re
import socket

import pytest
from collector import Collector
from importexport import KEY_ID, SECRET
from opentelemetry import trace as api
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from traced_proxy import FORM
from v4_endpoint import V4Endpoint

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"
NEW = re.compile(f"00-(?!{TRACE})[0-9a-f]{{32}}-[0-9a-f]{{16}}-0[23]")

# by W3C's own list of cases, and beyond it
PARENTS = [
    GOOD,
    f"00-{TRACE}-{SPAN}-00",
    f"00-{TRACE}-{SPAN}-ff",
    f"cc-{TRACE}-{SPAN}-01",
    f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like",
    f"cc-{TRACE}-{SPAN}-01.what-the-future-will-not-be-like",
    f"00-{TRACE}-{SPAN}-01-",
    f"00-{TRACE}-{SPAN}-01-what",
    f"00-{TRACE}-{SPAN}-01.",
    f"ff-{TRACE}-{SPAN}-01",
    f".0-{TRACE}-{SPAN}-01",
    f"0.-{TRACE}-{SPAN}-01",
    f"000-{TRACE}-{SPAN}-01",
    f"0-{TRACE}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-.{TRACE[1:]}-{SPAN}-01",
    f"00-{TRACE}1-{SPAN}-01",
    f"00-{TRACE[:-1]}-{SPAN}-01",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE}-.{SPAN[1:]}-01",
    f"00-{TRACE}-{SPAN}1-01",
    f"00-{TRACE}-{SPAN[:-1]}-01",
    f"00-{TRACE}-{SPAN.upper()}-01",
    f"00-{TRACE}-{SPAN}-.0",
    f"00-{TRACE}-{SPAN}-0.",
    f"00-{TRACE}-{SPAN}-001",
    f"00-{TRACE}-{SPAN}-1",
    "00",
    TRACE,
]


def read_by_opentelemetry(parent):
    """The trace that OpenTelemetry's library reads."""
    context = TraceContextTextMapPropagator().extract({"traceparent": parent})
    found = api.get_current_span(context).get_span_context()
    return api.format_trace_id(found.trace_id) if found.is_valid else None


def raw(traced, fields, form=FORM):
    """The status of a call with exactly these fields, whatever a library thinks of them, and its log line."""
    head = "".join(f"{name}: {content}\r\n" for name, content in fields)
    request = (f"POST / HTTP/1.1\r\nHost: {traced.address}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
               f"Content-Length: {len(form)}\r\nConnection: close\r\n{head}\r\n{form}")
    with socket.create_connection((traced.host, traced.port), 60) as connection:
        connection.sendall(request.encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    request_id = re.search(r"(?i)countersign-request-id: (\S+)", answer)[1]
    return int(answer.split()[1]), traced.exchange(request_id)


@pytest.fixture
def forwarding(trace):
    """A proxy that tells its endpoint of traces and exports none."""
    return trace("forward = true")


def test_a_client_is_in_the_trace_that_opentelemetry_would_read_and_never_refused_for_it(forwarding, endpoint):
    for number, parent in enumerate(PARENTS):
        expected = read_by_opentelemetry(parent)
        status, line = raw(forwarding, [("traceparent", parent), ("tracestate", "a=b")])
        assert status == 200, parent
        told = endpoint.wait_for_requests(number + 1)[-1].headers
        assert line["trace_id"] == told["traceparent"].split("-")[1]
        if expected:
            assert line["trace_id"] == expected == TRACE, parent
            assert told["tracestate"] == "a=b"
        else:
            assert NEW.fullmatch(told["traceparent"]), parent
            assert "tracestate" not in told, "without a parent its state means nothing"
    assert {parent for parent in PARENTS if read_by_opentelemetry(parent)} == set(PARENTS[:5])


def test_what_comes_twice_or_in_another_spelling_is_told_apart(forwarding, endpoint):
    for number, (fields, is_known) in enumerate([
        ([("TraceParent", GOOD)], True),
        ([("TRACEPARENT", f" \t{GOOD} ")], True),
        ([("traceparent", GOOD), ("traceparent", GOOD)], False),
        ([("traceparent", GOOD), ("Traceparent", GOOD.replace("0af", "fa0"))], False),
        ([("traceparent", f"{GOOD},{GOOD}")], False),
        ([("trace-parent", GOOD)], False),
        ([("trace.parent", GOOD)], False),
        ([("tracestate", "a=b")], False),
    ]):
        status, line = raw(forwarding, fields)
        told = endpoint.wait_for_requests(number + 1)[-1].headers
        assert (status, line["trace_id"] == TRACE) == (200, is_known), fields
        assert "tracestate" not in told
        assert is_known or NEW.fullmatch(told["traceparent"])


@pytest.mark.parametrize(("states", "told"), [
    (["foo=1,bar=2"], "foo=1,bar=2"),
    (["foo=1", "bar=2"], "foo=1,bar=2"),
    (["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
    (["foo=1", "", " ,, ", "bar=2"], "foo=1,bar=2"),
    (["foo=1,foo=2"], "foo=1"),
    ([",".join(f"bar{n:02}={n:02}" for n in range(32))], ",".join(f"bar{n:02}={n:02}" for n in range(32))),
    ([",".join(f"bar{n:02}={n:02}" for n in range(33))], None),
    ([f"{'z' * 256}=1"], f"{'z' * 256}=1"),
    ([f"{'z' * 257}=1"], None),
    (["foo@=1,t@v=2,0@v=3"], "foo@=1,t@v=2,0@v=3"),
    (["foo =1"], None),
    (["FOO=1"], None),
    (["foo.bar=1"], None),
    (["@foo=1"], None),
    (["foo=bar=baz"], None),
    (["foo=,bar=3"], None),
    (["foo=1,bar"], None),
    (["foo=\xe9"], None),
])
def test_a_state_is_told_whole_or_not_at_all(forwarding, endpoint, states, told):
    status, line = raw(forwarding, [("traceparent", GOOD), *(("tracestate", state) for state in states)])
    [request] = endpoint.wait_for_requests(1)
    assert (status, line["trace_id"], request.headers.get("tracestate")) == (200, TRACE, told)


@pytest.mark.parametrize(("flags", "told"), [("00", "00"), ("01", "01"), ("02", "02"), ("fb", "03")])
def test_the_flags_that_are_known_are_told_and_no_others(forwarding, endpoint, flags, told):
    forwarding.call(traceparent=f"00-{TRACE}-{SPAN}-{flags}")
    [request] = endpoint.wait_for_requests(1)
    assert re.fullmatch(rf"00-{TRACE}-(?!{SPAN})[0-9a-f]{{16}}-{told}", request.headers["traceparent"])


def test_the_parent_that_an_endpoint_is_told_is_the_span_of_its_call(trace, endpoint):
    with Collector() as collector:
        traced = trace(f'endpoint = "{collector.url}"\ninterval = "50ms"\nforward = true')
        traced.call(traceparent=GOOD)
        spans = collector.wait_for_trace(TRACE, 4)
        [request] = endpoint.wait_for_requests(1)
    [call] = [span for span in spans if span.name == "POST"]
    assert request.headers["traceparent"] == f"00-{TRACE}-{call.span_id}-01"


def test_an_endpoint_is_told_nothing_unless_that_is_asked_for(trace, endpoint):
    with Collector() as collector:
        traced = trace(f'endpoint = "{collector.url}"\ninterval = "50ms"')
        traced.call(traceparent=GOOD, tracestate="a=b")
        collector.wait_for_trace(TRACE, 4)
        [request] = endpoint.wait_for_requests(1)
    assert not {"traceparent", "tracestate"} & set(request.headers)


def test_an_endpoint_that_verifies_version_4_takes_what_it_is_told(trace):
    class Recording(V4Endpoint):
        seen = None

        def refusal(self, path, headers, body):
            self.seen = dict(headers.items())
            return super().refusal(path, headers, body)

    verifying = Recording(KEY_ID, SECRET, "eu-west-1", "sns")
    profile = 'profile = { dialect = "aws-v4", region = "eu-west-1", service = "sns" }'
    traced = trace("forward = true", endpoint=verifying.url, route=profile)
    status, _, _ = traced.call("Action=ListTopics&Version=2010-03-31", traceparent=GOOD, tracestate="a=b")
    assert (status, verifying.complaints) == (200, [])
    assert verifying.seen["traceparent"].startswith(f"00-{TRACE}-") and verifying.seen["tracestate"] == "a=b"
    assert "traceparent" not in verifying.seen["authorization"]


def test_the_audit_has_the_trace_of_a_call_and_of_a_refusal(trace, tmp_path):
    record = tmp_path / "audit.jsonl"
    traced = trace("forward = true", more=f'[audit]\ntarget = "file:{record}"')
    _, called, _ = traced.call(traceparent=GOOD)
    _, refused, _ = traced.call("JobId=marker-of-a-value")
    traced.process.stop()
    audited = {line["request_id"]: line["trace_id"] for line in map(json.loads, record.read_text().splitlines())}
    assert audited == {line["request_id"]: line["trace_id"] for line in (called, refused)}
    assert called["trace_id"] == TRACE
