"""Two replicas behind HAProxy, which balances connections; the second replica starts while clients of the first one
keep theirs."""

import contextlib
import http.server
import json
import pathlib
import re
import socket
import subprocess
import threading
import time
import urllib.request

FORM = b"Action=GetStatus&JobId=JOBID&Version=2010-06-03"
KEY = {"Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
       "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
PATIENCE = 60  # seconds
PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs/how-to/behind-a-load-balancer.md"

HAPROXY = """\
defaults
    mode tcp
    timeout client 1h
    timeout server 1h
    timeout connect 5s
frontend clients
    bind 127.0.0.1:{port}
    default_backend replicas
backend replicas
{advised}
"""

# what people put in place of the examples' values
OWN = {
    "leastconn": "{balance}", "2s": "{inter}", " port 8022": "", "10.0.1.11:8021": "127.0.0.1:{one} port {one_admin}",
    "10.0.1.12:8021": "127.0.0.1:{two} port {two_admin}",
}

CONFIGURATION = """\
[listener.local]
address = "127.0.0.1:{port}"
hosts = ["gateway.internal"]
any_local = true
# of a listener with `any_local` that load balancers reach; here they are on this machine too
danger_beyond_loopback = true
proxy_protocol_from = ["127.0.0.0/8"]
{limits}
[route.importexport]
endpoint = "http://127.0.0.1:{endpoint}/"
[key.main]
kind = "file"
file = "{directory}/key.json"
[admin]
address = "127.0.0.1:{admin}"
[log]
format = "json"
level = "warn"
[process]
workers = 1
{process}
"""


def advised():
    """The backend that the how-to page advises, with places for what differs here."""
    block = re.search(r"```text\nbackend signer\n(.*?)\n```", PAGE.read_text(), re.DOTALL)[1]
    for example, own in OWN.items():
        assert example in block, f"{PAGE}: without {example!r}"
        block = block.replace(example, own)
    return block


def wait_until(condition, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise TimeoutError(f"{what}: not within {patience} seconds")


def free_ports(count):
    """Ports that nobody listens at; found together, so that no two are the same."""
    with contextlib.ExitStack() as held:
        found = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


class Answering(http.server.BaseHTTPRequestHandler):
    """An endpoint that has the same to say to everybody."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"<Answer />")

    def log_message(self, *_):
        pass


class Client:
    """One connection at a time, for as long as it is left; then the next."""

    def __init__(self, port):
        self.port, self.stream, self.connections, self.answered, self.lost = port, None, 0, 0, 0

    def call(self):
        if self.stream is None:
            self.stream = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
            self.connections += 1
        try:
            self.stream.sendall(b"POST / HTTP/1.1\r\nHost: gateway.internal\r\n"
                                b"Content-Type: application/x-www-form-urlencoded\r\n"
                                b"Content-Length: %d\r\n\r\n%s" % (len(FORM), FORM))
            head = self.response()
        except OSError:
            head = b""
        if not head.startswith(b"HTTP/1.1 200 "):
            self.lost += 1
            self.leave()
            return
        self.answered += 1
        if re.search(rb"(?i)\r\nconnection: close", head):
            self.leave()

    def response(self):
        received = b""
        while b"\r\n\r\n" not in received:
            received += self.more()
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head)[1])
        while len(body) < length:
            body += self.more()
        return head

    def more(self):
        piece = self.stream.recv(65536)
        if not piece:
            raise ConnectionResetError
        return piece

    def leave(self):
        self.stream.close()
        self.stream = None


class ScaledUp:
    """See above. `limits` are lines of the listener's table, `process` of `[process]`; HAProxy checks the replicas
    every `inter`."""

    def __init__(self, binary, directory, limits="", process="", balance="leastconn",
                 inter="100ms"):
        self.binary, self.directory, self.processes = binary, pathlib.Path(directory), []
        self.port, *ports = free_ports(5)
        self.listeners, self.admins = ports[:2], ports[2:]
        self.endpoint = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.endpoint.daemon_threads = True
        threading.Thread(target=self.endpoint.serve_forever, daemon=True).start()
        key = self.directory / "key.json"
        key.write_text(json.dumps(KEY))
        key.chmod(0o600)
        for number, (port, admin) in enumerate(zip(self.listeners, self.admins)):
            (self.directory / f"{number}.toml").write_text(CONFIGURATION.format(
                port=port, admin=admin, limits=limits, process=process, directory=directory,
                endpoint=self.endpoint.server_address[1]))
        (self.directory / "haproxy.cfg").write_text(HAPROXY.replace("{advised}", advised()).format(
            port=self.port, balance=balance, inter=inter, one=self.listeners[0], two=self.listeners[1],
            one_admin=self.admins[0], two_admin=self.admins[1]))

    def __enter__(self):
        self.start(0)
        self.run("haproxy", "-q", "-f", self.directory / "haproxy.cfg")
        # once HAProxy has found the first replica
        wait_until(self.is_served, "a call through HAProxy")
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
        self.endpoint.shutdown()
        self.endpoint.server_close()

    def run(self, *command):
        self.processes.append(subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL))
        return self.processes[-1]

    def start(self, number):
        """Starts a replica and waits until it is ready."""
        process = self.run(self.binary, "run", "--config", self.directory / f"{number}.toml")

        def is_ready():
            assert process.poll() is None, f"replica {number} has ended"
            return self.admin(number, "/readyz") is not None

        wait_until(is_ready, "readiness")
        return process

    def admin(self, number, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admins[number]}{path}", timeout=PATIENCE) as response:
                return response.read().decode()
        except OSError:
            return None

    def is_served(self):
        client = Client(self.port)
        with contextlib.suppress(OSError):
            client.call()
        if client.stream:
            client.leave()
        return client.answered == 1

    def connections(self, number):
        """How many client connections a replica has."""
        text = self.admin(number, "/metrics") or ""
        found = re.search(r'(?m)^countersign_client_connections\{listener="local"\} (\d+)', text)
        return int(found[1]) if found else 0


@contextlib.contextmanager
def calling(port, count):
    """So many clients, each with a connection that it keeps, which call in turn without a pause until this ends."""
    clients, over = [Client(port) for _ in range(count)], threading.Event()

    def call():
        while not over.is_set():
            for client in clients:
                client.call()

    for client in clients:
        client.call()
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    try:
        yield clients
    finally:
        over.set()
        thread.join()
