"""`countersign run` as root, in front of an endpoint that a test plays."""

import json
import os
import re
import socket
import subprocess
import time

PATIENCE = 60  # seconds; for a debug build on a busy machine

ACCESS_KEY = {
    "Version": 1,
    "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


class Service:
    """A running service. `more` ends its configuration; `enter` goes before its command."""

    def __init__(self, place, host, more="", enter=()):
        self.endpoint = socket.create_server(("127.0.0.1", 0))
        self.endpoint.settimeout(PATIENCE)
        for name in ("etc", "keys"):
            (place / name).mkdir()
        key = place / "keys/main.json"
        key.write_text(json.dumps(ACCESS_KEY))
        key.chmod(0o600)
        (place / "etc/countersign.toml").write_text(
            f'[listener.local]\naddress = "127.0.0.1:0"\nany_local = true\n'
            f'[route.main]\nendpoint = "http://{host}:{self.endpoint.getsockname()[1]}/"\n'
            f'[key.main]\nkind = "file"\nfile = "{key}"\n[log]\nformat = "json"\n[process]\nworkers = 2\n{more}\n'
        )
        self.log = place / "log"
        environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(
                [*enter, os.environ["COUNTERSIGN_BIN"], "run", "--config", place / "etc/countersign.toml"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            )  # fmt: skip
        self.address = self.wait_for(r'"message":"listening".*"address":"127.0.0.1:(\d+)"')[1]

    @property
    def pid(self):
        return self.child.pid

    def wait_for(self, pattern):
        deadline = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.log.read_text())):
            assert self.child.poll() is None and time.monotonic() < deadline, f"{pattern}:\n{self.log.read_text()}"
            time.sleep(0.02)
        return match

    def send(self):
        """A client that has sent its request."""
        client = socket.create_connection(("127.0.0.1", int(self.address)), PATIENCE)
        body = b"Action=CreateJob&Version=2010-06-03"
        client.sendall(
            b"POST / HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (self.address.encode(), len(body), body)
        )
        return client

    def arrival(self):
        """The endpoint's connection, once a request has begun to arrive on it."""
        connection, _ = self.endpoint.accept()
        connection.settimeout(PATIENCE)
        assert connection.recv(4)
        return connection

    def call(self):
        """A call that is answered."""
        client = self.send()
        with self.arrival() as endpoint:
            endpoint.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            assert client.recv(12) == b"HTTP/1.1 200"
        client.close()

    def end(self):
        self.child.kill()
        self.child.wait()
        self.endpoint.close()
