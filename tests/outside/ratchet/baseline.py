"""What figures were when they were recorded, for each kind of machine, and the judgement of what they are now."""

import json
import platform
import warnings


def write(file, recorded):
    """Replaces what is recorded for this kind of machine."""
    baselines = json.loads(file.read_text()) if file.exists() else {}
    baselines[platform.machine()] = recorded
    file.write_text(json.dumps(baselines, indent=2) + "\n")
    print(file.read_text(), end="")


def read(file, command):
    """What is recorded for this kind of machine; `command` records it."""
    baselines, machine = json.loads(file.read_text()), platform.machine()
    assert machine in baselines, f"no baseline for {machine}: write one with `{command}`"
    return baselines[machine]


def judge(ratio, allowed, said, remedy, command):
    """Fails when a figure is above its baseline by more than `allowed`, and warns when it is below by as much."""
    print(said)
    assert ratio <= 1 + allowed, f"{said}. {remedy}, and `{command}`"
    if ratio < 1 - allowed:
        warnings.warn(f"{said}. Lower the baseline: `{command}`", stacklevel=2)


def judge_instructions(figure, counted, baseline, allowed, compiler, command):
    """The same for a figure in instructions, which depend on the compiler."""
    expected = baseline["instructions"][figure]
    ratio = counted / expected
    said = (
        f"{figure}: {counted:.0f} instructions, {ratio - 1:+.1%} of the baseline's {expected}"
        f" (which {baseline['compiler']} made, and these {compiler})"
    )
    judge(ratio, allowed, said, "Make it cheaper, or say why it has to cost that", command)
