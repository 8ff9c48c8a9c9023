"""The page for people, in a real Chromium: it reads whole, on a phone and in the dark, with and without its script, and
no other page can read or frame it."""

import contextlib
import http.server
import json
import os
import pathlib
import re
import ssl
import subprocess
import tempfile
import threading

import pytest
from looked_at import ATTACKER, DESK, PHONE, REBOUND, axe, opened, photograph, text_of
from waiting import eventually

DOCS = pathlib.Path(__file__).parents[3] / "docs/operations"
# made anew on demand: pictures differ from machine to machine
PICTURES = os.environ.get("COUNTERSIGN_WRITE_PICTURES")


@pytest.fixture
def busy(stage, seal, dead_end, tmp_path):
    """A proxy with something of everything: routes up and down, a key that ends soon, refusals of all sorts."""
    expiring = seal(expires="2099-01-01T00:00:00Z")
    archive = seal(expires="2026-01-01T00:00:00Z").replace("[key.main]", "[key.archive]")
    (tmp_path / "run").mkdir(mode=0o700)
    proxy = stage(f"""\
[route.simpledb]
endpoint = "http://{dead_end}/"
key = "main"
path = "/simpledb"
limits.failures = 2
[route.archive]
endpoint = "https://archive.example/"
key = "archive"
path = "/archive"
[listener.sidecar]
address = "unix:{tmp_path}/run/sidecar"
any_local = true
{archive}""", key=expiring)
    for _ in range(20):
        assert proxy.call("importexport") == 200
    proxy.call("importexport", client="billing", form="Action=CreateJob&Version=2010-06-03")
    for _ in range(3):
        proxy.call("simpledb")
    proxy.call("archive", client="billing")
    for _ in range(4):
        proxy.call("importexport", form="Action=CancelJob&Version=2010-06-03")
    proxy.call("importexport", client=None)
    proxy.call("importexport", client="billing", form="Action=ListJobs&Action=ListJobs")
    return proxy


def test_it_reads_whole_without_its_script(chromium, busy):
    with opened(chromium, busy.url, script=False) as page:
        text = text_of(page)
        assert page.value("getComputedStyle(document.getElementById('refresh')).display") == "none"
    for told in ("degraded", "key.archive the key has expired", "route.simpledb the endpoint is down", "importexport",
                 "No address of the endpoint accepts a connection.", "What to do:", "reporting", "billing", "CancelJob",
                 "4 times", "AccessDenied", "not identified", "usable", "not usable", "unix:", "/status"):
        assert told in text, told
    assert text.index("degraded") < text.index("Routes"), "the state first"


def test_it_refreshes_itself_and_says_when_nobody_answers(chromium, stage):
    proxy = stage()
    with opened(chromium, proxy.url) as page:
        assert "Nothing was refused" in text_of(page)
        assert text_of(page, "#refresh").startswith("Refreshed every 5 s")
        proxy.call("importexport", client=None)
        eventually(lambda: "not identified" in text_of(page), lambda: text_of(page))
        proxy.process.stop()
        eventually(lambda: "No answer since" in text_of(page, "#refresh"), lambda: text_of(page))
        assert "not identified" in text_of(page), "what was known stays"


def test_a_reader_can_pause_it(chromium, stage):
    proxy = stage()
    with opened(chromium, proxy.url) as page:
        before = page.value("performance.getEntriesByType('resource').length")
        page.value("document.querySelector('#refresh button').click()", as_user=True)
        assert text_of(page, "#refresh").split() == ["Paused", "Go", "on"]
        # more than one period, in which nothing is asked
        page.value("new Promise((done) => setTimeout(done, 6000))")
        assert page.value("performance.getEntriesByType('resource').length") == before
        page.value("document.querySelector('#refresh button').click()", as_user=True)
        eventually(lambda: page.value("performance.getEntriesByType('resource').length") > before, "it does not go on")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE, (768, 1024)], ids=["desk", "phone", "tablet"])
def test_it_fits_its_screen_and_everybody_can_read_it(chromium, busy, tmp_path, size, scheme):
    with opened(chromium, busy.url, size=size, scheme=scheme) as page:
        wide = page.value("document.documentElement.scrollWidth")
        assert wide <= size[0], f"it scrolls sideways: {wide} of {size[0]}"
        cut = page.value("[...document.querySelectorAll('main *')].filter((element) => element.getBoundingClientRect()"
                         ".right > document.documentElement.clientWidth + 1).map((element) => element.outerHTML)")
        assert cut == []
        assert axe(page) == []
        dark = page.value("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", dark)[:3])) < 150) == (scheme == "dark")
        photograph(page, tmp_path / "page.png")


def test_every_state_can_be_read_by_everybody(chromium, stage, seal):
    proxy = stage()
    with opened(chromium, proxy.url) as page:
        assert text_of(page, "h1").strip() == "ok" and page.value("document.title") == "ok · countersign"
        assert axe(page) == []


def test_hostile_texts_of_an_endpoint_are_texts(chromium, stage, start_countersign):
    """The least trusted text that comes so far: what an endpoint's certificate says, in the error of its route."""
    with hostile_certificate() as (port, name, path):
        proxy = stage(f'[route.evil]\nendpoint = "https://127.0.0.1:{port}/"\nkey = "main"\npath = "/evil"\n'
                      f'ca_file = "{path}"\n')
        proxy.call("evil")
        # which is written when the response is gone
        error = eventually(lambda: proxy.route("evil")["last_error"], proxy.process.transcript)
        assert name in error["error"], error
    with opened(chromium, proxy.url) as page:
        assert name in text_of(page)
        assert page.value("document.querySelectorAll('img, b').length") == 0
        assert page.value("window.seen") is None


@contextlib.contextmanager
def hostile_certificate():
    """A TLS server whose certificate is for names with markup."""
    name = "<img-src=x-onerror=seen=1>.example"
    with tempfile.TemporaryDirectory() as directory:
        path, key = pathlib.Path(directory) / "leaf.pem", pathlib.Path(directory) / "leaf.key"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc",
                   "-days", "2", "-addext", "basicConstraints=critical,CA:false",
                   "-subj", "/CN=<b>evil<\\/b>", "-addext", f"subjectAltName=DNS:{name}",
                   "-out", path, "-keyout", key]
        subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=60)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path, key)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        server.handle_error = lambda *_: None
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1], name, path
        finally:
            server.shutdown()
            server.server_close()


ATTACKS = """<!DOCTYPE html><title>hostile</title><body><script>
const url = %s;
const told = (promise) => promise.then((value) => "read: " + value, (error) => "refused");
window.attacks = {
  fetch: () => told(fetch(url).then((answer) => answer.text())),
  report: () => told(fetch(url + "status").then((answer) => answer.text())),
  opaque: () => told(fetch(url, {mode: "no-cors"}).then((answer) => answer.type + answer.status)),
  script: () => new Promise((done) => {
    const script = Object.assign(document.createElement("script"), {src: url + "status"});
    script.onload = () => done("ran"); script.onerror = () => done("refused"); document.body.append(script);
  }),
  frame: () => new Promise((done) => {
    const frame = Object.assign(document.createElement("iframe"), {src: url});
    frame.onload = () => done(frame.contentDocument === null ? "closed" : "read: " + frame.contentDocument.body);
    document.body.append(frame);
  }),
  tab: () => new Promise((done) => {
    const opened = open(url);
    setTimeout(() => {
      try { done("read: " + opened.document.body.innerText); } catch (error) { done(error.name); }
    }, 1500);
  }),
};
</script>"""


@pytest.fixture
def hostile_page():
    """Serves a page that attacks an address; returns the page's own."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = (ATTACKS % json.dumps(self.server.target)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            """Nothing of it matters."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def of(target, host):
        server.target = target
        return f"http://{host}:{server.server_address[1]}/"

    yield of
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("host", [ATTACKER, "localhost"])
def test_another_page_can_neither_read_nor_frame_it(chromium, stage, hostile_page, host):
    proxy = stage()
    with chromium.page(hostile_page(proxy.url, host)) as page:
        eventually(lambda: page.value("Boolean(window.attacks)"), "the page does not load")
        seen = {name: page.value(f"attacks.{name}()", as_user=True)
                for name in ("fetch", "report", "opaque", "script", "frame", "tab")}
        frames = page.call("Page.getFrameTree")["frameTree"].get("childFrames", [])
    assert (seen["fetch"], seen["report"], seen["script"]) == ("refused", "refused", "refused"), seen
    assert seen["opaque"] in ("opaque0", "refused"), seen
    assert seen["frame"] == "closed" and seen["tab"] in ("SecurityError", "TypeError"), seen
    shown = [frame["frame"] for frame in frames if not frame["frame"].get("unreachableUrl")]
    assert all(frame["url"].startswith("chrome-error:") for frame in shown), shown


def test_a_name_that_a_page_had_turned_round_to_it_shows_nothing(chromium, stage):
    proxy = stage()
    port = proxy.admin.rpartition(":")[2]
    with opened(chromium, f"http://{REBOUND}:{port}/") as page:
        assert text_of(page).startswith("the Host is not an IP address"), text_of(page)


def test_a_link_of_another_page_opens_it(chromium, stage, hostile_page):
    proxy = stage()
    with chromium.page(hostile_page(proxy.url, ATTACKER)) as page:
        eventually(lambda: page.value("Boolean(window.attacks)"), "the page does not load")
        page.value(f"location.href = {proxy.url!r}", as_user=True)
        eventually(lambda: page.value("document.getElementById('state')?.textContent") == "ok", lambda: text_of(page))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_manual_has_pictures_of_it(chromium, busy, tmp_path, scheme):
    picture = DOCS / f"page-{scheme}.png"
    with opened(chromium, busy.url, size=(1200, 900), scheme=scheme) as page:
        photograph(page, picture if PICTURES else tmp_path / picture.name, height=1500)
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size < 300_000
