"""An audit whose target neither takes lines nor fails: a pipe whose reader, a collector of logs, is stuck."""

import contextlib
import fcntl
import http.client
import json
import os
import re
import subprocess

import pytest
from waiting import eventually

FORM = "Action=ListJobs&Version=2010-06-03"
TIMEOUT = 60  # seconds
PIPE = 4096  # bytes, the smallest pipe there is: a few lines fill it
STUCK = "the audit cannot be written: its target takes nothing"


class Gateway:
    """A proxy that writes its audit into a pipe that nobody reads yet."""

    def __init__(self, child, log, pipe):
        self.child, self._log, self.pipe = child, log, pipe
        self.address, self.admin = self._address("listening"), self._address("admin listening")

    def _address(self, message):
        lines = eventually(lambda: self.logged(message), self._log.read_text)
        host, _, port = lines[0]["address"].rpartition(":")
        return host, int(port)

    def logged(self, message):
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.endswith("}")]
        return [line for line in lines if line.get("message") == message]

    def call(self):
        connection = http.client.HTTPConnection(*self.address, timeout=TIMEOUT)
        connection.request("POST", "/", FORM, {"Content-Type": "application/x-www-form-urlencoded"})
        with contextlib.closing(connection):
            return connection.getresponse().status

    def ready(self):
        connection = http.client.HTTPConnection(*self.admin, timeout=TIMEOUT)
        connection.request("GET", "/readyz")
        with contextlib.closing(connection):
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def stall(self):
        """Calls until the pipe has no room for a line, and then once more: the process waits for the reader."""
        for _ in range(40):
            assert self.call() == 200


@pytest.fixture
def gateway(countersign_bin, seal, sandbox, tmp_path):
    @contextlib.contextmanager
    def start(audit=""):
        configuration = tmp_path / "countersign.toml"
        configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.importexport]
endpoint = "{sandbox}/"
{seal()}
[audit]
target = "stdout"
{audit}
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
""")
        reads, writes = os.pipe()
        fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, PIPE)
        log = tmp_path / "log"
        with log.open("wb") as errors:
            command = [countersign_bin, "run", "--config", configuration]
            child = subprocess.Popen(command, stdout=writes, stderr=errors)
        os.close(writes)
        try:
            yield Gateway(child, log, reads)
        finally:
            child.kill()
            child.wait()
            os.close(reads)

    return start


def test_while_nobody_reads_the_audit_calls_are_refused_and_readiness_says_so_until_it_is_read(gateway):
    with gateway() as proxy:
        assert proxy.ready()[0] == 200
        proxy.stall()
        # nobody calls now: readiness finds out by itself
        eventually(lambda: proxy.ready()[0] == 503, lambda: proxy.ready()[1])
        assert "audit: it cannot be written, calls are refused" in proxy.ready()[1]
        assert [proxy.call() for _ in range(3)] == [503, 503, 503]
        # lines of the log are gathered for a moment
        eventually(lambda: proxy.logged(STUCK), lambda: "the log has no line of it")
        assert len(proxy.logged(STUCK)) == 1

        audited = b""
        while audited.count(b"\n") < 40:
            audited += os.read(proxy.pipe, PIPE)
        eventually(lambda: proxy.ready()[0] == 200, lambda: proxy.ready()[1])
        assert proxy.call() == 200
        eventually(lambda: proxy.logged("the audit is written again"), lambda: "the log has no line of it")
        assert len(proxy.logged("the audit is written again")) == 1
        assert all(json.loads(line)["outcome"] == "answered_2xx" for line in audited.splitlines()[:40])


def test_the_end_of_the_process_says_how_many_lines_nobody_has_read(gateway):
    with gateway() as proxy:
        proxy.stall()
        proxy.child.terminate()
        proxy.child.wait(TIMEOUT)
        (said,) = proxy.logged("the process ends with audit lines unwritten")
        os.set_blocking(proxy.pipe, False)
        taken = os.read(proxy.pipe, PIPE)
        whole = len(re.findall(rb"\n", taken))
        assert whole + said["left"] == 40, (whole, said)


def test_with_drop_an_audit_that_nobody_reads_stops_nobody_and_is_said(gateway):
    with gateway('when_full = "drop"') as proxy:
        proxy.stall()
        eventually(lambda: proxy.call() == 200 and proxy.logged(STUCK), lambda: "nobody says it")
        assert proxy.call() == 200
        assert proxy.ready()[0] == 200
        assert len(proxy.logged(STUCK)) == 1
