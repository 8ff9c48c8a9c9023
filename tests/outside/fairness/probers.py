"""Clients that call as they always do, twenty times a second, while others attack: how many calls are answered, and how
long they wait beyond what the endpoint takes."""

import asyncio
import dataclasses
import re
import time

from attackers import call

PER_SECOND = 20
# a call without an answer for so long counts as not served
GIVEN_UP = 30  # seconds


@dataclasses.dataclass
class Served:
    """What became of one client's calls."""

    statuses: list
    waited: list  # seconds, of those answered with 200

    @property
    def number(self):
        return sum(status == 200 for status in self.statuses)

    def percentile(self, part):
        """In milliseconds; infinite when nothing was answered."""
        waited = sorted(self.waited)
        return 1000 * waited[min(len(waited) - 1, int(part * len(waited)))] if waited else float("inf")


def probe(stage, calls=100):
    """What becomes of the calls of `neighbour`, on the route under attack, and `distant`, on another listener."""
    return asyncio.run(probe_both(stage, calls))


def assert_served(stage, what):
    """Others' calls are answered, at least 99 of 100."""
    neighbour, distant = probe(stage)
    assert neighbour.number >= 99, f"{what}: on the same route {neighbour.statuses}"
    assert distant.number >= 99, f"{what}: on another listener {distant.statuses}"


async def probe_both(stage, calls):
    return await asyncio.gather(probe_one(stage.near, "neighbour", calls), probe_one(stage.far, "distant", calls))


async def probe_one(address, client, calls):
    """Each call has a connection of its own, and none waits for the one before."""
    begun = asyncio.get_running_loop().time()
    tasks = []
    for number in range(calls):
        await asyncio.sleep(begun + number / PER_SECOND - asyncio.get_running_loop().time())
        tasks.append(asyncio.create_task(one_call(address, client)))
    results = await asyncio.gather(*tasks)
    return Served([status for status, _ in results], [waited for status, waited in results if status == 200])


async def one_call(address, client):
    """The status, 0 without an answer, and the seconds waited."""
    try:
        return await asyncio.wait_for(exchange(address, call(address, client)), GIVEN_UP)
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        return 0, 0.0


async def exchange(address, request):
    begun = time.perf_counter()
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"(?im)^content-length: (\d+)\r$", head)
        await reader.readexactly(int(length[1]))
        waited = time.perf_counter() - begun
        took = re.search(r"(?im)^x-took: (\S+)\r$", head)
        return int(head.split()[1]), waited - (float(took[1]) if took else 0.0)
    finally:
        writer.close()
