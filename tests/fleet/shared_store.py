"""A real Redis or Valkey that replicas share, and everything that happens to one."""

import asyncio
import contextlib
import shutil
import signal
import subprocess
import time

from free_ports import free_port

PATIENCE = 60  # seconds


class SharedStore:
    """One server in memory: what it held is gone when it is killed."""

    def __init__(self, directory):
        self.port = free_port()
        self._directory, self._child = directory, None

    @property
    def url(self):
        return f"valkey://127.0.0.1:{self.port}"

    async def start(self):
        program = shutil.which("valkey-server") or shutil.which("redis-server")
        assert program, "neither valkey-server nor redis-server is installed"
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self._directory / "store.log").open("ab") as log:
            self._child = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._directory)
        deadline = time.monotonic() + PATIENCE
        while not await self._is_there():
            assert self._child.poll() is None, (self._directory / "store.log").read_text()
            assert time.monotonic() < deadline, "the store does not answer"
            await asyncio.sleep(0.05)

    def kill(self):
        if self._child and self._child.poll() is None:
            self._child.kill()
            self._child.wait()

    def pause(self):
        """It keeps its connections, takes what is sent, and answers nothing."""
        self._child.send_signal(signal.SIGSTOP)

    def resume(self):
        self._child.send_signal(signal.SIGCONT)

    async def info(self):
        """What `INFO` says, by name."""
        text = await self._ask(b"INFO everything\r\n")
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    async def _is_there(self):
        try:
            return await self._ask(b"PING\r\n") == "PONG"
        except OSError:
            return False

    async def _ask(self, command):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(command)
            head = (await reader.readline()).decode().strip()
            if not head.startswith("$"):
                return head.lstrip("+")
            return (await reader.readexactly(int(head[1:]))).decode()
        finally:
            writer.close()


@contextlib.contextmanager
def running(directory):
    """A store that listens, for tests that do nothing to it."""
    store = SharedStore(directory)
    asyncio.run(store.start())
    try:
        yield store
    finally:
        store.kill()
