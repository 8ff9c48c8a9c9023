"""The samples for the Prometheus Operator: models of its definitions read every field, and they fit the sidecar."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml
from queries import MONITORING, TOP

SIDECAR = list(yaml.safe_load_all((TOP / "deploy/kubernetes/sidecar.yaml").read_text()))
MONITOR = yaml.safe_load((MONITORING / "podmonitor.yaml").read_text())


# in a process of its own: on pytest's path they would be taken for a plugin
READ = """\
import json, sys
from cloudcoil.models.prometheus_operator import v1
model = getattr(v1, sys.argv[1]).model_validate(json.load(sys.stdin))
print(model.model_dump_json(exclude_none=True, exclude_unset=True, by_alias=True))
"""


def read(document):
    """What the model of a document's kind keeps of it: a field that the model does not know is not there."""
    models = os.environ.get("COUNTERSIGN_OPERATOR_MODELS")
    if not models:
        pytest.fail("COUNTERSIGN_OPERATOR_MODELS must name the folder into which tests/run installs the models")
    done = subprocess.run(
        [sys.executable, "-c", READ, document["kind"]], input=json.dumps(document), capture_output=True, text=True,
        timeout=120, check=False, env={**os.environ, "PYTHONPATH": models},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def prometheus_rule(directory):
    """What the command of the page makes of the rules."""
    page = (TOP / "docs/operations/monitoring.md").read_text()
    (command,) = re.findall(r"(?ms)^```sh\n(\{ printf .*?)^```", page)
    (directory / "rules.yml").write_text((MONITORING / "rules.yml").read_text())
    subprocess.run(["bash", "-euc", command], cwd=directory, check=True, timeout=60)
    return yaml.safe_load((directory / "prometheusrule.yaml").read_text())


def test_the_operators_models_read_the_podmonitor_and_the_rules(tmp_path):
    assert read(MONITOR) == MONITOR
    rule = prometheus_rule(tmp_path)
    assert read(rule) == rule
    assert rule["spec"] == yaml.safe_load((MONITORING / "rules.yml").read_text())


def test_a_misspelt_field_is_seen():
    """Shows that the models look that deep."""
    broken = {**MONITOR, "spec": {**MONITOR["spec"], "podMetricsEndpoint": []}}
    assert read(broken) != broken


def test_the_podmonitor_finds_the_admin_port_of_the_sidecar():
    (pod,) = [document["spec"]["template"] for document in SIDECAR if document["kind"] == "Deployment"]
    assert MONITOR["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    (endpoint,) = MONITOR["spec"]["podMetricsEndpoints"]
    containers = pod["spec"]["initContainers"] + pod["spec"]["containers"]
    assert endpoint["port"] in [port["name"] for each in containers for port in each.get("ports", [])]
