"""Counts the instructions of whole exchanges in the real program, and writes the baseline for test_exchange.py.

    target/venv/bin/python tests/outside/ratchet/exchange.py --record

builds the release, counts and writes exchange.json. It counts the instructions of the worker's thread, from the first
byte of a request to the last byte of its response, without those of the kernel.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

import baseline
from sign_path import PINNED, TOP, compiler

BASELINE = pathlib.Path(__file__).with_name("exchange.json")
RECORD = "target/venv/bin/python tests/outside/ratchet/exchange.py --record"
PATIENCE = 120  # seconds; valgrind is slow, and the machine may be busy

# Each figure: the size of the form in bytes, and two numbers of exchanges. The program runs once with each number. Its
# start and its end cost the same in both runs, so the difference is the cost of the additional exchanges.
FIGURES = {"a form of 120 bytes": (120, 200, 1200), "a form of 32 KB": (32 * 1024, 20, 120)}

# AWS's documented example
KEY = {
    "Version": 1,
    "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
TOKEN = "benchmark"

# `danger_unconfined`: valgrind makes system calls that a confined process refuses
CONFIGURATION = """\
[listener.counted]
address = "127.0.0.1:0"
authenticate = ["token"]
[client.counted]
token_sha256 = "0e89820860c342f2c7ec694d144023b10301c2accdd078cb5167a06d0c3d5bcc"
allow = ["main:Get*", "main:List*"]
deny = ["main:CreateJob"]
{limits}
[route.main]
endpoint = "http://127.0.0.1:{port}/"
[key.main]
kind = "file"
file = "{directory}/key.json"
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
[process]
workers = 1
danger_unconfined = true
"""


class Endpoint(socketserver.StreamRequestHandler):
    """Answers every request with 700 bytes."""

    def handle(self):
        while length := length_of(self.rfile):
            self.rfile.read(length)
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 700\r\n\r\n" + b"x" * 700)


class Endpoints(socketserver.ThreadingTCPServer):
    daemon_threads = True


def length_of(stream):
    """Reads a head, and returns the length of the body after it in bytes; 0 at the end of the stream."""
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return length


def form(size):
    """A form of `size` bytes, with escapes as in a manifest."""
    begun = b"Action=GetStatus&JobId=JOBID&Version=2010-06-03&Manifest="
    text = b"deviceId%3A+HD-0001%0AeraseDevice%3A+yes%0A" * (size // 40 + 1)
    return (begun + text)[:size].rstrip(b"%").ljust(size, b"x")


@contextlib.contextmanager
def running(program, directory, port, limits=""):
    """Runs the program under callgrind, which writes `directory/counted-*` for each thread. Yields its address."""
    key = directory / "key.json"
    key.touch(mode=0o600)
    key.write_text(json.dumps(KEY))
    configuration = directory / "countersign.toml"
    configuration.write_text(CONFIGURATION.format(port=port, directory=directory, limits=limits))
    logs = directory / "logs"  # not beside the configuration, which the program watches
    logs.mkdir()
    command = ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={directory}/counted"]
    command += [program, "run", "--config", str(configuration)]
    environment = {"PATH": os.environ["PATH"], "GLIBC_TUNABLES": PINNED}
    with (logs / "log").open("wb") as log:
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
    try:
        yield address(child, logs / "log")
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE) == 0, (logs / "log").read_text()
    finally:
        child.kill()
        child.wait()


def address(child, log):
    """Where the program listens, as soon as its log says so."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert child.poll() is None, log.read_text()
        for line in log.read_text().splitlines():
            if line.endswith("}") and (said := json.loads(line)).get("message") == "listening":
                host, _, port = said["address"].rpartition(":")
                return host, int(port)
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for the program: {log.read_text()}")


def call(address, form, times):
    """Makes `times` exchanges on one connection, one after the other."""
    head = (
        f"POST / HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n"
    )
    with socket.create_connection(address, PATIENCE) as client, client.makefile("rb") as answers:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(times):
            client.sendall(head.encode() + form)
            assert answers.readline().startswith(b"HTTP/1.1 200 ")
            answers.read(length_of(answers))


def instructions(program, size, times, limits=""):
    """All instructions of the worker's thread: of all threads, it executes the most. `limits` are more lines of the
    client's table, and the tables after it."""
    with tempfile.TemporaryDirectory() as directory, Endpoints(("127.0.0.1", 0), Endpoint) as endpoint:
        directory = pathlib.Path(directory)
        threading.Thread(target=endpoint.serve_forever, daemon=True).start()
        with running(program, directory, endpoint.server_address[1], limits) as at:
            call(at, form(size), times)
        endpoint.shutdown()
        counted = [re.search(r"^totals: (\d+)", file.read_text(), re.M) for file in directory.glob("counted-*")]
        return max(int(total[1]) for total in counted if total)


def each(program, size, few, many, limits=""):
    """The instructions of one additional exchange."""
    counted = [instructions(program, size, times, limits) for times in (few, many)]
    return (counted[1] - counted[0]) / (many - few)


def record():
    """Writes the baseline of this kind of machine."""
    build = ["packaging/reproducibly", "cargo", "build", "--release", "--locked"]
    subprocess.run([*build, "--features", "aws", "--bins"], cwd=TOP, check=True)
    program = str(pathlib.Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target")) / "release" / "countersign")
    figures = {name: round(each(program, *figure)) for name, figure in FIGURES.items()}
    baseline.write(BASELINE, {"compiler": compiler(), "instructions": figures})


if __name__ == "__main__":
    if sys.argv[1:] != ["--record"]:
        sys.exit(__doc__)
    record()
