"""The stage of an attack: the real program with two listeners, two routes and four clients, and one endpoint.

Clients `greedy` (which attacks), `ruleless` (which attacks, and may call nothing) and `neighbour` call the route `one`
on the listener `near`; the client `distant` calls the route `two` on the listener `far`.
Everything runs as well against a program from before clients had shares.
"""

import contextlib
import hashlib
import json
import pathlib
import re
import resource
import signal
import subprocess
import sys
import time
import urllib.request

PATIENCE = 60  # seconds, for what takes a moment on a machine that is not busy
DESCRIPTORS = 20_000
CLIENTS = {"greedy": "*:*", "ruleless": None, "neighbour": "one:*", "distant": "two:*"}

CONFIGURATION = """\
[listener.near]
address = "127.0.0.1:0"
authenticate = ["token"]
routes = ["one"]
[listener.far]
address = "127.0.0.1:0"
authenticate = ["token"]
routes = ["two"]
[route.one]
endpoint = "http://127.0.0.1:{endpoint}/"
limits.body = "16 MiB"
timeouts.first_byte = "10m"
[route.two]
endpoint = "http://127.0.0.1:{endpoint}/"
timeouts.first_byte = "10m"
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

# AWS's documented example
KEY = {
    "Version": 1,
    "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


def token(client):
    """The bearer token of a client."""
    return f"token-of-{client}"


def eventually(what, condition):
    """Waits until the condition holds, and returns what it returns."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def raise_descriptors():
    """For 4,096 connections on either side: of this process and of those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < DESCRIPTORS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, max(hard, DESCRIPTORS)))


def client_tables(changes):
    """`[client.NAME]` of all clients; `changes` has further lines by name."""
    tables = []
    for name, allow in CLIENTS.items():
        digest = hashlib.sha256(token(name).encode()).hexdigest()
        rules = f'allow = ["{allow}"]\n' if allow else ""
        tables.append(f'[client.{name}]\ntoken_sha256 = "{digest}"\n{rules}{changes.get(name, "")}\n')
    return "".join(tables)


class Stage:
    """A program that serves, and its endpoint."""

    def __init__(self, child, log, configuration, port):
        self._child, self.log_file, self._configuration, self.endpoint_port = child, log, configuration, port
        self.near = self.address("listening", "near")
        self.far = self.address("listening", "far")
        self.admin = self.address("admin listening")

    def stop(self):
        """Asks the program to end, and returns how long that took, in seconds."""
        begun = time.monotonic()
        self._child.terminate()
        self._child.wait(PATIENCE)
        return time.monotonic() - begun

    def log(self):
        """The lines of the log."""
        return [json.loads(line) for line in self.log_file.read_text().splitlines() if line.startswith("{")]

    def address(self, message, listener=None):
        """The address that a line of the log names."""

        def found():
            assert self._child.poll() is None, self.log_file.read_text()
            for line in self.log():
                if line.get("message") == message and line.get("listener") == listener:
                    host, _, port = line["address"].rpartition(":")
                    return host, int(port)
            return None

        return eventually(f"{message} {listener}", found)

    def reload(self, old, new):
        """Has the program read its configuration again, in which `new` is in the place of `old`."""
        text = self._configuration.read_text()
        assert text.count(old) == 1
        self._configuration.write_text(text.replace(old, new))
        self._child.send_signal(signal.SIGHUP)
        message = "the configuration was read again and is in use"
        eventually("the reload", lambda: any(line.get("message") == message for line in self.log()))

    def metric(self, name):
        """The value of a metric with its labels; 0 when it is not there."""
        host, port = self.admin
        text = urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=PATIENCE).read().decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def held(self):
        """How many slow calls wait at the endpoint."""
        return int(urllib.request.urlopen(f"http://127.0.0.1:{self.endpoint_port}/held", timeout=PATIENCE).read())


@contextlib.contextmanager
def stage(binary, directory, *, clients=None, listeners=None, more=""):
    """Starts endpoint and program. `clients` and `listeners` have further lines for `[client.NAME]` and
    `[listener.NAME]`, `more` has further tables, in which `{endpoint}` is the port of the endpoint."""
    raise_descriptors()
    directory = pathlib.Path(directory)
    key = directory / "key.json"
    key.touch(mode=0o600)
    key.write_text(json.dumps(KEY))
    script = pathlib.Path(__file__).with_name("slow_endpoint.py")
    endpoint = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    port = int(endpoint.stdout.readline())
    configuration = directory / "countersign.toml"
    text = CONFIGURATION.format(endpoint=port, directory=directory)
    for name, lines in (listeners or {}).items():
        text = text.replace(f"[listener.{name}]\n", f"[listener.{name}]\n{lines}\n")
    configuration.write_text(text + client_tables(clients or {}) + more.replace("{endpoint}", str(port)))
    log = directory / "log"
    with log.open("wb") as output:
        child = subprocess.Popen([binary, "run", "--config", configuration], stdout=subprocess.DEVNULL, stderr=output)
    try:
        yield Stage(child, log, configuration, port)
    finally:
        for process in (child, endpoint):
            process.kill()
            process.wait()
