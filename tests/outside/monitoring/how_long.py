"""Measures how long the three failures take to be seen, with the pauses of deploy/monitoring: about seven minutes.

usage: COUNTERSIGN_BIN=target/release/countersign target/venv/bin/python tests/outside/monitoring/how_long.py
"""

import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "clients")]

from clients.conftest import Process  # noqa: E402
from failures import play  # noqa: E402
from importexport import KEY_ID, SECRET  # noqa: E402
from prometheus_server import MONITORING, Prometheus  # noqa: E402

LONGEST = 600  # seconds
DEFAULTS = {"scrape_interval": "15s", "evaluation_interval": "15s"}


def program():
    return os.environ["COUNTERSIGN_BIN"]


def seal_in(directory):
    """What the fixture `seal` does."""
    def seal(expires=None):
        place = pathlib.Path(tempfile.mkdtemp(dir=directory))
        identity, sealed = place / "main.identity", place / "main.age"
        key = {"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET}
        key |= {"Expiration": expires} if expires else {}
        for arguments, given in [(["new-identity", "--out", identity], ""),
                                 (["seal", "--identity", identity, "--out", sealed], json.dumps(key))]:
            subprocess.run([program(), "keys", *arguments], input=given, text=True, check=True, capture_output=True)
        return f'[key.main]\nfile = "{sealed}"\nidentity_file = "{identity}"\n'

    return seal


def since(began, moment):
    return f"{moment - began:6.1f} s" if moment else "      -"


def logged(line):
    """When a line of the log was written."""
    return datetime.datetime.fromisoformat(line.split()[0]).timestamp()


def main():
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        started = []

        def start(*arguments, environment=None):
            kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COUNTERSIGN_"))}
            started.append(Process([program(), *map(str, arguments)], {**kept, **(environment or {})}))
            return started[-1]

        played = play(start, seal_in(directory), directory)
        failed = {name: time.time() for name in played}
        targets = [each.admin for each in played.values()]
        prometheus = Prometheus(directory, targets, (MONITORING / "rules.yml").read_text(), DEFAULTS)
        seen = {name: {} for name in played}
        while any("alert" not in moments for moments in seen.values()) and time.time() < max(failed.values()) + LONGEST:
            for name, each in played.items():
                metric = f'{each.failure.sign} and on (instance) up{{instance="{each.admin}"}}'
                if prometheus.query(metric):
                    seen[name].setdefault("metric", time.time())
                for alert, labels, state, _ in prometheus.alerts():
                    if (alert, labels.get("instance"), state) == (each.failure.alert, each.admin, "firing"):
                        seen[name].setdefault("alert", time.time())
            time.sleep(0.5)
        for name, each in played.items():
            # the lines of a host whose clock is wrong have its time
            first = None if name == "skewed clock" else logged(each.log_line(each.failure.log[0]))
            began = first or failed[name]
            dashboard, alert = (since(began, seen[name].get(what)) for what in ("metric", "alert"))
            print(f"{name:14} dashboard {dashboard}  alert {alert}")
        prometheus.stop()
        for each in played.values():
            each.end()
        for process in started:
            process.stop()


if __name__ == "__main__":
    main()
