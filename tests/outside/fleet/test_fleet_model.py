"""The model of benches/fleet_model.py agrees with real fleets of 1, 2 and 4 replicas, and with a simulated pool."""

import asyncio
import heapq
import importlib.util
import json
import pathlib
import random
import re
import subprocess
import sys
import time

import pytest
import rates_plot
from fleet import run_fleet
from measurement import measure

TOP = pathlib.Path(__file__).resolve().parents[3]
SPECIFICATION = importlib.util.spec_from_file_location("fleet_model", TOP / "benches/fleet_model.py")
fleet_model = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(fleet_model)

WORKERS, POOL_IDLE = 2, 4  # seconds
SIZES = [1, 2, 4]


@pytest.fixture(scope="module")
def measured(countersign_bin):
    """By number of replicas: what they cost, how many connections clients have to the route, and the clients' rates."""
    found = {}

    async def settled_and_measured(fleet):
        """All connections are open that the load needs, and no others."""
        await asyncio.sleep(2 * POOL_IDLE)
        connections = sum(client.connections for client in fleet.clients) // len(fleet.endpoints)
        begun = time.monotonic()
        real = await measure(fleet, 2 * POOL_IDLE)
        took = time.monotonic() - begun
        rates = [
            fleet_model.Rate(fleet.accounts.made(client.name, [(begun, begun + took)]) / took, client.rate)
            for client in fleet.clients if client.rate
        ]
        found[len(fleet.replicas)] = real, connections, rates

    for replicas in SIZES:
        fleet = run_fleet(countersign_bin, 0.1, replicas=replicas, workers=WORKERS, pool_idle=f"{POOL_IDLE}s",
                          events=[settled_and_measured], without=("regional", "capped"))
        if fleet.failure:
            raise fleet.failure
    print(found)
    return found


@pytest.mark.parametrize("replicas", SIZES)
def test_the_model_says_how_many_connections_an_endpoint_has(measured, replicas):
    real, clients, _ = measured[replicas]
    settings = fleet_model.Settings(workers=WORKERS, pool_idle=POOL_IDLE)
    load = fleet_model.Load(calls=real.calls, seconds=real.seconds, connections=clients)
    cost = fleet_model.endpoint_cost(settings, load, replicas)
    assert real.connections == pytest.approx(cost.connections, rel=0.35, abs=2), (real, cost)
    assert real.opened <= 3 * cost.opened + 1, (real, cost)


@pytest.mark.parametrize("replicas", SIZES)
def test_the_model_says_what_the_store_of_rates_has_to_do(measured, replicas):
    real, _, rates = measured[replicas]
    cost = fleet_model.store_cost(fleet_model.Settings(workers=WORKERS), rates, replicas)
    assert real.store_connections == cost.connections
    assert real.leases == pytest.approx(cost.leases, rel=0.35), (real, cost)
    assert real.store_memory == pytest.approx(cost.memory, rel=0.25), (real, cost)


def test_the_memory_of_replicas_grows_with_their_number(measured):
    one = measured[1][0].memory
    for replicas in SIZES:
        assert measured[replicas][0].memory == pytest.approx(replicas * one, rel=0.25)


def test_the_page_shows_what_the_model_prints():
    page = (TOP / "docs/measured/fleet.md").read_text()
    commands = re.findall(r"(?m)^    python3 (benches/fleet_model.py .*)$", page)
    assert commands
    for command in commands:
        printed = subprocess.run(
            [sys.executable, *command.split()], cwd=TOP, check=True, capture_output=True, text=True, timeout=60
        )
        assert printed.stdout in page, printed.stdout


def test_the_picture_is_drawn_from_its_figures():
    figures = json.loads((TOP / "tests/fleet/rates.json").read_text())
    assert (TOP / "docs/measured/fleet-rates.svg").read_text() == rates_plot.svg(figures)


@pytest.mark.parametrize(
    ("calls", "seconds", "pool"),
    [(12.5, 0.01, 32), (100, 0.05, 32), (2500, 0.05, 32), (2500, 0.05, 8), (500, 0.05, 8), (100, 0.05, 2)],
)
def test_the_model_of_one_worker_agrees_with_a_simulated_pool(calls, seconds, pool):
    settings = fleet_model.Settings(workers=1, pool=pool, pool_idle=15)
    cost = fleet_model.endpoint_cost(settings, fleet_model.Load(calls, seconds, connections=100_000), 1)
    connections, opened = simulated(calls, seconds, pool, 15)
    assert cost.connections == pytest.approx(connections, rel=0.1)
    assert cost.opened == pytest.approx(opened, rel=0.6, abs=0.1)


def simulated(rate, service, limit, pool_idle, duration=60):
    """The mean number of connections, and how many are opened a second, of a pool that gives the one used last."""
    chance = random.Random(1)
    warm = duration / 3
    now, area, opened = 0.0, 0.0, 0
    ends, idle = [], []
    arrival = chance.expovariate(rate)
    while now < duration:
        before, open_now = now, len(ends) + len(idle)
        if ends and ends[0] < arrival:
            now = heapq.heappop(ends)
            idle = [since for since in idle if since > now - pool_idle]
            if len(idle) < limit:
                idle.append(now)
        else:
            now = arrival
            idle = [since for since in idle if since > now - pool_idle]
            if idle:
                idle.pop()
            else:
                opened += now > warm
            heapq.heappush(ends, now + service)
            arrival = now + chance.expovariate(rate)
        area += open_now * (now - max(before, warm)) if now > warm else 0.0
    return area / (duration - warm), opened / (duration - warm)
