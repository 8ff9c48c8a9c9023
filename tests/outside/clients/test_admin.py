"""Health and metrics stay reachable, whatever others do to their listener, and no web page reads them."""

import contextlib
import json
import os
import pathlib
import socket
import stat
import subprocess
import time

import pytest
from curl_status import curl_status

TIMEOUT = 60  # seconds


class Admin:
    """A proxy with these lines in [admin]."""

    def __init__(self, process, count):
        self.process = process
        # the route is logged before, so that the last of the lines is awaited
        process.wait_for(r'"message":"key loaded')
        lines = [json.loads(line) for line in process.log + process.output if '"message":"admin listening' in line]
        self.addresses = [line["address"] for line in lines]
        assert len(self.addresses) == count, process.transcript()

    def connect(self):
        host, _, port = self.addresses[0].rpartition(":")
        return socket.create_connection((host, int(port)), timeout=TIMEOUT)


@pytest.fixture
def serve(start_countersign, seal, tmp_path):
    def start(lines='address = "127.0.0.1:0"', count=1, environment=None):
        configuration = tmp_path / "countersign.toml"
        configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.importexport]
endpoint = "http://127.0.0.1:1/"
{seal()}
[admin]
{lines}
[log]
format = "json"
""")
        process = start_countersign("run", "--config", configuration, environment=environment)
        return Admin(process, count)

    return start


def received(connection):
    """What comes until the other end closes."""
    text = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            text += piece
    return text


BEGINNINGS = {
    "idle": b"",
    "half a head": b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    "one byte": b"G",
}


@pytest.mark.parametrize("sent", BEGINNINGS.values(), ids=BEGINNINGS)
def test_livez_answers_at_once_while_strangers_hold_every_place(serve, sent):
    admin = serve()
    with contextlib.ExitStack() as held:
        connections = []
        for _ in range(200):
            connections.append(held.enter_context(admin.connect()))
            connections[-1].sendall(sent)
        for path in ["/livez", "/readyz", "/metrics"] * 3:
            began = time.monotonic()
            status, _ = curl_status(f"http://{admin.addresses[0]}{path}")
            assert status in (200, 503), path
            assert time.monotonic() - began < 40, "far below the 66 s that it once took"


def test_livez_answers_while_strangers_read_nothing_of_what_they_asked_for(serve):
    admin = serve()
    with contextlib.ExitStack() as held:
        for _ in range(200):
            held.enter_context(admin.connect()).sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(10):
            assert curl_status(f"http://{admin.addresses[0]}/livez")[0] == 200


def test_a_stranger_who_connects_again_and_again_does_not_keep_probes_out(serve):
    admin = serve()
    with contextlib.ExitStack() as held:
        for _ in range(10):
            for _ in range(64):
                held.enter_context(admin.connect())
            assert curl_status(f"http://{admin.addresses[0]}/livez")[0] == 200


def test_a_connection_has_one_answer_and_is_closed(serve):
    admin = serve()
    with admin.connect() as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 2)
        answer = received(connection).lower()
    assert answer.count(b"http/1.1 200 ok") == 1 and b"connection: close" in answer


def test_a_connection_without_a_request_is_closed(serve):
    admin = serve()
    with admin.connect() as idle, admin.connect() as slow:
        slow.sendall(b"GET /livez HTTP/1.1\r\n")
        assert received(idle) == b""
        assert b" 200 " not in received(slow)


def test_a_name_that_a_page_could_have_rebound_is_refused_and_addresses_are_not(serve):
    admin = serve('address = "127.0.0.1:0"\nhosts = ["countersign.internal"]')
    port = int(admin.addresses[0].rpartition(":")[2])
    resolve = []
    for name in ["attacker.example", "countersign.internal", "127.0.0.1.attacker.example"]:
        resolve += ["--resolve", f"{name}:{port}:127.0.0.1"]
    for name in ["127.0.0.1", "localhost", "countersign.internal"]:
        for path in ["/livez", "/readyz", "/metrics"]:
            assert curl_status(*resolve, f"http://{name}:{port}{path}")[0] == 200, name
    for name in ["attacker.example", "127.0.0.1.attacker.example"]:
        for path in ["/livez", "/readyz", "/metrics", "/"]:
            status, body = curl_status(*resolve, f"http://{name}:{port}{path}")
            assert (status, "countersign_" in body) == (403, False), name
            assert "`hosts` of [admin]" in body
    # the kubelet and Prometheus call the pod's address, whatever it is
    for host in ["10.1.2.3:8022", "[2001:db8::7]:8022", "10.1.2.3"]:
        assert curl_status("--header", f"Host: {host}", f"http://127.0.0.1:{port}/metrics")[0] == 200, host
    # an absolute target's authority takes the place of Host
    target = ["--request-target", "http://attacker.example/metrics"]
    assert curl_status(*target, f"http://127.0.0.1:{port}/")[0] == 403
    # health checks of HTTP/1.0 have no Host
    with admin.connect() as connection:
        connection.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert received(connection).startswith(b"HTTP/1.0 200 ")


@pytest.mark.parametrize("request_line, hosts, status", [
    ("GET /metrics HTTP/1.1", [], 400),
    ("GET /metrics HTTP/1.1", ["localhost", "attacker.example"], 400),
    ("GET /metrics HTTP/1.1", ["attacker.example", "localhost"], 400),
    ("GET /metrics HTTP/1.1", ["localhost", "localhost"], 400),
    ("GET /metrics HTTP/1.0", ["localhost", "attacker.example"], 400),
    ("GET http://localhost/metrics HTTP/1.1", [], 400),
    ("GET http://localhost/metrics HTTP/1.1", ["localhost", "attacker.example"], 400),
    ("GET http://localhost/metrics HTTP/1.1", ["localhost"], 200),
    ("GET /metrics HTTP/1.1", ["localhost"], 200),
    ("GET /metrics HTTP/1.0", [], 200),
])
def test_a_request_that_names_no_host_or_two_is_refused(serve, request_line, hosts, status):
    admin = serve()
    with admin.connect() as connection:
        fields = "".join(f"Host: {host}\r\n" for host in hosts)
        connection.sendall(f"{request_line}\r\n{fields}\r\n".encode())
        answer = received(connection)
    assert int(answer.split()[1]) == status
    assert (b"countersign_" in answer) == (status == 200)


def test_a_web_page_is_refused_and_a_user_who_typed_the_address_is_not(serve):
    admin = serve()
    url = f"http://{admin.addresses[0]}/metrics"
    for field in ["Origin: https://attacker.example", "Origin: null", "Sec-Fetch-Site: cross-site",
                  "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: same-origin"]:
        status, body = curl_status("--header", field, url)
        assert (status, body) == (403, "requests from web pages are not allowed\n"), field
    assert curl_status("--header", "Sec-Fetch-Site: none", url)[0] == 200


def test_it_listens_at_several_addresses_and_on_a_unix_socket_that_goes_with_the_process(serve, tmp_path):
    (tmp_path / "run").mkdir(mode=0o755)
    path = tmp_path / "run/admin"
    address = f'address = ["127.0.0.1:0", "[::1]:0", "unix:{path}"]\nmode = "0600"'
    admin = serve(address, count=3)
    for address in admin.addresses[:2]:
        assert curl_status(f"http://{address}/livez") == (200, "alive\n")
    assert admin.addresses[2] == f"unix:{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for host in ["localhost", "anything.example"]:
        assert curl_status("--unix-socket", path, f"http://{host}/livez") == (200, "alive\n")
        assert "countersign_build_info{" in curl_status("--unix-socket", path, f"http://{host}/metrics")[1]
    assert admin.process.stop() == 0
    assert not path.exists()


def test_a_unix_socket_is_silenced_no_more_than_a_port(serve, tmp_path):
    (tmp_path / "run").mkdir(mode=0o755)
    path = tmp_path / "run/admin"
    serve(f'address = "unix:{path}"')
    with contextlib.ExitStack() as held:
        for _ in range(200):
            connection = held.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(TIMEOUT)
            connection.connect(str(path))
        for _ in range(5):
            assert curl_status("--unix-socket", path, "http://localhost/livez")[0] == 200


def test_a_change_of_the_admin_listener_needs_a_restart(serve, tmp_path):
    admin = serve()
    configuration = tmp_path / "countersign.toml"
    changed = configuration.read_text().replace("[admin]", '[admin]\nhosts = ["countersign.internal"]')
    (tmp_path / "changed").write_text(changed)
    (tmp_path / "changed").rename(configuration)
    admin.process.wait_for("admin: has changed, and takes effect at a start only")


def test_check_shows_every_address_and_a_variable_sets_them(countersign_bin, serve, tmp_path):
    path = tmp_path / "admin"
    serve("address = [\"127.0.0.1:0\"]")
    variables = {"COUNTERSIGN__ADMIN__ADDRESS": f"127.0.0.1:8022,unix:{path}"}
    done = subprocess.run([countersign_bin, "check", "--config", tmp_path / "countersign.toml"], capture_output=True,
                          text=True, timeout=TIMEOUT, check=False, env={**os.environ, **variables})
    assert done.returncode == 0, done.stderr
    assert "admin: http://127.0.0.1:8022/livez /readyz /metrics\n" in done.stdout
    assert f"admin: unix:{path} /livez /readyz /metrics\n" in done.stdout
    assert not pathlib.Path(path).exists()
