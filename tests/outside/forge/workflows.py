"""The workflows as the tests read them."""

import pathlib

import yaml

TOP = pathlib.Path(__file__).resolve().parents[3]
FOLDER = TOP / ".github/workflows"


def load(path):
    document = yaml.safe_load(path.read_text())
    # YAML 1.1 reads the key `on` as a truth value
    document["on"] = document.pop(True)
    return document


WORKFLOWS = {path.stem: load(path) for path in sorted(FOLDER.glob("*.yml"))}


def jobs():
    """(workflow, name, job) of every job."""
    for workflow, document in WORKFLOWS.items():
        for name, job in document["jobs"].items():
            yield workflow, name, job


def step(workflow, job, name):
    """The one step with this name."""
    [found] = [each for each in WORKFLOWS[workflow]["jobs"][job]["steps"] if each["name"] == name]
    return found
