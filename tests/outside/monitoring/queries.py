"""Every PromQL expression of the rules and of the dashboard, and the names, labels and values in it."""

import dataclasses
import functools
import json
import pathlib
import re

import promql_parser
import yaml

TOP = pathlib.Path(__file__).resolve().parents[3]
MONITORING = TOP / "deploy/monitoring"
# what Prometheus adds to each series of a target
OF_THE_TARGET = {"job", "instance"}


@dataclasses.dataclass(frozen=True)
class Query:
    """An expression, and where it stands."""

    place: str
    text: str

    def __str__(self):
        return self.place


@dataclasses.dataclass(frozen=True)
class Selector:
    """A metric, with the labels that are compared, and with what: (label, operator, value)."""

    metric: str
    matchers: tuple


@functools.cache
def rules():
    """All rules of rules.yml, in their order."""
    groups = yaml.safe_load((MONITORING / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts():
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


@functools.cache
def dashboard():
    return json.loads((MONITORING / "dashboard.json").read_text())


def queries_of_rules():
    return [Query(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()]


def queries_of_dashboard():
    """Those of panels, annotations and variables."""
    board = dashboard()
    found = [
        Query(f"{panel['title']} ({panel['id']}{target['refId']})", target["expr"])
        for panel in board["panels"]
        for target in panel.get("targets", [])
    ]
    found += [Query(f"annotation {note['name']}", note["expr"]) for note in board["annotations"]["list"]]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
            found.append(Query(f"variable {variable['name']}", f"count by ({label}) ({metric})"))
    return found


def filled(text, rate_interval="20s"):
    """A query as Grafana sends it when everything is chosen."""
    return re.sub(r"\$(job|instance|route)", ".+", text.replace("$__rate_interval", rate_interval))


def nodes(text):
    found = []
    promql_parser.walk(promql_parser.parse(filled(text)), pre_visit=lambda node: found.append(node) or True)
    return found


def selectors(text):
    """What an expression reads."""
    found = {}
    for node in nodes(text):
        selector = node.vector_selector if isinstance(node, promql_parser.MatrixSelector) else node
        if isinstance(selector, promql_parser.VectorSelector):
            matchers = tuple((each.name, str(each.op), each.value) for each in selector.matchers.matchers)
            found[Selector(selector.name, matchers)] = None
    return list(found)


def grouped_labels(text):
    """The labels that results are grouped or joined by."""
    found = set()
    for node in nodes(text):
        modifier = getattr(node, "modifier", None)
        if isinstance(node, promql_parser.AggregateExpr) and modifier:
            found |= set(modifier.labels)
        if isinstance(node, promql_parser.BinaryExpr) and modifier:
            found |= set(modifier.matching.labels if modifier.matching else ()) | set(modifier.group_labels or ())
    return found


def compared_values(selector, label):
    """The values that a selector compares a label with; a pattern is split into its alternatives."""
    return [part for name, _, value in selector.matchers if name == label for part in value.split("|")]
