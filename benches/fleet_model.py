#!/usr/bin/env python3
"""What 10, 100 and 1,000 replicas cost the endpoint and the store: connections, calls a second, memory.

    benches/fleet_model.py --calls 2000 --seconds 0.05 --connections 4000 [--config FILE] [--replicas 10 100 1000]

`--calls` are the calls of all clients together in a second, `--seconds` what the endpoint takes for one, and
`--connections` the connections of all clients. Workers, pool, clients and rates come from the configuration; without
one, from the defaults. tests/outside/fleet compares the model with 1, 2 and 4 real replicas.
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


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the configuration says about one route."""

    workers: int = 2
    pool: int = 64
    pool_idle: float = 15.0  # seconds

    @classmethod
    def read(cls, file, workers):
        tables = tomllib.loads(pathlib.Path(file).read_text())
        route = next(iter(tables["route"].values()))
        return cls(
            workers=tables.get("process", {}).get("workers", workers),
            pool=route.get("limits", {}).get("pool", cls.pool),
            pool_idle=duration(route.get("timeouts", {}).get("pool_idle", "15s")),
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
    # all calls of a client's connection are with one worker
    return EndpointCost(min(connections * workers, load.connections), opened * workers, load.calls)


def poisson(count, mean):
    """The probability of so many."""
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1)) if mean else float(count == 0)


def fleet_memory(load, replicas):
    """Bytes of all replicas together, with small forms."""
    return replicas * PROCESS_MEMORY + load.connections * CLIENT_CONNECTION_MEMORY


def duration(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()
    return int(number) * UNITS[unit]


def table(settings, load, sizes):
    rows = [("replicas", "connections to the endpoint", "opened, 1/s", "calls, 1/s", "memory of all replicas, MB")]
    rows.append(["---"] * len(rows[0]))
    for replicas in sizes:
        cost = endpoint_cost(settings, load, replicas)
        rows.append((
            f"{replicas:,}", f"{cost.connections:,.0f}", f"{cost.opened:,.1f}", f"{cost.calls:,.0f}",
            f"{fleet_memory(load, replicas) / 1e6:,.0f}",
        ))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=float, default=2000)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--connections", type=int, default=4000)
    parser.add_argument("--config")
    parser.add_argument("--workers", type=int, default=Settings.workers, help="where the configuration names none")
    parser.add_argument("--replicas", type=int, nargs="+", default=[10, 100, 1000])
    arguments = parser.parse_args()
    settings = Settings(workers=arguments.workers)
    if arguments.config:
        settings = Settings.read(arguments.config, arguments.workers)
    print(table(settings, Load(arguments.calls, arguments.seconds, arguments.connections), arguments.replicas))


if __name__ == "__main__":
    main()
