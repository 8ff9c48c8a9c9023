"""The sample for Alertmanager: who is told of what, and which alert is silent because another one explains it."""

import json
import os
import re
import shutil
import subprocess
import urllib.request

import pytest
import yaml
from clients.conftest import Process
from queries import MONITORING, alerts

FILE = MONITORING / "alertmanager.yml"
SAMPLE = yaml.safe_load(FILE.read_text())
TIMEOUT = 60  # seconds
PROCESS = {"job": "countersign", "instance": "10.0.0.7:8022"}
ROUTE = PROCESS | {"route": "main"}


def amtool(*arguments):
    assert shutil.which("amtool"), "amtool is not installed: apt-get install prometheus-alertmanager"
    done = subprocess.run(["amtool", *arguments], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def suppressed(tmp_path_factory):
    """Which of some alerts, each a name and labels, a real Alertmanager keeps silent."""
    directory = tmp_path_factory.mktemp("alertmanager")
    process = Process([
        "prometheus-alertmanager", f"--config.file={FILE}", f"--storage.path={directory}", "--cluster.listen-address=",
        "--web.listen-address=127.0.0.1:0",
    ], dict(os.environ))
    address = process.wait_for(r'msg="?Listening on"? address=(\S+)')[1]
    url = f"http://{address}/api/v2/alerts"

    def suppressed(*fired):
        body = [{"labels": {"alertname": name, "severity": alerts()[name]["labels"]["severity"], **labels}}
                for name, labels in fired]
        request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
        urllib.request.urlopen(request, timeout=TIMEOUT).close()
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            known = json.load(response)
        names = {name for name, _ in fired}
        assert names <= {alert["labels"]["alertname"] for alert in known}
        return {alert["labels"]["alertname"] for alert in known
                if alert["status"]["inhibitedBy"] and alert["labels"]["instance"] == fired[0][1]["instance"]}

    yield suppressed
    process.stop()


def test_amtool_finds_no_fault_in_the_sample():
    assert "SUCCESS" in amtool("check-config", FILE)


@pytest.mark.parametrize("severity, receiver", [("critical", "on-call"), ("warning", "team"), ("info", "nobody")])
def test_who_is_told_depends_on_how_bad_it_is(severity, receiver):
    told = amtool("config", "routes", "test", f"--config.file={FILE}", f"severity={severity}", "job=countersign")
    assert told.strip() == receiver


def test_every_alert_that_the_sample_names_exists():
    named = set(re.findall(r"Countersign[A-Za-z]+(?!\.)", FILE.read_text())) - {"Countersign"}
    assert named and named <= set(alerts())


def test_an_alert_is_silent_while_another_one_explains_it(suppressed):
    down = ROUTE | {"instance": "10.0.0.1:8022"}
    fired = [("CountersignEndpointDown", down), ("CountersignRequestsFail", down)]
    assert suppressed(*fired) == {"CountersignRequestsFail"}
    audit = {"job": "countersign", "instance": "10.0.0.2:8022"}
    fired = [("CountersignAuditRefuses", audit), ("CountersignRequestsFail", audit | {"route": "main"}),
             ("CountersignClockApart", audit | {"route": "main"})]
    assert suppressed(*fired) == {"CountersignRequestsFail"}
    gone = {"job": "countersign", "instance": "10.0.0.3:8022"}
    fired = [("CountersignNotScraped", gone), ("CountersignRequestsFail", gone | {"route": "main"})]
    assert suppressed(*fired) == {"CountersignRequestsFail"}


def test_a_failure_that_nothing_explains_is_told(suppressed):
    other = ROUTE | {"instance": "10.0.0.4:8022", "route": "other"}
    fired = [("CountersignEndpointDown", ROUTE | {"instance": "10.0.0.4:8022"}), ("CountersignRequestsFail", other)]
    assert suppressed(*fired) == set()
    # the route may sign with another key
    key = {"job": "countersign", "instance": "10.0.0.5:8022"}
    fired = [("CountersignKeyUnusable", key | {"key": "main"}), ("CountersignRequestsFail", key | {"route": "other"})]
    assert suppressed(*fired) == set()
