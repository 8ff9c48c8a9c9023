"""More connections than a listener takes: whose make room, and whose do not."""

import contextlib
import re
import socket

from attackers import answered, call, connections, half_heads
from fair_stage import eventually
from fair_stage import stage as start
from probers import assert_served

EVICTED = 'countersign_evicted_connections_total{listener="near",rank="%s"}'
OVER = 'countersign_over_share_total{client="greedy",limit="connections"}'


def read_response(client):
    """The head of a response, and what came with it."""
    client.settimeout(60)
    received = b""
    while b"\r\n\r\n" not in received:
        piece = client.recv(65536)
        if not piece:
            return None
        received += piece
    return received.decode("latin-1")


def test_4096_half_heads_of_a_stranger_make_room_for_the_calls_of_others(countersign_bin, tmp_path):
    # none ends by itself, however long a busy machine takes
    patient = {"near": 'limits.head_timeout = "10m"'}
    with start(countersign_bin, tmp_path, listeners=patient) as stage:
        with half_heads(stage, 4096) as sockets:
            assert_served(stage, "4,096 half heads")
            eventually("evictions", lambda: stage.metric(EVICTED % "stranger") > 0)
            assert stage.metric(EVICTED % "idle") == 0
            assert len(answered(sockets)) < 1024, "few had to go: those whose places were needed"
        told = eventually("the log", lambda: [
            line for line in stage.log() if "too many client connections" in line.get("message", "")
        ])
    assert len(told) < 100, "a line a second and worker at the most"
    assert told[0]["listener"] == "near"


def test_connections_that_came_and_went_leave_nothing_behind_when_places_run_out(countersign_bin, tmp_path):
    limits = {"near": "limits.connections = 64"}  # a busy machine makes many of the probes at once
    with start(countersign_bin, tmp_path, listeners=limits) as stage:
        for _ in range(100):
            socket.create_connection(stage.near).close()
            with connections(stage.near, 1, call(stage.near, "neighbour")) as (client,):
                assert read_response(client).startswith("HTTP/1.1 200 ")
        eventually("their end", lambda: stage.metric('countersign_client_connections{listener="near"}') == 0)
        with connections(stage.near, 80, b"") as crowd:
            eventually("room made by strangers", lambda: len(answered(crowd)) >= 16)
            assert_served(stage, "a crowd behind connections that came and went")
        # each call may end one connection, and none is ended that is gone
        assert stage.metric(EVICTED % "stranger") < 1000
        assert stage.metric(EVICTED % "idle") < 1000


def test_half_heads_on_a_unix_socket_make_room_whichever_worker_has_them(countersign_bin, tmp_path):
    path = tmp_path / "socket"
    tables = f"""
[listener.socket]
address = "unix:{path}"
any_local = true
routes = ["one"]
limits.connections = 32
"""
    with start(countersign_bin, tmp_path, more=tables), contextlib.ExitStack() as held:
        eventually("the socket", path.exists)

        def connect(sent):
            client = held.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(path))
            client.sendall(sent)
            return client

        crowd = [connect(b"POST / HTTP/1.1\r\nX-Slow: ") for _ in range(32)]
        for _ in range(20):
            client = connect(call(("localhost", 80), "nobody"))
            assert read_response(client).startswith("HTTP/1.1 200 ")
            client.close()
        assert answered(crowd), "some of the crowd had to go"


def test_idle_connections_of_known_clients_make_room_after_all_strangers_and_exchanges_never(countersign_bin, tmp_path):
    limits = {"near": "limits.connections = 16"}
    with start(countersign_bin, tmp_path, listeners=limits) as stage, contextlib.ExitStack() as held:
        slow = held.enter_context(connections(stage.near, 4, call(stage.near, "greedy", b"Action=Slow")))
        eventually("the slow calls", lambda: stage.held() == 4)
        idle = held.enter_context(connections(stage.near, 4, call(stage.near, "neighbour")))
        assert all(read_response(client).startswith("HTTP/1.1 200 ") for client in idle)
        crowd = held.enter_context(connections(stage.near, 100, b"POST / HTTP/1.1\r\nX-Slow: "))
        eventually("room made by strangers", lambda: len(answered(crowd)) >= 92)
        assert stage.metric(EVICTED % "idle") == 0 and not answered(idle)
        eight = [client for client in crowd if client not in answered(crowd)]
        for client in eight:
            client.close()
        eventually("their end", lambda: stage.metric('countersign_client_connections{listener="near"}') == 8)
        calls = held.enter_context(connections(stage.near, 8, call(stage.near, "neighbour")))
        served = [read_response(client) for client in calls]
        assert all(response and response.startswith(("HTTP/1.1 200 ", "HTTP/1.1 503 ")) for response in served)
        assert stage.held() == 4 and not answered(slow), "an exchange is never ended for that"


def test_a_client_has_at_most_its_share_of_the_connections_of_a_listener(countersign_bin, tmp_path):
    limits = {"near": "limits.connections = 64"}  # the probes have 32: a busy machine makes many at once
    with start(countersign_bin, tmp_path, listeners=limits) as stage:
        with connections(stage.near, 34, call(stage.near, "greedy", b"Action=Slow")) as sockets:
            eventually("all calls", lambda: stage.held() + len(answered(sockets)) >= 34)
            assert stage.held() == 32, "half of the 64 connections"
            assert_served(stage, "a client with all of its connections")
            refused = read_response(answered(sockets)[0])
        assert refused.startswith("HTTP/1.1 503 ") and re.search(r"(?im)^retry-after: \d+\r?$", refused)
        assert re.search(r"(?im)^connection: close\r?$", refused)
        eventually("the refusals", lambda: stage.metric(OVER) == 2)
    line = eventually("the log", lambda: [line for line in stage.log() if line.get("reason") == "share"])[0]
    assert line["client"] == "greedy" and "32 of 64" in line["error"] and "client.greedy.share" in line["error"]


