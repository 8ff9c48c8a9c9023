#!/usr/bin/env python3
"""What 10, 100 and 1,000 replicas cost the endpoint and the store: connections, calls a second, memory.

    benches/fleet_model.py --calls 2000 --seconds 0.05 --connections 4000 --clients 100 --rate 50 [--config FILE]

`--calls` are the calls of all clients together in a second, `--seconds` what the endpoint takes for one, and
`--connections` the connections of all clients. `--clients` of them have a rate of `--rate` calls a second each, and
make the calls in equal parts. Workers, pool and the lease of rates come from the configuration; without one, from the
defaults. tests/outside/fleet compares the model with 1, 2 and 4 real replicas.
"""

import argparse
import dataclasses
import math
import pathlib
import re
import tomllib

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
# docs/measured/performance.md: memory after the start, and of an idle connection of a client
PROCESS_MEMORY = 9.0e6
CLIENT_CONNECTION_MEMORY = 2.1e3
# in the store, as `INFO` of Redis 7.0 says: memory without any client, for a connection, and for the key of a client
STORE_MEMORY, STORE_CONNECTION_MEMORY, STORE_KEY_MEMORY = 1.2e6, 22e3, 250
# how often a replica shows that it is there, in seconds
BEAT = 2


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the configuration says about one route."""

    workers: int = 2
    pool: int = 64
    pool_idle: float = 15.0  # seconds
    lease: float = 0.1  # seconds

    @classmethod
    def read(cls, file, workers):
        tables = tomllib.loads(pathlib.Path(file).read_text())
        route = next(iter(tables["route"].values()))
        return cls(
            workers=tables.get("process", {}).get("workers", workers),
            pool=route.get("limits", {}).get("pool", cls.pool),
            pool_idle=duration(route.get("timeouts", {}).get("pool_idle", "15s")),
            lease=duration(tables.get("rates", {}).get("lease", "100ms")),
        )


@dataclasses.dataclass(frozen=True)
class Load:
    """What the clients of one route do, over all replicas."""

    calls: float  # a second
    seconds: float  # that the endpoint takes for one, with its network
    connections: int  # of all clients


@dataclasses.dataclass(frozen=True)
class EndpointCost:
    connections: float
    opened: float  # a second
    calls: float  # a second


def endpoint_cost(settings, load, replicas):
    """What the endpoint sees of so many replicas.

    Each worker has connections of its own, and takes the one used last. So its k-th connection is used when a call
    finds k - 1 others in progress. With calls that come independently of each other, the number in progress is
    Poisson-distributed (Erlang's M/G/infinity). The connection is open if it is in use or was taken within the last
    `pool_idle`, and is opened anew if the time before was longer.

    A worker keeps at most its part of `limits.pool` idle. Where that is too little for the ups and downs, the number of
    idle connections wanders between none and that limit: half of it on average, and a call finds none as often as any
    other number.
    """
    workers = replicas * settings.workers
    rate = load.calls / workers
    in_progress = rate * load.seconds
    connections = opened = fewer = 0.0
    # a connection of a client has one call in progress, at most
    for place in range(1, max(1, math.ceil(load.connections / workers)) + 1):
        probability = poisson(place - 1, in_progress)
        used, fewer = rate * probability, fewer + probability
        connections += 1 - fewer * math.exp(-used * (settings.pool_idle + load.seconds))
        opened += used * math.exp(-used * settings.pool_idle)
        if place > in_progress and used * settings.pool_idle < 1e-6:
            break
    limit = math.ceil(settings.pool / settings.workers)
    if connections > in_progress + limit / 2:
        connections, opened = in_progress + limit / 2, rate / (limit + 1)
    return EndpointCost(connections * workers, opened * workers, load.calls)


def poisson(count, mean):
    """The probability of so many."""
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1)) if mean else float(count == 0)


@dataclasses.dataclass(frozen=True)
class Rate:
    """A client with a rate, over all replicas."""

    calls: float  # a second that it makes
    rate: float  # a second that it may make
    burst: float | None = None

    @property
    def bucket(self):
        return self.burst or self.rate


@dataclasses.dataclass(frozen=True)
class StoreCost:
    connections: int
    leases: float  # a second
    memory: float  # bytes


def store_cost(settings, rates, replicas):
    """What the store of rates has to do for so many replicas and the clients with these rates."""
    leases = sum(replicas * leases_at_one_replica(settings, rate, replicas) for rate in rates)
    return StoreCost(
        connections=replicas,
        leases=leases + replicas / BEAT,
        memory=STORE_MEMORY + replicas * STORE_CONNECTION_MEMORY + len(rates) * STORE_KEY_MEMORY,
    )


def leases_at_one_replica(settings, rate, replicas):
    """How often a second one replica asks for tokens of a client (src/rates/forecast.rs).

    It keeps the tokens for the calls of one lease, or a reserve for a second's calls if its part of half the bucket is
    larger, and asks when less than half of them is left. A client that the store
    has no tokens for is asked for again by the first call after the next one is there, or after half a lease.
    """
    calls = rate.calls / replicas
    need = min(math.floor(calls * settings.lease + 0.8), rate.bucket)
    reserve = min(rate.bucket // (2 * replicas), math.floor(calls) + 1)
    if rate.calls > rate.rate:
        # the store never has as many as it would keep
        silence = max(1 / rate.rate, settings.lease / 2)
        return 1 / (silence + 1 / calls)
    return calls / (max(need, reserve) // 2 + 1)


def fleet_memory(load, replicas):
    """Bytes of all replicas together, with small forms."""
    return replicas * PROCESS_MEMORY + load.connections * CLIENT_CONNECTION_MEMORY


def duration(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()
    return int(number) * UNITS[unit]


def table(settings, load, rates, sizes):
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for replicas in sizes:
        endpoint, store = endpoint_cost(settings, load, replicas), store_cost(settings, rates, replicas)
        cells = (
            f"{replicas:,}", f"{endpoint.connections:,.0f}", f"{endpoint.opened:,.1f}", f"{store.connections:,}",
            f"{store.leases:,.0f}", f"{store.memory / 1e6:,.1f}", f"{fleet_memory(load, replicas) / 1e6:,.0f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


COLUMNS = (
    "replicas", "connections to the endpoint", "opened, 1/s", "connections to the store", "leases, 1/s",
    "memory of the store, MB", "memory of all replicas, MB",
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=float, default=2000)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--connections", type=int, default=4000)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--config")
    parser.add_argument("--workers", type=int, default=Settings.workers, help="where the configuration names none")
    parser.add_argument("--pool", type=int, default=Settings.pool, help="where there is no configuration")
    parser.add_argument("--replicas", type=int, nargs="+", default=[10, 100, 1000])
    arguments = parser.parse_args()
    settings = Settings(workers=arguments.workers, pool=arguments.pool)
    if arguments.config:
        settings = Settings.read(arguments.config, arguments.workers)
    load = Load(arguments.calls, arguments.seconds, arguments.connections)
    rates = [Rate(arguments.calls / arguments.clients, arguments.rate)] * arguments.clients
    print(table(settings, load, rates, arguments.replicas))


if __name__ == "__main__":
    main()
