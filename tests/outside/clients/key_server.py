"""A server of token keys that does as it is told, and keeps what it was sent."""

import contextlib
import socket
import ssl
import struct
import threading

HEAD_END = b"\r\n\r\n"


def document(body, status="200 OK", fields=""):
    """A whole answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


class KeyServer:
    """Has its port from the start, and refuses connections until `open`.

    `answer` is the bytes every request is answered with, or a function that is given the connection.
    """

    def __init__(self, certificate=None, key=None):
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate, key)
        self.answer = b""
        self.requests = []
        self.broken_handshakes = 0
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def open(self):
        self._socket.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        # wakes the thread that accepts, which closing alone does not
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            connection.settimeout(30)
            if self.context:
                try:
                    connection = self.context.wrap_socket(connection, server_side=True)
                except (OSError, ssl.SSLError):
                    self.broken_handshakes += 1
                    return
            with connection, contextlib.suppress(OSError):
                head = b""
                while HEAD_END not in head:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    head += piece
                answer = self.answer
                self.requests.append(head)
                if callable(answer):
                    answer(connection)
                else:
                    connection.sendall(answer)


def reset(connection):
    """Ends a connection with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
