"""An HTTPS endpoint with a certificate that openssl made as it was told, good or bad."""

import contextlib
import http.server
import pathlib
import ssl
import subprocess
import threading
import urllib.error
import urllib.request

LONG = ["-startdate", "20200101000000Z", "-enddate", "20990101000000Z"]
EXPIRED = ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"]
NOT_YET = ["-startdate", "20980101000000Z", "-enddate", "20990101000000Z"]

NAMES = "subjectAltName = DNS:localhost, IP:127.0.0.1"
NO_AUTHORITY = "basicConstraints = critical, CA:false"
AUTHORITY = "basicConstraints = critical, CA:true"

CONFIGURATION = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[ca]
default_ca = authority
[authority]
database = {directory}/{file}.index
new_certs_dir = {directory}
rand_serial = yes
unique_subject = no
policy = any
default_md = {digest}
[any]
commonName = supplied
[extensions]
{extensions}
"""


class Workshop:
    """Keys and certificates in a directory, made by the openssl that is installed."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def path(self, file):
        return self.directory / file

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], cwd=self.directory, capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def key(self, file, kind="ec"):
        options = ["-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["-pkeyopt", f"rsa_keygen_bits:{kind}"]
        algorithm = "EC" if kind == "ec" else "RSA"
        self.openssl("genpkey", "-algorithm", algorithm, *options, "-out", f"{file}.key")

    def certificate(self, file, extensions=("subjectAltName = DNS:localhost, IP:127.0.0.1",), issuer=None, dates=LONG,
                    digest="sha256", name="localhost", key=None):
        """Makes FILE.pem for FILE.key (made if it is missing), signed by ISSUER or by itself. Without extensions it is
        of version 1."""
        key = key or file
        if not self.path(f"{key}.key").exists():
            self.key(key)
        configuration = self.path(f"{file}.cnf")
        configuration.write_text(CONFIGURATION.format(
            name=name, directory=self.directory, file=file, digest=digest, extensions="\n".join(extensions)))
        self.path(f"{file}.index").write_text("")
        self.openssl("req", "-new", "-key", f"{key}.key", "-out", f"{file}.csr", "-config", configuration)
        signer = ["-cert", f"{issuer}.pem", "-keyfile", f"{issuer}.key"] if issuer else [
            "-selfsign", "-keyfile", f"{key}.key"]
        more = ["-extensions", "extensions"] if extensions else []
        self.openssl("ca", "-batch", "-notext", "-config", configuration, *signer, *more, *dates, "-in", f"{file}.csr",
                     "-out", f"{file}.pem")
        return self.path(f"{file}.pem")

    def join(self, file, *parts):
        self.path(file).write_text("".join(self.path(f"{part}.pem").read_text() for part in parts))
        return self.path(file)

    def fingerprint(self, file):
        return self.openssl("x509", "-in", f"{file}.pem", "-noout", "-fingerprint", "-sha256").strip().split("=")[1]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        peer = self.connection.getpeercert()
        self.server.requests.append((body, self.connection.version(), peer))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def finish_request(self, request, client_address):
        request.settimeout(30)
        try:
            connection = self.context.wrap_socket(request, server_side=True)
        except (OSError, ssl.SSLError):
            return
        with contextlib.suppress(OSError, ssl.SSLError):
            super().finish_request(connection, client_address)
            connection.unwrap()

    def handle_error(self, *_):
        pass


@contextlib.contextmanager
def tls_endpoint(chain, key, change=None):
    """Serves on loopback; `requests` has what came: body, TLS version and the client's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # the peer is to judge the certificate, not this side
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(chain, key)
    if change:
        change(context)
    server = Server(("127.0.0.1", 0), Handler)
    server.context, server.requests, server.port = context, [], server.server_address[1]
    server.url = f"https://localhost:{server.port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def post(proxy, form):
    """The status with which a proxy answers a form."""
    request = urllib.request.Request(
        proxy.url, form.encode(), {"Content-Type": "application/x-www-form-urlencoded"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
