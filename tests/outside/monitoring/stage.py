"""A countersign with everything that has metrics: three routes, of which one signs with a wrong key and one
shows a certificate, listeners with TLS, service accounts and a revocation list, an audit, traces, a store of rates, and
clients that keep calling."""

import contextlib
import http.client
import json
import socket
import threading

from key_server import KeyServer, document
from shared_store import running
from token_issuer import ISSUER, Issuer, openssl
from waiting import eventually

KNOWN = "Action=ListJobs&Version=2010-06-03"
TWICE = "Action=ListJobs&Version=2010-06-03&Version=2010-06-03"
TIMEOUT = 60  # seconds


def certificates(directory):
    """An authority, and a server's certificate for 127.0.0.1 that ends within two days."""
    directory.mkdir()
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(directory, "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority",
            "-days", "2")
    (directory / "server.cnf").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    openssl(directory, "req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    openssl(directory, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "server.pem", "-days", "2", "-extfile", "server.cnf")
    (directory / "server.key").chmod(0o600)
    (directory / "index").touch()
    (directory / "number").write_text("01\n")
    (directory / "ca.cnf").write_text("""\
[ca]
default_ca = all
[all]
database = index
crlnumber = number
default_md = sha256
default_crl_days = 7
crl_extensions = extensions
[extensions]
authorityKeyIdentifier = keyid:always
""")
    openssl(directory, "ca", "-gencrl", "-config", "ca.cnf", "-keyfile", "ca.key", "-cert", "ca.pem", "-out", "crl.pem")
    return directory


class Stage:
    """The process, and its clients."""

    def __init__(self, start_countersign, seal, sandbox, directory):
        files = certificates(directory / "certificates")
        (directory / "issuer").mkdir()
        issuer = Issuer(directory / "issuer")
        self.key_server = KeyServer(files / "server.pem", files / "server.key")
        self.key_server.answer = document(issuer.jwks("one"))
        self.key_server.open()
        (directory / "store").mkdir()
        self.until_the_end = contextlib.ExitStack()
        store = self.until_the_end.enter_context(running(directory / "store"))
        (directory / "audit").mkdir(mode=0o700)
        wrong = seal(secret="another secret").replace("[key.main]", "[key.wrong]")
        self.configuration = directory / "countersign.toml"
        self.configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[listener.tls]
address = "127.0.0.1:0"
authenticate = ["service-account"]
[listener.tls.tls]
certificate = "{files / 'server.pem'}"
private_key = "{files / 'server.key'}"
[listener.tls.service_account]
issuer = "{ISSUER}"
audience = "countersign"
algorithm = "RS256"
jwks_url = "https://127.0.0.1:{self.key_server.port}/"
jwks_ca_file = "{files / 'ca.pem'}"
[listener.mutual]
address = "127.0.0.1:0"
authenticate = ["mtls"]
[listener.mutual.tls]
certificate = "{files / 'server.pem'}"
private_key = "{files / 'server.key'}"
client_ca = "{files / 'ca.pem'}"
crl = ["{files / 'crl.pem'}"]
[client.mutual]
dns = ["mutual.example"]
[client.billing]
service_account = "shop/billing"
allow = ["main:List*"]
rate = "100/s"
quota = "100000/d"
[rates]
store = "{store.url}"
[route.main]
endpoint = "{sandbox}/"
key = "main"
[route.main.profile]
service = "importexport"
[route.wrong]
endpoint = "{sandbox}/"
path = "/wrong"
key = "wrong"
# nobody calls it
[route.shown]
endpoint = "https://127.0.0.1:1/"
path = "/shown"
key = "main"
ca_file = "{files / 'ca.pem'}"
client_certificate = "{files / 'server.pem'}"
client_key = "{files / 'server.key'}"
[[route.shown.fallback]]
endpoint = "https://127.0.0.1:2/"
{seal(expires="2030-01-01T00:00:00Z")}
{wrong}
[admin]
address = "127.0.0.1:0"
[audit]
target = "file:{directory / 'audit/audit.log'}"
[trace]
endpoint = "http://127.0.0.1:1"
[log]
format = "json"
""")
        self.process = start_countersign("run", "--config", self.configuration)
        self.admin = self._address(r'"message":"admin listening')
        self.local = self._address(r'"message":"listening.*"listener":"local"')
        self.tls = self._address(r'"message":"listening.*"listener":"tls"')
        self.ended = threading.Event()
        self.calls = 0
        self.client = threading.Thread(target=self._call_until_the_end, daemon=True)

    def _address(self, pattern):
        return json.loads(self.process.wait_for(pattern).string)["address"]

    def begin(self):
        self.client.start()
        eventually(lambda: self.calls > 20, "the clients make no calls")

    def post(self, form, path="/"):
        host, _, port = self.local.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT)
        try:
            connection.request("POST", path, form, {"content-type": "application/x-www-form-urlencoded"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def speak_no_tls(self):
        host, _, port = self.tls.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=TIMEOUT) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            connection.recv(1024)

    def _call_until_the_end(self):
        """What all clients do in turn: good calls, and one of each kind that goes wrong."""
        while not self.ended.is_set():
            for _ in range(5):
                assert self.post(KNOWN)[0] == 200
            assert self.post(TWICE)[0] == 400
            assert self.post(KNOWN, "/nowhere")[0] == 404
            assert self.post(KNOWN, "/wrong")[0] == 403
            self.speak_no_tls()
            self.calls += 9
            # tens of calls in a second are enough for rates
            self.ended.wait(0.1)

    def change_the_configuration(self):
        """A reload that succeeds."""
        fresh = self.configuration.with_suffix(".new")
        fresh.write_text(self.configuration.read_text().replace('format = "json"', 'format = "json"\nlevel = "debug"'))
        fresh.rename(self.configuration)
        self.process.wait_for("the configuration was read again and is in use")

    def end(self):
        self.ended.set()
        if self.client.is_alive():
            self.client.join(TIMEOUT)
        self.key_server.close()
        self.until_the_end.close()
