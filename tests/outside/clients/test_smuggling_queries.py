"""Requests with a form in the query string, where the route takes them, that two parsers could read differently: what
is hidden in or behind them never arrives. The cases of bodies are in test_smuggling.py."""

import contextlib
import os
import re

import pytest
from importexport import KEY_ID, SECRET
from strict_recorder import StrictRecorder
from test_smuggling import (
    CHUNKED, CHUNKS, FORM, FORMS, HOST, LENGTHS, PAIRS, SECOND, SMUGGLED, TWO, TWO_FRAMINGS, Case, check, chunks,
    last, normalised, refused, request, table,
)

LINE = b"GET /?%b HTTP/1.1" % FORM
# RFC 3986 section 3.4: what stands in a query as it is
QUERY = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]{0,12000}")


def get(*fields, line=LINE, framing=None, body=b""):
    return request(*fields, line=line, media_type=None, framing=framing, body=body)


def post(*fields, framing=b"Content-Length: 0", body=b""):
    return request(*fields, line=b"POST /?%b HTTP/1.1" % FORM, framing=framing, body=body)


BODIES = [
    normalised("a GET", get()),
    normalised("a GET whose body has no bytes", get(framing=b"Content-Length: 0")),
    normalised("a GET whose body has no bytes, at length", get(framing=b"Content-Length: 000")),
    normalised("a POST with a query string and no bytes", post()),
    Case("two GETs and a POST", get() + get(line=b"GET /?Action=ListJobs&JobId=2 HTTP/1.1") + SECOND,
         [{200}] * 3, [PAIRS, TWO, TWO], stays_open=True),
    Case("a GET with a length of nothing, and a form behind it", get(framing=b"Content-Length: 0") + FORM + b"\r\n\r\n"
         + SMUGGLED, [{200}, {400}], [PAIRS]),
    Case("a GET without a length, and a form behind it", get() + FORM + b"\r\n\r\n" + SMUGGLED, [{200}, {400}],
         [PAIRS]),
    *[refused(f"{name} with a request in its body", made(framing=b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED),
              {400}) for name, made in (("a GET", get), ("a POST", post))],
    *[refused(f"{name} with a request in its chunk", made(framing=CHUNKED, body=chunks(SMUGGLED)), {400})
      for name, made in (("a GET", get), ("a POST", post))],
    *[refused(f"{name} with no chunk at all", made(framing=CHUNKED, body=chunks()), {400})
      for name, made in (("a GET", get), ("a POST", post))],
    *[refused(f"{name} with a form that it announces and does not send",
              made(framing=b"Content-Length: %d" % len(FORM)), {400})
      for name, made in (("a GET", get), ("a POST", post))],
    *[refused(f"a GET with {framing!r}", get(framing=framing, body=SMUGGLED), {400, 501})
      for framing in (b"Content-Length: 0\r\nContent-Length: 99", b"Content-Length: 0\r\n" + CHUNKED,
                      CHUNKED + b"\r\nContent-Length: 0", b"Content-Length: +0", b"Content-Length: 0, 0",
                      b"Content-Length:", b"Content-Length : 0", b"Content_Length: 9", b"Transfer-Encoding: identity",
                      b"Transfer-Encoding: gzip, chunked", b"X: y\r\n Content-Length: 9")],
    refused("a POST without a length", post(framing=None), {411}),
    refused("a POST with a form in both places", post(framing=b"Content-Length: %d" % len(FORM), body=FORM), {400}),
    refused("a POST with an empty query string and a form", request(line=b"POST /? HTTP/1.1"), {400}),
    last("a GET in HTTP/1.0", get(line=LINE.replace(b"1.1", b"1.0"))),
    refused("a GET in HTTP/1.0 with a coding", get(line=LINE.replace(b"1.1", b"1.0"), framing=CHUNKED), {400}),
    Case("a GET that asks for another protocol, and a frame of it", get(
        b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
        + b"\x81\x85\0\0\0\0hello" + SMUGGLED, [{200}, {400}], [PAIRS]),
    normalised("a GET that another method is to override", get(b"X-HTTP-Method-Override: DELETE", b"X-Method: PUT")),
]

TARGETS = [
    *[refused(f"the request line {line!r}", get(line=line), statuses)
      for line, statuses in (
          (b"GET /?Action=Smuggled", {400}), (b"GET /?Action=Smuggled HTTP/0.9", {505}),
          (b"GET /?Action=Smuggled#x HTTP/1.1", {400}), (b"GET /#?Action=Smuggled HTTP/1.1", {400}),
          (b"GET /?Action=Smuggled x HTTP/1.1", {400}), (b"GET /?Action=Smuggled\tx HTTP/1.1", {400}),
          (b"GET /?Action=Smuggled\rx HTTP/1.1", {400}), (b"GET /?Action=Smuggled\nx HTTP/1.1", {400}),
          (b"GET /?Action=Smuggled&x=\xc3\xa9 HTTP/1.1", {400}), (b"GET /?Action=Smuggled&x=\0 HTTP/1.1", {400}),
          (b"GET /?Action=Smuggled&x=[] HTTP/1.1", {400}), (b"GET /?Action=Smuggled&x=\\ HTTP/1.1", {400}),
          (b"GET /?Action=Smuggled&x=<> HTTP/1.1", {400}), (b"GET /?Action=Smuggled&x=\"{}|^` HTTP/1.1", {400}),
          (b"GET /%3FAction=Smuggled HTTP/1.1", {404}), (b"GET /;x?Action=Smuggled HTTP/1.1", {404}),
          (b"GET //?Action=Smuggled HTTP/1.1", {404}), (b"GET /..?Action=Smuggled HTTP/1.1", {404}),
          (b"GET /&Action=Smuggled HTTP/1.1", {404}), (b"GET ?Action=Smuggled HTTP/1.1", {400}),
          (b"GET http://signer.example?Action=Smuggled HTTP/1.1", {400}),
          (b"GET http://other.example/?Action=Smuggled HTTP/1.1", {403}),
          (b"GET http://signer.example@other.example/?Action=Smuggled HTTP/1.1", {400}),
          (b"HEAD /?Action=Smuggled HTTP/1.1", {405}), (b"get /?Action=Smuggled HTTP/1.1", {405}),
          (b"PUT /?Action=Smuggled HTTP/1.1", {405}), (b"DELETE /?Action=Smuggled HTTP/1.1", {405}),
          (b"CONNECT /?Action=Smuggled HTTP/1.1", {405}), (b"TRACE /?Action=Smuggled HTTP/1.1", {405}),
          (b"GET /?x=" + b"x" * 20_000 + b"&Action=Smuggled HTTP/1.1", {414}),
      )],
    normalised("a target in absolute form", get(line=b"GET http://signer.example/?%b HTTP/1.1" % FORM)),
    normalised("a second question mark", get(line=b"GET /?%b&x=a?b=c HTTP/1.1" % FORM), PAIRS | {"x": "a?b=c"}),
    normalised("pairs of nothing", get(line=b"GET /?&&%b&& HTTP/1.1" % FORM)),
]


def in_query(case):
    """A case of a form in a body as one of the form in a query string; None where that would be no query string."""
    body = case.sent.partition(b"\r\n\r\n")[2]
    if not case.stays_open or case.sent != request(body=body) or not QUERY.fullmatch(body):
        return None
    sent = get(line=b"GET /?%b HTTP/1.1" % body)
    return Case(case.name, sent, case.answers, case.reaches, stays_open=True)


QUERIES = [case for case in map(in_query, FORMS) if case]


@pytest.fixture(scope="module")
def recorder():
    with contextlib.closing(StrictRecorder(KEY_ID, SECRET)) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def signer(proxy, recorder):
    listener = f'hosts = ["{HOST.decode()}"]\nlimits.head_timeout = "3s"\nauthenticate = ["loopback-owner"]'
    route = f"""accept = ["post", "get", "post-query"]
[client.tests]
uid = {os.getuid()}
allow = ["*:*"]
"""
    return proxy(f"http://{recorder.authority}/", listener=listener, route=route,
                 environment={"COUNTERSIGN__LISTENER__LOCAL__ANY_LOCAL": "false"})


def test_most_cases_of_forms_are_cases_of_query_strings():
    assert len(QUERIES) >= 60


@table(BODIES)
def test_a_form_has_one_place_and_nothing_behind_it_is_read_twice(case, recorder, signer):
    check(case, recorder, signer)


@table(TARGETS)
def test_a_request_target_with_a_form_has_one_reading(case, recorder, signer):
    check(case, recorder, signer)


@table(QUERIES)
def test_a_form_in_a_query_string_has_the_reading_of_one_in_a_body(case, recorder, signer):
    check(case, recorder, signer)


@table([*TWO_FRAMINGS, *LENGTHS, *CHUNKS])
def test_bodies_are_framed_as_strictly_where_query_strings_are_taken(case, recorder, signer):
    check(case, recorder, signer)
