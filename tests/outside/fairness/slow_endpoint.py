"""An endpoint that answers at once, or never, or at length, as the Action says. A process of its own, so that it does
not share an interpreter with those who measure.

    Action=Slow   no answer while the connection is open
    Action=Big    8 MB
    Action=Middle 800 KB
    any other     700 bytes, with the time that the endpoint itself took in `x-took`

`GET /held` tells how many slow calls are waiting now.
"""

import asyncio
import time

BIG = 8_000_000
MIDDLE = 800_000
SMALL = 700
SIZES = {"Action=Big": BIG, "Action=Middle": MIDDLE}


class Endpoint:
    """Counts the slow calls that wait."""

    def __init__(self):
        self.held = 0

    async def serve(self, reader, writer):
        try:
            while await self.answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def answer(self, reader, writer):
        """Whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        begun = time.perf_counter()
        lines = head.lower().split("\r\n")
        length = next((int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")), 0)
        form = (await reader.readexactly(length)).decode("latin-1").split("&")
        if head.startswith("GET /held "):
            return await self.write(writer, str(self.held).encode(), begun)
        if "Action=Slow" in form:
            self.held += 1
            try:
                await reader.read(1)
            finally:
                self.held -= 1
            return False
        size = next((size for action, size in SIZES.items() if action in form), SMALL)
        return await self.write(writer, b"x" * size, begun)

    @staticmethod
    async def write(writer, body, begun):
        took = f"{time.perf_counter() - begun:.6f}"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Took: %s\r\n\r\n" % (len(body), took.encode()) + body)
        await writer.drain()
        return True


async def main():
    server = await asyncio.start_server(Endpoint().serve, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
