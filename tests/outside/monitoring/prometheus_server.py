"""A Prometheus that scrapes countersigns and evaluates rules, and what its API says."""

import contextlib
import json
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml
from clients.conftest import Process
from queries import MONITORING
from waiting import eventually

TIMEOUT = 60  # seconds
EVERY_SECOND = {"scrape_interval": "1s", "evaluation_interval": "1s", "scrape_timeout": "1s"}


def without_waiting():
    """The rules as they are, but for the time for which an alert waits before it fires."""
    rules = yaml.safe_load((MONITORING / "rules.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    return yaml.safe_dump(rules)


class Prometheus:
    """The sample of a configuration, with these targets, rules and pauses."""

    def __init__(self, directory, targets, rules, pauses=EVERY_SECOND):
        assert shutil.which("prometheus"), "prometheus is not installed: apt-get install prometheus"
        self.targets = targets
        configuration = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
        configuration["global"] = pauses
        (job,) = configuration["scrape_configs"]
        job["static_configs"] = [{"targets": targets}]
        (directory / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        (directory / "rules.yml").write_text(rules)
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self.process = Process([
            "prometheus", f"--config.file={directory / 'prometheus.yml'}", f"--storage.tsdb.path={directory / 'data'}",
            "--web.listen-address=127.0.0.1:0", "--log.format=logfmt",
        ], kept)
        self.url = "http://" + self.process.wait_for(r'msg="Listening on" address=(\S+)')[1]
        self.process.wait_for("Server is ready to receive web requests")

    def ask(self, path, **parameters):
        """The data of a response of the API."""
        form = urllib.parse.urlencode(parameters, doseq=True).encode()
        url = f"{self.url}/api/v1/{path}"
        request = urllib.request.Request(url, data=form if parameters else None)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from error
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        """The series of an instant query."""
        return self.ask("query", query=expression)["result"]

    def query_range(self, expression, seconds=60, step=5):
        now = time.time()
        return self.ask("query_range", query=expression, start=now - seconds, end=now, step=step)["result"]

    def value(self, expression):
        """The value of the one series; None while there is none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def await_scrapes(self, number):
        """Waits until each target was scraped so often that rates have values."""
        count = f"min(count_over_time(up[5m])) >= {number} and count(up == 1) == {len(self.targets)}"
        eventually(lambda: self.query(count), lambda: f"too few scrapes: {self.ask('targets')}")

    def alerts(self):
        """Those that are pending or fire: (name, labels, state, annotations)."""
        return [
            (alert["labels"]["alertname"], alert["labels"], alert["state"], alert["annotations"])
            for alert in self.ask("alerts")["alerts"]
        ]

    def firing(self, name):
        """The labels and annotations of an alert once it fires."""
        def fires():
            return [(labels, notes) for each, labels, state, notes in self.alerts()
                    if each == name and state == "firing"]

        return eventually(fires, lambda: f"{name} does not fire, only {self.alerts()}")[0]

    def stop(self):
        with contextlib.suppress(AssertionError):
            self.process.stop()
