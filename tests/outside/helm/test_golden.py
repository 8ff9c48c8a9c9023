"""What the chart renders, as text that a reviewer reads: a change of a template shows what it changes in a cluster.

COUNTERSIGN_WRITE_GOLDEN=1 writes the files anew.
"""

import os
import pathlib

import yaml
from charts import GATEWAY, SAMPLES, TOP, VERSIONS, consumer_chart, rendered

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"
# the alerts and the dashboard are files of deploy/monitoring, which test_generated.py holds equal
WITHOUT = ('image.repository="countersign"', "monitoring.rules.enabled=false", "monitoring.dashboard.enabled=false")


def compare(name, text):
    path = GOLDEN / f"{name}.yaml"
    version = yaml.safe_load((GATEWAY / "Chart.yaml").read_text())["version"]
    # a new version changes nothing else
    text = "".join(f"{line.rstrip()}\n" for line in text.replace(version, "VERSION").splitlines())
    if os.environ.get("COUNTERSIGN_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, f"{path.relative_to(TOP)}: COUNTERSIGN_WRITE_GOLDEN=1 writes it anew"


def test_each_sample_renders_what_the_golden_file_has(sample):
    compare(sample.name.removesuffix("-values.yaml"), rendered(GATEWAY, sample, settings=WITHOUT, version=VERSIONS[-1]))


def test_the_chart_that_uses_the_library_renders_what_the_golden_file_has():
    image = 'countersign-sidecar.image.repository="countersign"'
    compare("consumer", rendered(consumer_chart(), settings=(image,), version=VERSIONS[-1]))


def test_every_golden_file_belongs_to_a_sample():
    names = {path.name.removesuffix("-values.yaml") for path in SAMPLES} | {"consumer"}
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == names
