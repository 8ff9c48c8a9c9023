"""What one client takes of a route, of the memory for forms, and of the time of others."""

import contextlib
import re
import socket
import subprocess

import pytest
from attackers import announcements, answered, call, connected, connections, half_bodies, head, slow_calls
from fair_stage import eventually, stage as start
from probers import assert_served


def read_answer(client):
    client.settimeout(60)
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(re.search(rb"(?im)^content-length: (\d+)\r?$", head)[1])
    while len(body) < length:
        body += client.recv(65536)
    return head.decode("latin-1"), body.decode()


def over_share_lines(stage, client):
    return [line for line in stage.log() if line.get("reason") == "share" and line.get("client") == client]


def test_half_bodies_of_a_client_without_any_rule_take_no_place_of_others(stage):
    with half_bodies(stage, "ruleless", 300) as sockets:
        assert_served(stage, "300 half bodies")
        assert not answered(sockets), "the attack went on all the time"


def test_slow_calls_of_one_client_take_its_share_and_not_the_places_of_others(stage):
    with slow_calls(stage, "greedy", 300) as sockets:
        assert_served(stage, "300 slow calls")
        assert stage.held() == 128, "half of the 256 places of the route"
        refused = answered(sockets)
        assert len(refused) == 300 - 128
        head, body = read_answer(refused[0])
    assert head.startswith("HTTP/1.1 503 ") and "<Code>ServiceUnavailable</Code>" in body
    assert re.search(r"(?im)^retry-after: \d+\r?$", head)
    lines = eventually("the log", lambda: over_share_lines(stage, "greedy"))
    assert "client.greedy.share" in lines[0]["error"] and "128 of 256" in lines[0]["error"], lines[:1]
    over = 'countersign_over_share_total{client="greedy",limit="in_flight"}'
    eventually("the refusals", lambda: stage.metric(over) >= 300 - 128)


def test_announcing_sixteen_mebibytes_forty_times_takes_memory_of_nobody(stage):
    with announcements(stage, "greedy", 40) as sockets:
        assert_served(stage, "16 MiB announced forty times")
        assert not answered(sockets)
        assert stage.metric("countersign_bodies_held_bytes") < 1 << 20


def test_forms_that_one_client_sends_take_its_share_of_memory_and_leave_the_rest_to_others(stage):
    """Four forms of 16 MiB, all but a byte, are all the memory there is for forms; two are the client's share."""
    size = 16 << 20
    begun = head(stage.near, "greedy", size) + b"Action=GetStatus&x="
    begun += b"x" * (size - 1 - (len(begun) - begun.index(b"\r\n\r\n") - 4))
    with connections(stage.near, 4, begun) as sockets:
        eventually("the refusals", lambda: len(answered(sockets)) >= 2)
        assert_served(stage, "two forms of 16 MiB")
        assert stage.metric("countersign_bodies_held_bytes") <= 32 << 20
    lines = eventually("the log", lambda: over_share_lines(stage, "greedy"))
    assert "process.bodies" in lines[0]["error"] and "client.greedy.share" in lines[0]["error"]


@pytest.mark.parametrize(("share", "places"), [('share = "10%"', 26), ("share = 3", 3), ('share = "100%"', 256)])
def test_a_client_gets_the_share_that_is_configured(countersign_bin, tmp_path, share, places):
    with start(countersign_bin, tmp_path, clients={"greedy": share}) as stage:
        with slow_calls(stage, "greedy", 260) as sockets:
            assert stage.held() == places
            assert len(answered(sockets)) == 260 - places


def test_a_share_that_a_reload_changes_counts_what_is_under_way_already(countersign_bin, tmp_path):
    with start(countersign_bin, tmp_path, clients={"greedy": 'share = "10%"'}) as stage:
        with slow_calls(stage, "greedy", 30) as before:
            assert stage.held() == 26
            # the connection of a refused call stays open, and counts against the client's share of connections
            for refused in answered(before):
                refused.close()
            eventually("the end of the refused calls", lambda: connected(stage) == 26)
            stage.reload('share = "10%"', "share = 40")
            with connections(stage.near, 30, call(stage.near, "greedy", b"Action=Slow")) as after:
                eventually("the slow calls", lambda: stage.held() + len(answered(after)) >= 26 + 30)
                assert stage.held() == 40
                assert_served(stage, "a share that is used up")


def test_whoever_may_call_a_route_alone_may_take_all_of_it(countersign_bin, tmp_path):
    """Any local process counts as one client, which nobody else is beside on this route."""
    alone = """
[listener.open]
address = "127.0.0.1:0"
any_local = true
routes = ["three"]
[route.three]
endpoint = "http://127.0.0.1:{endpoint}/"
limits.in_flight = 8
timeouts.first_byte = "10m"
"""
    with start(countersign_bin, tmp_path, more=alone) as stage:
        address = stage.address("listening", "open")
        with connections(address, 9, call(address, "greedy", b"Action=Slow")) as sockets:
            eventually("the slow calls", lambda: stage.held() + len(answered(sockets)) >= 9)
            assert stage.held() == 8
            head, _ = read_answer(answered(sockets)[0])
            assert head.startswith("HTTP/1.1 503 ")
            assert_served(stage, "a route that is full")
    reasons = {line["reason"] for line in stage.log() if line.get("listener") == "open" and "reason" in line}
    assert reasons == {"overload"}, "what is missing is room on the route, not a share"


TWO_DOORS = """
[listener.open]
address = "127.0.0.1:0"
any_local = true
routes = ["{route}"]
[listener.socket]
address = "unix:{place}/socket"
any_local = true
routes = ["{route}"]
"""


@contextlib.contextmanager
def through_a_unix_socket(path, count, sent):
    """So many connections to a Unix socket, on each of which `sent` was sent."""
    with contextlib.ExitStack() as held:
        sockets = []
        for _ in range(count):
            client = held.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(path))
            client.sendall(sent)
            sockets.append(client)
        yield sockets


def hold_through_both(stage, place, each):
    """Slow calls of one program without a name on both listeners; returns a context with all connections."""
    held = contextlib.ExitStack()
    address = stage.address("listening", "open")
    slow = call(address, "nobody", b"Action=Slow")
    sockets = list(held.enter_context(connections(address, each, slow)))
    eventually("the slow calls", lambda: stage.held() + len(answered(sockets)) >= each)
    sockets += held.enter_context(through_a_unix_socket(place / "socket", each, slow))
    eventually("the slow calls", lambda: stage.held() + len(answered(sockets)) >= 2 * each)
    return held, sockets


def test_a_program_without_a_name_takes_one_share_though_it_comes_through_two_listeners(countersign_bin, tmp_path):
    tmp_path.chmod(0o755)
    with start(countersign_bin, tmp_path, more=TWO_DOORS.format(route="one", place=tmp_path)) as stage:
        told = subprocess.run([countersign_bin, "check", "--config", tmp_path / "countersign.toml"],
                              capture_output=True, text=True, timeout=60, check=True).stdout
        share = "share of any_local of listeners open, socket together: at most 128 of 256 in_flight of route one"
        assert share in told
        held, sockets = hold_through_both(stage, tmp_path, 140)
        with held:
            assert stage.held() == 128, "half of the places, and not half through each listener"
            assert_served(stage, "140 slow calls through each of two listeners")
            head, _ = read_answer(answered(sockets)[0])
            assert head.startswith("HTTP/1.1 503 ")
    assert over_share_lines(stage, "any-local")


def test_listeners_with_any_local_alone_on_a_route_may_take_all_of_it_together(countersign_bin, tmp_path):
    tmp_path.chmod(0o755)
    route = """
[route.three]
endpoint = "http://127.0.0.1:{endpoint}/"
limits.in_flight = 8
timeouts.first_byte = "10m"
"""
    doors = TWO_DOORS.format(route="three", place=tmp_path)
    with start(countersign_bin, tmp_path, more=doors + route) as stage:
        held, sockets = hold_through_both(stage, tmp_path, 5)
        with held:
            assert stage.held() == 8
            assert len(answered(sockets)) == 2
            assert_served(stage, "a route that is full")
    reasons = {line["reason"] for line in stage.log() if line.get("listener") == "socket" and "reason" in line}
    assert reasons == {"overload"}, "what is missing is room on the route, not a share"
