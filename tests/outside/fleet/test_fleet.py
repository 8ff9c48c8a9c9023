"""A minute of a fleet: HAProxy before four replicas of the real program, six clients, two endpoints and a store of
rates, while replicas restart and are killed, the key is rotated, the configuration changes, and an endpoint and the
store are away."""

import fleet_table
import pytest
from fleet import run_fleet
from ledger import Outcome

# all events once take longer
SECONDS = 30


@pytest.fixture(scope="module")
def fleet(countersign_bin):
    fleet = run_fleet(countersign_bin, SECONDS)
    print(fleet_table.report(fleet))
    if fleet.failure:
        raise fleet.failure
    return fleet


def test_no_call_is_lost(fleet):
    assert fleet.accounts.lost == []


def test_no_call_is_received_twice(fleet):
    assert fleet.accounts.duplicated == []


def test_what_clients_are_told_is_what_the_endpoints_saw(fleet):
    assert fleet.accounts.contradictions() == []


def test_restarts_rotations_reloads_and_a_kill_refuse_no_call(fleet):
    assert fleet.accounts.refused_outside("endpoint_gone") == []


def test_a_kill_leaves_only_calls_of_that_replica_without_an_answer(fleet):
    """At most one for each connection to it, and none that the client could repeat."""
    connections = sum(client.connections for client in fleet.clients)
    broken = [call for _, call in fleet.accounts.broken_by_kill]
    assert len(broken) <= connections * len(fleet.accounts.kills)
    assert not any(call.action.startswith("Get") for call in broken)


def test_everything_happened_and_most_calls_were_answered_or_throttled(fleet):
    happened = fleet.accounts.injected
    assert happened["replica restarted"] >= len(fleet.replicas)
    for what in (
        "key rotated", "configuration changed", "outage", "replica killed", "store killed", "store paused",
    ):
        assert happened[what] >= 1, happened
    calls = fleet.accounts.calls.values()
    assert sum(call.outcome is Outcome.ANSWERED for call in calls) > len(calls) / 2


def test_while_an_endpoint_is_away_its_fallback_gets_the_calls(fleet):
    assert fleet.accounts.refused("regional") == []
    assert fleet.accounts.received_by("regional", fleet.endpoints["jobs"].port) > 0


def test_a_client_gets_its_quota_over_all_replicas_and_no_more(fleet):
    """Within a tenth, while the store has not lost its count. Replicas that restart may take a few calls with them."""
    (client,) = [client for client in fleet.clients if client.quota]
    span = fleet.accounts.until("store_killed")
    admitted = fleet.accounts.admitted(client.name, [span])
    assert admitted <= 1.1 * client.quota
    assert admitted >= 0.8 * min(client.quota, fleet.accounts.made(client.name, [span]))


@pytest.mark.parametrize("name", ["greedy", "modest", "eager", "free", "regional"])
def test_a_client_gets_its_rate_over_all_replicas(fleet, name):
    """Within a tenth, while nothing happens. A client that a slow machine kept from calling gets what it asked for."""
    (client,) = [client for client in fleet.clients if client.name == name]
    spans = fleet.accounts.spans("steady")
    asked = fleet.accounts.made(name, spans)
    admitted = fleet.accounts.admitted(name, spans)
    allowed = client.rate * sum(end - begin for begin, end in spans) if client.rate else float("inf")
    assert admitted <= 1.1 * allowed
    assert admitted >= 0.9 * min(allowed, asked)


def test_every_replica_ends_well(fleet):
    assert [code for replica in fleet.replicas for code in replica.exit_codes if code != 0] == []
    assert fleet.panics == 0
