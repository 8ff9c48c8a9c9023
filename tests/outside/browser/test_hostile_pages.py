"""Web pages against the proxy, in a real Chromium: whatever they send is refused, and they cannot read even that.

A form is safelisted by CORS: any page may post one anywhere, and the browser asks nobody. So the proxy has to tell
pages from programs by what a browser adds to their requests (Origin, Sec-Fetch-Site) and cannot be made to leave out,
and, where a name was turned round to lead to the proxy, by the Host.
"""

import json
import re
import socket

import pytest
from hostile_site import ATTACKER, FORM, QUERY_SCRIPTS, SCRIPTS, SIDECAR, path_of

LOADED = "new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))"

# how the request of each attack must begin, for it to be the attack its name says; the others post urlencoded forms
LINES = {
    "a form with the method GET": "GET /?",
    "a fetch that asks for leave": "OPTIONS / ",
    "a fetch of another method": "OPTIONS / ",
    "an XMLHttpRequest that asks for leave": "OPTIONS / ",
    "an XMLHttpRequest with the method GET": "GET / ",
    "an image": "GET / ",
    "a script": "GET / ",
    "a style sheet": "GET / ",
    "a frame": "GET / ",
    "an event source": "GET / ",
    "a WebSocket": "GET / ",
}
MEDIA_TYPES = {
    "a form of plain text": "text/plain",
    "a form that hides a request in its text": "text/plain",
    "a fetch that hides a request in its body": "text/plain",
    "a form in parts": "multipart/form-data",
}
# browsers let only pages of https and of localhost have one
OF_LOCALHOST_ONLY = {"a service worker"}
# on a name that leads to the proxy by now there is nobody left to redirect, or to serve a worker
NOT_REBOUND = {"a form that is redirected with its body", "a service worker"}
# the proxy's own site: no leave need be asked of it
SAME_ORIGIN_LINES = LINES | {
    "a fetch that asks for leave": "POST / ",
    "an XMLHttpRequest that asks for leave": "POST / ",
    "a fetch of another method": "PUT / ",
}

LEAVE_THE_PAGE = {"a form that takes the whole tab", "a tab that goes there"}

CASES = [
    pytest.param(origin, name, id=f"{name} of {origin}")
    for origin in (ATTACKER, "localhost")
    for name in SCRIPTS
    if origin == "localhost" or name not in OF_LOCALHOST_ONLY
]


def attack(chromium, url, name, tap, begins):
    """Visits the page, and returns what it sent and what it could read."""
    since = len(tap.conversations)
    with chromium.page(url) as page:
        sent = tap.wait_for(lambda conversation: conversation.line.startswith(begins), since)
        seen = None if name in LEAVE_THE_PAGE else page.value(f"{LOADED}.then(() => window.seen)")
    # nothing else came, but that browsers ask for an icon when they feel like it
    others = [other for other in tap.conversations[since:] if other is not sent]
    assert [other for other in others if not other.line.startswith("GET /favicon.ico ")] == []
    return sent, seen


def assert_refused(conversation, tap, error):
    """Refused once, for this reason, without leave for any page, and by the proxy's log too."""
    head, _, body = conversation.answered.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 Forbidden\r\n"), conversation
    assert conversation.answered.count(b"HTTP/1.1 ") == 1, f"what lies behind it was read: {conversation}"
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert not [name for name in names if name.startswith(b"access-control-") or name == b"timing-allow-origin"]
    assert b"<Code>AccessDenied</Code>" in body
    # by its ID: another connection may have had the same port before
    request_id = re.search(rb"<RequestId>([^<]+)</RequestId>", body)[1].decode()
    logged = json.loads(tap.log.wait_for(rf'"message":"exchange".*"request_id":"{re.escape(request_id)}"').string)
    assert logged["peer"].startswith(conversation.peer)
    assert (logged["status"], logged["outcome"], logged["code"]) == (403, "refused", "AccessDenied")
    assert logged["error"].startswith(error)


@pytest.fixture
def nothing_reaches_the_endpoint(upstream):
    before = len(upstream.received), upstream.connections
    yield
    assert (len(upstream.received), upstream.connections) == before


@pytest.mark.usefixtures("nothing_reaches_the_endpoint")
@pytest.mark.parametrize(("origin", "name"), CASES)
def test_nothing_is_signed_for_a_page_of_another_origin(chromium, site, tap, origin, name):
    site.target = f"127.0.0.1:{tap.port}" if origin == ATTACKER else f"localhost:{tap.port}"
    url = f"http://{origin}:{site.port}{path_of(name)}"
    sent, seen = attack(chromium, url, name, tap, LINES.get(name, "POST / "))
    assert sent.field("Host") == site.target
    if sent.line.startswith("POST"):
        expected = MEDIA_TYPES.get(name, "application/x-www-form-urlencoded")
        assert sent.field("Content-Type").partition(";")[0] == expected
        assert sent.field("Origin") is not None
    assert_refused(sent, tap, "requests from web pages")
    assert seen is None


@pytest.mark.usefixtures("nothing_reaches_the_endpoint")
@pytest.mark.parametrize("name", [name for name in SCRIPTS if name not in NOT_REBOUND])
def test_nothing_is_signed_for_a_page_whose_name_was_turned_round_to_the_proxy(chromium, site, tap, name):
    """The page's own origin: the browser sees nothing foreign, and lets the page read whatever is answered."""
    site.target = f"{ATTACKER}:{tap.port}"
    url = f"http://{site.target}{path_of(name)}"
    sent, seen = attack(chromium, url, name, tap, SAME_ORIGIN_LINES.get(name, "POST / "))
    assert sent.field("Host") == site.target
    assert_refused(sent, tap, "the Host is not one of this listener's names")
    # it may read what it was refused with, and no more
    assert seen is None or "requests from" in seen or "the Host is not one of" in seen


def test_the_same_bytes_are_signed_when_no_browser_has_marked_them(chromium, site, tap, upstream):
    """The control: without the marks, the very request of a hostile form is a good one."""
    site.target = f"127.0.0.1:{tap.port}"
    name = "a form"
    sent, _ = attack(chromium, f"http://{ATTACKER}:{site.port}{path_of(name)}", name, tap, "POST / ")
    marks = re.compile(rb"^(?:Origin|Sec-Fetch-[A-Za-z]+|Connection): .*\r\n", re.MULTILINE)
    head = marks.sub(b"", sent.asked.partition(b"\r\n\r\n")[0] + b"\r\n")
    before = len(upstream.received)
    with socket.create_connection(tap.proxy, 20) as program:
        program.sendall(head + b"Connection: close\r\n\r\n" + FORM.encode())
        answer = b"".join(iter(lambda: program.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert [dict(received.unsigned) for received in upstream.received[before:]] == [
        {"Action": "ListJobs", "JobId": "HOSTILE"}
    ]


def begins(name):
    posts = ("a form that is posted without fields", "a fetch that posts nothing", "a beacon of nothing")
    return f"{'POST' if name in posts else 'GET'} /?{FORM} "


@pytest.mark.usefixtures("nothing_reaches_the_endpoint")
@pytest.mark.parametrize("host", ["127.0.0.1", SIDECAR])
@pytest.mark.parametrize("name", QUERY_SCRIPTS)
def test_no_query_string_of_a_page_is_signed_where_the_route_takes_query_strings(
    chromium, site, query_tap, name, host
):
    site.target = f"{host}:{query_tap.port}"
    sent, seen = attack(chromium, f"http://{ATTACKER}:{site.port}{path_of(name)}", name, query_tap, begins(name))
    assert sent.field("Host") == site.target
    assert_refused(sent, query_tap, "requests from web pages")
    # that a prefetch came to an end is not known to be a failure
    assert seen is None or name == "a prefetch of a form"


def test_what_an_old_browser_sends_for_an_image_is_refused_and_without_its_marks_it_is_signed(
    chromium, site, query_tap, upstream
):
    """The control: what is left of the very request of a hostile image is a good one."""
    site.target = f"127.0.0.1:{query_tap.port}"
    name = "an image without a referrer"
    sent, _ = attack(chromium, f"http://{ATTACKER}:{site.port}{path_of(name)}", name, query_tap, begins(name))
    assert sent.field("Origin") is None and sent.field("Referer") is None
    head = sent.asked.partition(b"\r\n\r\n")[0] + b"\r\n"
    before = len(upstream.received)
    for marks, status in ((rb"Sec-[A-Za-z-]+|Connection", b"403 Forbidden"),
                          (rb"Sec-[A-Za-z-]+|Connection|Accept-Language", b"200 OK")):
        left = re.sub(rb"(?mi)^(?:%b): .*\r\n" % marks, b"", head)
        with socket.create_connection(query_tap.proxy, 20) as program:
            program.sendall(left + b"Connection: close\r\n\r\n")
            answer = b"".join(iter(lambda: program.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 " + status), answer
    assert [dict(received.unsigned) for received in upstream.received[before:]] == [
        {"Action": "ListJobs", "JobId": "HOSTILE"}
    ]
