"""What one client takes of a route, of the memory for forms, and of the time of others."""

import re

import pytest
from attackers import announcements, answered, call, connections, half_bodies, head, slow_calls
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
    lines = over_share_lines(stage, "greedy")
    assert lines and "client.greedy.share" in lines[0]["error"] and "128 of 256" in lines[0]["error"], lines[:1]
    assert stage.metric('countersign_over_share_total{client="greedy",limit="in_flight"}') >= 300 - 128


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
            stage.reload('share = "10%"', "share = 40")
            with connections(stage.near, 30, call(stage.near, "greedy", b"Action=Slow")) as after:
                eventually("the slow calls", lambda: stage.held() + len(answered([*before, *after])) >= 60)
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
