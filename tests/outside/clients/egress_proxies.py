"""Egress proxies to test with: tinyproxy and squid as Debian has them, and one of our own that does what it is told."""

import itertools
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from acceptor import Acceptor
from free_ports import free_port

PATIENCE = 60  # seconds; a debug build on a busy machine
USER, PASSWORD = "marker-of-the-user", "marker-of-the-password"


class Daemon:
    """A real proxy on loopback. A port may be taken between its choice and the start: then another one is tried."""

    def __init__(self, directory, start):
        for _ in range(5):
            self.port = free_port()
            self.child = start(directory, self.port)
            if self._listens():
                return
            self.stop()
        raise AssertionError("the proxy does not start:\n" + "\n".join(
            path.read_text(errors="replace") for path in directory.glob("*.log")
        ))

    def _listens(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.child.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return True
            except OSError:
                time.sleep(0.05)
        return False

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def tinyproxy(password=None, ports=None):
    """Starts tinyproxy. `ports` are those that CONNECT may name; any, without them."""

    def start(directory, port):
        lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 600", f'LogFile "{directory}/tinyproxy.log"',
                 "LogLevel Connect", "MaxClients 100"]
        lines += [f"BasicAuth {USER} {password}"] if password else []
        lines += [f"ConnectPort {allowed}" for allowed in ports or []]
        configuration = directory / "tinyproxy.conf"
        configuration.write_text("\n".join(lines) + "\n")
        return subprocess.Popen(["tinyproxy", "-d", "-c", configuration], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    return start


def squid(password=None, certificate=None):
    """Starts squid. With `certificate`, (a certificate's file, its key's file), clients speak TLS to it."""

    def start(directory, port):
        if os.geteuid() == 0:  # squid gives it up for the user proxy
            directory.chmod(0o777)
            temporary = pathlib.Path(tempfile.gettempdir())
            for parent in itertools.takewhile(lambda parent: parent != temporary, directory.parents):
                parent.chmod(parent.stat().st_mode | 0o111)
        listen = f"http_port 127.0.0.1:{port}"
        if certificate:
            listen = f"https_port 127.0.0.1:{port} tls-cert={certificate[0]} tls-key={certificate[1]}"
        lines = [listen, "cache deny all", "pid_filename none", f"cache_log {directory}/cache.log",
                 f"access_log stdio:{directory}/access.log", f"coredump_dir {directory}", "shutdown_lifetime 0 seconds",
                 "visible_hostname proxy.test", "dns_v4_first on"]
        if password:
            hashed = subprocess.run(
                ["openssl", "passwd", "-apr1", password], capture_output=True, text=True, check=True
            )
            users = directory / "users"
            users.write_text(f"{USER}:{hashed.stdout}")
            users.chmod(0o644)
            lines += [f"auth_param basic program /usr/lib/squid/basic_ncsa_auth {users}", "auth_param basic realm test",
                      "acl known proxy_auth REQUIRED", "http_access allow known", "http_access deny all"]
        else:
            lines += ["http_access allow all"]
        configuration = directory / "squid.conf"
        configuration.write_text("\n".join(lines) + "\n")
        return subprocess.Popen(["/usr/sbin/squid", "-N", "-f", configuration], stdout=subprocess.DEVNULL,
                                stderr=(directory / "squid.log").open("w"))

    return start


class ScriptedProxy(Acceptor):
    """Responds to the CONNECT of each connection as `script` says, given its head and the number of the connection:
    with bytes, after which it closes; or with `TUNNEL`, `SILENCE` or `ENDLESS`. It remembers all that it received."""

    TUNNEL, SILENCE, ENDLESS = object(), object(), object()

    def __init__(self, script, tls=None):
        super().__init__(PATIENCE)
        self._script = script
        self._tls = tls
        self._lock = threading.Lock()
        self.received = []  # for each connection, its bytes
        self.open()

    @property
    def url(self):
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def heads(self):
        return [bytes(all_).partition(b"\r\n\r\n")[0].decode() for all_ in self.received]

    def _serve(self, connection):
        try:
            with connection:
                if self._tls:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self._answer(connection)
        except OSError:
            pass

    def _answer(self, connection):
        mine = bytearray()
        with self._lock:
            self.received.append(mine)
            nth = len(self.received)
        while b"\r\n\r\n" not in mine:
            piece = connection.recv(4096)
            if not piece:
                return
            mine += piece
        head = bytes(mine).decode()
        answer = self._script(head, nth)
        if answer is self.TUNNEL:
            self._tunnel(connection, head.split()[1], mine)
        elif answer is self.ENDLESS:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                connection.sendall(b"X-Filler: " + b"a" * 1000 + b"\r\n")
        else:
            if answer is not self.SILENCE:
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
            # whatever comes is looked at later
            while piece := connection.recv(4096):
                mine += piece

    @staticmethod
    def _tunnel(client, authority, mine):
        host, _, port = authority.rpartition(":")
        with socket.create_connection((host, int(port))) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

            def down():
                try:
                    while piece := server.recv(65536):
                        client.sendall(piece)
                    client.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

            threading.Thread(target=down, daemon=True).start()
            while piece := client.recv(65536):
                mine += piece
                server.sendall(piece)


def server_context(directory, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pathlib.Path(directory) / f"{name}.pem", pathlib.Path(directory) / f"{name}.key")
    return context
