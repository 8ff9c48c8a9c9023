"""An endpoint that goes wrong in every way it can, on purpose, and remembers every request it was sent."""

import asyncio
import base64
import hashlib
import hmac
import socket
import struct
import time
import urllib.parse

# how long an endpoint that says nothing waits for its client to lose patience
PATIENCE = 10
# how long a key that was replaced may still be used: the documented second, and room for a busy machine
GRACE = 10
LARGE = 1024 * 1024

# faults that leave the answer whole
WHOLE = [
    "slow", "large", "informational", "error_500", "error_503", "redirect", "answer_before_body", "close_after_answer",
]
# faults that break an answer off which has begun
CUTTING = ["short_body", "cut_chunk", "reset_in_body", "stall_in_body"]
# faults that leave no answer
SILENT = [
    "reset_before_answer", "close_before_answer", "stall", "drip", "garbage", "half_head", "huge_head", "two_lengths",
]
# faults before the request is read
EARLY = ["reset_in_request", "reset_on_accept"]


class FaultyEndpoint:
    """Listens on one port of 127.0.0.1, with TLS when a context is given. `share` of the requests go wrong."""

    def __init__(self, ledger, random, share, context=None):
        self._ledger, self._random, self._share, self._context = ledger, random, share, context
        self._keys = {}
        self._connections = set()
        self._server = None
        self.port = 0

    def add_key(self, key_id, secret):
        """From now on this key is good, and the others only for those who have not heard of it yet."""
        now = time.monotonic()
        self._keys = {known: (old, min(until, now + GRACE)) for known, (old, until) in self._keys.items()}
        self._keys[key_id] = (secret, float("inf"))

    async def listen(self):
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self._context, reuse_address=True, limit=LARGE, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def outage(self, seconds):
        """Nothing listens for a while, and every connection is reset."""
        self._ledger.inject("outage")
        self._server.close()
        for writer in list(self._connections):
            reset(writer)
        await asyncio.sleep(seconds)
        await self.listen()

    def close(self):
        self._server.close()
        for writer in list(self._connections):
            writer.transport.abort()

    async def _serve(self, reader, writer):
        self._connections.add(writer)
        try:
            if self._random.random() < self._share / 10:
                self._ledger.inject("reset_on_accept")
                reset(writer)
                return
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # countersign or an outage closed the connection
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _exchange(self, reader, writer):
        """One request; whether another may follow."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        fault = "none"
        if self._random.random() < self._share:
            fault = self._random.choice(WHOLE + CUTTING + SILENT + EARLY[:1])
            self._ledger.inject(fault)
        if fault == "reset_in_request":
            reset(writer)
            return False
        if fault == "answer_before_body" and length < LARGE:
            # the id is in the body: the head of the answer goes first, without it
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            call_id = self._take(head, await reader.readexactly(length), fault)
            writer.write(chunk(body_of(call_id)) + b"0\r\n\r\n")
            await writer.drain()
            return True
        call_id = self._take(head, await reader.readexactly(length), fault)
        return await getattr(self, f"_{fault}")(call_id, reader, writer)

    def _take(self, head, body, fault):
        """Records a whole request, if its signature is right."""
        canonical, _, signature = body.partition(b"&Signature=")
        parameters = dict(urllib.parse.parse_qsl(body.decode("ascii"), strict_parsing=True))
        host = head.lower().split(b"\r\nhost: ")[1].split(b"\r\n")[0]
        secret, until = self._keys.get(parameters["AWSAccessKeyId"], ("", 0))
        mac = hmac.new(secret.encode(), b"POST\n" + host + b"\n/\n" + canonical, hashlib.sha256).digest()
        if urllib.parse.unquote_to_bytes(signature) != base64.b64encode(mac):
            self._ledger.complain(f"a wrong signature, with key {parameters['AWSAccessKeyId']}")
        if time.monotonic() > until:
            self._ledger.complain(f"the withdrawn key {parameters['AWSAccessKeyId']} was used")
        self._ledger.received(parameters["JobId"], fault, self.port)
        return parameters["JobId"]

    # --- answers that are whole

    async def _none(self, call_id, reader, writer):
        writer.write(answer(call_id))
        await writer.drain()
        return True

    async def _slow(self, call_id, reader, writer):
        await asyncio.sleep(0.2)
        return await self._none(call_id, reader, writer)

    async def _large(self, call_id, reader, writer):
        writer.write(answer(call_id, padding=LARGE))
        await writer.drain()
        return True

    async def _informational(self, call_id, reader, writer):
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * self._random.randint(1, 5))
        return await self._none(call_id, reader, writer)

    async def _error_500(self, call_id, reader, writer):
        writer.write(answer(call_id, status="500 Internal Server Error"))
        await writer.drain()
        return True

    async def _error_503(self, call_id, reader, writer):
        writer.write(answer(call_id, status="503 Service Unavailable", extra="Retry-After: 1\r\n"))
        await writer.drain()
        return True

    async def _redirect(self, call_id, reader, writer):
        writer.write(answer(call_id, status="307 Temporary Redirect", extra="Location: https://example.com/\r\n"))
        await writer.drain()
        return True

    async def _close_after_answer(self, call_id, reader, writer):
        """Closes an idle connection unannounced, about when it is used again."""
        await self._none(call_id, reader, writer)
        await asyncio.sleep(self._random.random() * 0.003)
        if self._random.random() < 0.5:
            reset(writer)
        return False

    # --- answers that break off

    async def _short_body(self, call_id, reader, writer):
        writer.write(answer(call_id)[:-5])
        await writer.drain()
        return False

    async def _cut_chunk(self, call_id, reader, writer):
        writer.write(chunked_head() + chunk(body_of(call_id)) + b"400\r\nand then")
        await writer.drain()
        return False

    async def _reset_in_body(self, call_id, reader, writer):
        writer.write(answer(call_id, padding=LARGE)[: LARGE // 2])
        await writer.drain()
        reset(writer)
        return False

    async def _stall_in_body(self, call_id, reader, writer):
        writer.write(chunked_head() + chunk(body_of(call_id)))
        await writer.drain()
        await until_closed(reader)
        return False

    # --- no answer

    async def _reset_before_answer(self, call_id, reader, writer):
        reset(writer)
        return False

    async def _close_before_answer(self, call_id, reader, writer):
        return False

    async def _stall(self, call_id, reader, writer):
        await until_closed(reader)
        return False

    async def _drip(self, call_id, reader, writer):
        for byte in answer(call_id):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.1)
        return False

    async def _garbage(self, call_id, reader, writer):
        writer.write(b"\x16\x03\x01" + self._random.randbytes(200) + b"\r\n\r\n")
        await writer.drain()
        return False

    async def _half_head(self, call_id, reader, writer):
        writer.write(answer(call_id)[:30])
        await writer.drain()
        return False

    async def _huge_head(self, call_id, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 200_000)
        await writer.drain()
        return False

    async def _two_lengths(self, call_id, reader, writer):
        writer.write(answer(call_id, extra="Content-Length: 5\r\n"))
        await writer.drain()
        return False


def body_of(call_id, padding=0):
    return f"<Response><JobId>{call_id}</JobId><RequestId>{'0' * (padding or 600)}</RequestId></Response>".encode()


def answer(call_id, status="200 OK", extra="", padding=0):
    body = body_of(call_id, padding)
    return f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


def chunked_head():
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(piece):
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def reset(writer):
    """Ends a connection with RST."""
    plain = writer.get_extra_info("socket")
    if plain is not None and plain.fileno() >= 0:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def until_closed(reader):
    """Until countersign has had enough."""
    try:
        async with asyncio.timeout(PATIENCE):
            while await reader.read(65536):
                pass
    except TimeoutError:
        pass
