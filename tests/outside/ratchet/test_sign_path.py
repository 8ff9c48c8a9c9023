"""The sign path costs no more instructions than it did, and as many more as a form is longer."""

import math

import baseline
import pytest
import sign_path

# A change may cost this much more than the baseline.
ALLOWED = 0.05


@pytest.fixture(scope="module")
def program():
    return sign_path.build()


@pytest.fixture(scope="module")
def before():
    return baseline.read(sign_path.BASELINE, sign_path.RECORD)


@pytest.mark.parametrize("figure", sign_path.FIGURES)
def test_signing_takes_no_more_instructions_than_it_did(figure, program, before):
    counted = sign_path.each(program, *sign_path.FIGURES[figure])
    baseline.judge_instructions(figure, counted, before, ALLOWED, sign_path.compiler(), sign_path.RECORD)


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
