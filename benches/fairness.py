#!/usr/bin/env python3
"""What one client takes from others: served calls and waiting times of two clients while a third attacks.

    benches/fairness.py --bin target/release/countersign [--bin OTHER] [--rounds 5] [--attack NAME]

Each program is attacked in each way so many times. Beside the attack, `neighbour` calls the route that is attacked, and
`distant` a route on another listener, 20 times a second each and 100 times in all, each time on a new connection. The
waiting times are those beyond what the endpoint itself took. The stage and the attackers are those of
tests/outside/fairness, so a program from before clients had shares can be measured as well.
"""

import argparse
import contextlib
import pathlib
import statistics
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests/outside/fairness"))

import attackers  # noqa: E402
from fair_stage import stage  # noqa: E402
from probers import probe  # noqa: E402

CALLS = 100

# by name: the attack, which goes on as long as its context
ATTACKS = {
    "nothing": lambda _: contextlib.nullcontext(),
    "300 half bodies": attackers.half_bodies,
    "300 slow calls": attackers.slow_calls,
    "300 trickling readers": attackers.trickling_readers,
    "40 times 16 MiB": attackers.announcements,
    "4096 half heads": attackers.half_heads,
}


def one_round(binary, attack):
    """What is served of `neighbour` and of `distant`. Each round has a program of its own."""
    with tempfile.TemporaryDirectory() as directory, stage(binary, directory) as started, attack(started):
        return probe(started, CALLS)


def row(binary, name, who, rounds):
    """The least of all rounds that was served, and the median of the rounds' percentiles."""
    least = min(served.number for served in rounds)
    middle = statistics.median(served.percentile(0.50) for served in rounds)
    late = statistics.median(served.percentile(0.99) for served in rounds)
    latest = max(served.percentile(0.99) for served in rounds)
    numbers = " ".join(str(served.number) for served in rounds)
    return f"| {binary} | {name} | {who} | {least} | {numbers} | {middle:.1f} | {late:.1f} | {latest:.1f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin", action="append", required=True, help="a countersign program; may be given twice")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--attack", choices=ATTACKS, action="append", help="only this attack; may be given again")
    arguments = parser.parse_args()
    print(f"Served of {CALLS} calls, and milliseconds waited beyond the endpoint's own time.\n")
    print("| program | attack | who calls | least served | served | p50 | p99 | worst p99 |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for number, binary in enumerate(arguments.bin, 1):
        for name in arguments.attack or ATTACKS:
            rounds = [one_round(binary, ATTACKS[name]) for _ in range(arguments.rounds)]
            for who, of in [("neighbour", 0), ("distant", 1)]:
                print(row(number, name, who, [served[of] for served in rounds]), flush=True)


if __name__ == "__main__":
    main()
