"""A chaos run: the real program between clients that count and an endpoint that fails, while keys and configuration
change.

`tests/outside/chaos/run` calls it for as long as one likes; `test_chaos.py` for a short while in every run of the
tests.
"""

import asyncio
import dataclasses
import itertools
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import tempfile
import time

from counting_clients import Caller, Hostile
from faulty_endpoint import FaultyEndpoint
from ledger import Ledger
from verifying_upstream import make_tls

CALLERS, HOSTILE = 12, 6
# of the endpoint's answers
SHARE_OF_FAULTS = 0.2
WARM_UP = 5  # seconds
QUIET = 60  # seconds, at most, until everything idle is closed
# what the resident memory may have grown by, in KiB: allocators keep some of what a peak took
GROWTH = 8 * 1024

# AWS's documented example secrets, one letter changed from key to key
KEYS = [(f"AKIAIOSFODNN7EXAMPL{letter}", f"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE{letter}") for letter in "EFGHJKLM"]

CONFIGURATION = """\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[listener.local.limits]
head_timeout = "2s"
body_timeout = "5s"
idle_timeout = "60s"
[log]
format = "json"
level = "info,countersign::exchange=off"
[key.main]
file = "{directory}/main.age"
identity_file = "{directory}/identity"
[route.plain]
endpoint = "http://127.0.0.1:{plain}/"
hosts = ["plain"]
known_actions = [{actions}]
[route.plain.timeouts]
connect = "1s"
first_byte = "1s"
idle = "1s"
pool_idle = "2s"
[route.tls]
endpoint = "https://127.0.0.1:{tls}/"
ca_file = "{ca}"
hosts = ["tls"]
[route.tls.timeouts]
connect = "1s"
first_byte = "1s"
idle = "1s"
pool_idle = "2s"
# each is the other's: what was sent to one must never come to the other
[[route.plain.fallback]]
endpoint = "https://127.0.0.1:{tls}/"
ca_file = "{ca}"
[[route.tls.fallback]]
endpoint = "http://127.0.0.1:{plain}/"
"""


@dataclasses.dataclass
class State:
    """What a process holds when nothing happens."""

    descriptors: int
    threads: int
    resident: int  # KiB
    half_closed: int


class Program:
    """`countersign run`, and what the system knows of it."""

    def __init__(self, binary, configuration, log):
        self.child = subprocess.Popen(
            [binary, "run", "--config", configuration], stdout=subprocess.DEVNULL, stderr=log.open("wb")
        )
        self._log = log

    async def address(self):
        """Where it listens, as it says in its log."""
        deadline = time.monotonic() + QUIET
        while time.monotonic() < deadline and self.child.poll() is None:
            for line in self._log.read_text().splitlines():
                event = json.loads(line) if line.startswith("{") else {}
                if event.get("message") == "listening":
                    host, _, port = event["address"].rpartition(":")
                    return host, int(port)
            await asyncio.sleep(0.05)
        raise AssertionError(f"it does not listen: {self._log.read_text()}")

    def state(self):
        pid = self.child.pid
        status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
        links = []
        for descriptor in os.scandir(f"/proc/{pid}/fd"):
            try:
                links.append(os.readlink(descriptor.path))
            except FileNotFoundError:
                pass
        sockets = {link[8:-1] for link in links if link.startswith("socket:[")}
        table = pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
        half_closed = [row for row in map(str.split, table) if row[3] == "08" and row[9] in sockets]
        return State(len(links), int(status["Threads"]), int(status["VmRSS"].split()[0]), len(half_closed))

    async def quiet(self, wanted=None):
        """The state after everything idle has been closed: when it holds no more than `wanted`, or stays as it is."""
        before, steady = self.state(), 0
        deadline = time.monotonic() + QUIET
        while time.monotonic() < deadline:
            await asyncio.sleep(0.5)
            now = self.state()
            if wanted is not None and now.descriptors <= wanted.descriptors and not now.half_closed:
                return now
            steady = steady + 1 if now.descriptors == before.descriptors else 0
            if wanted is None and steady >= 10:
                return now
            before = now
        return before


class Run:
    """One run from start to table."""

    def __init__(self, binary, directory, seconds, seed):
        self._binary, self._directory, self._seconds = binary, directory, seconds
        self._random = random.Random(seed)
        self.ledger = Ledger()
        self.leaks = []
        self.grown = 0
        self.leaked = 0
        self.exit_code = None
        ca, context = make_tls(directory)
        self._ca = ca
        self._endpoints = {
            "plain": FaultyEndpoint(self.ledger, self._random, SHARE_OF_FAULTS),
            "tls": FaultyEndpoint(self.ledger, self._random, SHARE_OF_FAULTS, context),
        }
        self._generation = itertools.count()
        self._keys = itertools.cycle(KEYS)

    @property
    def table(self):
        return self.ledger.table(self.leaks)

    async def run(self):
        self._command("new-identity", "--out", self._directory / "identity")
        self._rotate()
        for endpoint in self._endpoints.values():
            await endpoint.listen()
        configuration = self._directory / "countersign.toml"
        self._configure(configuration)
        program = Program(self._binary, configuration, self._directory / "log")
        try:
            address = await program.address()
            await self._load(address, WARM_UP, "warm")
            before = await program.quiet()
            changes = asyncio.create_task(self._change(program, configuration))
            await self._load(address, self._seconds, "call")
            changes.cancel()
            after = await program.quiet(before)
            self._compare(before, after)
        finally:
            program.child.terminate()
            self.exit_code = await asyncio.to_thread(program.child.wait)
            for endpoint in self._endpoints.values():
                endpoint.close()

    async def _load(self, address, seconds, name):
        """All clients at once for so long; every call that was begun is ended."""
        stop = asyncio.Event()
        hosts = list(self._endpoints)
        clients = [
            (Caller if number < CALLERS else Hostile)(
                f"{name}{number}", address, hosts[number % len(hosts)], self.ledger, self._random
            )
            for number in range(CALLERS + HOSTILE)
        ]
        running = asyncio.gather(*(client.run(stop) for client in clients))
        await asyncio.sleep(seconds)
        stop.set()
        await running

    async def _change(self, program, configuration):
        """What people and machines do to a service that runs."""
        while True:
            await asyncio.sleep(1 + self._random.random())
            what = self._random.choice(["rotate", "reload", "outage", "outage"])
            if what == "rotate":
                await asyncio.to_thread(self._rotate)
                self.ledger.inject("key rotated")
            elif what == "reload":
                self._configure(configuration)
                program.child.send_signal(signal.SIGHUP)
                self.ledger.inject("configuration reloaded")
            else:
                endpoint = self._random.choice(list(self._endpoints.values()))
                await endpoint.outage(0.2 + self._random.random())

    def _configure(self, configuration):
        actions = '"CreateJob", "GetStatus"' + ', "CancelJob"' * (next(self._generation) % 2)
        text = CONFIGURATION.format(
            directory=self._directory, ca=self._ca, actions=actions,
            **{name: endpoint.port for name, endpoint in self._endpoints.items()},
        )
        new = configuration.with_suffix(".new")
        new.write_text(text)
        new.rename(configuration)

    def _rotate(self):
        key_id, secret = next(self._keys)
        for endpoint in self._endpoints.values():
            endpoint.add_key(key_id, secret)
        document = {"Version": 1, "AccessKeyId": key_id, "SecretAccessKey": secret}
        new = self._directory / "new.age"
        new.unlink(missing_ok=True)
        self._command("seal", "--identity", self._directory / "identity", "--out", new, given=json.dumps(document))
        new.rename(self._directory / "main.age")

    def _command(self, *arguments, given=None):
        subprocess.run(
            [self._binary, "keys", *map(str, arguments)], input=given, text=True, check=True, capture_output=True
        )

    def _compare(self, before, after):
        self.leaked = max(0, after.descriptors - before.descriptors) + max(0, after.threads - before.threads)
        self.leaked += after.half_closed
        self.grown = after.resident - before.resident
        self.leaks = [
            ("leaked (descriptors, threads, half-closed sockets)", self.leaked),
            ("resident memory before, KiB", before.resident),
            ("resident memory after, KiB", after.resident),
        ]


def chaos(binary, seconds, seed):
    """Runs for so many seconds."""
    # as many connections as a machine gives
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    with tempfile.TemporaryDirectory() as directory:
        run = Run(binary, pathlib.Path(directory), seconds, seed)
        asyncio.run(run.run())
        return run
