"""The command line of tests/outside/chaos/run."""

import argparse
import sys
import time

from chaos import GROWTH, chaos


def main():
    parser = argparse.ArgumentParser(prog="tests/outside/chaos/run")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, help="the faults' order; shown, so that a run can be repeated")
    parser.add_argument("--binary", required=True)
    arguments = parser.parse_args()
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    run = chaos(arguments.binary, arguments.minutes * 60, seed)
    print(f"{arguments.minutes:g} minutes, seed {seed}\n")
    print(run.table)
    for call_id, call in run.ledger.lost[:20]:
        print(f"lost: {call_id} {call} {run.ledger.receptions.get(call_id)}")
    for call_id, seen in run.ledger.duplicated[:20]:
        print(f"duplicated: {call_id} {seen}")
    for line in run.ledger.contradictions()[:20]:
        print(f"contradiction: {line}")
    failed = run.ledger.lost or run.ledger.duplicated or run.ledger.contradictions() or run.leaked
    return 1 if failed or run.grown > GROWTH or run.exit_code != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
