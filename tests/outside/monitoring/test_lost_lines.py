"""Log lines that nobody reads are dropped, and counted while nobody reads: that is when an alert is needed."""

import contextlib
import http.client
import os
import subprocess
import urllib.request

import pytest
from waiting import eventually

TIMEOUT = 60  # seconds
# a refused request whose line has the longest Action there may be
FORM = f"Action={'A' * 128}&Version=1&Version=1"


@pytest.fixture
def unread(countersign_bin, seal, tmp_path):
    """A countersign whose standard error is a pipe that is read until the addresses are known, and not any more."""
    configuration = tmp_path / "countersign.toml"
    configuration.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "http://127.0.0.1:1/"
{seal()}
[admin]
address = "127.0.0.1:0"
[log]
level = "trace"
""")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COUNTERSIGN_"))}
    process = subprocess.Popen([countersign_bin, "run", "--config", configuration], stderr=subprocess.PIPE, env=kept,
                               text=True)
    addresses = {}
    while len(addresses) < 2:
        line = process.stderr.readline()
        for name in ["admin listening address=", "listening listener=local address="]:
            if name in line:
                addresses[name.split()[0]] = line.partition(name)[2].split()[0]
    yield addresses["listening"], addresses["admin"]
    process.kill()
    process.communicate()


def lost(admin):
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=TIMEOUT) as response:
        lines = response.read().decode().splitlines()
    (line,) = [line for line in lines if line.startswith("countersign_log_lost_total ")]
    return float(line.split()[1])


def test_log_lines_that_nobody_reads_are_counted_while_nobody_reads(unread):
    address, admin = unread
    assert lost(admin) == 0
    host, _, port = address.rpartition(":")

    def call():
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=TIMEOUT)) as connection:
            for _ in range(200):
                connection.request("POST", "/", FORM, {"content-type": "application/x-www-form-urlencoded"})
                assert connection.getresponse().read()
        return lost(admin) > 0

    eventually(call, "no line was lost, although the pipe is full")
