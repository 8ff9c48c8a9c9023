"""A whole exchange through the real program takes no more instructions than its baseline."""

import json
import platform
import warnings

import exchange
import pytest
from clients.conftest import countersign_bin  # noqa: F401

# A change may cost this much more than the baseline.
ALLOWED = 0.03


@pytest.mark.parametrize("figure", exchange.FIGURES)
def test_an_exchange_takes_no_more_instructions_than_it_did(figure, countersign_bin):  # noqa: F811
    baselines = json.loads(exchange.BASELINE.read_text())
    machine = platform.machine()
    assert machine in baselines, f"no baseline for {machine}: write one with `{exchange.RECORD}`"
    baseline = baselines[machine]
    counted = exchange.each(countersign_bin, *exchange.FIGURES[figure])
    expected = baseline["instructions"][figure]
    ratio = counted / expected
    said = (
        f"{figure}: {counted:.0f} instructions, {ratio - 1:+.1%} of the baseline's {expected}"
        f" (which {baseline['compiler']} made, and these {exchange.compiler()})"
    )
    print(said)
    assert ratio <= 1 + ALLOWED, f"{said}. Make it cheaper, or say why it has to cost that, and `{exchange.RECORD}`"
    if ratio < 1 - ALLOWED:
        warnings.warn(f"{said}. Lower the baseline: `{exchange.RECORD}`", stacklevel=1)
