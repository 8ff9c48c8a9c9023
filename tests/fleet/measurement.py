"""What a fleet costs while nothing happens: counted where the cost is, at the endpoint, in the store and in the
processes."""

import asyncio
import dataclasses
import re
import statistics
import time

SAMPLES = 20


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Of the route `jobs`, and of the store, over all replicas."""

    calls: float  # a second
    seconds: float  # from the signed request to the head of the response
    connections: float  # to the endpoint
    opened: float  # a second
    memory: float  # bytes of all replicas
    store_connections: int
    leases: float  # a second
    store_memory: float  # bytes


async def measure(fleet, seconds):
    before, begun = await Counters.read(fleet), time.monotonic()
    connections = []
    for _ in range(SAMPLES):
        await asyncio.sleep(seconds / SAMPLES)
        connections.append(fleet.endpoints["jobs"].connections)
    after, took = await Counters.read(fleet), time.monotonic() - begun
    calls = after.calls - before.calls
    return Measurement(
        calls=calls / took,
        seconds=(after.seconds - before.seconds) / calls,
        # one is that of the way past all replicas
        connections=statistics.mean(connections) - 1,
        opened=(after.opened - before.opened) / took,
        memory=after.memory,
        # one is that which asks
        store_connections=int(after.store["connected_clients"]) - 1,
        leases=(scripts(after.store) - scripts(before.store)) / took,
        store_memory=float(after.store["used_memory"]),
    )


def scripts(info):
    """How many scripts the store has run."""
    return int(re.search(r"calls=(\d+)", info.get("cmdstat_evalsha", "calls=0"))[1])


@dataclasses.dataclass(frozen=True)
class Counters:
    """Sums over all replicas, and what the store says, at one moment."""

    calls: float
    seconds: float
    opened: float
    memory: float
    store: dict

    @classmethod
    async def read(cls, fleet):
        scrapes = [await replica.metrics() for replica in fleet.replicas]
        of_route = lambda name: sum(scrape.sum(name, 'route="jobs"') for scrape in scrapes)  # noqa: E731
        return cls(
            calls=of_route("countersign_first_byte_seconds_count"),
            seconds=of_route("countersign_first_byte_seconds_sum"),
            opened=of_route("countersign_pool_opened_total"),
            memory=sum(scrape.sum("process_resident_memory_bytes") for scrape in scrapes),
            store=await fleet.store.info(),
        )
