#!/usr/bin/env python3
"""How long connections take to spread after a second replica was started.

    benches/spread.py --bin target/release/countersign [--lifetime 10s --lifetime 30s] [--clients 40] [--rounds 3]

Clients keep their connections to the first of two replicas, behind HAProxy, and call without a pause. When the second
replica is ready, the time counts until it has 25, 40 and 50 % of the connections. The stage is that of
tests/outside/load. Debian package: haproxy.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests/outside/load"))

from scaled_up import ScaledUp, calling, wait_until  # noqa: E402

PARTS = (0.25, 0.4, 0.5)


def one_round(binary, lifetime, count, balance):
    """Seconds until the second replica has each of these parts, and the calls that were lost."""
    limits = f'limits.connection_lifetime = "{lifetime}"'
    with tempfile.TemporaryDirectory() as directory, ScaledUp(binary, directory, limits, balance=balance) as stage:
        with calling(stage.port, count) as clients:
            wait_until(lambda: stage.connections(0) >= count, "all connections")
            stage.start(1)
            begun, times = time.monotonic(), []
            for part in PARTS:
                wait_until(lambda: stage.connections(1) >= part * count, f"{part} of the connections", 600)
                times.append(time.monotonic() - begun)
        return times, sum(client.lost for client in clients)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--lifetime", action="append")
    parser.add_argument("--balance", action="append", help="of HAProxy; may be given again")
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print("| balance | connection_lifetime | " + " | ".join(f"{part:.0%} moved after" for part in PARTS) + " | lost |")
    print("|---|---|" + "---|" * (len(PARTS) + 1), flush=True)
    for balance in arguments.balance or ["leastconn", "roundrobin"]:
        for lifetime in arguments.lifetime or ["10s", "30s"]:
            rounds = [one_round(arguments.bin, lifetime, arguments.clients, balance) for _ in range(arguments.rounds)]
            times = [f"{statistics.median(column):.1f} s" for column in zip(*(times for times, _ in rounds))]
            print(f"| {balance} | {lifetime} | {' | '.join(times)} | {sum(lost for _, lost in rounds)} |", flush=True)


if __name__ == "__main__":
    main()
