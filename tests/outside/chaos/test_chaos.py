"""Two minutes of chaos: nothing is lost, nothing is sent twice, nothing leaks."""

import pytest
from chaos import GROWTH, chaos

SECONDS = 120


@pytest.fixture(scope="module")
def run(countersign_bin):
    run = chaos(countersign_bin, SECONDS, seed=1)
    print(run.table)
    return run


def test_no_request_is_lost(run):
    assert run.ledger.lost == []


def test_no_request_is_received_twice(run):
    assert run.ledger.duplicated == []


def test_what_clients_are_told_is_what_the_endpoint_saw(run):
    assert run.ledger.contradictions() == []


def test_every_fault_was_injected_and_most_calls_were_answered(run):
    faults = {fault for fault in run.ledger.injected if not fault.startswith("client: ")}
    assert len(faults) >= 20, faults
    outcomes = [call.outcome for call in run.ledger.calls.values()]
    assert outcomes.count(outcomes[0].ANSWERED) > len(outcomes) / 2


def test_nothing_leaks_and_memory_stays_flat(run):
    assert run.leaked == 0, run.table
    assert run.grown < GROWTH, run.table


def test_it_drains_and_ends_well(run):
    assert run.exit_code == 0
