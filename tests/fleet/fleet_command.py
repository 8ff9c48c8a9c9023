"""The command line of tests/fleet/run."""

import argparse
import sys
import time

import fleet_table
from fleet import run_fleet


def main():
    parser = argparse.ArgumentParser(prog="tests/fleet/run")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--replicas", type=int, default=4)
    parser.add_argument("--seed", type=int, help="the order of what happens; shown, so that a run can be repeated")
    parser.add_argument("--binary", required=True)
    arguments = parser.parse_args()
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    fleet = run_fleet(arguments.binary, arguments.minutes * 60, seed, replicas=arguments.replicas)
    accounts = fleet.accounts
    print(f"{arguments.minutes:g} minutes, {arguments.replicas} replicas, seed {seed}\n")
    print(fleet_table.report(fleet))
    for call_id, call in accounts.lost[:20]:
        print(f"lost: {call_id} {call} {accounts.receptions.get(call_id)}")
    for call_id, seen in accounts.duplicated[:20]:
        print(f"received twice: {call_id} {seen} {accounts.calls[call_id]}")
    for line in accounts.contradictions()[:20]:
        print(f"contradiction: {line}")
    ended_badly = fleet.panics or any(code for replica in fleet.replicas for code in replica.exit_codes)
    return 1 if accounts.lost or accounts.duplicated or accounts.contradictions() or ended_badly else 0


if __name__ == "__main__":
    sys.exit(main())
