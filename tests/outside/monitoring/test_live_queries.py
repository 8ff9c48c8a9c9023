"""A real Prometheus scrapes a real countersign under load: what rules and dashboard ask for is there."""

import pathlib
import re

import pytest
import queries
from prometheus_server import Prometheus, without_waiting
from queries import TOP
from stage import Stage

PAGES = ["metrics", "errors", "log-and-audit"]
REFERENCE = "\n".join((TOP / f"docs/reference/{page}.md").read_text() for page in PAGES)
# queries of the dashboard that have no data while all goes as on this stage, and why
EMPTY = {
    "annotation Starts": "no process was started again at the same address",
}
# what Prometheus itself makes
OWN = {"up": set(), "ALERTS": {"alertname", "alertstate", "severity", "route", "cause"}}


@pytest.fixture(scope="module")
def stage(start_countersign, seal, sandbox, tmp_path_factory):
    stage = Stage(start_countersign, seal, sandbox, tmp_path_factory.mktemp("stage"))
    yield stage
    stage.end()


@pytest.fixture(scope="module")
def prometheus(stage, tmp_path_factory):
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), [stage.admin], without_waiting())
    prometheus.await_scrapes(1)
    stage.begin()
    stage.change_the_configuration()
    prometheus.await_scrapes(15)
    prometheus.firing("CountersignSignaturesRefused")
    yield prometheus
    prometheus.stop()


@pytest.fixture(scope="module")
def series(prometheus):
    """The names of the labels of each metric that is there."""
    found = {}
    for labels in prometheus.ask("series", **{"match[]": '{job="countersign"}'}):
        found.setdefault(labels["__name__"], set()).update(set(labels) - {"__name__"})
    return found


@pytest.mark.parametrize("query", queries.queries_of_dashboard() + queries.queries_of_rules(), ids=str)
def test_every_query_names_metrics_labels_and_values_that_exist(query, series):
    read = queries.selectors(query.text)
    assert read or query.text == "vector(0)"
    labels_there = set(queries.OF_THE_TARGET)
    for selector in read:
        own = OWN.get(selector.metric, set())
        assert selector.metric in series or selector.metric in OWN, f"there is no {selector.metric}"
        there = series.get(selector.metric, set()) | own | queries.OF_THE_TARGET
        labels_there |= there
        assert {name for name, _, _ in selector.matchers} <= there, f"{selector}: it has {there}"
        for label in ["outcome", "code", "result", "reason", "rank"]:
            for value in queries.compared_values(selector, label):
                assert re.search(rf"`{value}`" if value.isidentifier() else value, REFERENCE), f"no {label} is {value}"
    assert queries.grouped_labels(query.text) <= labels_there, queries.grouped_labels(query.text) - labels_there


def test_every_query_of_the_dashboard_runs_and_has_data(prometheus):
    empty = set()
    for query in queries.queries_of_dashboard():
        text = queries.filled(query.text)
        if not (prometheus.query(text) and prometheus.query_range(text)):
            # an annotation is at the moment of its event, and a series may begin late
            if not prometheus.query_range(text, step=1):
                empty.add(query.place)
    assert empty == set(EMPTY)


def test_every_rule_is_evaluated_without_an_error(prometheus):
    groups = prometheus.ask("rules")["groups"]
    evaluated = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"] for rule in evaluated} == {rule.get("alert") or rule["record"] for rule in queries.rules()}
    assert {rule["health"] for rule in evaluated} == {"ok"}, [rule for rule in evaluated if rule["health"] != "ok"]


def test_every_recorded_metric_has_data(prometheus):
    for rule in queries.rules():
        if "record" in rule:
            assert prometheus.query(rule["record"]), rule["record"]


def test_under_load_without_a_failure_no_alert_but_that_of_the_wrong_key_fires(prometheus, stage):
    """The certificates of this stage are of today, and one that is not renewed for a day has its own tests."""
    assert {name for name, _, _, _ in prometheus.alerts()} <= {
        "CountersignSignaturesRefused", "CountersignClientsTurnedAway", "CountersignSpansDropped",
    }
    labels, notes = prometheus.firing("CountersignSignaturesRefused")
    # the sandbox does not say what it would have signed
    assert (labels["route"], labels["cause"]) == ("wrong", "unknown")
    assert pathlib.Path(TOP / notes["runbook_url"]).is_file()
