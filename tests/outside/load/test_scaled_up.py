"""Connections spread after a second replica was started, and leave before one ends; no call is lost for it."""

import signal

from scaled_up import ScaledUp, calling, wait_until

CLIENTS = 20


def test_connections_spread_over_a_second_replica_when_their_lifetime_is_over(binary, tmp_path):
    with ScaledUp(binary, tmp_path, limits='limits.connection_lifetime = "2s"') as stage:
        with calling(stage.port, CLIENTS) as clients:
            wait_until(lambda: stage.connections(0) >= CLIENTS, "all connections")
            stage.start(1)
            wait_until(lambda: stage.connections(1) >= CLIENTS * 0.4, "connections of the second replica")
            wait_until(lambda: stage.connections(0) <= CLIENTS * 0.6, "fewer connections of the first one")
        assert [client.lost for client in clients] == [0] * CLIENTS


def test_without_a_lifetime_connections_stay_where_they_are(binary, tmp_path):
    with ScaledUp(binary, tmp_path) as stage:
        with calling(stage.port, CLIENTS) as clients:
            stage.start(1)
            before = [client.answered for client in clients]
            wait_until(lambda: all(client.answered > one + 50 for client, one in zip(clients, before)), "calls")
        assert {client.connections for client in clients} == {1}


def test_in_the_delay_before_a_drain_clients_move_to_the_other_replica_and_lose_no_call(binary, tmp_path):
    with ScaledUp(binary, tmp_path, process='drain_delay = "3s"', balance="roundrobin") as stage:
        first = stage.processes[0]
        stage.start(1)
        wait_until(lambda: stage.is_served() and stage.connections(1) > 0 or stage.is_served(), "both replicas")
        with calling(stage.port, CLIENTS) as clients:
            wait_until(lambda: stage.connections(0) > CLIENTS / 4, "connections of the first replica")
            first.send_signal(signal.SIGTERM)
            assert first.wait(60) == 0
            before = [client.answered for client in clients]
            wait_until(lambda: all(client.answered > one for client, one in zip(clients, before)), "calls after it")
        assert [client.lost for client in clients] == [0] * CLIENTS
        assert all(client.stream for client in clients)


def test_a_connection_for_a_replica_that_is_gone_goes_to_another_one(binary, tmp_path):
    """HAProxy takes the second replica, which was never started, for healthy: its next check is an hour away."""
    with ScaledUp(binary, tmp_path, balance="roundrobin", inter="1h") as stage:
        with calling(stage.port, CLIENTS) as clients:
            wait_until(lambda: all(client.answered > 10 for client in clients), "calls")
        assert [client.lost for client in clients] == [0] * CLIENTS
