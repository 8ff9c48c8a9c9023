#!/usr/bin/env python3
"""How long the first call of a fresh replica takes, beside later ones of the same process.

    benches/first_call.py --bin target/release/countersign [--bin OTHER] [--starts 100] [--warm 0 --warm 8] [--delay MS]

Each start is a process of its own, which is asked for `/readyz` until that is 200, as a load balancer does. Then calls
follow, one after the other, each on a new connection. So a later call pays for its connection and its handshake as the
first one does, and the difference is what only a fresh process pays for. All variants take turns in each round.

The endpoint is HAProxy, over TLS, on this machine. With `--delay` a relay in front of it holds back each piece of data
for so many milliseconds on the way there and back, as a network does. With `--pool 0` every call opens a connection to
the endpoint, so that the ratio is what a fresh process pays beside that. Debian packages: haproxy, openssl.
"""

import argparse
import asyncio
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import re
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests/outside/clients"))

from tls_endpoint import Workshop  # noqa: E402

FORM = b"Action=GetStatus&JobId=JOBID&Version=2010-06-03"
KEY = {"Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
       "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
# each is compared with the first one
LATER = 40
# the second to the tenth still fill caches
FROM = 10

HAPROXY = """\
global
    maxconn 1000
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 5s
frontend endpoint
    bind 127.0.0.1:{port} ssl crt {pem}
    http-request return status 200 content-type text/xml string "<GetStatusResponse/>"
"""

CONFIGURATION = """\
[listener.local]
address = "127.0.0.1:0"
any_local = true
{tls}
[route.importexport]
endpoint = "https://localhost:{port}/"
ca_file = "{directory}/endpoint.pem"
{warm}
[key.main]
kind = "file"
file = "{directory}/key.json"
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
[process]
workers = 2
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_until(condition, what):
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.005)
    raise TimeoutError(what)


def is_open(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def endpoint(directory):
    port = free_port()
    pem = directory / "both.pem"
    pem.write_text((directory / "endpoint.pem").read_text() + (directory / "endpoint.key").read_text())
    (directory / "haproxy.cfg").write_text(HAPROXY.format(port=port, pem=pem))
    process = subprocess.Popen(["haproxy", "-q", "-f", directory / "haproxy.cfg"])
    try:
        wait_until(lambda: is_open(port), "the endpoint")
        yield port
    finally:
        process.kill()
        process.wait()


class Relay:
    """Carries bytes between its port and another one, each piece later by `delay` seconds."""

    def __init__(self, port, delay):
        self.there, self.delay, self.loop = port, delay, asyncio.new_event_loop()
        self.port = free_port()
        started = threading.Event()
        threading.Thread(target=self.run, args=[started], daemon=True).start()
        started.wait()

    def run(self, started):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", self.port))
        started.set()
        self.loop.run_forever()

    async def serve(self, reader, writer):
        # the handshake of TCP takes a round trip too
        await asyncio.sleep(2 * self.delay)
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.there)
        await asyncio.gather(self.carry(reader, there_writer), self.carry(there_reader, writer))

    async def carry(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65536):
                await asyncio.sleep(self.delay)
                writer.write(piece)
        with contextlib.suppress(ConnectionError):
            writer.close()


class Replica:
    """A fresh process, from its start until it is told to end."""

    def __init__(self, binary, configuration):
        self.process = subprocess.Popen([binary, "run", "--config", configuration], stderr=subprocess.PIPE, text=True)
        ports = {}
        begun = time.perf_counter()
        for line in self.process.stderr:
            said = json.loads(line)
            if "address" in said and "listening" in said["message"]:
                ports["admin" if "admin" in said["message"] else "local"] = int(said["address"].rpartition(":")[2])
            if len(ports) == 2:
                break
        else:
            raise ChildProcessError(f"{binary} has ended")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.port = ports["local"]
        while True:
            asked = http.client.HTTPConnection("127.0.0.1", ports["admin"], timeout=10)
            asked.request("GET", "/readyz")
            if asked.getresponse().status == 200:
                break
            time.sleep(0.001)
        self.ready_after = time.perf_counter() - begun

    def processor_time(self):
        """Seconds of processor that all its threads have used. On a busy machine this says more than waiting times."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def end(self):
        self.process.terminate()
        self.process.wait()


def call(port, context):
    """Seconds from the beginning of a connection to the end of its response."""
    request = (f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
               f"Content-Length: {len(FORM)}\r\nConnection: close\r\n\r\n").encode() + FORM
    begun = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = context.wrap_socket(raw, server_hostname="localhost") if context else raw
        stream.sendall(request)
        received = b""
        while piece := stream.recv(65536):
            received += piece
        took = time.perf_counter() - begun
        assert re.match(rb"HTTP/1\.1 200 ", received), received
    return took


def measured_call(replica, context):
    """The time of a call, and what processor time the replica used in it."""
    before = replica.processor_time()
    took = call(replica.port, context)
    # the line of the log is written after the response
    time.sleep(0.01)
    return took, replica.processor_time() - before


def one_start(binary, configuration, context, settle):
    """First call, median of later ones, processor time of both, and the time to readiness; in milliseconds."""
    replica = Replica(binary, configuration)
    try:
        time.sleep(settle)
        first, first_used = measured_call(replica, context)
        later = [measured_call(replica, context) for _ in range(LATER)]
    finally:
        replica.end()
    took, used = (statistics.median(column[FROM:]) for column in zip(*later))
    return [1000 * number for number in (first, took, first_used, used, replica.ready_after)]


def percentile(numbers, part):
    return sorted(numbers)[min(len(numbers) - 1, int(part * len(numbers)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin", action="append", required=True, help="a countersign program; may be given again")
    parser.add_argument("--starts", type=int, default=100)
    parser.add_argument("--warm", action="append", type=int, help="limits.warm; may be given again")
    parser.add_argument("--pool", type=int, help="limits.pool")
    parser.add_argument("--settle", type=float, default=0, help="seconds between readiness and the first call")
    parser.add_argument("--delay", type=float, default=0, help="milliseconds on the way to the endpoint, and back")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as held:
        directory = pathlib.Path(held.enter_context(tempfile.TemporaryDirectory()))
        workshop = Workshop(directory)
        for name in ("endpoint", "listener"):
            workshop.certificate(name)
            os.chmod(workshop.path(f"{name}.key"), 0o600)
        (directory / "key.json").write_text(json.dumps(KEY))
        os.chmod(directory / "key.json", 0o600)
        port = held.enter_context(endpoint(directory))
        if arguments.delay:
            port = Relay(port, arguments.delay / 1000).port
        variants = []
        for number, (clients, warm) in enumerate(itertools.product(("plain", "TLS"), arguments.warm or [None])):
            tls = f'tls = {{ certificate = "{directory}/listener.pem", private_key = "{directory}/listener.key" }}'
            limits = [f"limits.{name} = {value}" for name, value in (("warm", warm), ("pool", arguments.pool))
                      if value is not None]
            text = CONFIGURATION.format(port=port, directory=directory, tls=tls if clients == "TLS" else "",
                                        warm="\n".join(limits))
            configuration = directory / f"{number}.toml"
            configuration.write_text(text)
            context = None
            if clients == "TLS":
                context = ssl.create_default_context(cafile=directory / "listener.pem")
            variants += [(binary, clients, warm, configuration, context) for binary in arguments.bin]
        measured = {variant[:3]: [] for variant in variants}
        # the first round warms this program up
        for turn in range(arguments.starts + 1):
            for variant in variants:
                numbers = one_start(variant[0], *variant[3:], arguments.settle)
                if turn:
                    measured[variant[:3]].append(numbers)
    print(f"{arguments.starts} starts of each; milliseconds.\n")
    print("| program | clients | warm | first call, p50 | p99 | later calls, p50 | ratio, p50 | p99 "
          "| processor, first | later | ratio, p50 | p99 | until ready, p50 |")
    print("|---|---|---|" + "---|" * 10)
    for (binary, clients, warm), rows in measured.items():
        first, later, first_used, used, ready = zip(*rows)
        middle = [statistics.median(column) for column in (first, later, first_used, used, ready)]
        ratios = [one / other for one, other in zip(first, later)]
        of_processor = [one / other for one, other in zip(first_used, used)]
        print(f"| {binary} | {clients} | {'' if warm is None else warm} | {middle[0]:.2f} "
              f"| {percentile(first, 0.99):.2f} | {middle[1]:.2f} | {statistics.median(ratios):.2f} "
              f"| {percentile(ratios, 0.99):.2f} | {middle[2]:.2f} | {middle[3]:.2f} "
              f"| {statistics.median(of_processor):.2f} | {percentile(of_processor, 0.99):.2f} | {middle[4]:.1f} |")


if __name__ == "__main__":
    main()
