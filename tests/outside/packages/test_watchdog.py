"""The watchdog of the service manager: fed while every worker turns, and not when one is stuck.

A worker is stuck when a debugger holds its thread (ptrace). The other threads run on.
"""

import contextlib
import ctypes
import os
import pathlib
import time

import pytest
from serving import serving

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
PERIOD = "400000"  # microseconds: it is fed twice in this time
FED = "WATCHDOG=1"
STUCK = "a worker does not turn"
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

CONFIGURATION = """
[listener.local]
any_local = true
[route.importexport]
endpoint = "http://127.0.0.1:9/"
[key.main]
kind = "file"
file = "key.json"
[admin]
[process]
workers = 2
"""
KEY = ('{"Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", '
       '"SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}')


@contextlib.contextmanager
def held(process, name):
    """Holds the thread of this name, as a debugger does."""
    (thread,) = [int(task.name) for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir()
                 if (task / "comm").read_text().strip() == name]
    for request in (SEIZE, INTERRUPT):
        assert libc.ptrace(request, thread, None, None) == 0, os.strerror(ctypes.get_errno())
    os.waitpid(thread, 0x40000000)  # __WALL: until it stands still
    try:
        yield
    finally:
        libc.ptrace(DETACH, thread, None, None)


@pytest.fixture
def watched(tmp_path):
    """A proxy whose service manager has a watchdog."""
    program = os.environ.get("COUNTERSIGN_BIN")
    if not program or not os.access(program, os.X_OK):
        pytest.fail(f"COUNTERSIGN_BIN ({program}) is not the countersign program; tests/run builds it and sets this")
    (tmp_path / "key.json").write_text(KEY)
    (tmp_path / "key.json").chmod(0o600)
    (tmp_path / "countersign.toml").write_text(CONFIGURATION)
    command = [program, "run", "--config", tmp_path / "countersign.toml"]
    with serving(command, tmp_path, {"WATCHDOG_USEC": PERIOD}) as proxy:
        proxy.wait_for_notice("READY=1", seconds=60)
        yield proxy


def messages(proxy):
    """What has come to the service manager and was not read yet."""
    found = []
    proxy.notify.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            found += proxy.notify.recv(4096).decode().splitlines()
    proxy.notify.settimeout(0.2)
    return found


def times_stuck(proxy):
    return proxy.output().count(STUCK)


def test_an_idle_proxy_feeds_the_watchdog_again_and_again(watched):
    for _ in range(5):
        assert FED in watched.wait_for_notice(FED, seconds=60)


@pytest.mark.parametrize("worker", ["worker-0", "worker-1"])
def test_a_worker_that_is_stuck_starves_the_watchdog_although_the_rest_runs_on(watched, worker):
    watched.wait_for_notice(FED, seconds=60)
    with held(watched.process, worker):
        watched.wait_for_output(STUCK, seconds=60)
        messages(watched)
        # for some periods more: the log says when one has passed
        before = times_stuck(watched)
        wait_until(lambda: times_stuck(watched) >= before + 3)
        assert FED not in messages(watched)
        assert watched.probe("/livez") == 200, "the admin listener has a thread of its own"
    watched.wait_for_notice(FED, seconds=60)


def test_the_watchdog_is_fed_while_the_configuration_is_read_again(watched):
    watched.process.send_signal(1)
    assert "READY=1" in watched.wait_for_notice("STATUS=serving", seconds=60)
    watched.wait_for_notice(FED, seconds=60)


def test_without_a_watchdog_nothing_is_said(tmp_path):
    with_none = {"WATCHDOG_USEC": PERIOD, "WATCHDOG_PID": "1"}  # meant for another process
    program = os.environ["COUNTERSIGN_BIN"]
    (tmp_path / "key.json").write_text(KEY)
    (tmp_path / "key.json").chmod(0o600)
    (tmp_path / "countersign.toml").write_text(CONFIGURATION)
    with serving([program, "run", "--config", tmp_path / "countersign.toml"], tmp_path, with_none) as proxy:
        proxy.wait_for_notice("READY=1", seconds=60)
        proxy.process.send_signal(1)
        said = proxy.wait_for_notice("STATUS=serving", seconds=60)
        proxy.process.send_signal(15)
        assert FED not in said + proxy.wait_for_notice("STOPPING=1", seconds=60)


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
