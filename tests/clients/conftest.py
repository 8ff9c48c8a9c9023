"""Fixtures for tests that drive the built program with clients we did not write."""

import contextlib
import os
import pathlib
import queue
import re
import subprocess
import threading
import time

import pytest

START_TIMEOUT = 20  # seconds; a debug build on a busy machine
STOP_TIMEOUT = 10


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

    def stop(self):
        """Ends the command as a service manager would, and returns its exit code."""
        if self.child.poll() is None:
            self.child.terminate()
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


@pytest.fixture(scope="module")
def start_countersign(countersign_bin):
    """Starts `countersign ARGUMENT...`; everything started is stopped at the end of the module."""
    started = []

    def start(*arguments, environment=None):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COUNTERSIGN_"))}
        process = Process([countersign_bin, *map(str, arguments)], {**kept, **(environment or {})})
        started.append(process)
        return process

    yield start
    for process in reversed(started):
        process.stop()
