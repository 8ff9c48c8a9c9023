"""A worker that is lost, as by a bug: the process ends, and what was under way has its lines all the same."""

import contextlib
import json
import os
import pathlib
import re
import socket
import time

import debugger
import pytest
from service import PATIENCE, Service


def waits_on(pid, thread):
    """The descriptor with which a thread waits for events."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    (task,) = [task for task in tasks if (task / "comm").read_text().strip() == thread]
    waiting = {str(debugger.number(name)) for name in ("epoll_wait", "epoll_pwait") if debugger.exists(name)}
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        # the number of the call and its arguments, or `running`
        number, *arguments = (task / "syscall").read_text().split()
        if number in waiting:
            return int(arguments[0], 16)
    raise AssertionError(f"{thread} waits for nothing")


def test_a_worker_that_is_lost_takes_its_exchanges_and_those_of_others_down_with_their_lines(tmp_path):
    audit = tmp_path / "audit"
    audit.mkdir()
    service = Service(tmp_path, "127.0.0.1", f'[audit]\ntarget = "file:{audit}/audit.jsonl"\n')
    clients, endpoints = [], []
    try:
        for _ in range(6):
            clients.append(service.send())
            endpoints.append(service.arrival())
        # standard output in the place of what one worker waits with: the next time, its runtime panics
        descriptor = waits_on(service.pid, "worker-0")
        assert debugger.outcomes(service.pid, [("dup3", 1, descriptor, os.O_CLOEXEC)]) == [0]
        # the kernel gives connections to either worker: one of them wakes the one in question
        with contextlib.suppress(OSError):
            while service.child.poll() is None:
                socket.create_connection(("127.0.0.1", int(service.address)), PATIENCE).close()
        for client in clients:
            client.settimeout(PATIENCE)
            with pytest.raises(ConnectionResetError):
                while client.recv(4096):
                    pass
                raise AssertionError("the connection ended in order")
        assert service.child.wait(PATIENCE) not in (0, 1)
        log = service.log.read_text()
        assert re.search(r'"level":"ERROR".*a worker is lost', log), log
        lines = [json.loads(line) for line in (audit / "audit.jsonl").read_text().splitlines()]
        assert [(line["action"], line["outcome"]) for line in lines] == [("CreateJob", "unknown")] * 6, log
        exchanges = [line for line in log.splitlines() if '"outcome":"unknown"' in line]
        assert len(exchanges) == 6 and all('"reason":"shutdown"' in line for line in exchanges), log
    finally:
        service.end()
        for connection in [*clients, *endpoints]:
            connection.close()
