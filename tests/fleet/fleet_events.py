"""What happens to a fleet while it is called: each event ends when the fleet is whole again."""

import asyncio


async def steady(fleet):
    """Nothing happens."""
    await asyncio.sleep(fleet.steady_seconds)


async def rolling_restart(fleet):
    """Each replica in turn is told to end, and started anew once it has ended well."""
    for replica in fleet.replicas:
        await replica.stop()
        fleet.accounts.inject("replica restarted")
        await fleet.balancer.until({replica.name: "DOWN"})
        await replica.start()
        await fleet.balancer.until({replica.name: "UP"})


async def key_rotation(fleet):
    """A new key is sealed into the file that all replicas read."""
    before = await fleet.each("countersign_key_loads_total", 'result="changed"')
    await asyncio.to_thread(fleet.key.rotate)
    fleet.accounts.inject("key rotated")
    for replica, count in zip(fleet.replicas, before, strict=True):
        await replica.until(
            lambda metrics, count=count: metrics.sum("countersign_key_loads_total", 'result="changed"') > count,
            "does not take the new key",
        )


async def reload(fleet):
    """The configuration changes, and each replica reads it again."""
    before = await fleet.each("countersign_config_generation")
    fleet.configuration.change()
    fleet.accounts.inject("configuration changed")
    for replica, generation in zip(fleet.replicas, before, strict=True):
        replica.reload()
        await replica.until(
            lambda metrics, generation=generation: metrics.sum("countersign_config_generation") > generation,
            "does not take the new configuration",
        )


async def endpoint_gone(fleet):
    """Each of the two endpoints in turn resets every connection, is away for a while, and comes back."""
    for endpoint in fleet.endpoints.values():
        await endpoint.outage(fleet.away_seconds)
        for replica in fleet.replicas:
            await replica.until(
                lambda metrics: metrics.sum("countersign_endpoint_down") == 0, "does not find the endpoint"
            )


async def replica_killed(fleet):
    """One replica is killed with SIGKILL, and started anew once the balancer has noticed."""
    replica = fleet.random.choice(fleet.replicas)
    fleet.accounts.killed(replica.name)
    replica.kill()
    await fleet.balancer.until({replica.name: "DOWN"})
    await replica.start()
    await fleet.balancer.until({replica.name: "UP"})


async def store_killed(fleet):
    """The store of rates is killed, and comes back empty."""
    fleet.store.kill()
    fleet.accounts.inject("store killed")
    await until_store(fleet, 0, "does not notice that the store is away")
    await asyncio.sleep(fleet.store_away_seconds)
    await fleet.store.start()
    await until_store(fleet, 1, "does not find the store")


async def store_paused(fleet):
    """The store of rates keeps its connections and answers nothing for a while."""
    fleet.store.pause()
    fleet.accounts.inject("store paused")
    await until_store(fleet, 0, "does not notice that the store is paused")
    await asyncio.sleep(fleet.store_away_seconds)
    fleet.store.resume()
    await until_store(fleet, 1, "does not find the store")


async def until_store(fleet, up, why):
    for replica in fleet.replicas:
        await replica.until(lambda metrics: metrics.sum("countersign_rate_store_up") == up, why)


async def buckets_used_up(fleet):
    """Buckets that filled while clients were not counted, or that an empty store gave anew, are used up."""
    await asyncio.sleep(fleet.store_away_seconds)


# in this order, again and again
EVENTS = [
    steady, rolling_restart, steady, key_rotation, steady, reload, steady, endpoint_gone, buckets_used_up, steady,
    replica_killed, steady, store_killed, buckets_used_up, steady, store_paused, buckets_used_up,
]
# of the picture: nothing else happens
STORE_EVENTS = [steady, steady, store_killed, steady, steady, store_paused, steady, steady]
