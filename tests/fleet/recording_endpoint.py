"""An endpoint that verifies every signature, remembers every call, and takes a moment for each."""

import asyncio
import random
import time

from faulty_endpoint import FaultyEndpoint, answer
from free_ports import free_port

# what an endpoint takes for a call, in seconds: long enough that some are in progress whenever something happens
TIME = 0.01


class RecordingEndpoint(FaultyEndpoint):
    """The endpoint of the chaos test without its faults. `bare_key` stays good whatever other keys come."""

    def __init__(self, accounts, context, bare_key):
        super().__init__(accounts, random.Random(0), 0, context)
        # its port stays its own while it is away: nobody is given it who asks for any
        self.port = free_port()
        self._bare_key = bare_key

    def add_key(self, key_id, secret):
        super().add_key(key_id, secret)
        bare_id, bare_secret = self._bare_key
        self._keys[bare_id] = (bare_secret, float("inf"))

    @property
    def connections(self):
        """How many are open now."""
        return len(self._connections)

    async def _none(self, call_id, reader, writer):
        begun = time.monotonic()
        await asyncio.sleep(TIME)
        writer.write(answer(call_id, extra=f"X-Took: {time.monotonic() - begun:.6f}\r\n"))
        await writer.drain()
        return True
