"""A fleet that is really run: HAProxy before replicas of the real program, clients that count, endpoints that remember,
and everything that happens to a fleet.

`tests/fleet/run` calls it for as long as one likes; `tests/outside/fleet` for a minute in every run of the tests.
"""

import asyncio
import pathlib
import random
import ssl
import tempfile
import time

import fleet_configuration
from balancer import Balancer
from fleet_accounts import Accounts
from fleet_certificates import Authority
from fleet_clients import BareCaller, FleetCaller
from fleet_events import EVENTS
from recording_endpoint import RecordingEndpoint
from replica import Replica
from sealed_key import BARE_KEY, SealedKey
from shared_store import SharedStore
from verifying_upstream import make_tls

# how often the way past all replicas is gone, a second
BARE_RATE = 20
# until every bucket that a quiet time filled is empty
WARM_UP = 3  # seconds


class Fleet:
    """The stage, and what happens on it."""

    def __init__(self, binary, directory, replicas=4, workers=2, pool_idle="15s", store_away_seconds=3, seed=1,
                 without=()):
        self.accounts, self.random = Accounts(), random.Random(seed)
        self.failure, self.panics = None, 0
        self.steady_seconds, self.settle_seconds = 4, 1
        self.away_seconds, self.store_away_seconds = 2, store_away_seconds
        endpoint_ca, endpoint_context = make_tls(made(directory / "endpoint"))
        self._endpoint_ca = endpoint_ca
        self.endpoints = {
            name: RecordingEndpoint(self.accounts, endpoint_context, BARE_KEY) for name in ("jobs", "reports")
        }
        self.key = SealedKey(binary, directory, self.endpoints.values())
        self.store = SharedStore(made(directory / "store"))
        authority = Authority(made(directory / "certificates"))
        self._authority = authority.certificate
        self.clients = [one for one in fleet_configuration.clients(authority) if one.name not in without]
        self.configuration = fleet_configuration.Configuration(
            directory, workers, self.clients, client_ca=authority.certificate, endpoint_ca=endpoint_ca,
            pool_idle=pool_idle, store=self.store.url, key_file=self.key.file, identity_file=self.key.identity,
            **{name: endpoint.port for name, endpoint in self.endpoints.items()},
        )
        self.replicas = [
            Replica(name, binary, self.configuration.file, directory, authority.for_replica(name),
                    fleet_configuration.LISTENERS)
            for name in (f"replica-{number}" for number in range(1, replicas + 1))
        ]
        self.balancer = Balancer(directory, self.replicas, self.endpoints["jobs"].port)

    async def each(self, metric, *labels):
        """What each replica says of a metric."""
        return [(await replica.metrics()).sum(metric, *labels) for replica in self.replicas]

    async def run(self, seconds, events=EVENTS):
        """From start to end: the events in their order, and from the first again until the time is over."""
        try:
            await self._start()
            await self._serve(seconds, events)
            await self._stop()
        finally:
            for replica in self.replicas:
                if replica.is_running():
                    replica.kill()
            self.balancer.stop()
            self.store.kill()
            for endpoint in self.endpoints.values():
                endpoint.close()

    async def _start(self):
        self.key.rotate()
        await self.store.start()
        for endpoint in self.endpoints.values():
            await endpoint.listen()
        await asyncio.gather(*(replica.start() for replica in self.replicas))
        self.balancer.start()
        await self.balancer.until({replica.name: "UP" for replica in self.replicas})

    async def _serve(self, seconds, events):
        stop = asyncio.Event()
        running = asyncio.gather(*(caller.run(stop) for caller in self._callers()))
        try:
            await self._phase("warm-up", asyncio.sleep(WARM_UP))
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for event in events:
                    await self._phase(event.__name__, event(self))
        finally:
            stop.set()
            await running

    async def _phase(self, name, event):
        self.accounts.phase, begun = name, time.monotonic()
        await event
        # what an event leaves behind is a part of it
        await asyncio.sleep(self.settle_seconds)
        self.accounts.phases.append((name, begun, time.monotonic()))

    def _callers(self):
        for client in self.clients:
            context = client.context(self._authority)
            for number in range(client.connections):
                address = self.balancer.addresses[client.listener]
                yield FleetCaller(client, number, address, context, self.accounts, self.random)
        context = ssl.create_default_context(cafile=self._endpoint_ca)
        host = f"127.0.0.1:{self.endpoints['jobs'].port}"
        yield BareCaller(BARE_KEY, self.balancer.bare_address, context, host, self.accounts, BARE_RATE)

    async def _stop(self):
        self.panics = sum(await self.each("countersign_panics_total"))
        await asyncio.gather(*(replica.stop() for replica in self.replicas))


def made(directory):
    directory.mkdir()
    return directory


def run_fleet(binary, seconds, seed=1, events=EVENTS, **settings):
    """A fleet that has run for about so many seconds, and at least once through all events."""
    with tempfile.TemporaryDirectory() as directory:
        fleet = Fleet(binary, pathlib.Path(directory), seed=seed, **settings)
        try:
            asyncio.run(fleet.run(seconds, events))
        except Exception as error:
            # what was counted until then is still worth reading
            fleet.failure = error
        return fleet
