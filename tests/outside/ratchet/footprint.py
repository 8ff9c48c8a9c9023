"""Runs the release with one worker and measures its memory; writes the baseline for test_footprint.py.

    COUNTERSIGN_BIN=target/release/countersign target/venv/bin/python tests/outside/ratchet/footprint.py --record

measures the memory after a start and writes footprint.json, for the kind of machine that it runs on.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import resource
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import baseline

BASELINE = pathlib.Path(__file__).with_name("footprint.json")
RECORD = "COUNTERSIGN_BIN=target/release/countersign target/venv/bin/python tests/outside/ratchet/footprint.py --record"
PATIENCE = 60  # seconds; a machine that is not busy needs a fraction of one
STARTS = 5
DESCRIPTORS = 20_000
TOKEN = "token-of-client"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 700\r\n\r\n" + b"x" * 700
FORM = b"Action=GetStatus&JobId=JOBID&Version=2010-06-03&Manifest=" + b"x" * 60

CONFIGURATION = """\
[listener.local]
address = "127.0.0.1:0"
authenticate = ["token"]
hosts = ["localhost"]
[listener.local.limits]
connections = 6000
[client.one]
token_sha256 = "{digest}"
allow = ["main:Get*"]
[route.main]
endpoint = "{url}"
{route}
timeouts.pool_idle = "1s"
timeouts.first_byte = "2m"
[route.main.limits]
in_flight = 6000
body = "1 MiB"
pool = 128
[key.main]
file = "{directory}/main.age"
identity_file = "{directory}/identity"
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
[process]
workers = 1
{process}
"""

# AWS's documented example
KEY = {
    "Version": 1,
    "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


def eventually(what, condition):
    """Waits until the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def raise_descriptors():
    """Allows this process, and those that it starts, 5,000 connections on each side."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < DESCRIPTORS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, max(hard, DESCRIPTORS)))


class Endpoint:
    """Collects requests until `wanted` of them wait, answers all at once, and sets `wanted` to 1 again."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.wanted = 1
        self.open = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        received, waiting = {}, []
        selector = selectors.DefaultSelector()
        selector.register(self._listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is self._listener:
                    with contextlib.suppress(BlockingIOError):
                        client, _ = self._listener.accept()
                        client.setblocking(False)
                        selector.register(client, selectors.EVENT_READ)
                        received[client] = b""
                        self.open += 1
                    continue
                client = key.fileobj
                try:
                    piece = client.recv(65536)
                except OSError:
                    piece = b""
                if not piece:
                    selector.unregister(client)
                    client.close()
                    del received[client]
                    self.open -= 1
                    continue
                received[client] += piece
                if whole(received[client]):
                    received[client] = b""
                    waiting.append(client)
                if len(waiting) >= self.wanted:
                    for client in waiting:
                        client.sendall(ANSWER)
                    waiting, self.wanted = [], 1


def whole(message):
    """Whether the head and the whole body have arrived."""
    head, end, body = message.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


class Gateway:
    """A running countersign, with its address and its memory."""

    def __init__(self, child, log):
        self._child, self._log = child, log
        self.address = None
        eventually("the listener", self._listens)

    def _listens(self):
        assert self._child.poll() is None, self._log.read_text()
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        found = [line["address"] for line in lines if line.get("message") == "listening"]
        if found:
            host, _, port = found[0].rpartition(":")
            self.address = (host, int(port))
        return bool(found)

    def resident(self):
        """RSS, in KiB."""
        status = pathlib.Path(f"/proc/{self._child.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[1])

    def stop(self):
        """Asks the program to end, and waits until it has."""
        self._child.terminate()
        assert self._child.wait(PATIENCE) == 0, self._log.read_text()

    def connect(self):
        """A client's connection."""
        return socket.create_connection(self.address, timeout=PATIENCE)


def ask(client, form=FORM):
    """Sends a request, and does not wait for the response."""
    head = (
        f"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n"
    )
    client.sendall(head.encode() + form)


def answered(client):
    """Reads one response, which has to have status 200."""
    message = b""
    while not whole(message):
        piece = client.recv(65536)
        assert piece, message
        message += piece
    assert message.startswith(b"HTTP/1.1 200 "), message


@contextlib.contextmanager
def gateway(binary, directory, url, *, under=(), route="", process=""):
    """Starts the program with a sealed key, `under` another command. `route` and `process` are more configuration."""
    directory = pathlib.Path(directory)
    identity, sealed = directory / "identity", directory / "main.age"
    if not sealed.exists():
        subprocess.run([binary, "keys", "new-identity", "--out", identity], check=True, capture_output=True)
        seal = [binary, "keys", "seal", "--identity", identity, "--out", sealed]
        subprocess.run(seal, check=True, capture_output=True, input=json.dumps(KEY).encode())
    configuration, log = directory / "countersign.toml", directory / "log" / "output"
    log.parent.mkdir(exist_ok=True)
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    text = CONFIGURATION.format(directory=directory, digest=digest, url=url, route=route, process=process)
    configuration.write_text(text)
    with log.open("wb") as output:
        command = [*under, binary, "run", "--config", configuration]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=output)
    try:
        yield Gateway(child, log)
    finally:
        child.kill()
        child.wait()


def after_start(binary, directory):
    """RSS after the first response, in KiB: the median of several starts."""
    endpoint, found = Endpoint(), []
    # Around each page that is touched, the kernel maps the pages that are in the page cache. Of a fresh copy all pages
    # are, so that RSS does not depend on what ran before.
    copy = shutil.copy(binary, pathlib.Path(directory) / "copy")
    for _ in range(STARTS):
        with gateway(copy, directory, endpoint.url) as started, started.connect() as client:
            ask(client)
            answered(client)
            found.append(started.resident())
    return statistics.median(found)


def record():
    """Writes the baseline of this kind of machine."""
    with tempfile.TemporaryDirectory() as directory:
        resident = after_start(os.environ["COUNTERSIGN_BIN"], directory)
    baseline.write(BASELINE, {"RSS after start, KiB": resident})


if __name__ == "__main__":
    if sys.argv[1:] != ["--record"]:
        sys.exit(__doc__)
    record()
