"""countersign as process 1, which it is in a container. The kernel lets no signal end that process unless it handles
the signal, so whoever stopped the container would wait in vain."""

import json
import os
import pathlib
import signal
import subprocess

import pytest
from waiting import eventually

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY = {"Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": SECRET}
TIMEOUT = 60  # seconds
SLOW = 'kind = "process"\ncommand = ["/bin/sleep", "300"]\ntimeout = "5m"'


class First:
    """Process 1 of a process namespace."""

    def __init__(self, *arguments):
        # as root; `unshare` is process 1's parent and has its exit code
        command = ["unshare", "--pid", "--fork", "--kill-child", os.environ["COUNTERSIGN_BIN"], *arguments]
        self.unshare = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def wait_for(self, text):
        said = []
        while text not in (said[-1:] or [""])[0]:
            said.append(self.unshare.stdout.readline())
            assert said[-1], f"{text} is not in {''.join(said)}"

    def children(self, pid):
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def started(self):
        """The processes that it has started."""
        return [child for first in self.children(self.unshare.pid) for child in self.children(first)]

    def end_by(self, number):
        [first] = self.children(self.unshare.pid)
        assert pathlib.Path(f"/proc/{first}/status").read_text().split("NSpid:")[1].split("\n")[0].split()[-1] == "1"
        os.kill(first, number)
        return self.unshare.wait(TIMEOUT)


@pytest.fixture
def first():
    started = []

    def start(*arguments):
        started.append(First(*map(str, arguments)))
        return started[-1]

    yield start
    for process in started:
        process.unshare.kill()
        process.unshare.communicate()


@pytest.fixture
def configured(tmp_path):
    def write(key):
        path = tmp_path / "countersign.toml"
        path.write_text(
            '[listener.local]\naddress = "127.0.0.1:0"\nany_local = true\n'
            f'[route.main]\nendpoint = "http://127.0.0.1:1/"\n[key.main]\n{key}\n[log]\nformat = "json"\n'
        )
        return path

    return write


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(KEY))
    return f'kind = "file"\nfile = "{path}"'


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("command", ["run", "check"])
def test_a_signal_ends_process_1_while_it_waits_for_a_key(first, configured, command, number, code):
    process = first(command, "--config", configured(SLOW))
    eventually(process.started, "the process of the key store was not started")
    assert process.end_by(number) == code


def test_process_1_drains_after_sigterm_as_any_other(first, configured, key):
    process = first("run", "--config", configured(key))
    process.wait_for('"message":"listening"')
    assert process.end_by(signal.SIGTERM) == 0


@pytest.mark.parametrize(("command", "ready"), [("demo", "curl"), ("sandbox", "http")])
def test_other_commands_that_serve_end_as_process_1_as_they_do_elsewhere(first, command, ready):
    process = first(command, *(["--listen", "127.0.0.1:0"] if command == "sandbox" else []))
    process.wait_for(ready)
    assert process.end_by(signal.SIGTERM) == 0
