"""The sign path costs no more instructions than it did, and as many more as a form is longer."""

import json
import math
import platform
import warnings

import pytest
import sign_path

# A change may cost this much more than the baseline.
ALLOWED = 0.05


@pytest.fixture(scope="module")
def program():
    return sign_path.build()


@pytest.fixture(scope="module")
def baseline():
    baselines = json.loads(sign_path.BASELINE.read_text())
    machine = platform.machine()
    assert machine in baselines, f"no baseline for {machine}: write one with `{sign_path.RECORD}`"
    return baselines[machine]


@pytest.mark.parametrize("figure", sign_path.FIGURES)
def test_signing_takes_no_more_instructions_than_it_did(figure, program, baseline):
    counted = sign_path.each(program, *sign_path.FIGURES[figure])
    expected = baseline["instructions"][figure]
    ratio = counted / expected
    said = (
        f"{figure}: {counted:.0f} instructions, {ratio - 1:+.1%} of the baseline's {expected}"
        f" (which {baseline['compiler']} made, and these {sign_path.compiler()})"
    )
    print(said)
    assert ratio <= 1 + ALLOWED, f"{said}. Make it cheaper, or say why it has to cost that and `{sign_path.RECORD}`"
    if ratio < 1 - ALLOWED:
        warnings.warn(f"{said}. Keep what was won: `{sign_path.RECORD}`", stacklevel=1)


def test_the_count_depends_on_the_program_alone(program):
    figure = sign_path.FIGURES["120 bytes: all, and the MAC"]
    first = sign_path.each(program, *figure)
    # another environment moves the stack, and everything else is somewhere else each time
    again = sign_path.each(program, *figure, environment={"FILLER": "x" * 5000})
    assert again == pytest.approx(first, rel=0.001)


@pytest.mark.parametrize("step", ["read", "write"])
@pytest.mark.parametrize(
    ("kind", "amounts"),
    [("parameters", (10, 100, 1000)), ("bytes", (1024, 32 * 1024, 1024 * 1024))],
)
def test_work_grows_as_the_form_does(program, step, kind, amounts):
    costs = [sign_path.each(program, step, kind, amount, 1, 3) for amount in amounts]
    for (small, cheap), (large, dear) in zip(zip(amounts, costs), zip(amounts[1:], costs[1:])):
        growth, size = dear / cheap, large / small
        print(f"{step}, {large} {kind} for {small}: {growth:.1f} times the work")
        # names are sorted, which takes n log n comparisons; a square would take ten times as many as that
        expected = size * math.log(large) / math.log(small) if kind == "parameters" else size
        assert growth <= 1.1 * expected, f"{step}: {size:.0f} times the {kind}, {growth:.1f} times the instructions"
