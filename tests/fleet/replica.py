"""A replica: the real program with addresses, a certificate and a log of its own, and the configuration that all
replicas share."""

import asyncio
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

from free_ports import free_port

PATIENCE = 60  # seconds; a debug build on a busy machine
# a proxy of this machine's environment is not for calls to itself
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Replica:
    """One place in the fleet. Processes come and go in it, with the same addresses."""

    def __init__(self, name, binary, configuration, directory, certificate, listeners):
        self.name = name
        self.ports, self.admin_port = {listener: free_port() for listener in listeners}, free_port()
        self._command = [binary, "run", "--config", configuration]
        self._log = directory / f"{name}.log"
        self._child = None
        self.exit_codes = []
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "COUNTERSIGN_"))}
        self._environment = kept | {"COUNTERSIGN__ADMIN__ADDRESS": f"127.0.0.1:{self.admin_port}"}
        for listener, port in self.ports.items():
            table = f"COUNTERSIGN__LISTENER__{listener.upper()}"
            self._environment |= {
                f"{table}__ADDRESS": f"127.0.0.1:{port}",
                f"{table}__TLS__CERTIFICATE": str(certificate.certificate),
                f"{table}__TLS__PRIVATE_KEY": str(certificate.private_key),
            }

    @property
    def pid(self):
        return self._child.pid

    async def start(self):
        """Until it says that it is ready."""
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command, env=self._environment, stdout=subprocess.DEVNULL, stderr=log
            )
        await self._eventually(self._is_ready, "is not ready")

    async def stop(self):
        """As a service manager ends it. A second signal would cut the drain short."""
        self._child.terminate()
        self.exit_codes.append(await asyncio.to_thread(self._child.wait, PATIENCE))

    def kill(self):
        self._child.kill()
        self._child.wait()

    def reload(self):
        self._child.send_signal(signal.SIGHUP)

    def is_running(self):
        return self._child is not None and self._child.poll() is None

    async def metrics(self):
        """What the process says of itself."""
        status, text = await asyncio.to_thread(self._get, "/metrics")
        assert status == 200, f"{self.name}: {status}"
        return Metrics(text)

    async def until(self, condition, why):
        """Waits until its metrics fulfil a condition."""

        async def holds():
            return condition(await self.metrics())

        await self._eventually(holds, why)

    async def readiness(self):
        """The status and text of /readyz."""
        return await asyncio.to_thread(self._get, "/readyz")

    def log(self):
        return self._log.read_text()

    async def _is_ready(self):
        try:
            status, _ = await self.readiness()
        except OSError:
            return False
        return status == 200

    async def _eventually(self, condition, why):
        deadline = time.monotonic() + PATIENCE
        while not await condition():
            assert self.is_running(), f"{self.name} ended: {self.log()}"
            assert time.monotonic() < deadline, f"{self.name} {why}: {self.log()}"
            await asyncio.sleep(0.05)

    def _get(self, path):
        url = f"http://127.0.0.1:{self.admin_port}{path}"
        try:
            with DIRECT.open(url, timeout=PATIENCE) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


class Metrics:
    """One scrape."""

    def __init__(self, text):
        self._samples = re.findall(r"(?m)^(\w+)(?:\{(.*)\})? (\S+)$", text)

    def sum(self, name, *labels):
        """The sum of all series of this name that have these labels, each written `name="value"`."""
        return sum(
            float(value) for found, has, value in self._samples
            if found == name and all(label in has for label in labels)
        )
