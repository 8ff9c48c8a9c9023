"""The keys of service-account tokens, fetched from a server: what is asked, and what becomes of clients while it
misbehaves."""

import json
import os
import signal
import subprocess
import time

import pytest
from curl_status import curl_status
from key_server import KeyServer, document, reset
from token_issuer import ISSUER, Issuer, openssl
from waiting import eventually

FORM = "Action=ListJobs&Version=2010-06-03"
TIMEOUT = 60  # seconds; fetching for unknown keys waits ten
OWN_TOKEN = "eyJhbGciOiJub25lIn0.the-pods-own.token"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, and a server's certificate for 127.0.0.1 and localhost."""
    directory = tmp_path_factory.mktemp("certificates")
    openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2")
    (directory / "server.cnf").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n")
    openssl(directory, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            "server.key", "-out", "server.csr", "-subj", "/CN=server")
    openssl(directory, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "server.pem", "-days", "2", "-extfile", "server.cnf")
    return directory


@pytest.fixture
def server(certificates, issuer):
    server = KeyServer(certificates / "server.pem", certificates / "server.key")
    server.answer = document(issuer.jwks("one"))
    yield server
    server.close()


class Gateway:
    """A proxy whose listener knows service accounts by keys from a server."""

    def __init__(self, process):
        self.process = process
        self.address = json.loads(process.wait_for(r'"message":"listening\b').string)["address"]
        self.admin = json.loads(process.wait_for(r'"message":"admin listening\b').string)["address"]

    def call(self, token):
        return curl_status("--data", FORM, "--header", f"Authorization: Bearer {token}", f"http://{self.address}/")

    def status(self, token):
        return self.call(token)[0]

    def ready(self):
        return curl_status(f"http://{self.admin}/readyz")

    def metric(self, result):
        _, text = curl_status(f"http://{self.admin}/metrics")
        name = f'countersign_token_key_loads_total{{listener="local",result="{result}"}} '
        return sum(int(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name))

    def fetch_now(self):
        os.kill(self.process.child.pid, signal.SIGHUP)

    def lines(self, text):
        return [line for line in self.process.log if text in line]

    def wait_for_failure(self, error):
        """Fetches, and waits until the log says that it went wrong in this way."""
        self.fetch_now()
        eventually(
            lambda: [line for line in self.lines("token keys cannot be fetched") if error in line],
            lambda: f"{error} in {self.process.transcript()}",
        )


@pytest.fixture
def gateway(start_countersign, seal, sandbox, certificates, tmp_path):
    def configuration(server, host="127.0.0.1", more="", authority="ca.pem"):
        path = tmp_path / "countersign.toml"
        trust = f'jwks_ca_file = "{certificates}/{authority}"' if server.context else ""
        scheme = "https" if server.context else "http"
        path.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
authenticate = ["service-account"]
[listener.local.service_account]
issuer = "{ISSUER}"
audience = "countersign"
algorithm = "RS256"
jwks_url = "{scheme}://{host}:{server.port}/openid/v1/jwks"
{trust}
{more}
[client.billing]
service_account = "shop/billing"
allow = ["importexport:List*"]
[route.importexport]
endpoint = "{sandbox}/"
{seal()}
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
""")
        return path

    def start(server, **options):
        return Gateway(start_countersign("run", "--config", configuration(server, **options)))

    start.configuration = configuration
    return start


def own_token(directory, text=OWN_TOKEN):
    """The pod's own token, as the kubelet lays it out: behind `..data`, in a directory that is swapped."""
    volume = directory / "serviceaccount"
    version = volume / f"..{len(list(volume.iterdir())) if volume.exists() else 0}"
    version.mkdir(parents=True)
    (version / "token").write_text(text)
    (version / "token").chmod(0o600)
    new = volume / "..data_tmp"
    new.symlink_to(version.name)
    new.rename(volume / "..data")
    if not (volume / "token").is_symlink():
        (volume / "token").symlink_to("..data/token")
    return volume / "token"


def test_keys_are_fetched_with_a_token_that_is_read_anew_each_time(gateway, server, issuer, tmp_path):
    server.open()
    token_file = own_token(tmp_path)
    proxy = gateway(server, host="localhost", more=f'jwks_token_file = "{token_file}"')
    proxy.process.wait_for("fetched token keys are in use")
    assert proxy.ready()[0] == 200
    assert proxy.status(issuer.token()) == 200
    assert proxy.status(issuer.token(aud=["another"])) == 403

    head, *fields = server.requests[0].decode().rstrip("\r\n").split("\r\n")
    assert head == "GET /openid/v1/jwks HTTP/1.1"
    fields = dict(field.split(": ", 1) for field in fields)
    assert fields.pop("user-agent").startswith("countersign/")
    assert fields == {
        "host": f"localhost:{server.port}",
        "accept": "application/json, application/jwk-set+json",
        "authorization": f"Bearer {OWN_TOKEN}",
        "connection": "close",
    }

    own_token(tmp_path, "a-new-one\n")
    proxy.fetch_now()
    eventually(lambda: len(server.requests) > 1, "a second request")
    assert b"authorization: Bearer a-new-one\r\n" in server.requests[1]
    eventually(lambda: proxy.metric("unchanged") >= 1, "the same document changes nothing")
    assert proxy.metric("changed") == 1
    proxy.process.stop()
    assert OWN_TOKEN not in proxy.process.transcript()


def test_without_keys_the_proxy_starts_and_says_that_it_is_not_ready(gateway, server, issuer):
    proxy = gateway(server)
    token = issuer.token()
    status, body = proxy.call(token)
    assert (status, "<Code>ServiceUnavailable</Code>" in body) == (503, True), body
    # what no key could make good is refused all the same
    assert proxy.status("not-a-token") == 403
    assert curl_status("--data", FORM, f"http://{proxy.address}/")[0] == 403
    status, body = proxy.ready()
    assert (status, "listener.local: the keys of its token issuer" in body) == (503, True), body
    proxy.process.wait_for("cannot be fetched; until they are, tokens get a 503")
    server.open()
    eventually(lambda: proxy.ready()[0] == 200, proxy.process.transcript)
    assert proxy.status(token) == 200
    eventually(lambda: proxy.metric("failed") >= 1, proxy.process.transcript)


def test_keys_are_exchanged_without_a_restart_and_a_withdrawn_one_is_no_longer_believed(gateway, server, issuer):
    server.open()
    proxy = gateway(server)
    proxy.process.wait_for("fetched token keys are in use")
    server.answer = document(issuer.jwks("one", "two"))
    # nobody tells the proxy: the token does
    token = issuer.token(key="two")
    assert proxy.status(token) == 403
    eventually(lambda: proxy.status(token) == 200, proxy.process.transcript)
    assert proxy.status(issuer.token()) == 200
    server.answer = document(issuer.jwks("two"))
    proxy.fetch_now()
    eventually(lambda: proxy.status(issuer.token()) == 403, proxy.process.transcript)
    assert proxy.status(token) == 200


def test_tokens_with_unknown_keys_do_not_decide_how_often_the_server_is_asked(gateway, server, issuer):
    server.open()
    token = issuer.token(key="two")
    began = time.monotonic()
    proxy = gateway(server)
    proxy.process.wait_for("fetched token keys are in use")
    refused = 0
    while len(server.requests) < 2:
        assert proxy.status(token) == 403
        refused += 1
        assert time.monotonic() < began + TIMEOUT, proxy.process.transcript()
    # between two fetches are ten seconds at least, however busy this machine is
    assert time.monotonic() - began >= 10, refused


def test_a_server_that_is_gone_leaves_the_keys_that_were_there(gateway, server, issuer):
    server.open()
    proxy = gateway(server)
    proxy.process.wait_for("fetched token keys are in use")
    server.close()
    proxy.wait_for_failure("the server cannot be reached")
    assert proxy.status(issuer.token()) == 200
    assert proxy.ready()[0] == 200
    eventually(lambda: proxy.metric("failed") >= 1, proxy.process.transcript)


class Flood:
    """A hundred megabytes, and how much of it was taken."""

    def __init__(self, head, piece):
        self.head, self.piece, self.sent = head, piece, 0

    def __call__(self, connection):
        connection.sendall(self.head)
        for _ in range(100 * 1024 * 1024 // len(self.piece)):
            connection.sendall(self.piece)
            self.sent += len(self.piece)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + b" " * 65536 + b"\r\n"

MISBEHAVIOUR = {
    "garbage": (document(b"<html>"), "is no JWKS document"),
    "no_http": (b"SSH-2.0-OpenSSH_9.2\r\n", "the server broke off"),
    "no_keys": (document(b'{"keys":[]}'), "has no key for RS256"),
    "empty": (document(b""), "is no JWKS document"),
    "server_error": (document(b"", status="500 Internal Server Error"), "the server answered 500"),
    "unauthorized": (document(b"", status="401 Unauthorized"), "it wants another token"),
    "cut_head": (b"HTTP/1.1 200 OK\r\nContent-Le", "the server broke off"),
    "cut_body": (b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"keys":[', "the server broke off"),
    "reset": (reset, "the server broke off"),
    "announced": (b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", "is larger than 262144 bytes"),
    "huge_head": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n", "the server broke off"),
}


@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_an_answer_that_is_no_key_set_leaves_the_keys_that_were_there(gateway, server, issuer, name):
    server.open()
    proxy = gateway(server)
    proxy.process.wait_for("fetched token keys are in use")
    server.answer, error = MISBEHAVIOUR[name]
    proxy.wait_for_failure(error)
    assert proxy.status(issuer.token()) == 200
    # and it recovers
    server.answer = document(issuer.jwks("two"))
    proxy.fetch_now()
    eventually(lambda: proxy.status(issuer.token(key="two")) == 200, proxy.process.transcript)


@pytest.mark.parametrize(
    "flood",
    [Flood(CHUNKED, CHUNK), Flood(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536)],
    ids=["chunked", "until_the_end"],
)
def test_a_hundred_megabytes_are_not_taken(gateway, server, issuer, flood):
    server.open()
    proxy = gateway(server)
    proxy.process.wait_for("fetched token keys are in use")
    server.answer = flood
    proxy.wait_for_failure("is larger than 262144 bytes")
    # what is beyond the limit sits in socket buffers
    assert flood.sent < 20 * 1024 * 1024
    assert proxy.status(issuer.token()) == 200


def test_a_server_that_says_nothing_is_waited_for_in_vain_only_so_long(gateway, server, issuer):
    server.open()
    proxy = gateway(server)
    proxy.process.wait_for("fetched token keys are in use")
    server.answer = lambda connection: connection.recv(1)
    proxy.fetch_now()
    eventually(lambda: len(server.requests) > 1, "a second request")
    # calls do not wait with it
    assert proxy.status(issuer.token()) == 200
    assert not proxy.lines("cannot be fetched")
    proxy.process.wait_for("the document was not there within 10 s")


def test_redirects_are_not_followed(gateway, server, issuer, certificates, tmp_path):
    elsewhere = KeyServer(certificates / "server.pem", certificates / "server.key")
    elsewhere.answer = document(issuer.jwks("two"))
    elsewhere.open()
    server.open()
    more = f'jwks_token_file = "{own_token(tmp_path)}"'
    proxy = gateway(server, more=more)
    proxy.process.wait_for("fetched token keys are in use")
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]:
        target = f"Location: https://127.0.0.1:{elsewhere.port}/\r\n"
        server.answer = document(issuer.jwks("two"), status=status, fields=target)
        proxy.wait_for_failure(f"the server answered {status}, a redirect")
    assert elsewhere.requests == []
    assert proxy.status(issuer.token(key="two")) == 403
    elsewhere.close()


def test_a_server_that_is_not_trusted_is_told_nothing(gateway, server, issuer, certificates, tmp_path):
    openssl(certificates, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            "other.key", "-out", "other.pem", "-subj", "/CN=another authority", "-days", "2")
    server.open()
    proxy = gateway(server, more=f'jwks_token_file = "{own_token(tmp_path)}"', authority="other.pem")
    proxy.process.wait_for("UnknownIssuer")
    eventually(lambda: server.broken_handshakes > 0, "a handshake that was broken off")
    assert server.requests == []
    assert proxy.status(issuer.token()) == 503


def test_on_loopback_the_server_may_do_without_tls(gateway, issuer):
    server = KeyServer()
    server.answer = document(issuer.jwks("one"))
    server.open()
    proxy = gateway(server)
    proxy.process.wait_for("fetched token keys are in use")
    assert proxy.status(issuer.token()) == 200
    server.close()


@pytest.mark.parametrize("command", ["run", "check"])
def test_what_cannot_work_is_refused_at_start(gateway, server, countersign_bin, tmp_path, command):
    def end(configuration):
        done = subprocess.run([countersign_bin, command, "--config", configuration], capture_output=True, text=True,
                              timeout=TIMEOUT, check=False)
        return done.returncode, done.stderr

    url = f"listener.local: https://127.0.0.1:{server.port}/openid/v1/jwks: "
    code, message = end(gateway.configuration(server, authority="missing.pem"))
    assert (code, f"{url}cannot read the CA certificates in" in message) == (78, True), message
    token_file = own_token(tmp_path)
    (token_file.resolve()).chmod(0o644)
    code, message = end(gateway.configuration(server, more=f'jwks_token_file = "{token_file}"'))
    assert (code, "is open to others (mode 0644)" in message) == (77, True), message
    token_file.resolve().chmod(0o600)
    token_file.write_text("two words")
    code, message = end(gateway.configuration(server, more=f'jwks_token_file = "{token_file}"'))
    assert (code, "holds no token" in message) == (78, True), message
    token_file.unlink()
    code, message = end(gateway.configuration(server, more=f'jwks_token_file = "{token_file}"'))
    assert (code, "does not exist" in message) == (78, True), message
