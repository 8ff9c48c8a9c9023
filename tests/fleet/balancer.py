"""HAProxy before the replicas: it passes connections on as they are, and asks each replica whether it is ready."""

import asyncio
import csv
import shutil
import subprocess
import time

from free_ports import free_port

PATIENCE = 60  # seconds

# Clients prove who they are in their TLS handshake with countersign, so the balancer only passes connections on. One
# that a replica does not take is given to another one (`redispatch`): nothing was sent on it yet.
CONFIGURATION = """\
global
    maxconn 4096
    stats socket {socket} mode 600 level admin
defaults
    mode tcp
    timeout connect 2s
    timeout client 90s
    timeout server 90s
    timeout check 2s
    retries 4
    option redispatch 1
frontend bare
    bind 127.0.0.1:{bare}
    default_backend endpoint
backend endpoint
    server endpoint 127.0.0.1:{endpoint}
"""

OF_LISTENER = """\
frontend {listener}
    bind 127.0.0.1:{port}
    default_backend {listener}
backend {listener}
    balance leastconn
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host 127.0.0.1
    http-check expect status 200
    default-server check inter 300ms fall 2 rise 1 send-proxy-v2 no-check-send-proxy
{servers}
"""


class Balancer:
    """One HAProxy, from `start` until `stop`."""

    def __init__(self, directory, replicas, endpoint_port):
        self._directory, self._child = directory, None
        self._socket = directory / "haproxy.sock"
        bare = free_port()
        self._listeners = list(replicas[0].ports)
        self.bare_address = ("127.0.0.1", bare)
        # by listener
        self.addresses = {listener: ("127.0.0.1", free_port()) for listener in self._listeners}
        text = CONFIGURATION.format(socket=self._socket, bare=bare, endpoint=endpoint_port)
        for listener, (_, port) in self.addresses.items():
            servers = "\n".join(
                f"    server {replica.name} 127.0.0.1:{replica.ports[listener]} port {replica.admin_port}"
                for replica in replicas
            )
            text += OF_LISTENER.format(listener=listener, port=port, servers=servers)
        self._configuration = directory / "haproxy.cfg"
        self._configuration.write_text(text)

    def start(self):
        program = shutil.which("haproxy") or "/usr/sbin/haproxy"
        with (self._directory / "haproxy.log").open("wb") as log:
            self._child = subprocess.Popen([program, "-db", "-f", self._configuration], stdout=log, stderr=log)

    def stop(self):
        if self._child:
            self._child.terminate()
            self._child.wait(PATIENCE)

    async def states(self):
        """By replica: the states of its listeners, `UP`, `DOWN` and so on."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            assert self._child.poll() is None, (self._directory / "haproxy.log").read_text()
            return {}
        writer.write(b"show stat\n")
        table = (await reader.read()).decode().removeprefix("# ")
        writer.close()
        states = {}
        for row in csv.DictReader(table.splitlines()):
            if row["pxname"] in self._listeners and row["svname"] not in ("FRONTEND", "BACKEND"):
                states.setdefault(row["svname"], set()).add(row["status"].split()[0])
        return states

    async def until(self, wanted):
        """Waits until the balancer says this of all listeners of these replicas; `wanted` maps their names to a
        state."""
        deadline = time.monotonic() + PATIENCE
        while True:
            states = await self.states()
            if all(states.get(name) == {state} for name, state in wanted.items()):
                return
            assert time.monotonic() < deadline, f"wanted {wanted}, and the balancer says {states}"
            await asyncio.sleep(0.05)
