"""A port on loopback whose every connection is served on a thread of its own."""

import socket
import threading


class Acceptor:
    """Bound from construction on; accepts between `open` and `close`. A subclass serves each connection in `_serve`."""

    def __init__(self, patience):
        self._patience = patience  # seconds that a connection may be silent
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._socket.getsockname()[1]

    def open(self):
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes up the thread in accept
        self._socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.settimeout(self._patience)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
