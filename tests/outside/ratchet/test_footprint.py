"""The program takes no more memory after its start than its baseline, and little for an idle connection."""

import contextlib

import baseline
import footprint
import pytest
from clients.conftest import countersign_bin  # noqa: F401
from footprint import FORM, Endpoint, answered, ask, eventually, gateway

# A change may cost this much more than the baseline.
ALLOWED = 0.03

CONNECTIONS = 5000
# KiB for each connection: the 2.5 that docs/operations/sizing.md promises, and a tenth for noise
MOST_EACH = 2.75


def test_the_program_takes_no_more_memory_after_its_start_than_it_did(countersign_bin, tmp_path):  # noqa: F811
    expected = baseline.read(footprint.BASELINE, footprint.RECORD)["RSS after start, KiB"]
    resident = footprint.after_start(countersign_bin, tmp_path)
    ratio = resident / expected
    said = f"{resident:.0f} KiB after the first answer, {ratio - 1:+.1%} of the baseline's {expected:.0f}"
    baseline.judge(ratio, ALLOWED, said, "Use less, or say why it has to be that much", footprint.RECORD)


@pytest.fixture
def stage(countersign_bin, tmp_path):  # noqa: F811
    """A program that has answered a request, and its endpoint."""
    footprint.raise_descriptors()
    endpoint = Endpoint()
    with gateway(countersign_bin, tmp_path, endpoint.url) as started:
        with started.connect() as client:
            ask(client)
            answered(client)
        yield started, endpoint


def test_idle_connections_take_little_memory_also_after_a_request_of_each_at_one_moment(stage):
    started, endpoint = stage
    before = started.resident()

    def each():
        return (started.resident() - before) / CONNECTIONS

    with contextlib.ExitStack() as held:
        clients = [held.enter_context(started.connect()) for _ in range(CONNECTIONS)]
        # the last connection is accepted after all others: once it has a response, all are open
        ask(clients[-1])
        answered(clients[-1])
        print(f"{each():.2f} KiB for each connection without a request")
        assert each() <= MOST_EACH
        endpoint.wanted = CONNECTIONS
        for client in clients:
            ask(client)
        for client in clients:
            answered(client)
        print(f"{each():.2f} KiB for each connection when all requests were answered")
        eventually("the end of pooled connections", lambda: endpoint.open == 0)
        eventually(f"{MOST_EACH} KiB for each connection", lambda: each() <= MOST_EACH)
        print(f"{each():.2f} KiB for each connection at the end")
        for client in clients[:100]:
            ask(client)
            answered(client)


def test_connections_that_are_gone_leave_no_memory_behind(stage):
    started, endpoint = stage
    before = started.resident()
    with contextlib.ExitStack() as held:
        clients = [held.enter_context(started.connect()) for _ in range(CONNECTIONS)]
        endpoint.wanted = CONNECTIONS
        for client in clients:
            ask(client)
        for client in clients:
            answered(client)
    # tables with an entry for each connection stay, and pages that also hold other data
    eventually("the memory of 5,000 connections", lambda: started.resident() - before < 2048)


def test_large_forms_leave_no_memory_behind(stage):
    started, endpoint = stage
    before = started.resident()
    count = 40
    with contextlib.ExitStack() as held:
        clients = [held.enter_context(started.connect()) for _ in range(count)]
        endpoint.wanted = count
        for client in clients:
            ask(client, FORM + b"x" * 1_000_000)
        for client in clients:
            answered(client)
        eventually("the memory of forty forms", lambda: started.resident() - before < 4096)
