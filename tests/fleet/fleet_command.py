"""The command line of tests/fleet/run."""

import argparse
import json
import pathlib
import sys
import time

import fleet_table
import rates_plot
from fleet import run_fleet
from fleet_events import STORE_EVENTS

# what the picture says above the times in which the store is away
AWAY = {"store_killed": "store killed", "store_paused": "store paused"}


def main():
    parser = argparse.ArgumentParser(prog="tests/fleet/run")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--replicas", type=int, default=4)
    parser.add_argument("--seed", type=int, help="the order of what happens; shown, so that a run can be repeated")
    parser.add_argument("--binary", required=True)
    parser.add_argument(
        "--figures", type=pathlib.Path,
        help="the file for the figures of the picture; nothing happens in this run but that the store is away",
    )
    arguments = parser.parse_args()
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    settings = {"replicas": arguments.replicas}
    if arguments.figures:
        settings |= {"events": STORE_EVENTS, "store_away_seconds": 10}
    fleet = run_fleet(arguments.binary, arguments.minutes * 60, seed, **settings)
    accounts = fleet.accounts
    print(f"{arguments.minutes:g} minutes, {arguments.replicas} replicas, seed {seed}\n")
    print(fleet_table.report(fleet))
    if arguments.figures:
        figures = rates_plot.figures(accounts, fleet.clients[0], AWAY)
        arguments.figures.write_text(json.dumps(figures) + "\n")
    for call_id, call in accounts.lost[:20]:
        print(f"lost: {call_id} {call} {accounts.receptions.get(call_id)}")
    for call_id, seen in accounts.duplicated[:20]:
        print(f"received twice: {call_id} {seen} {accounts.calls[call_id]}")
    for line in accounts.contradictions()[:20]:
        print(f"contradiction: {line}")
    if fleet.failure:
        print(f"ended before its time: {fleet.failure!r}")
    codes = [code for replica in fleet.replicas for code in replica.exit_codes]
    counted = accounts.lost or accounts.duplicated or accounts.contradictions()
    return 1 if counted or fleet.failure or fleet.panics or any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
