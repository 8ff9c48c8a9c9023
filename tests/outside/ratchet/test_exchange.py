"""A whole exchange through the real program takes no more instructions than its baseline."""

import baseline
import exchange
import pytest
from clients.conftest import countersign_bin  # noqa: F401
from shared_store import running

# A change may cost this much more than the baseline.
ALLOWED = 0.03
# A call within its rate takes a token that the store has leased before.
RATE = 'rate = "1000000/s"\nquota = "1000000000/d"\n'


@pytest.mark.parametrize("figure", exchange.FIGURES)
def test_an_exchange_takes_no_more_instructions_than_it_did(figure, countersign_bin):  # noqa: F811
    before = baseline.read(exchange.BASELINE, exchange.RECORD)
    counted = exchange.each(countersign_bin, *exchange.FIGURES[figure])
    baseline.judge_instructions(figure, counted, before, ALLOWED, exchange.compiler(), exchange.RECORD)


def test_a_call_of_a_client_with_shared_limits_takes_as_many_instructions_as_one_with_limits_of_its_own(
        countersign_bin, tmp_path):  # noqa: F811
    size, few, many = exchange.FIGURES["a form of 120 bytes"]
    own = exchange.each(countersign_bin, size, few, many, RATE)
    with running(tmp_path) as store:
        shared = exchange.each(countersign_bin, size, few, many, f'{RATE}[rates]\nstore = "{store.url}"\n')
    print(f"{own:.0f} instructions with limits of its own, {shared:.0f} with shared ones ({shared / own - 1:+.2%})")
    assert shared <= own * (1 + ALLOWED)
