"""Requests that two parsers could read differently, byte for byte, with a second request hidden in or behind them.

Each case says what must become of it: an answer of a certain class, and the one form, if any, that may reach the
endpoint. The endpoint accepts nothing but countersign's own head and a canonical signed form, so nothing of a client's
head, framing or spelling can pass unseen; and the hidden request asks for an Action that must never arrive.
"""

import contextlib
import dataclasses
import gzip
import itertools
import pathlib
import re
import socket
import struct
import threading
import urllib.parse

import pytest
from importexport import KEY_ID, SECRET
from strict_recorder import StrictRecorder

PATIENCE = 60  # seconds
HOST = b"signer.example"
FORM = b"Action=ListJobs&JobId=A%20B"
PAIRS = {"Action": "ListJobs", "JobId": "A B"}
URLENCODED = b"Content-Type: application/x-www-form-urlencoded"
CHUNKED = b"Transfer-Encoding: chunked"
MIB = 1024 * 1024
# The most memory that the proxy may ever have held, floods included; a debug build holds some 12 MiB.
MOST_MEMORY = 32 * MIB
FRAMING_REFUSED = {400, 501}
CLOSED = None  # in a set of statuses: closed without an answer


def request(*fields, body=FORM, line=b"POST / HTTP/1.1", host=b"Host: " + HOST, media_type=URLENCODED, framing=...):
    """A request with these lines, in this order; by itself a good one."""
    framing = b"Content-Length: %d" % len(body) if framing is ... else framing
    lines = [line, host, media_type, *fields, framing]
    return b"\r\n".join([one for one in lines if one is not None]) + b"\r\n\r\n" + body


SMUGGLED = request(body=b"Action=Smuggled")
GOODBYE = request(b"Connection: close", body=b"Action=Goodbye")


def chunks(*pieces, extension=b""):
    return b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in (*pieces, b""))


def chunked(*fields, body, framing=CHUNKED, **parts):
    return request(*fields, body=body, framing=framing, **parts)


@dataclasses.dataclass
class Case:
    """What is sent, the statuses that may answer it, what may reach the endpoint, and whether the next request may
    follow on the connection."""

    name: str
    sent: bytes
    answers: list
    reaches: list
    stays_open: bool = False

    def __str__(self):
        return self.name


def refused(name, sent, statuses):
    """Refused and closed: what lies behind it is not a request."""
    return Case(name, sent + SMUGGLED, [statuses], [])


def refused_form(name, body, status=400):
    """Read whole and refused; the next request is judged by itself."""
    return Case(name, request(body=body), [{status}], [], stays_open=True)


def normalised(name, sent, pairs=PAIRS):
    """Read as one form and signed anew."""
    return Case(name, sent, [{200}], [pairs], stays_open=True)


def last(name, sent, pairs=PAIRS):
    """The same, but what lies behind it is in doubt, and is never read."""
    return Case(name, sent + SMUGGLED, [{200}], [pairs])


def form(name, body, pairs):
    return normalised(name, request(body=body), pairs)


IN_CHUNK = chunks(FORM + b"&x=" + SMUGGLED.replace(b"&", b"%26"))

TWO_FRAMINGS = [
    refused("a length over an empty chunked body", chunked(
        b"Content-Length: %d" % (5 + len(SMUGGLED)), body=b"0\r\n\r\n"), {400}),
    refused("a length over a chunked body", chunked(
        b"Content-Length: %d" % (len(chunks(FORM)) + len(SMUGGLED)), body=chunks(FORM)), {400}),
    refused("a length behind the coding", request(CHUNKED, b"Content-Length: 4", framing=None, body=IN_CHUNK), {400}),
    refused("a length before the coding", request(b"Content-Length: 4", CHUNKED, framing=None, body=IN_CHUNK), {400}),
    refused("a length of nothing", request(b"Content-Length: 0", CHUNKED, framing=None, body=chunks(FORM)), {400}),
    *[refused(f"the coding {value!r} beside a length", request(b"Transfer-Encoding: " + value), FRAMING_REFUSED)
      for value in (b"identity", b"xchunked", b"chunked, identity", b"gzip", b"chunked\x0b", b"")],
    refused("two lengths beside the coding", request(b"Content-Length: 1", b"Content-Length: 2", CHUNKED,
                                                    framing=None, body=chunks(FORM)), {400}),
]

CODINGS = [
    *[normalised(f"the coding {value!r}", chunked(framing=b"Transfer-Encoding:" + value, body=chunks(FORM)))
      for value in (b"chunked", b"   chunked", b"\tchunked", b" chunked  ", b" chunked\t", b" Chunked", b" CHUNKED")],
    *[refused(f"the coding {value!r}", chunked(framing=b"Transfer-Encoding: " + value, body=chunks(FORM)),
              FRAMING_REFUSED)
      for value in (b"chunked, chunked", b"gzip, chunked", b"identity, chunked", b"chunked, identity", b"chunked, gzip",
                    b"identity", b"xchunked", b"chunkedx", b"chunke", b"\x0bchunked", b"chunked\x0b", b"chunked\x0c",
                    b"\xa0chunked", b"\"chunked\"", b"'chunked'", b"chunked;q=1", b"chunked;", b",chunked", b"chunked,",
                    b", chunked", b"\"\", chunked", b"", b"\r\n chunked", b"\xd1\x81hunked", b"chunked\0",
                    b"\0chunked")],
    *[refused(f"the codings {first!r} and {second!r} in two lines",
              request(b"Transfer-Encoding: " + first, b"Transfer-Encoding: " + second, framing=None, body=chunks(FORM)),
              FRAMING_REFUSED)
      for first, second in ((b"chunked", b"chunked"), (b"identity", b"chunked"), (b"chunked", b"identity"),
                            (b"gzip", b"chunked"), (b"chunked", b"x"))],
    *[refused(f"the field {field!r}", chunked(framing=field, body=chunks(FORM)), FRAMING_REFUSED)
      for field in (b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked", b"Transfer-Encoding\0: chunked",
                    b" Transfer-Encoding: chunked", b"X: y\r\n Transfer-Encoding: chunked",
                    b"Transfer-Encoding\x0b: chunked", b"Transfer_Encoding: chunked", b"Transfer--Encoding: chunked",
                    b"TransferEncoding: chunked", b"Transfer.Encoding: chunked")],
    refused("a coding in HTTP/1.0", chunked(line=b"POST / HTTP/1.0", body=chunks(FORM)), {400}),
    refused("a coding and a length in HTTP/1.0", request(CHUNKED, line=b"POST / HTTP/1.0", body=chunks(FORM)), {400}),
]

LENGTHS = [
    normalised("a length with blanks around it", request(framing=b"Content-Length: \t 27\t ")),
    normalised("a length with leading zeros", request(framing=b"Content-Length: 00027")),
    *[refused(f"the length {value!r}", request(framing=b"Content-Length: " + value), {400})
      for value in (b"", b"+27", b"-27", b"-0", b"0x1b", b"1b", b"27 27", b"27, 28", b"27,", b",27", b"27;", b"27.0",
                    b"2_7", b"2e1", b"\"27\"", b"\x0b27", b"27\x0b", b"27\0", "٢٧".encode(), "２７".encode(), b"\xa027",
                    b"18446744073709551616", b"18446744073709551643", b"99999999999999999999999999", b"2\r\n 7")],
    *[refused(f"the lengths {first!r} and {second!r} in two lines",
              request(b"Content-Length: " + first, framing=b"Content-Length: " + second), {400})
      for first, second in ((b"27", b"0"), (b"0", b"27"), (b"27", b"28"), (b"27", b"x"), (b"", b"27"))],
    *[refused(f"the length {value!r}", request(framing=b"Content-Length: " + value), {413})
      for value in (b"10737418240", b"9223372036854775807", b"262145")],
    *[refused(f"the field {field!r}", request(framing=field), {400})
      for field in (b"Content-Length : 27", b" Content-Length: 27", b"Content_Length: 27", b"ContentLength: 27",
                    b"Content-Length\0: 27", b"Content--Length: 27")],
]

FIELDS = [
    *[refused(f"the line {line!r}", request(line), {400})
      for line in (b"X-Folded: a\r\n b", b"X-Folded: a\r\n\tb", b"X-Folded:\r\n b", b" X: leading", b"X-CR: a\rb",
                   b"X-CR: a\r\r\nY: b", b"X-NUL: a\0b", b"X\0: a", b"X : a", b"X\t: a", b": a", b"no colon",
                   b"X(Y): a", b"X{Y}: a", b"X@Y: a", b"\"X\": a", b"X\\Y: a", b"X,Y: a", b"X;Y: a", b"X=Y: a",
                   b"X/Y: a", b"X?Y: a", b"X<Y>: a", b"X[Y]: a", b"X\x7f: a", b"X\xc3\xa9: a", b"X\rY: a",
                   b"X: a\nY: b", b"X: a\n", b"X\nY: a", b"X: a\n\nY: b", b"X: a\x01b",
                   b"X: a\x7fb")],
    *[normalised(f"the line {line!r}, which says nothing to the endpoint", request(line))
      for line in (b"X_Custom: a", b"X-Empty:", b"X-Latin: \xe9", b"X-Tab: a\tb", b"Authorization: AWS4-HMAC-SHA256 x",
                   b"Cookie: a=b", b"X-Amz-Security-Token: x", b"X-Amz-Date: 20110620T223059Z",
                   b"X-HTTP-Method-Override: DELETE", b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Host: other.example",
                   b"Forwarded: host=other.example", b"X-Original-URL: /other", b"X-Host: other.example",
                   b"Countersign-Request-Id: forged", b"TE: trailers", b"Trailer: Host", b"Keep-Alive: timeout=1",
                   b"Proxy-Authorization: Basic eDp5", b"Content-MD5: x", b"Content-Range: bytes 0-1/2",
                   b"Range: bytes=0-1")],
    refused("no Host", request(host=None), {400}),
    *[refused(f"the Host lines {lines!r}", request(host=lines), {400})
      for lines in (b"Host: " + HOST + b"\r\nHost: " + HOST, b"Host: " + HOST + b"\r\nHost: other.example",
                    b"Host : " + HOST, b"Host: " + HOST + b"\r\n Host: x", b"Host\0: " + HOST)],
    *[refused(f"the Host {value!r}", request(host=b"Host: " + value), {400, 403, 404})
      for value in (b"", b"other.example", HOST + b":80", HOST + b".", b"user@" + HOST, HOST + b"@other.example",
                    HOST + b", other.example", HOST + b"/", HOST + b"/x", b"http://" + HOST, HOST + b" other.example",
                    HOST + b"\x0b", b"\xef\xbd\x93igner.example", b"signer%2eexample", b"[" + HOST + b"]")],
    normalised("the Host [::1]", request(host=b"Host: [::1]")),
]

CHUNKS = [
    *[normalised(f"the chunk sizes {sizes!r}",
                 chunked(body=b"%b\r\n%b\r\n%b\r\n\r\n" % (sizes[0], FORM, sizes[1])))
      for sizes in ((b"1b", b"0"), (b"1B", b"0"), (b"001b", b"000"), (b"1b \t;c", b"0 ;c"), (b"1b ; a = b", b"0;c"))],
    normalised("a form in chunks of one byte", chunked(body=chunks(*[bytes([byte]) for byte in FORM]))),
    normalised("a few chunk extensions", chunked(body=chunks(FORM, extension=b";name=value;other=\"quoted\""))),
    *[refused(f"the chunk size {size!r}", chunked(body=size + b"\r\n" + FORM + b"\r\n0\r\n\r\n"), {400})
      for size in (b"", b"0x1b", b"+1b", b"-1b", b"1b h", b"zz", b"1b,1b", b"1_b", b"fffffffffffffffff",
                   b"1000000000000001b", b"0000000000000001b", b"1b ", b"1b\t", b"1b;", b"1b; ", b"1b;;c", b"1b;=c",
                   b"1b\r", b"1b\r\r", b"\x0b1b", "１b".encode(), b"\0", b"1b\0", b"g1b")],
    *[refused(f"the chunk size with {end!r} behind it", chunked(body=b"1b" + end + FORM + b"\r\n0\r\n\r\n"), {400})
      for end in (b"\n", b"\r", b"", b"\n\r", b";x\n", b";x\r", b";\n", b";a=\"\n\"", b";\r")],
    *[refused(f"chunk data with {end!r} behind it", chunked(body=b"1b\r\n" + FORM + end + b"0\r\n\r\n"), {400})
      for end in (b"", b"X", b"\n", b"\r", b"XX", b"\r\n\r\n", b"&x=y\r\n")],
    refused("a size smaller than its chunk", chunked(body=b"f\r\n" + FORM + b"\r\n0\r\n\r\n"), {400}),
    refused("a request where a chunk should be", chunked(body=b"1b\r\n" + FORM + b"\r\n"), {400}),
    *[normalised(f"the trailer {line!r}, which says nothing to anybody",
                 chunked(body=b"1b\r\n" + FORM + b"\r\n0\r\n" + line + b"\r\n\r\n"))
      for line in (b"Content-Length: 1", b"Transfer-Encoding: chunked", b"Host: other.example", b"Authorization: x",
                   b"Content-Type: text/plain", b"Origin: https://attacker.example", b"Cookie: a=b",
                   b"X-Amz-Security-Token: x", b"Connection: close", b"X: y")],
    *[refused(f"the trailer {line!r}", chunked(body=b"1b\r\n" + FORM + b"\r\n0\r\n" + line + b"\r\n\r\n"), {400})
      for line in (b"X : y", b"X: a\0b", b"no colon", b": x")],
]

FLOODS = [
    refused("2 MiB of a chunk extension", chunked(body=b"1b;" + b"x" * 2 * MIB + b"\r\n" + FORM + b"\r\n0\r\n\r\n"),
            {400, 413}),
    refused("a chunk extension for every byte", chunked(body=chunks(*[b"A"] * 40_000, extension=b";" + b"x" * 50)),
            {400, 413}),
    refused("1 MiB of a trailer", chunked(body=b"1b\r\n" + FORM + b"\r\n0\r\nX: " + b"x" * MIB + b"\r\n\r\n"),
            {400, 431}),
    refused("20,000 trailers", chunked(body=b"1b\r\n" + FORM + b"\r\n0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n"),
            {400, 431}),
    refused("a head of 2 MiB", request(*[b"X-%d: %b" % (n, b"x" * 65_536) for n in range(32)]), {400, 431}),
    refused("20,000 fields", request(*[b"X-%d: y" % n for n in range(20_000)]), {400, 431}),
    refused("20,000 fields of one name", request(*[b"X: y"] * 20_000), {400, 431}),
    refused("a value of 512 KiB", request(b"X: " + b"x" * 524_288), {400, 431}),
    refused("a name of 100 KiB", request(b"x" * 102_400 + b": y"), {400, 431}),
    refused("a path of 100 KiB", request(line=b"POST /" + b"x" * 102_400 + b" HTTP/1.1"), {400, 404, 414, 431}),
    refused("a method of 100 KiB", request(line=b"P" * 102_400 + b" / HTTP/1.1"), {400, 405, 431}),
    refused("empty lines without end", b"\r\n" * 100_000 + request(), {400, 431, CLOSED}),
    refused("a form of 8 MiB", request(body=b"Action=ListJobs&x=" + b"x" * 8 * MIB), {413}),
    refused("a chunked form of 8 MiB", chunked(body=chunks(b"Action=ListJobs&x=", *[b"x" * 65_536] * 128)), {413}),
    refused_form("20,000 parameters", b"Action=ListJobs" + b"".join(b"&%x=" % n for n in range(20_000))),
    refused_form("200,000 separators and no Action", b"&" * 200_000),
    refused("a compressed form that would be 64 MiB", request(
        b"Content-Encoding: gzip", body=gzip.compress(b"Action=ListJobs&x=" + b"x" * 64 * MIB)), {415}),
]

LINES = [
    *[refused(f"the request line {line!r}", request(line=line), statuses)
      for line, statuses in (
          (b"POST /", {400}), (b"GET /", {400}), (b"POST", {400}), (b"POST  / HTTP/1.1", {400}),
          (b"POST /  HTTP/1.1", {400}), (b"POST\t/\tHTTP/1.1", {400}), (b"POST /\tHTTP/1.1", {400}),
          (b"POST / HTTP/1.1 ", {400}), (b"POST / HTTP/1.1 x", {400}), (b" POST / HTTP/1.1", {400}),
          (b"POST / HTTP/1.2", {400, 505}), (b"POST / HTTP/2.0", {400, 505}), (b"POST / HTTP/0.9", {400, 505}),
          (b"POST / HTTP/1.10", {400, 505}), (b"POST / HTTP/01.1", {400, 505}), (b"POST / HTTP/1", {400, 505}),
          (b"POST / http/1.1", {400, 505}), (b"POST / HTTPS/1.1", {400}), (b"POST / HTTP/1.1\rX: y", {400}),
          (b"post / HTTP/1.1", {405}), (b"Post / HTTP/1.1", {405}), (b"GET / HTTP/1.1", {405}),
          (b"TRACE / HTTP/1.1", {405}),
          (b"HEAD / HTTP/1.1", {405}), (b"OPTIONS * HTTP/1.1", {400, 404, 405}), (b"P\0ST / HTTP/1.1", {400}),
          (b"P(ST / HTTP/1.1", {400}), (b"POST /\0 HTTP/1.1", {400}), (b"POST /\x7f HTTP/1.1", {400, 404}),
          (b"POST /\xc3\xa9 HTTP/1.1", {400, 404}), (b"POST * HTTP/1.1", {400, 404}),
          (b"POST /%0d%0aX:%20y HTTP/1.1", {404}), (b"POST /\rX HTTP/1.1", {400}), (b"POST \\ HTTP/1.1", {400, 404}),
          (b"POST x HTTP/1.1", {400, 404}), (b"POST //other.example/ HTTP/1.1", {400, 404}),
          (b"POST /../ HTTP/1.1", {404}),
          (b"POST http://user@signer.example/ HTTP/1.1", {400}), (b"POST http://other.example/ HTTP/1.1", {403}),
          (b"POST file:///etc/passwd HTTP/1.1", {400, 404}), (b"CONNECT other.example:443 HTTP/1.1", {405}),
          (b"CONNECT / HTTP/1.1", {400, 405}), (b"POST /?Action=Smuggled HTTP/1.1", {400}),
          (b"POST /? HTTP/1.1", {400}),
          (b"POST /?Operation=Smuggled HTTP/1.1", {400}), (b"POST /#x HTTP/1.1", {400}), (b"POST /# HTTP/1.1", {400}),
          (b"POST /#?x HTTP/1.1", {400}), (b"POST / HTTP/1.1\nX: y", {400}), (b"POST /\nX HTTP/1.1", {400}),
      )],
    normalised("an empty line before the request", b"\r\n" + request()),
    refused("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", {400, 505, CLOSED}),
    refused("a TLS handshake", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03\r\n\r\n", {400, CLOSED}),
    refused("the PROXY protocol", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + request(), {400}),
    refused("the PROXY protocol, version 2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\x7f\0\0\1" * 3 + request(),
            {400}),
]

TWO = {"Action": "ListJobs", "JobId": "2"}
SECOND = request(body=b"Action=ListJobs&JobId=2")
CONNECTIONS = [
    *[normalised(f"the connection field {line!r}", request(line))
      for line in (b"Connection: Host", b"Connection: Content-Length", b"Connection: Transfer-Encoding",
                   b"Connection: Content-Type, Host", b"Connection: keep-alive\r\nConnection: Host, Content-Length",
                   b"Connection: X-Amz-Date\r\nX-Amz-Date: x", b"Connection: ,,,")],
    Case("an upgrade to h2c with its frames behind it",
         request(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
         + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0" + SMUGGLED, [{200}, {400, 505, CLOSED}], [PAIRS]),
    Case("an upgrade to WebSocket with a frame behind it",
         request(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13",
                 b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==") + b"\x81\x85\0\0\0\0hello" + SMUGGLED,
         [{200}, {400}], [PAIRS]),
    refused("an upgrade by GET", request(b"Connection: Upgrade", b"Upgrade: websocket", line=b"GET / HTTP/1.1"), {405}),
    normalised("an upgrade without a Connection field", request(b"Upgrade: h2c")),
    Case("an upgrade with a request behind it", request(b"Connection: Upgrade", b"Upgrade: h2c") + SECOND,
         [{200}, {200}], [PAIRS, TWO], stays_open=True),
    normalised("an expectation, and the body at once", request(b"Expect: 100-continue")),
    normalised("an expectation in capitals", request(b"Expect: 100-Continue")),
    *[refused(f"the expectation {value!r}", request(b"Expect: " + value), {417})
      for value in (b"200-ok", b"100-continue, x", b"100-continue;q=1", b"", b"x")],
    refused("two expectations", request(b"Expect: 100-continue", b"Expect: x"), {417}),
    refused("an expectation and a page", request(b"Expect: 100-continue", b"Origin: https://attacker.example"), {403}),
    Case("two good requests", request() + SECOND, [{200}, {200}], [PAIRS, TWO], stays_open=True),
    Case("a good, a bad and a good form", request() + request(body=b"Action=") + SECOND, [{200}, {400}, {200}],
         [PAIRS, TWO], stays_open=True),
    Case("a good form, and a request of a page", request() + request(b"Origin: null") + SMUGGLED, [{200}, {403}],
         [PAIRS]),
    Case("a good form, and one with two framings", request() + request(
        b"Content-Length: 0", CHUNKED, framing=None, body=chunks(b"Action=ListJobs&JobId=2")) + SMUGGLED,
        [{200}, {400}], [PAIRS]),
    Case("a good form, and a path cut short", request() + request(line=b"POST /#x HTTP/1.1") + SMUGGLED,
         [{200}, {400}], [PAIRS]),
    Case("a good chunked form, and a line that ends in a line feed", chunked(body=chunks(FORM)) + request(b"X: a\nY: b")
         + SMUGGLED, [{200}, {400}], [PAIRS]),
    Case("a good form, and its last line again", request() + FORM + b"\r\n\r\n" + SMUGGLED, [{200}, {400}], [PAIRS]),
    *[last(f"a good form with {line!r}", request(line))
      for line in (b"Connection: close", b"Connection: Close, keep-alive",
                   b"Connection: keep-alive\r\nConnection: close")],
    refused("no length in HTTP/1.0, and a form until the end", request(framing=None, line=b"POST / HTTP/1.0"),
            {400, 411}),
    last("a form in HTTP/1.0", request(line=b"POST / HTTP/1.0")),
    normalised("a form in HTTP/1.0 that keeps the connection",
               request(b"Connection: keep-alive", line=b"POST / HTTP/1.0")),
]

A = "Action=ListJobs"
LOOKALIKES = ["Ａction=x", "аction=y", "Actıon=z", "ſignature=w", "Ｓignature=v", "ｔimestamp=u", "Action\u200b=t", "ñ=s"]
DISPATCHED = [b"Action[]=x", b"Action.1=y", b"+Action=z", b"Operation=w", b"command=v", b"ac_tion=u", b"Operation.1=t"]
FORMS = [
    *[refused_form(f"the form {body!r}", body)
      for body in (
          b"Action=ListJobs&Action=Smuggled", b"Action=Smuggled&Action=ListJobs", b"Action=ListJobs&Action=ListJobs",
          b"Action=ListJobs&Action", b"Action=ListJobs&%41ction=Smuggled", b"%41ction=Smuggled&Action=ListJobs",
          b"Action=ListJobs&action=Smuggled", b"Action=ListJobs&ACTION=Smuggled", b"action=Smuggled",
          b"ACTION=Smuggled",
          b"Action=ListJobs%00Smuggled", b"Action=ListJobs%20", b"Action=+ListJobs", b"Action=ListJobs%09",
          b"Action=ListJobs%0a", b"Action=%EF%BB%BFListJobs", b"\xef\xbb\xbfAction=Smuggled", b" Action=Smuggled",
          b"Action%00=Smuggled&Action=ListJobs", b"Action%09=Smuggled&Action=ListJobs", b"Action%0a=x&Action=ListJobs",
          b"\r\nAction=Smuggled", b"Action=ListJobs&\r\nAction=Smuggled", b"Action=ListJobs;Action=Smuggled",
          b"Action=ListJobs\r\nAction=Smuggled", b"Action=ListJobs#Action=Smuggled", b"?Action=Smuggled", b"Action",
          b"Action=", b"=Smuggled", b"", b"&", b"Action[]=Smuggled", b"Action.1=Smuggled", b"Operation=Smuggled",
          b"Action=" + b"A" * 10_240, "Action=ＬistJobs".encode(), b"Action=List%2525Jobs", b"Action=*",
          b"Action=ListJobs&JobId=a&JobId=b", b"Action=ListJobs&Version=1&Version=2", b"Action=ListJobs&version=1",
          b"Action=ListJobs&awsAccessKeyId=x", b"Action=ListJobs&signature=x", b"Action=ListJobs&SIGNATUREVERSION=1",
          b"Action=ListJobs&signatureMethod=HmacSHA1", b"Action=ListJobs&timestamp=x", b"Action=ListJobs&expires=x",
          b"Action=ListJobs&securitytoken=x", b"Action=ListJobs&x-amz-date=x", b"Action=ListJobs&%73ignature=x",
          b"Action=ListJobs&Signature=a&Signature=b", b"Action=ListJobs&Timestamp=a&%54imestamp=b",
          b"Action=ListJobs&x=%", b"Action=ListJobs&x=%4", b"Action=ListJobs&x=%zz", b"Action=ListJobs&x=%%34",
          b"Action=ListJobs&x=%u0041", b"Action=ListJobs&x=% 41", b"Action=ListJobs&%=x", b"Action=ListJobs&x=%ff",
          b"Action=ListJobs&x=%c0%af", b"Action=ListJobs&x=%ed%a0%80", b"Action=ListJobs&x=%f4%90%80%80",
          b"Action=ListJobs&x=\xff", b"Action=ListJobs&x=\xc3", b"Action=ListJobs&%c3=x", b"Action=ListJobs&a%0d%0ab=x",
          b"Action=ListJobs&a\r\nX: y=x", b"Action=ListJobs&a%7f=x",
          "Action=ListJobs".encode("utf-16"), "Action=ListJobs".encode("utf-16-be"), "Action=ListJobs".encode("cp037"),
      )],
    form("an escaped name", b"%41ct%69on=ListJobs", {"Action": "ListJobs"}),
    form("an escaped Action", b"Action=%4cistJob%73", {"Action": "ListJobs"}),
    form("a name escaped twice", b"Action=ListJobs&%2541ction=Smuggled",
        {"Action": "ListJobs", "%41ction": "Smuggled"}),
    *[refused_form(f"what could be taken for the Action, {name!r}", b"Action=ListJobs&" + name) for name in DISPATCHED],
    *[refused_form(f"the look-alike {name!r}", b"Action=ListJobs&" + name.encode()) for name in LOOKALIKES],
    refused_form("two spellings of one name", b"Action=ListJobs&InstanceType=a&instance_type=b"),
    form("names that only resemble reserved ones", b"Action=ListJobs&Actions.1=x&OperationType=y&Signatures=z",
         {"Action": "ListJobs", "Actions.1": "x", "OperationType": "y", "Signatures": "z"}),
    form("a semicolon, a hash and a question mark", b"Action=ListJobs&x=a;Action=Smuggled#?Action=Smuggled",
         {"Action": "ListJobs", "x": "a;Action=Smuggled#?Action=Smuggled"}),
    refused_form("a second form behind an empty line", b"Action=ListJobs&x=a\r\n\r\nAction=Smuggled"),
    refused_form("a request in a value", b"Action=ListJobs&x=" + SMUGGLED),
    form("a head in an escaped value", b"Action=ListJobs&x=a%0d%0aX-Injected:%20y%0d%0a%0d%0a",
         {"Action": "ListJobs", "x": "a\r\nX-Injected: y\r\n\r\n"}),
    form("NUL and escapes of terminals in a value", b"Action=ListJobs&x=%00%1b[31m%7f", {
        "Action": "ListJobs", "x": "\0\x1b[31m\x7f"}),
    form("a client's own signature", b"Action=ListJobs&AWSAccessKeyId=x&Signature=x&SignatureMethod=HmacSHA1"
         b"&SignatureVersion=1&Timestamp=1999-01-01T00:00:00Z&Expires=x&SecurityToken=x&X-Amz-Signature=x",
         {"Action": "ListJobs"}),
    form("a charset that is only a name", b"_charset_=utf-7&Action=ListJobs",
        {"Action": "ListJobs", "_charset_": "utf-7"}),
    form("raw UTF-8", "Action=ListJobs&x=é漢😀&n=e\u0301".encode(), {"Action": "ListJobs", "x": "é漢😀", "n": "e\u0301"}),
    form("what other encoders leave or escape", b"Action=ListJobs&a=1+2&b=1%2B2&c=x=y==&d=%7E~&e=!*'()&f=a%2fb/c&g=%2a",
         {"Action": "ListJobs", "a": "1 2", "b": "1+2", "c": "x=y==", "d": "~~", "e": "!*'()", "f": "a/b/c", "g": "*"}),
    form("lists and YAML", b"Action=GetShippingLabel&jobIds.member.2=b&jobIds.member.10=c&jobIds.member.1=a&Manifest="
         b"a%3A%20b%0A---%0A-%20%22c%22%0A", {
             "Action": "GetShippingLabel", "jobIds.member.1": "a", "jobIds.member.2": "b", "jobIds.member.10": "c",
             "Manifest": 'a: b\n---\n- "c"\n'}),
    form("empty pairs, values and equals signs", b"&&Action=ListJobs&&x&y=&z==&", {
        "Action": "ListJobs", "x": "", "y": "", "z": "="}),
    form("an Action behind 64 KiB", b"x=" + b"x" * 65_536 + b"&Action=ListJobs",
        {"Action": "ListJobs", "x": "x" * 65_536}),
    refused_form("a second Action behind 64 KiB", b"Action=ListJobs&x=" + b"x" * 65_536 + b"&Action=Smuggled"),
    *[refused(f"the media type {value!r}", request(media_type=value), {415})
      for value in (None, b"Content-Type: multipart/form-data; boundary=x", b"Content-Type: application/json",
                    b"Content-Type: text/plain", b"Content-Type:", b"Content-Type: application/x-www-form-urlencoded2",
                    URLENCODED + b"\r\nContent-Type: text/plain", URLENCODED + b"\r\n" + URLENCODED,
                    URLENCODED + b", text/plain", URLENCODED + b"; charset=utf-7", URLENCODED + b"; charset=utf-16",
                    URLENCODED + b"; charset=ibm037", URLENCODED + b"; charset=utf-8; charset=utf-7")],
    normalised("a form of ASCII in ISO 8859-1", request(media_type=URLENCODED + b"; charset=iso-8859-1")),
    *[refused(f"the content coding {value!r}", request(b"Content-Encoding: " + value), {415})
      for value in (b"gzip", b"", b"deflate, gzip", b"aws-chunked")],
    normalised("the content coding identity", request(b"Content-Encoding: identity")),
]


class Connection:
    """A client's socket. What the proxy does not take is not sent: it may have closed."""

    def __init__(self, proxy):
        self._socket = socket.create_connection((proxy.host, proxy.port), PATIENCE)
        self.received = b""
        self._bodiless = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, data):
        self._bodiless = data.startswith(b"HEAD ")
        # on a thread: who floods must read too, or neither side would move
        threading.Thread(target=self._send, args=(data,), daemon=True).start()

    def _send(self, data):
        with contextlib.suppress(OSError):
            self._socket.sendall(data)

    def finish_sending(self):
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self):
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def read(self, until=lambda statuses: False):
        """Reads until the proxy closes, or `until` is true of the statuses so far; returns them."""
        while not until(statuses := self.statuses()):
            try:
                more = self._socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                break
            self.received += more
        return statuses

    def statuses(self):
        """The statuses of all complete answers. What is no answer fails."""
        found, rest = [], self.received
        while b"\r\n\r\n" in rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            line = re.match(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) ", head)
            assert line, f"no answer: {head!r}"
            if line[1] == b"100":
                continue
            length = re.search(rb"\r\ncontent-length: ([0-9]+)", head, re.IGNORECASE)
            length = int(length[1]) if length and not self._bodiless else 0
            if len(rest) < length:
                break
            found.append(int(line[1]))
            rest = rest[length:]
        return found


@pytest.fixture(scope="module")
def recorder():
    with contextlib.closing(StrictRecorder(KEY_ID, SECRET)) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def signer(proxy, recorder):
    listener = f'hosts = ["{HOST.decode()}"]\nlimits.head_timeout = "3s"'
    return proxy(f"http://{recorder.authority}/", listener=listener)


numbers = itertools.count()


@contextlib.contextmanager
def reaching(recorder, signer, expected):
    """Exactly this reaches the endpoint, and the proxy serves on."""
    before = len(recorder.calls)
    yield
    ordinary = {"Action": "Ordinary", "JobId": str(next(numbers))}
    with Connection(signer) as connection:
        body = urllib.parse.urlencode(ordinary).encode()
        connection.send(request(b"Connection: close", body=body))
        assert connection.read() == [200]
    assert recorder.complaints == []
    assert recorder.calls[before:] == [*expected, ordinary]


def check(case, recorder, signer):
    expected = [*case.reaches, *([{"Action": "Goodbye"}] if case.stays_open else [])]
    with reaching(recorder, signer, expected), Connection(signer) as connection:
        connection.send(case.sent)
        if case.stays_open:
            statuses = connection.read(until=lambda statuses: len(statuses) == len(case.answers))
            connection.send(GOODBYE)
            statuses = connection.read()
            assert statuses[len(case.answers) :] == [200], connection.received
            del statuses[len(case.answers) :]
        else:
            statuses = connection.read()
        statuses += [CLOSED] * (len(case.answers) - len(statuses))
        assert len(statuses) == len(case.answers), connection.received
        assert all(one in allowed for one, allowed in zip(statuses, case.answers)), statuses


def table(cases):
    assert len({case.name for case in cases}) == len(cases)
    return pytest.mark.parametrize("case", cases, ids=str)


@table(TWO_FRAMINGS)
def test_two_framings_are_refused_and_nothing_behind_them_is_read(case, recorder, signer):
    check(case, recorder, signer)


@table(CODINGS)
def test_no_coding_but_chunked_once_frames_a_body(case, recorder, signer):
    check(case, recorder, signer)


@table(LENGTHS)
def test_a_length_is_one_number_of_ascii_digits(case, recorder, signer):
    check(case, recorder, signer)


@table(FIELDS)
def test_no_field_is_read_in_two_ways_or_passed_on(case, recorder, signer):
    check(case, recorder, signer)


@table(CHUNKS)
def test_chunks_are_framed_strictly_and_trailers_mean_nothing(case, recorder, signer):
    check(case, recorder, signer)


@table(LINES)
def test_a_request_line_names_post_a_path_and_a_version_we_speak(case, recorder, signer):
    check(case, recorder, signer)


@table(CONNECTIONS)
def test_every_request_of_a_connection_is_judged_by_itself(case, recorder, signer):
    check(case, recorder, signer)


@table(FORMS)
def test_a_form_has_one_reading_or_is_refused(case, recorder, signer):
    check(case, recorder, signer)


@table(FLOODS)
def test_a_flood_is_refused_and_not_kept_in_memory(case, recorder, signer):
    check(case, recorder, signer)
    status = pathlib.Path(f"/proc/{signer.process.child.pid}/status").read_text()
    peak = int(re.search(r"VmHWM:\s+([0-9]+) kB", status)[1]) * 1024
    assert peak < MOST_MEMORY, f"{peak} bytes"


def test_an_odd_byte_anywhere_in_a_head_changes_nothing_that_is_signed(recorder, signer):
    """Refused, or read as without it: there is no third way."""
    good = request(b"Connection: close")
    head = good.index(b"Connection: close")
    before, signed = len(recorder.calls), 0
    for place, odd in itertools.product(range(head), b"\0\t\v\r ,:;\"_\x80"):
        with Connection(signer) as connection:
            connection.send(good[:place] + bytes([odd]) + good[place:] + SMUGGLED)
            statuses = connection.read()
        assert len(statuses) == 1, (place, odd, connection.received)
        signed += statuses == [200]
    assert signed > 0
    assert recorder.complaints == []
    assert recorder.calls[before:] == [PAIRS] * signed


CUT = [("in its head", request()[:40]), ("before its body", request()[: -len(FORM)]), ("in its body", request()[:-1]),
       ("in a chunk", chunked(body=b"1b\r\nAction=ListJobs&J")),
       ("before its last chunk", chunked(body=chunks(FORM)[:-5])),
       ("before the end of its trailers", chunked(body=chunks(FORM)[:-2]))]


@pytest.mark.parametrize(("where", "sent"), CUT, ids=[where for where, _ in CUT])
def test_a_request_that_ends_early_reaches_nobody(where, sent, recorder, signer):
    with reaching(recorder, signer, []), Connection(signer) as connection:
        connection._send(sent)
        connection.finish_sending()
        assert 200 not in connection.read()


@pytest.mark.parametrize(("where", "sent"), CUT, ids=[where for where, _ in CUT])
def test_a_request_that_is_reset_reaches_nobody(where, sent, recorder, signer):
    with reaching(recorder, signer, []), Connection(signer) as connection:
        connection._send(sent)
        connection.reset()


@pytest.mark.parametrize("sent", [request(), chunked(body=chunks(FORM))], ids=["by its length", "in chunks"])
def test_a_client_that_closes_its_half_behind_its_request_is_served(sent, recorder, signer):
    with reaching(recorder, signer, [PAIRS]), Connection(signer) as connection:
        connection._send(sent)
        connection.finish_sending()
        assert connection.read() == [200]


def test_a_client_is_asked_to_go_on_only_when_its_head_has_passed(recorder, signer):
    with reaching(recorder, signer, [PAIRS]):
        with Connection(signer) as connection:
            connection.send(request(b"Expect: 100-continue", b"Connection: close")[: -len(FORM)])
            connection.read(until=lambda statuses: connection.received)
            assert connection.received.startswith(b"HTTP/1.1 100 Continue\r\n")
            connection.send(FORM)
            assert connection.read() == [200]
        for field in (b"Origin: null", b"Content-Encoding: gzip"):
            with Connection(signer) as connection:
                connection.send(request(b"Expect: 100-continue", field)[: -len(FORM)])
                connection.read()
                assert not connection.received.startswith(b"HTTP/1.1 100 ")
