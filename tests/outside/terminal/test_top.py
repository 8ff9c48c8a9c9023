"""`countersign top` in a real pseudo-terminal, in front of a countersign that serves."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request

import jsonschema
import pytest
from emulator import (
    BACK_TAB, CONTROL_C, CONTROL_L, CONTROL_Z, DOWN, ENTER_ALTERNATE, ESCAPE, LEAVE_ALTERNATE, RIGHT, TAB,
)
from free_ports import free_port
from waiting import eventually

TOP = pathlib.Path(__file__).resolve().parents[3]
PAGE = TOP / "docs/operations/top.md"
SCHEMA = TOP / "docs/reference/schemas/status.schema.json"
FORM = b"Action=ListJobs&Version=2010-06-03"
TIMEOUT = 60  # seconds


class Served:
    """A countersign that serves, which can end and come back at the same addresses."""

    def __init__(self, start, configuration):
        self.start, self.configuration = start, configuration
        self.again()

    def again(self):
        self.process = self.start("run", "--config", self.configuration)
        self.process.wait_for(r'"message":"(key loaded|no usable key)')
        told = [json.loads(line) for line in self.process.log if line.startswith("{")]
        self.address = next(line["address"] for line in told if line["message"] == "listening")
        self.admin = next(line["address"] for line in told if line["message"] == "admin listening")

    def call(self, form=FORM, **fields):
        request = urllib.request.Request(f"http://{self.address}/", data=form, headers=fields)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def served(start_countersign, seal, tmp_path):
    def start(more="", key=None, routes=1, endpoint="http://127.0.0.1:1/"):
        configuration = tmp_path / "countersign.toml"
        others = "".join(
            f'[route.r{nth}]\nhosts = ["r{nth}.internal"]\nendpoint = "{endpoint}"\n'
            for nth in range(1, routes)
        )
        configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:{free_port()}"
any_local = true
[route.main]
endpoint = "{endpoint}"
{key or seal()}
[admin]
address = "127.0.0.1:{free_port()}"
[log]
format = "json"
{more}
{others if routes > 1 else ''}
""")
        return Served(start_countersign, configuration)

    return start


@pytest.fixture
def top(terminal):
    def run(served, *arguments, **options):
        return terminal("top", "--config", served.configuration, "--interval", "1s", *arguments, **options)

    return run


def test_the_first_screen_says_how_the_process_is(served, top):
    proxy = served()
    shown = top(proxy)
    text = shown.wait_for("OK", "ROUTE", "main", "KEY", "usable", "q quit")
    lines = text.splitlines()
    assert re.fullmatch(rf"countersign \S+  OK +http://{proxy.admin}  up \d+ s  configuration 1", lines[0]), text
    assert lines[2].startswith("1Overview 2Routes 3Keys 4Clients 5Limits 6Refusals 7Listeners 8Certs")
    assert "nothing was refused since the start" in text


def test_what_is_refused_is_seen_with_its_reason_and_what_to_do(served, top):
    proxy = served()
    shown = top(proxy)
    shown.wait_for("nothing was refused since the start")
    assert proxy.call(b"NoAction=1") == 400
    shown.wait_for("MissingAction", "now")
    shown.press("6")
    shown.wait_for("cause: ", "to do: ", "request id: ", "at listener.local", "answered with 400")


def test_a_failed_call_names_the_endpoint_and_what_to_do(served, top):
    proxy = served()
    shown = top(proxy)
    assert proxy.call() in (502, 503)
    shown.press("2")
    shown.wait_for("last error", "ProxyUpstreamUnreachable", "to do: ")


def test_a_key_that_is_missing_is_told_at_the_top_of_the_screen(served, top, tmp_path):
    shown = top(served(key=f'[key.main]\nkind = "file"\nfile = "{tmp_path}/absent.json"\n'))
    text = shown.wait_for("NOT READY", "UNUSABLE")
    assert text.splitlines()[1].startswith("key.main")
    shown.press("3")
    shown.wait_for("trouble: ", "to do: ")


def test_keys_change_the_table_the_row_and_show_help(served, top):
    shown = top(served(routes=3))
    shown.wait_for("ROUTE", "r1", "r2")
    shown.press(TAB)
    shown.wait_for("main: http://127.0.0.1:1/, signed with key.main")
    shown.press(DOWN)
    shown.wait_for("r1: http://127.0.0.1:1/, signed with key.main")
    shown.press(RIGHT)
    shown.wait_for("ACCESS KEY ID", "key.main signs")
    shown.press(BACK_TAB)
    shown.wait_for("r1: http://")
    shown.press("?")
    shown.wait_for("Any key leads back.")
    shown.press("x")
    shown.wait_for("r1: http://", without=["Any key leads back."])
    shown.press("+")
    shown.wait_for("every 2 s")
    shown.press("-", "-")
    shown.wait_for("every 0.5 s")


def test_a_pause_keeps_what_is_shown_until_it_ends(served, top):
    proxy = served()
    shown = top(proxy)
    shown.wait_for("nothing was refused since the start")
    shown.press("p")
    shown.wait_for("PAUSED")
    assert proxy.call(b"NoAction=1") == 400
    # the age goes on, the report does not
    shown.wait_for("as of 3 s ago", "nothing was refused since the start")
    shown.press("p")
    shown.wait_for("MissingAction", without=["PAUSED"])


def test_another_size_is_filled_at_once(served, top):
    shown = top(served())
    shown.wait_for("ROUTE", without=["ENDPOINT"])
    shown.resize(160, 50)
    shown.wait_for("ENDPOINT", "IN FLIGHT")
    eventually(lambda: shown.lines()[49].startswith("q quit"), shown.text)
    shown.resize(80, 24)
    shown.wait_for("ROUTE", without=["ENDPOINT"])
    eventually(lambda: shown.lines()[23].startswith("q quit"), shown.text)
    # whatever a window manager comes up with
    for size in [(20, 5), (1, 1), (300, 100), (80, 24)]:
        shown.resize(*size)
    shown.wait_for("ROUTE", "q quit")


def test_colours_are_there_and_not_with_no_color(served, top):
    proxy = served()
    coloured, plain = top(proxy), top(proxy, environment={"NO_COLOR": "1"})
    for shown in (coloured, plain):
        shown.wait_for("OK", "usable")

    def rows(shown):
        return [line for line in shown.lines()[1:] if " ago" not in line]

    # the one may have written its screen half when the other has it whole
    eventually(lambda: rows(coloured) == rows(plain), lambda: f"{rows(coloured)} != {rows(plain)}")
    assert coloured.colours() and not plain.colours()


@pytest.mark.parametrize("key", ["q", ESCAPE, CONTROL_C])
def test_quitting_gives_the_terminal_back_as_it_was(served, top, key):
    shown = top(served())
    shown.wait_for("ROUTE")
    assert not shown.is_restored()
    shown.press(key)
    assert shown.end() == 0
    assert eventually(shown.is_restored, lambda: repr(shown.written[-200:]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_gives_the_terminal_back_as_it_was(served, top, number):
    shown = top(served())
    shown.wait_for("ROUTE")
    os.kill(shown.child.pid, number)
    assert shown.end() == 0
    assert eventually(shown.is_restored, lambda: repr(shown.written[-200:]))


def test_a_terminal_that_goes_away_ends_it(served, top):
    shown = top(served())
    shown.wait_for("ROUTE")
    os.close(shown.theirs)
    os.close(shown.ours)
    shown.end()


def test_the_shell_gets_the_terminal_while_it_is_stopped(served, terminal, countersign_bin):
    proxy = served()
    shown = terminal(program=["bash", "--norc", "--noprofile", "-i"], environment={"PS1": "shell> "})
    shown.wait_for("shell>")
    shown.press(f"{countersign_bin} top --config {proxy.configuration}\r")
    shown.wait_for("ROUTE", "q quit")
    shown.press(CONTROL_Z)
    eventually(lambda: b"Stopped" in shown.written and shown.written.rfind(LEAVE_ALTERNATE) > 0, shown.text)
    shown.press("echo in the $((1 + 1))nd life\r")
    eventually(lambda: b"in the 2nd life" in shown.written, shown.text)
    shown.press("fg\r")
    eventually(lambda: shown.written.rfind(ENTER_ALTERNATE) > shown.written.rfind(LEAVE_ALTERNATE), shown.text)
    shown.wait_for("ROUTE", "q quit", without=["nd life"])
    shown.press(CONTROL_L, "q")
    eventually(lambda: shown.written.rfind(LEAVE_ALTERNATE) > shown.written.rfind(ENTER_ALTERNATE), shown.text)
    shown.press("exit\r")
    assert shown.end() == 0


def test_a_process_that_ends_and_comes_back_is_told_of_and_found_again(served, top):
    proxy = served()
    shown = top(proxy)
    shown.wait_for("OK", "ROUTE")
    assert proxy.process.stop() == 0
    text = shown.wait_for("NOT REACHABLE since", " was ", "nobody listens there")
    assert "ROUTE" in text, "the last report stays"
    shown.wait_for("NOT REACHABLE since 2 s")
    proxy.again()
    shown.wait_for("OK", without=["NOT REACHABLE"])
    shown.press("q")
    assert shown.end() == 0


def test_it_can_be_started_before_the_process(served, top):
    proxy = served()
    assert proxy.process.stop() == 0
    shown = top(proxy)
    shown.wait_for("NOT REACHABLE since", "nobody listens there")
    proxy.again()
    shown.wait_for("OK", "ROUTE", without=["NOT REACHABLE"])


def test_a_black_hole_does_not_keep_it_from_quitting(terminal):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        shown = terminal("top", "--admin", f"127.0.0.1:{silent.getsockname()[1]}", "--timeout", "5m")
        shown.wait_for("asking ...")
        shown.press("?")
        shown.wait_for("Any key leads back.")
        shown.press("q")
        assert shown.end() == 0
        assert eventually(shown.is_restored, lambda: repr(shown.written[-200:]))


def test_what_a_client_sends_cannot_change_the_terminal(served, top, countersign_bin):
    proxy = served()
    hostile = "Action=%1B%5B2J%1B%5D0;title%07%C2%9B31m%E2%80%AE&Version=1".encode()
    proxy.call(hostile)
    for form in (b"Action=ok%0d%0a&Version=1", b"\x1b[31m=1"):
        proxy.call(form)
    shown = top(proxy)
    shown.wait_for("ROUTE", "ago")
    shown.press("6")
    shown.wait_for("cause: ")
    shown.press("q")
    assert shown.end() == 0
    assert b"\x1b]0;" not in shown.written and "\u009b".encode() not in shown.written
    for arguments in ([], ["--format", "json"]):
        text = once(countersign_bin, proxy, *arguments).stdout
        assert not [c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e")], text


def once(countersign_bin, proxy, *arguments):
    return subprocess.run(
        [countersign_bin, "top", "--once", "--config", proxy.configuration, *arguments], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )


def test_once_prints_everything_as_text_or_as_the_report(served, countersign_bin):
    proxy = served(more='[client.reporting]\ntoken_sha256 = ["' + "0" * 64 + '"]\nallow = ["main:Get*"]\n'
                        '[listener.named]\naddress = "127.0.0.1:0"\nauthenticate = ["token"]\n')
    proxy.call()
    done = once(countersign_bin, proxy)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"countersign \S+: (OK|DEGRADED)\nhttp://127", done.stdout)
    for title in ["Routes", "Keys", "Clients", "Limits", "Refusals", "Listeners", "Certificates"]:
        assert f"\n\n{title}\n  " in done.stdout, done.stdout
    assert "reporting" in done.stdout and "\x1b" not in done.stdout
    report = json.loads(once(countersign_bin, proxy, "--format", "json").stdout)
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    assert report["routes"][0]["name"] == "main"


def test_once_fails_when_nobody_answers_or_without_an_admin_listener(countersign_bin, served, tmp_path):
    proxy = served()
    proxy.process.stop()
    done = once(countersign_bin, proxy)
    assert (done.returncode, done.stdout) == (69, "") and "nobody listens there" in done.stderr
    proxy.configuration.write_text("")
    done = once(countersign_bin, proxy)
    assert done.returncode == 78 and "no [admin]" in done.stderr


def test_a_listener_without_a_status_is_told_of(countersign_bin, served):
    proxy = served()
    text = proxy.configuration.read_text().replace("[admin]\n", "[admin]\nstatus = false\n")
    proxy.process.stop()
    proxy.configuration.write_text(text)
    proxy.again()
    done = once(countersign_bin, proxy)
    assert done.returncode == 69 and "`status = false` in [admin]" in done.stderr


def test_without_a_terminal_it_names_once(countersign_bin):
    command = [countersign_bin, "top", "--admin", "127.0.0.1:1"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT,
                          check=False)
    assert done.returncode == 71 and "countersign top --once" in done.stderr


def test_the_page_shows_the_screen_as_it_is(served, top):
    """What stands between two marks of the page is what the screen shows, but for numbers and the width of columns;
    with COUNTERSIGN_WRITE_PAGES it is written."""
    proxy = served()
    proxy.call()
    status = f"http://{proxy.admin}/status"
    eventually(lambda: json.load(urllib.request.urlopen(status, timeout=TIMEOUT))["refusals"], "the call is not told")
    proxy.call(b"NoAction=1")  # comes after it, and stands above it
    shown = top(proxy)
    shown.wait_for("MissingAction", "ProxyUpstreamUnreachable")

    def block():
        screen = re.sub(r"127\.0\.0\.1:\d{2,5}", "127.0.0.1:8022", "\n".join(shown.lines()))
        return f"```text\n{screen}\n```\n"

    before, rest = PAGE.read_text().split("<!-- screen -->\n", 1)
    written, after = rest.split("\n<!-- end of the screen -->", 1)
    if os.environ.get("COUNTERSIGN_WRITE_PAGES"):
        PAGE.write_text(f"{before}<!-- screen -->\n{block()}\n<!-- end of the screen -->{after}")
    else:
        eventually(lambda: comparable(written) == comparable(block()), lambda: f"{written}\n{block()}")


def comparable(text):
    """Without what differs from run to run: times, ports, versions, and the width that columns have for them."""
    text = re.sub(r"\bnow\b", "1 s ago", text)
    return [" ".join(re.sub(r"[\d.]+", "N", line).split()) for line in text.splitlines()]
