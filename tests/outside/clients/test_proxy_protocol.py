"""Load balancers before a listener: the PROXY protocol's header, version 2, written by a real one and by attackers."""

import contextlib
import ipaddress
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess

import pytest
from curl_status import curl_status
from free_ports import free_port
from token_issuer import openssl
from waiting import eventually

FORM = "Action=ListJobs&Version=2010-06-03"
TIMEOUT = 60  # seconds
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PROXY, LOCAL = 0x21, 0x20
TCP4, TCP6, UNSPEC, UNIX = 0x11, 0x21, 0x00, 0x31
CLIENT = ("203.0.113.7", 4711)
TOKEN = "a-token-of-the-test"
LOOPBACK = "127.0.0.1"
OTHER = "127.0.0.2"  # another address of this host, which is not named


def header(client=CLIENT, command=PROXY, family=None, fields=b"", length=None):
    """A header as a load balancer writes it, with any of its parts wrong."""
    source = ipaddress.ip_address(client[0])
    target = ipaddress.ip_address("198.51.100.2" if source.version == 4 else "2001:db8::2")
    addresses = source.packed + target.packed + struct.pack(">HH", client[1], 443)
    rest = (addresses if family not in (UNSPEC, UNIX) else b"\x01" * 216 if family == UNIX else b"") + fields
    family = {4: TCP4, 6: TCP6}[source.version] if family is None else family
    return SIGNATURE + struct.pack(">BBH", command, family, len(rest) if length is None else length) + rest


def request(*fields, close=True):
    lines = ["POST / HTTP/1.1", "Host: localhost", "Content-Type: application/x-www-form-urlencoded",
             f"Content-Length: {len(FORM)}", *fields]
    lines += ["Connection: close"] if close else []
    return "\r\n".join([*lines, "", FORM]).encode()


class Served:
    def __init__(self, process):
        self.process = process
        lines = [json.loads(process.wait_for(r'"message":"listening"').string)]
        self.address = lines[0]["address"]
        self.port = int(self.address.rpartition(":")[2]) if not self.address.startswith("unix:") else None
        admin = json.loads(process.wait_for(r'"message":"admin listening"').string)["address"]
        self.admin = f"http://{admin}"

    def connect(self, source=LOOPBACK):
        connection = socket.socket()
        connection.settimeout(TIMEOUT)
        connection.bind((source, 0))
        connection.connect((LOOPBACK, self.port))
        return connection

    def exchanges(self):
        lines = (json.loads(line) for line in list(self.process.log) if line.startswith("{"))
        return [line for line in lines if line.get("message") == "exchange"]

    def exchange(self, request_id):
        return eventually(lambda: next((line for line in self.exchanges() if line["request_id"] == request_id), None),
                          "the line of the exchange")

    def turned_away(self, reason):
        """The lines of clients that were turned away for this reason."""
        lines = (json.loads(line) for line in list(self.process.log) if line.startswith("{"))
        return [line for line in lines if line.get("message", "").startswith("a client was turned") and
                line["reason"] == reason]

    def metric(self, sample):
        text = subprocess.run(["curl", "-sS", f"{self.admin}/metrics"], capture_output=True, text=True, check=True,
                              timeout=TIMEOUT).stdout
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(sample))


@pytest.fixture(scope="module")
def serve(start_countersign, seal, sandbox, tmp_path_factory):
    """Starts a proxy with this listener and these clients."""

    def start(listener, more="", address=f"{LOOPBACK}:0"):
        directory = tmp_path_factory.mktemp("listener")
        directory.chmod(0o755)
        configuration = directory / "countersign.toml"
        configuration.write_text(f"""\
[listener.local]
address = "{address.replace('DIR', str(directory))}"
{listener}
{more}
[route.importexport]
endpoint = "{sandbox}/"
{seal()}
[admin]
address = "{LOOPBACK}:0"
[log]
format = "json"
[audit]
target = "file:{directory}/audit.jsonl"
""")
        served = Served(start_countersign("run", "--config", configuration))
        served.audit = directory / "audit.jsonl"
        served.configuration = configuration
        return served

    return start


OPEN = "any_local = true\ndanger_beyond_loopback = true\n"
BEHIND = f'{OPEN}proxy_protocol_from = ["{LOOPBACK}"]\n'


@pytest.fixture(scope="module")
def behind(serve):
    """A listener that has a load balancer at 127.0.0.1, and takes whoever connects."""
    return serve(BEHIND)


def received(connection):
    """Everything that comes until the other end closes, or resets."""
    came = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            came += piece
    return came


def exchanged(served, *pieces, source=LOOPBACK):
    """What is answered to these pieces, each of which is sent by itself."""
    with served.connect(source) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                connection.sendall(piece)
        return received(connection), connection


def answered(served, *pieces, source=LOOPBACK):
    """The status, and the line in the log."""
    answer, _ = exchanged(served, *pieces, source=source)
    head = answer.decode().split("\r\n\r\n")[0]
    status = int(head.split(" ")[1])
    identifier = next(line.split(": ")[1] for line in head.split("\r\n") if line.startswith("countersign-request-id"))
    return status, served.exchange(identifier)


@pytest.mark.parametrize(("client", "shown"), [
    (CLIENT, "203.0.113.7:4711"),
    (("2001:db8::7", 80), "[2001:db8::7]:80"),
    (("::ffff:203.0.113.8", 1), "203.0.113.8:1"),
])
def test_log_and_audit_show_the_client_that_a_named_load_balancer_passes_on(behind, client, shown):
    status, line = answered(behind, header(client) + request())
    assert status == 200
    assert line["peer"].startswith(f"{shown},via={LOOPBACK}:"), line
    audited = eventually(lambda: [entry for entry in map(json.loads, behind.audit.read_text().splitlines())
                                  if entry["request_id"] == line["request_id"]], "the line of the audit")
    assert [entry["peer"] for entry in audited] == [line["peer"]]


@pytest.mark.parametrize("sent", [
    header(command=LOCAL, family=UNSPEC),
    header(command=LOCAL),
    header(family=UNSPEC),
    header(family=UNIX),
    header(command=LOCAL, family=UNSPEC, fields=b"\x04\0\x05.....", length=8),
], ids=["local", "local-with-addresses", "unspecified", "unix", "local-with-fields"])
def test_a_load_balancer_may_speak_for_itself_or_not_know_its_client(behind, sent):
    status, line = answered(behind, sent + request())
    assert (status, line["peer"].startswith(f"{LOOPBACK}:")) == (200, True), line


def test_fields_behind_the_addresses_are_skipped_to_their_last_byte(behind):
    for fields in [b"\x04\0\x00", b"\x20" + b"\xff" * 100, b"\0" * (4096 - 12), request()]:
        status, line = answered(behind, header(fields=fields) + request())
        assert (status, line["peer"].startswith("203.0.113.7:4711,")) == (200, True), line


def test_a_header_may_come_in_single_bytes(behind):
    sent = header(fields=b"\x04\0\x01.") + request()
    status, line = answered(behind, *(bytes([byte]) for byte in sent))
    assert (status, line["peer"].startswith("203.0.113.7:4711,")) == (200, True), line


def test_only_the_connection_has_a_header_and_not_each_request(behind):
    with behind.connect() as connection:
        connection.sendall(header() + request(close=False) + request())
        assert received(connection).count(b"HTTP/1.1 200 OK") == 2
    status, _ = answered(behind, header() + header(("192.0.2.66", 1)) + request())
    assert status == 400


@pytest.mark.parametrize(("sent", "reason", "said"), [
    (request(), "no_proxy_header", "does not begin with a header of the PROXY protocol"),
    (b"\x16\x03\x01\x02\x00\x01\x00", "no_proxy_header", "does not begin with a header"),
    (b"PROXY TCP4 203.0.113.7 198.51.100.2 4711 443\r\n" + request(), "no_proxy_header", "send-proxy-v2"),
    (b"PROXY UNKNOWN\r\n" + request(), "no_proxy_header", "send-proxy-v2"),
    (SIGNATURE + b"\x11\x11\0\x0c" + b"\1" * 12 + request(), "bad_proxy_header", "version 1"),
    (SIGNATURE + b"\x22\x11\0\x0c" + b"\1" * 12 + request(), "bad_proxy_header", "command 2"),
    (SIGNATURE + b"\x21\x41\0\x0c" + b"\1" * 12 + request(), "bad_proxy_header", "0x41"),
    (header(length=11) + request(), "bad_proxy_header", "11 bytes for addresses that have 12"),
    (header(length=4097) + b"\0" * 5000, "bad_proxy_header", "4097 bytes, more than 4096"),
    (SIGNATURE + b"\x20\0\xff\xff", "bad_proxy_header", "65535 bytes"),
], ids=["none", "tls", "version-1", "version-1-unknown", "version-nibble", "command", "family", "short", "long",
        "longest"])
def test_a_load_balancer_without_a_good_header_is_closed_counted_and_named(behind, sent, reason, said):
    sample = f'countersign_refused_handshakes_total{{listener="local",reason="{reason}"}}'
    before = behind.metric(sample)
    answer, _ = exchanged(behind, sent)
    assert answer == b"", "nothing is answered, and nothing is carried out"
    eventually(lambda: behind.metric(sample) == before + 1, "the count")
    # of a flood from one address, not every line is written: the count above has each
    lines = behind.turned_away(reason)
    assert all(line["peer"].startswith(f"{LOOPBACK}:") for line in lines)
    assert any(said in line["error"] for line in lines) or len(lines) >= 10, lines


def test_a_header_from_somebody_else_is_a_malformed_request(behind):
    for sent in [header(), b"PROXY TCP4 203.0.113.7 198.51.100.2 4711 443\r\n"]:
        answer, _ = exchanged(behind, sent + request(), source=OTHER)
        assert answer.startswith(b"HTTP/1.1 400 "), answer
    status, line = answered(behind, request(), source=OTHER)
    assert (status, line["peer"].startswith(f"{OTHER}:")) == (200, True), line


def test_a_header_that_does_not_come_in_time_ends_the_connection(serve):
    served = serve(f'{BEHIND}limits.head_timeout = "1s"')
    for sent in [b"", SIGNATURE[:5], header(fields=b"\0" * 2000)[:-1]]:
        answer, _ = exchanged(served, sent)
        assert answer == b""
    eventually(lambda: len(served.turned_away("timeout")) == 3, served.process.transcript)
    assert "`limits.head_timeout`" in served.turned_away("timeout")[0]["error"]


def test_connections_that_owe_their_header_make_way_for_new_ones(serve):
    served = serve(f'{BEHIND}limits.connections = 4\nlimits.head_timeout = "1h"')
    silent = [served.connect() for _ in range(8)]
    try:
        silent[-1].sendall(SIGNATURE[:3])
        for _ in range(4):
            assert answered(served, header() + request())[0] == 200
        evicted = 'countersign_evicted_connections_total{listener="local",rank="stranger"}'
        eventually(lambda: served.metric(evicted) >= 4, "four of them gave way")
    finally:
        for connection in silent:
            connection.close()


def test_the_owner_of_a_load_balancers_socket_is_none_of_its_clients(serve):
    listener = f'authenticate = ["loopback-owner"]\nproxy_protocol_from = ["{LOOPBACK}"]'
    client = f'[client.ours]\nuid = {os.getuid()}\nallow = ["*:*"]'
    served = serve(listener, client)
    # this test is the user of the client, and connects as the load balancer
    for sent in [header(), header((LOOPBACK, 1)), header(command=LOCAL, family=UNSPEC)]:
        status, line = answered(served, sent + request())
        assert (status, line.get("client")) == (403, None), line
    status, line = answered(served, request(), source=OTHER)
    assert (status, line["client"], line["identified_by"]) == (200, "ours", "loopback-owner")


@pytest.mark.parametrize("more", ["", "\nhide_routes = true"], ids=["all-routes", "own-routes"])
def test_a_unix_socket_may_be_for_a_load_balancer(serve, more):
    digest = subprocess.run(["sha256sum"], input=TOKEN, capture_output=True, text=True, check=True).stdout.split()[0]
    served = serve(f'authenticate = ["token"]\nproxy_protocol_from = ["unix"]{more}',
                   f'[client.a]\ntoken_sha256 = "{digest}"\nallow = ["*:*"]', address="unix:DIR/socket")
    path = served.address.removeprefix("unix:")

    def sent(*pieces):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(path)
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(b"".join(pieces))
            return received(connection)

    bearer = f"Authorization: Bearer {TOKEN}"
    answer = sent(header(), request(bearer)).decode()
    assert answer.startswith("HTTP/1.1 200 "), answer
    identifier = next(line.split(": ")[1] for line in answer.split("\r\n") if line.startswith("countersign-request-id"))
    assert served.exchange(identifier)["peer"].startswith(f"203.0.113.7:4711,via=unix:uid={os.getuid()}")
    assert sent(request(bearer)) == b""
    # a web page reaches the socket through the load balancer: its name has to be one of the listener's
    rebound = request(bearer).replace(b"Host: localhost", b"Host: attacker.example")
    assert sent(header(), rebound).startswith(b"HTTP/1.1 403 ")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificates")
    openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            "server.key", "-out", "server.pem", "-subj", "/CN=server", "-addext", "subjectAltName=IP:127.0.0.1",
            "-days", "2")
    (directory / "server.key").chmod(0o600)
    return directory


def tls_listener(certificates):
    return (f'{BEHIND}tls = {{ certificate = "{certificates}/server.pem", '
            f'private_key = "{certificates}/server.key" }}')


def test_the_header_comes_before_tls_and_not_inside(serve, certificates):
    served = serve(tls_listener(certificates))
    context = ssl.create_default_context(cafile=f"{certificates}/server.pem")

    def called(before, inside=b""):
        connection = served.connect()
        connection.sendall(before)
        with context.wrap_socket(connection, server_hostname=LOOPBACK) as secure:
            secure.sendall(inside + request())
            return received(secure)

    assert called(header()).startswith(b"HTTP/1.1 200 ")
    line = eventually(lambda: served.exchanges(), "the line of the exchange")[0]
    assert line["peer"].startswith(f"tls:203.0.113.7:4711,via={LOOPBACK}:"), line
    assert called(header(), header(("192.0.2.66", 1))).startswith(b"HTTP/1.1 400 ")
    with pytest.raises(OSError):
        called(b"")
    eventually(lambda: served.turned_away("no_proxy_header"), served.process.transcript)
    with pytest.raises(OSError):
        called(header() + header())


def test_a_reload_names_a_load_balancer(serve):
    served = serve(OPEN)
    assert answered(served, request())[0] == 200
    with served.connect() as kept:
        kept.sendall(request(close=False))
        assert kept.recv(65536).startswith(b"HTTP/1.1 200 ")
        text = served.configuration.read_text()
        staged = served.configuration.with_suffix(".new")
        staged.write_text(text.replace(OPEN, BEHIND))
        staged.rename(served.configuration)
        served.process.wait_for("the configuration was read again and is in use")
        assert answered(served, header() + request())[0] == 200
        # what was known of an open connection was found out under other rules: it ends
        assert received(kept) == b""
    assert exchanged(served, request())[0] == b""


def test_check_says_from_whom_a_header_is_required(behind, countersign_bin):
    done = subprocess.run([countersign_bin, "check", "--config", behind.configuration], capture_output=True, text=True,
                          timeout=TIMEOUT, check=False)
    assert "  PROXY protocol: a header (version 2) is required from 127.0.0.1/32\n" in done.stdout, done


def test_curl_speaks_version_1_which_is_refused(behind):
    assert curl_status("--data", FORM, "--haproxy-protocol", f"http://{LOOPBACK}:{behind.port}/")[0] == 0
    lines = eventually(lambda: behind.turned_away("no_proxy_header"), behind.process.transcript)
    assert any("version 1 of the PROXY protocol" in line["error"] for line in lines)


@pytest.fixture
def haproxy(tmp_path):
    """Starts HAProxy with a server line; returns where its clients connect."""
    found = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, "haproxy is installed by tests/run"
    started = []

    def start(server):
        port, configuration = free_port(), tmp_path / "haproxy.cfg"
        configuration.write_text(f"""\
defaults
  mode tcp
  timeout connect 60s
  timeout client 60s
  timeout server 60s
listen front
  bind {LOOPBACK}:{port}
  {server}
""")
        process = subprocess.Popen([found, "-f", configuration, "-db"], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        started.append(process)

        def listens():
            assert process.poll() is None, process.stdout.read()
            with contextlib.suppress(OSError):
                socket.create_connection((LOOPBACK, port), TIMEOUT).close()
                return True
            return False

        eventually(listens, "HAProxy listens")
        return port

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_haproxy_passes_its_clients_on_and_checks_health_for_itself(serve, haproxy):
    served = serve(BEHIND)
    port = haproxy(f"server one {LOOPBACK}:{served.port} send-proxy-v2 check inter 100ms")
    status, body = curl_status("--data", FORM, "--interface", OTHER, f"http://{LOOPBACK}:{port}/")
    assert (status, "<ListJobsResponse" in body) == (200, True), body
    peers = [line["peer"] for line in eventually(served.exchanges, "its line in the log")]
    assert any(peer.startswith(f"{OTHER}:") and f",via={LOOPBACK}:" in peer for peer in peers), peers
    assert served.turned_away("no_proxy_header") == served.turned_away("bad_proxy_header") == []


def test_haproxy_adds_fields_of_tls_and_a_checksum(serve, haproxy, certificates):
    served = serve(BEHIND)
    bundle = certificates / "bundle.pem"
    bundle.write_text((certificates / "server.pem").read_text() + (certificates / "server.key").read_text())
    bundle.chmod(0o600)
    secure = free_port()
    haproxy(f"bind {LOOPBACK}:{secure} ssl crt {bundle}\n"
            f"  server one {LOOPBACK}:{served.port} send-proxy-v2 "
            f"proxy-v2-options ssl,cert-cn,ssl-cipher,crc32c,unique-id\n"
            f"  unique-id-format %ci-%cp-%Ts")
    url = f"https://{LOOPBACK}:{secure}/"
    status, body = curl_status("--data", FORM, "--cacert", f"{certificates}/server.pem", url)
    assert (status, "<ListJobsResponse" in body) == (200, True), body
    assert ",via=" in eventually(served.exchanges, "its line in the log")[-1]["peer"]


def test_haproxy_with_version_1_or_without_a_header_reaches_nobody(serve, haproxy):
    served = serve(BEHIND)
    for how in ["send-proxy", ""]:
        port = haproxy(f"server one {LOOPBACK}:{served.port} {how}")
        assert curl_status("--data", FORM, f"http://{LOOPBACK}:{port}/")[0] == 0
    assert served.exchanges() == []
