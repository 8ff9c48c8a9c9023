"""`countersign check --online` calls every endpoint, step by step, and says which step fails and why."""

import datetime
import email.utils
import http.server
import json
import os
import pathlib
import socket
import subprocess
import threading
import urllib.parse

import jsonschema
import pytest
from free_ports import free_port
from importexport import KEY_ID, PLACEHOLDER_ID, PLACEHOLDER_SECRET, SECRET
from test_check import SCHEMA, TIMEOUT, closed, of_kind

PROBE = 'probe = "Action=ListJobs&Version=2010-06-03"'


@pytest.fixture
def online_all(countersign_bin, seal, tmp_path):
    """Runs `check --online` on one route; returns the document, the sections of its endpoints and the text."""

    def run(endpoint, route=PROBE, *arguments):
        path = tmp_path / "countersign.toml"
        path.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "{endpoint}"
{route}
{seal()}
""")
        command = [countersign_bin, "check", "--config", path, "--online", *arguments]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COUNTERSIGN_"))}
        text = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=2 * TIMEOUT, check=False)
        done = subprocess.run([*command, "--format", "json"], env=kept, capture_output=True, text=True,
                              timeout=2 * TIMEOUT, check=False)
        document = json.loads(done.stdout)
        jsonschema.Draft202012Validator(closed(SCHEMA)).validate(document)
        assert done.returncode == text.returncode == document["exit_code"]
        assert SECRET not in done.stdout + done.stderr + text.stdout + text.stderr
        assert "Signature=" not in done.stdout + done.stderr + text.stdout + text.stderr
        return document, {section["name"]: section for section in of_kind(document, "online")}, text

    return run


@pytest.fixture
def online(online_all):
    """The same for a route with one endpoint, with the section of that endpoint."""

    def run(*arguments):
        document, sections, text = online_all(*arguments)
        [section] = sections.values()
        return document, section, text

    return run


@pytest.fixture
def tls_sandbox(start_countersign, tmp_path):
    """A sandbox with TLS: its URL and the file with its authority."""
    authority = tmp_path / "ca.pem"
    process = start_countersign("sandbox", "--listen", "127.0.0.1:0", "--ca-out", authority)
    return process.wait_for(r"listening on (\S+)")[1], authority


def failed(document):
    [fault] = document["faults"]
    assert fault["path"] == "route.main"
    return fault["message"]


def test_a_route_that_can_be_called_tells_each_step_with_its_time(online, tls_sandbox):
    url, authority = tls_sandbox
    document, section, text = online(url.replace("127.0.0.1", "localhost"), f'ca_file = "{authority}"\n{PROBE}')
    assert document["exit_code"] == 0, text.stderr
    facts = section["facts"]
    assert section["summary"] == "reachable"
    assert (facts["probe_status"], facts["tls_version"]) == ("200", "1.3")
    for step in ("name_ms", "connection_ms", "tls_ms", "probe_ms"):
        assert float(facts[step]) >= 0, facts
    assert "127.0.0.1" in facts["addresses"].split()
    expires = datetime.datetime.fromisoformat(facts["certificate_expires"])
    assert expires > datetime.datetime.now(datetime.timezone.utc)
    assert abs(int(facts["clock_offset_ms"])) < 10_000
    assert "online main: reachable\n" in text.stdout and text.stdout.endswith("\nok\n")


def test_a_port_that_nobody_listens_on_is_a_connection_refused(online):
    document, section, text = online(f"http://127.0.0.1:{free_port()}/")
    assert (document["exit_code"], document["result"]) == (69, "unreachable")
    assert "connection: " in failed(document) and "Connection refused" in failed(document)
    assert section["summary"] == "NOT REACHABLE"
    assert "Connection refused" in text.stderr and not text.stdout.endswith("\nok\n")


def test_a_name_that_does_not_exist_fails_at_the_lookup(online):
    document, section, _ = online("https://countersign.invalid/")
    assert document["exit_code"] == 69
    assert failed(document).startswith("route.main: name: "), failed(document)
    assert "connection_ms" not in section["facts"]


def test_a_black_hole_fails_within_the_time_of_a_connection(online):
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(8)  # it is never accepted from, and never says a word of TLS
        url = f"https://127.0.0.1:{hole.getsockname()[1]}/"
        document, section, _ = online(url, f'timeouts.connect = "1s"\n{PROBE}')
    assert document["exit_code"] == 69
    assert failed(document).startswith("route.main: tls: ") and "too long" in failed(document)
    assert "connection_ms" in section["facts"] and "tls_ms" not in section["facts"]


def test_a_certificate_that_is_not_trusted_fails_at_tls(online, tls_sandbox):
    document, _, _ = online(tls_sandbox[0])
    assert document["exit_code"] == 69
    assert failed(document).startswith("route.main: tls: ") and "ca_file" in failed(document)


def test_a_certificate_for_another_name_fails_at_tls(online, tls_sandbox):
    url, authority = tls_sandbox
    port = urllib.parse.urlsplit(url).port
    route = f'ca_file = "{authority}"\nconnect = "127.0.0.1:{port}"\n{PROBE}'
    document, _, _ = online("https://sdb.amazonaws.com/", route)
    assert document["exit_code"] == 69
    assert failed(document).startswith("route.main: tls: "), failed(document)


def test_a_key_that_the_endpoint_does_not_know_is_refused_by_its_code(online, start_countersign):
    process = start_countersign("sandbox", "--listen", "127.0.0.1:0", "--plain", "--access-key-id", PLACEHOLDER_ID,
                                environment={"AWS_SECRET_ACCESS_KEY": PLACEHOLDER_SECRET})
    document, section, _ = online(process.wait_for(r"listening on (\S+)")[1])
    assert document["exit_code"] == 69
    assert "403 InvalidClientTokenId" in failed(document)
    assert section["facts"]["probe_status"] == "403"


class Early(http.server.BaseHTTPRequestHandler):
    """An endpoint whose clock is an hour ahead, and that refuses what is signed for another time."""

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        signed = datetime.datetime.fromisoformat(form["Timestamp"][0])
        late = abs(now - signed) > datetime.timedelta(minutes=5)
        body = b"<ErrorResponse><Error><Code>RequestExpired</Code></Error></ErrorResponse>" if late else b"<ok/>"
        self.send_response_only(400 if late else 200)
        self.send_header("Date", email.utils.format_datetime(now, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_clock_that_differs_is_told_and_the_probe_signed_with_the_endpoints_time(online):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Early)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        document, section, _ = online(f"http://127.0.0.1:{server.server_port}/")
    finally:
        server.shutdown()
    assert (document["exit_code"], document["result"]) == (0, "warned")
    assert 3_590_000 < int(section["facts"]["clock_offset_ms"]) < 3_610_000
    assert any("ahead of this host's" in warning for warning in section["warnings"]), section
    assert section["facts"]["probe_status"] == "200"


def test_a_route_without_a_probe_is_connected_to_and_nothing_is_sent(online, sandbox):
    document, section, _ = online(sandbox, "")
    assert document["exit_code"] == 0
    assert any("no `probe`" in detail for detail in section["details"]), section
    assert "probe_status" not in section["facts"]


def test_without_keys_the_endpoint_is_connected_to_and_no_key_is_opened(online, sandbox, tmp_path):
    document, section, text = online(sandbox, PROBE, "--without-keys")
    assert document["exit_code"] == 0
    assert any("keys are left out" in detail for detail in section["details"]), section
    assert KEY_ID not in text.stdout


def test_every_endpoint_of_a_route_is_tried_and_named(online_all, start_countersign):
    def sandbox(identifier, secret):
        process = start_countersign("sandbox", "--listen", "127.0.0.1:0", "--plain", "--access-key-id", identifier,
                                    environment={"AWS_SECRET_ACCESS_KEY": secret})
        return process.wait_for(r"listening on (\S+)")[1]

    good, strange = sandbox(KEY_ID, SECRET), sandbox(PLACEHOLDER_ID, PLACEHOLDER_SECRET)
    others = [f"http://127.0.0.1:{free_port()}/", strange]
    tables = "".join(f'[[route.main.fallback]]\nendpoint = "{url}"\n' for url in others)
    document, sections, text = online_all(good, f"{PROBE}\n{tables}")
    assert {name: section["summary"] for name, section in sections.items()} == {
        "main": "reachable",
        "main.fallback[1]": "NOT REACHABLE",
        "main.fallback[2]": "NOT REACHABLE",
    }
    assert document["exit_code"] == 69
    refused, unknown = document["faults"]
    assert refused["path"] == "route.main.fallback[1]" and "Connection refused" in refused["message"]
    assert unknown["path"] == "route.main.fallback[2]" and "403 InvalidClientTokenId" in unknown["message"]
    assert "online main.fallback[1]: NOT REACHABLE\n" in text.stdout

    # the first endpoint being away does not keep the probe from the others
    tables = f'[[route.main.fallback]]\nendpoint = "{good}"\n'
    document, sections, _ = online_all(others[0], f"{PROBE}\n{tables}")
    assert [fault["path"] for fault in document["faults"]] == ["route.main"]
    assert sections["main.fallback[1]"]["facts"]["probe_status"] == "200"
