"""An endpoint that believes nobody: it verifies every signature with botocore's implementation, and keeps what came.

It has to be told what to answer; what is wrong with a request it says by itself, in the words of AWS.
"""

import contextlib
import dataclasses
import datetime
import http.server
import pathlib
import ssl
import subprocess
import sys
import threading
import urllib.parse

from botocore.auth import SigV2Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

# what signing adds to a form; `SecurityToken` too when the key is temporary
AUTHENTICATION = {"AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp"}
SECURITY_TOKEN = "SecurityToken"

CLOCK_WINDOW = datetime.timedelta(minutes=15)
SOCKET_TIMEOUT = 30  # seconds; no thread waits for ever for a client that says nothing

# the leaf must not be an authority, and must name the address that is connected to
OPENSSL_CONFIGURATION = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = Verifying upstream
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[leaf]
basicConstraints = critical, CA:false
subjectAltName = IP:127.0.0.1, DNS:localhost
extendedKeyUsage = serverAuth
"""


@dataclasses.dataclass
class Received:
    """A request as it came."""

    method: str
    path: str
    headers: object  # email.message.Message
    body: bytes

    @property
    def pairs(self):
        """The decoded parameters, in the order of the body."""
        return urllib.parse.parse_qsl(
            self.body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict"
        )

    @property
    def parameters(self):
        return dict(self.pairs)

    @property
    def unsigned(self):
        """The parameters without what signing added."""
        return {name: value for name, value in self.pairs if name not in AUTHENTICATION | {SECURITY_TOKEN}}


@dataclasses.dataclass
class Answer:
    """What to answer. A body that is no `bytes` is sent piece by piece, chunked."""

    body: object = b"<Response/>"
    status: int = 200
    headers: dict = dataclasses.field(default_factory=dict)


class VerifyingUpstream:
    """The endpoint, from construction until `close`.

    `answer` takes a `Received` and returns an `Answer`, or None to close the connection without one. It is asked only
    about requests that verify; `complaints` holds what was wrong with the others.
    """

    def __init__(self, directory, key_id, secret, token=None):
        self.answer = lambda received: Answer()
        self.received = []
        self.complaints = []
        self.connections = 0
        self._key_id, self._token = key_id, token
        self._signer = SigV2Auth(Credentials(key_id, secret, token))
        self.ca_file, context = make_tls(pathlib.Path(directory))
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.upstream = self
        # the handshake is for the connection's own thread: here it would hold up all others
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def url(self, host="127.0.0.1", path="/"):
        return f"https://{host}:{self.port}{path}"

    @contextlib.contextmanager
    def answering(self, answer):
        """Answers otherwise for a while."""
        before, self.answer = self.answer, answer
        try:
            yield
        finally:
            self.answer = before

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def refusal(self, received):
        """Why a request is refused, or None. The first check that fails is told."""
        try:
            pairs = received.pairs
        except ValueError as error:
            return f"MalformedQueryString: {error}"
        parameters = dict(pairs)
        wanted = AUTHENTICATION | ({SECURITY_TOKEN} if self._token else set())
        auth = {name for name in parameters if name in AUTHENTICATION | {SECURITY_TOKEN}}
        if received.method != "POST":
            return f"InvalidAction: the method is {received.method}"
        if len(parameters) != len(pairs):
            return "InvalidQueryParameter: a name stands twice"
        if auth != wanted:
            return f"IncompleteSignature: there is {sorted(auth)}"
        if parameters["AWSAccessKeyId"] != self._key_id or parameters.get(SECURITY_TOKEN) != self._token:
            return "InvalidClientTokenId: another key or token"
        if (parameters["SignatureVersion"], parameters["SignatureMethod"]) != ("2", "HmacSHA256"):
            return "IncompleteSignature: another version or method"
        try:
            made = datetime.datetime.fromisoformat(parameters["Timestamp"])
        except ValueError:
            return f"IncompleteSignature: the time is {parameters['Timestamp']}"
        if abs(datetime.datetime.now(datetime.timezone.utc) - made) > CLOCK_WINDOW:
            return f"RequestExpired: {parameters['Timestamp']}"
        request = AWSRequest(method=received.method, url=f"https://{received.headers['Host']}{received.path}")
        canonical, signature = self._signer.calc_signature(request, parameters)
        if parameters["Signature"] != signature:
            return f"SignatureDoesNotMatch: expected for {canonical!r}"
        # not only equivalent: the very bytes that were signed
        if received.body.decode("ascii") != f"{canonical}&Signature={urllib.parse.quote(signature, safe='')}":
            return f"SignatureDoesNotMatch: not the canonical form, {canonical!r}"
        return None

    def respond(self, received):
        refusal = self.refusal(received)
        self.received.append(received)
        if refusal is None:
            return self.answer(received)
        self.complaints.append(refusal)
        code = refusal.partition(":")[0]
        return Answer(f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>".encode(), status=403)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that left is no failure of the endpoint's; all else is."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.upstream.complaints.append(repr(error))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SOCKET_TIMEOUT
    # a small answer must not wait for the acknowledgement of its head
    disable_nagle_algorithm = True

    def handle(self):
        self.server.upstream.connections += 1
        super().handle()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.upstream.respond(Received(self.command, self.path, self.headers, body))
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in {"Content-Type": "text/xml", **answer.headers}.items():
            self.send_header(name, value)
        if isinstance(answer.body, bytes):
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in answer.body:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *arguments):
        """What came is in `received`."""


def make_tls(directory):
    """An authority, whose certificate is in the file returned, and a server's context under it."""
    configuration, ca, ca_key, leaf, key = (
        directory / name for name in ("openssl.cnf", "ca.pem", "ca.key", "leaf.pem", "leaf.key")
    )
    configuration.write_text(OPENSSL_CONFIGURATION)
    base = ["openssl", "req", "-x509", "-config", configuration, "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2"]
    for command in (
        [*base, "-extensions", "authority", "-out", ca, "-keyout", ca_key],
        [*base, "-extensions", "leaf", "-subj", "/CN=localhost", "-CA", ca, "-CAkey", ca_key, "-out", leaf,
         "-keyout", key],
    ):
        subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf, key)
    return ca, context


@contextlib.contextmanager
def verifying_upstream(directory, key_id, secret, token=None):
    upstream = VerifyingUpstream(directory, key_id, secret, token)
    try:
        yield upstream
    finally:
        upstream.close()
