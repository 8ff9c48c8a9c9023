"""A whole exchange through the real program takes no more instructions than its baseline."""

import baseline
import exchange
import pytest
from clients.conftest import countersign_bin  # noqa: F401

# A change may cost this much more than the baseline.
ALLOWED = 0.03


@pytest.mark.parametrize("figure", exchange.FIGURES)
def test_an_exchange_takes_no_more_instructions_than_it_did(figure, countersign_bin):  # noqa: F811
    before = baseline.read(exchange.BASELINE, exchange.RECORD)
    counted = exchange.each(countersign_bin, *exchange.FIGURES[figure])
    baseline.judge_instructions(figure, counted, before, ALLOWED, exchange.compiler(), exchange.RECORD)
