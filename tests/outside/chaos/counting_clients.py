"""Clients that know what became of every call they made, and clients that misbehave."""

import asyncio
import socket
import struct

from ledger import Outcome

# how long a client waits for anything: longer than any of countersign's own limits here
PATIENCE = 30
ACTIONS = ["CreateJob", "CreateJob", "CancelJob", "GetStatus"]
# after a refusal, as any client does: an endpoint that is down would otherwise be all that is measured
BACK_OFF = 0.02
LARGEST_HEAD = 64 * 1024


class Connection:
    """A client's connection. Unlike asyncio's streams it gives out what came before a reset."""

    def __init__(self, connected):
        self._socket = connected
        self._buffer = bytearray()

    @classmethod
    async def open(cls, address):
        client = socket.socket()
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().sock_connect(client, address)
        except BaseException:
            client.close()
            raise
        return cls(client)

    def close(self):
        self._socket.close()

    def reset(self):
        """Ends the connection with RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    async def send(self, data):
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def read_to_end(self):
        while await self._more():
            self._buffer.clear()

    async def read_until(self, end):
        while (at := self._buffer.find(end)) < 0:
            if len(self._buffer) > LARGEST_HEAD or not await self._more():
                raise EOFError(bytes(self._buffer))
        return self._take(at + len(end))

    async def read_exactly(self, count):
        while len(self._buffer) < count:
            if not await self._more():
                raise EOFError(bytes(self._buffer))
        return self._take(count)

    def _take(self, count):
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _more(self):
        piece = await asyncio.get_running_loop().sock_recv(self._socket, 65536)
        self._buffer += piece
        return bool(piece)

    async def read_head(self):
        """Status and fields of an answer."""
        while True:
            start, *lines = (await self.read_until(b"\r\n\r\n")).split(b"\r\n")
            status = int(start.split(b" ")[1])
            if status >= 200:
                fields = (line.partition(b":") for line in lines if line)
                return status, {name.strip().lower(): value.strip() for name, _, value in fields}

    async def read_body(self, fields):
        """The body, and whether all of it came."""
        body = b""
        try:
            if fields.get(b"transfer-encoding") == b"chunked":
                while size := int(await self.read_until(b"\r\n"), 16):
                    body += await self.read_exactly(size)
                    await self.read_exactly(2)
                await self.read_exactly(2)
            else:
                body += await self.read_exactly(int(fields[b"content-length"]))
        except (EOFError, OSError):
            return body, False
        return body, True


class Caller:
    """Calls one after the other on a kept connection, until told to stop."""

    def __init__(self, name, address, host, ledger, random):
        self._name, self._address, self._host = name, address, host
        self._ledger, self._random = ledger, random
        self._calls = 0
        self._connection = None

    def next_call(self):
        self._calls += 1
        call_id = f"{self._name}-{self._calls}"
        action = self._random.choice(ACTIONS)
        self._ledger.begin(call_id, action)
        return call_id, request(self._host, action, call_id, self._random.choice([0, 0, 0, 20_000]))

    async def run(self, stop):
        while not stop.is_set():
            call_id, message = self.next_call()
            outcome, detail = await self._call(call_id, message)
            self._ledger.end(call_id, outcome, detail)
            if outcome is Outcome.REFUSED:
                await asyncio.sleep(BACK_OFF)
        self._drop()

    async def _call(self, call_id, message):
        """A kept connection that ends instead of answering is a loss: countersign closes none that it has not
        announced."""
        try:
            async with asyncio.timeout(PATIENCE):
                if self._connection is None:
                    self._connection = await Connection.open(self._address)
                await self._connection.send(message)
                return await self._answer(call_id, self._connection)
        except TimeoutError:
            self._drop()
            return Outcome.LOST, "no answer in time"
        except (EOFError, OSError) as error:
            self._drop()
            return Outcome.LOST, repr(error)

    async def _answer(self, call_id, connection):
        """What the answer to a call says."""
        status, fields = await connection.read_head()
        body, whole = await connection.read_body(fields)
        if not whole or fields.get(b"connection") == b"close":
            self._drop()
        if b"x-proxy-sent" in fields:
            code = body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()
            outcome = Outcome.REFUSED if fields[b"x-proxy-sent"] == b"no" else Outcome.UNKNOWN
            return (outcome if whole else Outcome.LOST), f"{status} {code}"
        if not whole:
            return Outcome.CUT, ""
        if f"<JobId>{call_id}</JobId>".encode() not in body:
            return Outcome.CROSSED, f"{status}: {body[:200]!r}"
        return Outcome.ANSWERED, str(status)

    def _drop(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Hostile(Caller):
    """Misbehaves, each time in another way. Only the calls it makes whole may reach the endpoint."""

    async def run(self, stop):
        ways = [
            self._cut_body, self._reset_body, self._half_head, self._garbage, self._leave, self._trickle, self._idle,
        ]
        while not stop.is_set():
            way = self._random.choice(ways)
            self._ledger.inject(f"client: {way.__name__.strip('_').replace('_', ' ')}")
            try:
                async with asyncio.timeout(PATIENCE):
                    connection = await Connection.open(self._address)
                    try:
                        await way(connection)
                    finally:
                        connection.close()
            except (EOFError, OSError, TimeoutError):
                pass  # it got what it deserves

    async def _cut_body(self, connection):
        await self._send_all_but_the_end(connection)

    async def _reset_body(self, connection):
        await self._send_all_but_the_end(connection)
        connection.reset()

    async def _send_all_but_the_end(self, connection):
        call_id, message = self.next_call()
        self._ledger.end(call_id, Outcome.REFUSED, "the client cut its body")
        await connection.send(message[:-1])

    async def _half_head(self, connection):
        await connection.send(b"POST / HTTP/1.1\r\nHost: ")
        await connection.read_to_end()

    async def _garbage(self, connection):
        await connection.send(self._random.randbytes(300) + b"\r\n\r\n")
        await connection.read_to_end()

    async def _leave(self, connection):
        """Goes away somewhere between the request and its answer."""
        call_id, message = self.next_call()
        self._ledger.end(call_id, Outcome.LEFT)
        await connection.send(message)
        await asyncio.sleep(self._random.random() * 0.05)
        connection.reset()

    async def _trickle(self, connection):
        """A request in small pieces that comes to its end, or to that of countersign's patience: on a busy machine the
        pieces may take longer than a request may. Then there is an answer that says so, which a client that goes on
        writing may lose to a reset: it counts as refused, and must not have reached the endpoint."""
        call_id, message = self.next_call()
        step = 1 + len(message) // 20
        whole = False
        try:
            for at in range(0, len(message), step):
                await connection.send(message[at : at + step])
                await asyncio.sleep(0.01)
            whole = True
        except OSError:
            pass
        try:
            self._ledger.end(call_id, *await self._answer(call_id, connection))
        except (EOFError, OSError) as error:
            if whole:
                self._ledger.end(call_id, Outcome.LOST, repr(error))
            else:
                self._ledger.end(call_id, Outcome.REFUSED, "the client was too slow")

    async def _idle(self, connection):
        await connection.read_to_end()


def request(host, action, call_id, padding):
    body = f"Action={action}&JobId={call_id}&Manifest={'x' * padding}&Version=2010-06-03".encode()
    head = (
        f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
