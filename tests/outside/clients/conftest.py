"""Fixtures for tests that drive the built program with clients we did not write."""

import contextlib
import json
import os
import pathlib
import queue
import re
import subprocess
import threading
import time

import pytest
import schemas
from importexport import KEY_ID, SECRET
from verifying_upstream import verifying_upstream

START_TIMEOUT = 60  # seconds; a debug build on a busy machine
STOP_TIMEOUT = 60


@pytest.fixture(scope="session")
def countersign_bin():
    """The program under test, from COUNTERSIGN_BIN."""
    path = os.environ.get("COUNTERSIGN_BIN")
    if not path:
        pytest.fail("COUNTERSIGN_BIN must name the countersign program")
    if not pathlib.Path(path).is_file():
        pytest.fail(f"COUNTERSIGN_BIN names no file: {path}")
    return path


class Process:
    """A countersign command that runs until it is stopped.

    Its output is read on two threads, so that a full pipe never blocks it.
    """

    def __init__(self, command, environment):
        self.child = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.output = []
        self.log = []
        self._asked = False
        self._fresh = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(self.child.stdout, self.output), daemon=True),
            threading.Thread(target=self._read, args=(self.child.stderr, self.log), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))
            self._fresh.put(line)

    def wait_for(self, pattern):
        """The first match of `pattern` in a line of either stream."""
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            ended = not any(reader.is_alive() for reader in self._readers)
            for line in self.output + self.log:
                if match := re.search(pattern, line):
                    return match
            if ended:
                raise AssertionError(f"it ended, and no line matches {pattern!r}:\n{self.transcript()}")
            if time.monotonic() >= deadline:
                raise AssertionError(f"no line matches {pattern!r}:\n{self.transcript()}")
            with contextlib.suppress(queue.Empty):
                self._fresh.get(timeout=0.1)

    def ask_to_stop(self):
        """Sends what a service manager sends, once (a second signal would cut a drain short), and does not wait."""
        if not self._asked and self.child.poll() is None:
            self._asked = True
            self.child.terminate()

    def stop(self):
        """Ends the command as a service manager would, and returns its exit code."""
        self.ask_to_stop()
        try:
            code = self.child.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise
        for reader in self._readers:
            reader.join(STOP_TIMEOUT)
        return code

    def transcript(self):
        return "\n".join(self.output + self.log)


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_this_machine():
    """Clients look for keys, retries and proxies in the environment and the home directory; here they find nothing."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("AWS_") or name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
                patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="module")
def start_countersign(countersign_bin):
    """Starts `countersign ARGUMENT...`, by the command `through` if there is one; all are stopped at the end of the
    module."""
    started = []

    def start(*arguments, environment=None, through=()):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COUNTERSIGN_"))}
        process = Process([*through, countersign_bin, *map(str, arguments)], {**kept, **(environment or {})})
        started.append(process)
        return process

    yield start
    for process in started:
        process.ask_to_stop()
    for process in reversed(started):
        process.stop()
    # whatever a module does, its lines are what the schemas of log and audit say
    for process in started:
        schemas.check_lines(process.output + process.log)


class Proxy:
    """A `countersign run` with one listener and one route."""

    def __init__(self, process):
        self.process = process
        self.address = json.loads(process.wait_for(r'"message":"listening\b').string)["address"]
        self.host, _, port = self.address.rpartition(":")
        self.port = int(port)
        self.url = f"http://{self.address}"

    def exchange(self, request_id):
        """The log's record of an exchange, which is written when the last of its answer is gone."""
        line = self.process.wait_for(rf'"message":"exchange","request_id":"{re.escape(request_id)}"').string
        return json.loads(line)


@pytest.fixture(scope="module")
def sandbox(start_countersign):
    """The URL of a sandbox in the clear, which verifies signatures."""
    process = start_countersign("sandbox", "--listen", "127.0.0.1:0", "--plain")
    return process.wait_for(r"listening on (\S+)")[1]


@pytest.fixture(scope="session")
def seal(countersign_bin, tmp_path_factory):
    """Seals an access key for a proxy of its own, and returns the `[key.main]` table that names the files."""

    def command(*arguments, given=""):
        done = subprocess.run(
            [countersign_bin, "keys", *map(str, arguments)],
            input=given,
            text=True,
            capture_output=True,
            timeout=START_TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def seal(token=None, expires=None, key_id=KEY_ID, secret=SECRET):
        directory = tmp_path_factory.mktemp("keys")
        identity, sealed = directory / "main.identity", directory / "main.age"
        key = {"Version": 1, "AccessKeyId": key_id, "SecretAccessKey": secret}
        key |= {"SessionToken": token} if token else {}
        key |= {"Expiration": expires} if expires else {}
        command("new-identity", "--out", identity)
        command("seal", "--identity", identity, "--out", sealed, given=json.dumps(key))
        return f'[key.main]\nfile = "{sealed}"\nidentity_file = "{identity}"\n'

    return seal


@pytest.fixture(scope="module")
def proxy(start_countersign, seal, tmp_path_factory):
    """Starts a proxy to `endpoint`; `route` and `listener` are more of their tables. At the end its log is searched for
    the secret."""
    started = []

    def start(endpoint, ca_file=None, route="", key=None, listener="", environment=None):
        trust = f'ca_file = "{ca_file}"' if ca_file else ""
        configuration = tmp_path_factory.mktemp("proxy") / "countersign.toml"
        configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
{listener}
[log]
format = "json"
level = "debug"
{key or seal()}
[route.main]
endpoint = "{endpoint}"
{trust}
{route}
""")
        proxy = Proxy(start_countersign("run", "--config", configuration, environment=environment))
        started.append(proxy)
        return proxy

    yield start
    for proxy in started:
        proxy.process.ask_to_stop()
    for proxy in started:
        assert proxy.process.stop() == 0, proxy.process.transcript()
        assert not [line for line in proxy.process.log if SECRET in line or "Signature=" in line]


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    """An endpoint that verifies with botocore; at the end it has found nothing to complain about."""
    with verifying_upstream(tmp_path_factory.mktemp("upstream"), KEY_ID, SECRET) as upstream:
        yield upstream
    assert upstream.complaints == []
