"""Clients that take as much as they get, on raw sockets: each attack is a context in which it goes on."""

import contextlib
import select
import socket
import threading

from fair_stage import eventually, token

FORM = b"Action=GetStatus&Version=2010-06-03"


def head(address, client, length):
    """The head of a call with a form of so many bytes."""
    return (
        f"POST / HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nAuthorization: Bearer {token(client)}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def call(address, client, form=FORM):
    """A whole call."""
    return head(address, client, len(form)) + form


@contextlib.contextmanager
def connections(address, count, sent, receive_buffer=None):
    """So many connections, on each of which `sent` was sent. One that the program has closed stays in the list."""
    with contextlib.ExitStack() as held:
        sockets = []
        for _ in range(count):
            client = held.enter_context(socket.socket())
            if receive_buffer:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            client.settimeout(30)
            with contextlib.suppress(OSError):
                client.connect(address)
                client.sendall(sent)
            sockets.append(client)
        yield sockets


def answered(sockets):
    """Those of the connections on which the program has written something, or which it has closed."""
    poll = select.poll()
    by_number = {client.fileno(): client for client in sockets}
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(0)]


@contextlib.contextmanager
def half_bodies(stage, client="ruleless", count=300):
    """Each announces 1,000 bytes and sends half of them."""
    half = head(stage.near, client, 1000) + FORM + b"&x=" + b"x" * 460
    with connections(stage.near, count, half) as sockets:
        eventually("the connections", lambda: connected(stage) + len(answered(sockets)) >= count)
        yield sockets


@contextlib.contextmanager
def slow_calls(stage, client="greedy", count=300):
    """Calls that the endpoint does not answer."""
    with connections(stage.near, count, call(stage.near, client, b"Action=Slow")) as sockets:
        eventually("the slow calls", lambda: stage.held() + len(answered(sockets)) >= count)
        yield sockets


@contextlib.contextmanager
def announcements(stage, client="greedy", count=40, announced=16 << 20, sent=FORM):
    """Each announces 16 MiB and sends a few bytes of them."""
    with connections(stage.near, count, head(stage.near, client, announced) + sent) as sockets:
        eventually("the connections", lambda: connected(stage) + len(answered(sockets)) >= count)
        yield sockets


@contextlib.contextmanager
def trickling_readers(stage, client="greedy", count=300, piece=64, pause=0.5, receive_buffer=4096):
    """Each asks for 8 MB and reads `piece` bytes every `pause` seconds."""
    with connections(stage.near, count, call(stage.near, client, b"Action=Big"), receive_buffer) as sockets:
        eventually("the answers", lambda: len(answered(sockets)) >= count)
        over = threading.Event()
        reader = threading.Thread(target=trickle, args=(sockets, piece, pause, over))
        reader.start()
        try:
            yield sockets
        finally:
            over.set()
            reader.join()


def trickle(sockets, piece, pause, over):
    """Reads a little from every connection, again and again."""
    for client in sockets:
        client.setblocking(False)  # with a timeout, Python would wait even for MSG_DONTWAIT
    while not over.wait(pause):
        for client in sockets:
            with contextlib.suppress(OSError):
                client.recv(piece)


@contextlib.contextmanager
def half_heads(stage, count=4096):
    """A stranger's connections, each with the beginning of a head and no token. One that ends is opened again."""
    half = b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: "
    with connections(stage.near, count, half) as sockets:
        over = threading.Event()
        again = threading.Thread(target=open_again, args=(stage.near, sockets, half, over))
        again.start()
        try:
            yield sockets
        finally:
            over.set()
            again.join()
            for client in sockets:
                client.close()


def open_again(address, sockets, sent, over):
    """Replaces those that the program has closed, again and again."""
    while not over.wait(0.1):
        for ended in answered(sockets):
            at = sockets.index(ended)
            ended.close()
            sockets[at] = client = socket.socket()
            client.settimeout(30)
            with contextlib.suppress(OSError):
                client.connect(address)
                client.sendall(sent)
            if over.is_set():
                return


def connected(stage):
    """How many connections the program holds on the listener under attack."""
    return stage.metric('countersign_client_connections{listener="near"}')
