"""Counts the instructions of the sign path, and keeps the baseline they are compared with.

    target/venv/bin/python tests/outside/ratchet/sign_path.py --record

counts anew and writes baseline.json. Instructions, not time: they are the same on a busy machine.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import baseline

TOP = pathlib.Path(__file__).parents[3]
BASELINE = pathlib.Path(__file__).with_name("baseline.json")
RECORD = "target/venv/bin/python tests/outside/ratchet/sign_path.py --record"

# the C library chooses its memcpy by the processor: every processor has these
PINNED = "glibc.cpu.hwcaps=-AVX2,-AVX,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load,-SSE4_2,-BMI2,-MOVBE"

# Each figure: the step, the form, twice how often it is done, and the dialect if not aws-v2. The start and the end of
# the program cost the same in both counts, and so drop out of their difference.
FIGURES = {
    "120 bytes: parse and decide": ("read", "bytes", 120, 300, 900),
    "120 bytes: write what is signed": ("write", "bytes", 120, 300, 900),
    "120 bytes: all, and the MAC": ("sign", "bytes", 120, 200, 600),
    "32 KB: parse and decide": ("read", "bytes", 32 * 1024, 10, 30),
    "32 KB: write what is signed": ("write", "bytes", 32 * 1024, 10, 30),
    "32 KB: all, and the MAC": ("sign", "bytes", 32 * 1024, 5, 15),
    # hashes and the head; then one dialect of each spelling, beside that of aws-v2
    "120 bytes, aws-v4: write what is signed": ("write", "bytes", 120, 300, 900, "aws-v4"),
    "120 bytes, aws-v4: all, and the MAC": ("sign", "bytes", 120, 200, 600, "aws-v4"),
    "120 bytes, alibaba-rpc: write what is signed": ("write", "bytes", 120, 300, 900, "alibaba-rpc"),
    "120 bytes, tencent-v1: write what is signed": ("write", "bytes", 120, 300, 900, "tencent-v1"),
    "120 bytes, cloudstack: write what is signed": ("write", "bytes", 120, 300, 900, "cloudstack"),
}


def build():
    """The program, built as it is released; where it is."""
    # as tests/run has built it: with other flags cargo would compile all crates again
    build = ["packaging/reproducibly", "cargo", "build", "--release", "--locked"]
    command = [*build, "--features", "aws", "--example", "sign_path"]
    built = subprocess.run(
        [*command, "--message-format", "json"], cwd=TOP, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    for message in map(json.loads, built.splitlines()):
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == "sign_path":
            return message["executable"]
    raise AssertionError("cargo built no sign_path")


def instructions(program, step, kind, amount, times, dialect=None, environment=None):
    """How many instructions the whole program takes."""
    arguments = [program, step, kind, str(amount), str(times), *([dialect] if dialect else [])]
    environment = {"PATH": os.environ["PATH"], "GLIBC_TUNABLES": PINNED, **(environment or {})}
    # not /dev/null: valgrind replaces the file that it writes to, and root may replace the device
    with tempfile.TemporaryDirectory() as directory:
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/counted"]
        counted = subprocess.run([*valgrind, *arguments], env=environment, check=True, capture_output=True, text=True)
    return int(re.search(r"Collected : (\d+)", counted.stderr).group(1))


def each(program, step, kind, amount, few, many, dialect=None, environment=None):
    """How many instructions one more time takes."""
    first, second = (
        instructions(program, step, kind, amount, times, dialect, environment) for times in (few, many)
    )
    return (second - first) / (many - few)


def compiler():
    """The compiler that instructions depend on."""
    return subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True).stdout.strip()


def record():
    """Writes the baseline of this kind of machine."""
    program = build()
    figures = {name: round(each(program, *figure)) for name, figure in FIGURES.items()}
    baseline.write(BASELINE, {"compiler": compiler(), "instructions": figures})


if __name__ == "__main__":
    if sys.argv[1:] != ["--record"]:
        sys.exit(__doc__)
    record()
