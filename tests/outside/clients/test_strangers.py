"""Strangers: those whom a TLS listener turns away are named, and a flood of them fills neither log nor audit."""

import collections
import http.client
import json
import os
import socket
import ssl
import subprocess
import threading

import pytest
from token_issuer import openssl
from waiting import eventually

FORM = "Action=ListJobs&Version=2010-06-03"
TIMEOUT = 60  # seconds
TOKEN = "token-of-a-known-client"  # noqa: S105


class Gateway:
    """A proxy with an audit and an admin listener."""

    def __init__(self, process, audit):
        self.process, self.audit = process, audit
        self.address = self._address('"message":"listening')
        self.admin = self._address('"message":"admin listening')

    def _address(self, message):
        address = json.loads(self.process.wait_for(message + r"\b").string)["address"]
        if address.startswith("unix:"):
            return address.removeprefix("unix:")
        host, _, port = address.rpartition(":")
        return host, int(port)

    def logged(self, message):
        lines = (json.loads(line) for line in self.process.log if line.startswith("{"))
        return [line for line in lines if message in line["message"]]

    def audited(self):
        return [json.loads(line) for line in self.audit.read_text().splitlines()]

    def metric(self, name):
        connection = http.client.HTTPConnection(*self.admin, timeout=TIMEOUT)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    def post(self, fields=None, form=FORM, context=None):
        """Status and code of the answer to a form, on a connection of its own."""
        if context:
            connection = http.client.HTTPSConnection(*self.address, timeout=TIMEOUT, context=context)
        else:
            connection = http.client.HTTPConnection(*self.address, timeout=TIMEOUT)
        fields = {"Content-Type": "application/x-www-form-urlencoded", **(fields or {})}
        connection.request("POST", "/", form, fields)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body.partition("<Code>")[2].partition("</Code>")[0]


@pytest.fixture(scope="module")
def serve(start_countersign, seal, sandbox, tmp_path_factory):
    """Starts a gateway with this listener and these clients."""

    def start(listener, clients, address="127.0.0.1:0"):
        place = tmp_path_factory.mktemp("gateway")
        place.chmod(0o755)
        configuration = place / "countersign.toml"
        configuration.write_text(f"""\
[listener.local]
address = "{address.format(place=place)}"
{listener}
{clients}
[route.importexport]
endpoint = "{sandbox}/"
{seal()}
[audit]
target = "file:{place}/audit.jsonl"
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
[process]
workers = 2
""")
        return Gateway(start_countersign("run", "--config", configuration), place / "audit.jsonl")

    return start


class Authority:
    """An authority, and the certificates that it issues."""

    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2")

    def issue(self, name, alternatives, usage="clientAuth", subject=None, valid=None):
        """Writes NAME.pem and NAME.key, valid from now on or in a time of the past."""
        (self.directory / f"{name}.cnf").write_text(f"""\
[ca]
default_ca = ca
[ca]
database = {self.name}.index
new_certs_dir = .
rand_serial = yes
default_md = sha256
default_days = 2
policy = any
[any]
organizationName = optional
commonName = optional
[extensions]
subjectAltName = {alternatives}
extendedKeyUsage = {usage}
""")
        (self.directory / f"{self.name}.index").touch()
        openssl(self.directory, "req", "-utf8", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject or f"/CN={name}")
        span = ("-startdate", valid[0], "-enddate", valid[1]) if valid else ()
        openssl(self.directory, "ca", "-batch", "-notext", "-utf8", "-config", f"{name}.cnf", "-extensions",
                "extensions", "-in", f"{name}.csr", "-cert", f"{self.name}.pem", "-keyfile", f"{self.name}.key",
                "-out", f"{name}.pem", *span)
        (self.directory / f"{name}.key").chmod(0o600)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificates")
    ours, foreign = Authority(directory, "ours"), Authority(directory, "foreign")
    ours.issue("server", "IP:127.0.0.1", usage="serverAuth")
    ours.issue("billing", "URI:spiffe://example.org/billing")
    ours.issue("stranger", "URI:spiffe://example.org/stranger,DNS:stranger.example", subject="/O=Example/CN=stranger")
    ours.issue("expired", "DNS:expired.example", valid=("20200101000000Z", "20200102000000Z"))
    foreign.issue("forged", "URI:spiffe://example.org/billing", subject="/CN=billing\x1b[2J")
    ours.issue("disguised", "URI:spiffe://example.org/admin,DNS:billing.example")
    ours.issue("wildcard", "DNS:billing.example,DNS:*.example")
    ours.issue("both", "URI:spiffe://example.org/billing,DNS:billing.example")
    ours.issue("two", "DNS:billing.example,DNS:reporting.example")
    return directory


def context(certificates, name=None):
    made = ssl.create_default_context(cafile=certificates / "ours.pem")
    if name:
        made.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return made


def start_mutual(serve, certificates):
    """A gateway that asks for certificates."""
    listener = f"""\
authenticate = ["mtls"]
[listener.local.tls]
certificate = "{certificates}/server.pem"
private_key = "{certificates}/server.key"
client_ca = "{certificates}/ours.pem"
"""
    clients = """\
[client.billing]
spiffe = "spiffe://example.org/billing"
dns = "billing.example"
allow = ["*:*"]
[client.reporting]
dns = "reporting.example"
allow = ["*:*"]
"""
    return serve(listener, clients)


@pytest.fixture(scope="module")
def mutual(serve, certificates):
    return start_mutual(serve, certificates)


def handshake(gateway, made):
    """Completes a handshake without sending a request, and waits for what the proxy makes of it."""
    with socket.create_connection(gateway.address, timeout=TIMEOUT) as plain:
        with made.wrap_socket(plain, server_hostname="127.0.0.1") as stream:
            stream.settimeout(1)
            try:
                stream.recv(1)
            except TimeoutError:
                return  # still open: the certificate was accepted


def turned_away(gateway, reason):
    return [line for line in gateway.logged("turned away") if line["reason"] == reason]


@pytest.mark.parametrize(
    ("name", "reason", "subject", "names"),
    [
        (None, "no_certificate", None, None),
        ("forged", "unknown_authority", "CN=billing\\u{1b}[2J", "URI:spiffe://example.org/billing"),
        ("expired", "expired", "CN=expired", "DNS:expired.example"),
        ("stranger", "unknown_client", "O=Example,CN=stranger",
         "URI:spiffe://example.org/stranger DNS:stranger.example"),
    ],
)
def test_who_fails_at_the_handshake_is_counted_logged_and_audited_by_name(
    mutual, certificates, name, reason, subject, names
):
    counter = f'countersign_refused_handshakes_total{{listener="local",reason="{reason}"}}'
    before = (mutual.metric(counter), len(turned_away(mutual, reason)))
    try:
        handshake(mutual, context(certificates, name))
    except (ssl.SSLError, ConnectionError):
        assert reason != "unknown_client"
    lines = eventually(lambda: turned_away(mutual, reason)[before[1]:], mutual.process.transcript)
    assert len(lines) == 1
    line = lines[0]
    assert (line["level"], line["listener"]) == ("WARN", "local")
    assert line["peer"].startswith("tls:127.0.0.1:")
    assert line.get("subject", "").startswith(subject or "")
    assert line.get("names") == names
    assert ("serial" in line) == (names is not None)
    eventually(lambda: mutual.metric(counter) == before[0] + 1, mutual.process.transcript)

    def handshakes():
        return [line for line in mutual.audited() if line.get("handshake") == reason]

    audited = eventually(handshakes, lambda: mutual.audit.read_text())[-1]
    assert (audited["peer"], audited["decision"], audited["reason"]) == (line["peer"], "deny", "unauthenticated")
    assert (audited["request_id"], audited["status"]) == (None, None)
    if names:
        assert audited["certificate"] == {
            "serial": line["serial"], "subject": line["subject"], "names": names.split(" ")
        }
    else:
        assert audited["certificate"] is None


def test_a_client_that_speaks_no_tls_is_counted_and_logged_and_not_audited(mutual):
    audited = len(mutual.audited())
    with socket.create_connection(mutual.address, timeout=TIMEOUT) as plain:
        plain.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
        while plain.recv(100):
            pass
    line = eventually(lambda: turned_away(mutual, "protocol"), mutual.process.transcript)[0]
    assert line["level"] == "WARN"
    with socket.create_connection(mutual.address, timeout=TIMEOUT):
        pass  # as a load balancer checks whether the port is open
    line = eventually(lambda: turned_away(mutual, "closed"), mutual.process.transcript)[0]
    assert line["level"] == "INFO"
    counter = 'countersign_refused_handshakes_total{listener="local",reason="protocol"}'
    eventually(lambda: mutual.metric(counter) == 1, mutual.process.transcript)
    assert len(mutual.audited()) == audited


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("disguised", 'no client has "spiffe://example.org/admin"; if it belongs to billing, list it'),
        ("wildcard", 'no client can have "*.example"'),
        ("two", 'client reporting has "reporting.example"'),
    ],
)
def test_a_certificate_with_a_known_name_and_another_is_not_taken_for_the_known_one(mutual, certificates, name, why):
    assert mutual.post(context=context(certificates, name)) == (403, "InvalidClientTokenId")

    def about_it(lines):
        return [line for line in lines if why in line.get("error", "")]

    refused = eventually(lambda: about_it(mutual.logged("exchange")), mutual.process.transcript)
    assert [line["code"] for line in refused] == ["InvalidClientTokenId"]
    assert "client" not in refused[0]
    assert len(about_it(turned_away(mutual, "unknown_client"))) == 1


def test_a_certificate_whose_names_are_all_of_one_client_is_that_client(mutual, certificates):
    for name in ("billing", "both"):
        assert mutual.post(context=context(certificates, name))[0] == 200

        def audited(subject=f"CN={name}"):
            lines = [line for line in mutual.audited() if line["client"] == "billing"]
            return [line for line in lines if line["certificate"]["subject"] == subject]

        [line] = eventually(audited, mutual.audit.read_text)
        assert (line["identified_by"], line["code"], line["reason"]) == ("mtls", None, None)
        assert line["endpoint_request_id"]


@pytest.fixture
def tokens(serve):
    clients = f"""\
[client.known]
token_sha256 = "{subprocess.run(['sha256sum'], input=TOKEN, capture_output=True, text=True, check=True).stdout[:64]}"
allow = ["importexport:List*"]
"""
    return serve('authenticate = ["token"]', clients)


def pour(gateway, calls, fields):
    """So many refused calls, from four threads; returns how they ended."""
    seen = collections.Counter()

    def some():
        for _ in range(calls // 4):
            seen[gateway.post(fields)] += 1

    threads = [threading.Thread(target=some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def test_a_flood_of_a_strangers_refusals_fills_neither_log_nor_audit_and_every_one_is_counted(tokens):
    flood = 4000
    assert pour(tokens, flood, {"Authorization": "Bearer wrong"}) == {(403, "InvalidClientTokenId"): flood}
    # the calls of others go on as before, and have their lines
    known = {"Authorization": f"Bearer {TOKEN}"}
    assert tokens.post(known)[0] == 200
    denied = 300
    seen = collections.Counter(tokens.post(known, "Action=CreateJob&Version=2010-06-03") for _ in range(denied))
    assert seen == {(403, "AccessDenied"): denied}
    assert tokens.process.stop() == 0  # the counts of the last minute are written at the end

    refused = [line for line in tokens.logged("exchange") if line.get("code") == "InvalidClientTokenId"]
    counts = [line for line in tokens.logged("more like it") if line["code"] == "InvalidClientTokenId"]
    assert len(refused) + len(counts) < 100, "log lines"
    assert len(refused) + sum(line["more"] for line in counts) == flood
    assert {line["peer"] for line in counts} == {"127.0.0.1"}

    audited = [line for line in tokens.audited() if line["code"] == "InvalidClientTokenId"]
    assert len(audited) < 100
    assert sum(line.get("repeated", 1) for line in audited) == flood
    assert {line["reason"] for line in audited} == {"unauthenticated"}
    assert all(line["peer"].startswith("127.0.0.1") for line in audited)

    ours = [line for line in tokens.audited() if line["client"] == "known"]
    assert len(ours) == denied + 1, "no refusal of a known client is missing"
    assert [line["reason"] for line in ours] == [None] + ["denied"] * denied
    mark = subprocess.run(["sha256sum"], input=TOKEN, capture_output=True, text=True, check=True).stdout[:8]
    assert {line["token"] for line in ours} == {f"sha256:{mark}"}
    assert len([line for line in tokens.logged("exchange") if line.get("client") == "known"]) == denied + 1
    assert TOKEN not in tokens.process.transcript() + tokens.audit.read_text()


def test_a_flood_of_handshakes_without_a_certificate_is_counted(serve, certificates):
    gateway = serve(
        f"""\
authenticate = ["mtls"]
[listener.local.tls]
certificate = "{certificates}/server.pem"
private_key = "{certificates}/server.key"
client_ca = "{certificates}/ours.pem"
""",
        '[client.billing]\nspiffe = "spiffe://example.org/billing"\n',
    )
    flood, made = 200, context(certificates)
    for _ in range(flood):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(gateway, made)
    counter = 'countersign_refused_handshakes_total{listener="local",reason="no_certificate"}'
    eventually(lambda: gateway.metric(counter) == flood, gateway.process.transcript)
    assert gateway.process.stop() == 0
    listed = turned_away(gateway, "no_certificate")
    counts = [line for line in gateway.logged("more like it") if line["handshake"] == "no_certificate"]
    assert len(listed) + len(counts) < 50
    assert len(listed) + sum(line["more"] for line in counts) == flood
    assert sum(line.get("repeated", 1) for line in gateway.audited()) == flood


def refused_heads(host):
    """Requests that are refused for their heads, by what is wrong."""
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    return {
        "malformed": f"POST / HTTP/1.1\r\nHost: {host}\r\nBad Name: x\r\n{form}",
        "method": f"PUT / HTTP/1.1\r\nHost: {host}\r\n{form}",
        "query string": f"POST /?a=b HTTP/1.1\r\nHost: {host}\r\n{form}",
        "web page": f"POST / HTTP/1.1\r\nHost: {host}\r\nOrigin: http://page.example\r\n{form}",
        "media type": f"POST / HTTP/1.1\r\nHost: {host}\r\n{form.replace('x-www-form-urlencoded', 'json')}",
    }


def raw(gateway, request, made=None):
    """The status of the answer to these bytes, on a connection of its own."""
    family = socket.AF_UNIX if isinstance(gateway.address, str) else socket.AF_INET
    with socket.socket(family) as plain:
        plain.settimeout(TIMEOUT)
        plain.connect(gateway.address)
        stream = made.wrap_socket(plain, server_hostname="127.0.0.1") if made else plain
        with stream:
            stream.sendall(request.encode())
            answer = b""
            while received := stream.recv(65536):
                answer += received
    return int(answer.split()[1])


def assert_all_have_lines(gateway, client, seen):
    """Each of the refusals, counted by status, has its line in audit and log, which names the client."""

    def audited():
        return [line for line in gateway.audited() if line["client"] == client]

    def logged():
        return [line for line in gateway.logged("exchange") if line.get("client") == client]

    for lines in (audited, logged):
        eventually(lambda: len(lines()) >= seen.total(), lambda: f"{lines.__name__}: {len(lines())} of {seen}")
        assert collections.Counter(line["status"] for line in lines()) == seen
    return audited()


@pytest.mark.parametrize(
    ("method", "address"), [("unix-peer", "unix:{place}/socket"), ("loopback-owner", "127.0.0.1:0")]
)
def test_no_refusal_of_a_user_whom_the_connection_identifies_is_left_out_whatever_it_is_for(serve, method, address):
    clients = f'[client.ours]\nuid = {os.getuid()}\nallow = ["*:*"]\n'
    gateway = serve(f'authenticate = ["{method}", "token"]', clients, address)
    host = "localhost" if isinstance(gateway.address, str) else "{}:{}".format(*gateway.address)
    requests = refused_heads(host)
    good = requests["method"].replace("PUT", "POST")
    requests["token"] = good.replace("Connection", "Authorization: Bearer wrong\r\nConnection")
    if host != "localhost":
        requests["host"] = good.replace(host, "page.example")
    seen = collections.Counter()
    for request in requests.values():
        for _ in range(25):
            seen[raw(gateway, request)] += 1
    assert min(seen) >= 400 and seen.total() == 25 * len(requests)
    lines = assert_all_have_lines(gateway, "ours", seen)
    assert {line["identified_by"] for line in lines} == {method}
    assert gateway.process.stop() == 0
    assert not gateway.logged("more like it"), "nothing was sampled"


def test_a_stranger_of_the_same_address_takes_no_line_of_a_client_that_its_certificate_identifies(
    serve, certificates
):
    gateway = start_mutual(serve, certificates)
    requests = refused_heads("{}:{}".format(*gateway.address))
    stranger, known = context(certificates, "stranger"), context(certificates, "billing")
    for request in requests.values():
        for _ in range(25):
            raw(gateway, request, stranger)
    seen = collections.Counter(raw(gateway, request, known) for request in requests.values() for _ in range(2))
    lines = assert_all_have_lines(gateway, "billing", seen)
    assert {line["identified_by"] for line in lines} == {"mtls"}
    assert {line["certificate"]["subject"] for line in lines} == {"CN=billing"}
    assert gateway.process.stop() == 0
    assert gateway.logged("more like it"), "the stranger's are sampled as before"
