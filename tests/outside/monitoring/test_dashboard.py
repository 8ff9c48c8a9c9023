"""The dashboard: its structure is what Grafana reads, and every panel says what to look at.

No Grafana can be installed from the registries; its own models of a dashboard (grafana-foundation-sdk) stand in for it.
"""

import collections
import copy
import json
import re

import dashboard_file
import pytest
import queries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from queries import MONITORING, dashboard

PANELS = dashboard()["panels"]
SHOWING = [panel for panel in PANELS if panel["type"] != "row"]
ROWS = ["State at a glance", "Traffic", "Latency", "Refusals and shares", "Endpoints", "Keys and certificates",
        "Rates shared by replicas", "Process", "Audit and traces"]
# what Grafana writes itself and its models leave out: the text of a variable's query, and what is Prometheus' own of an
# annotation
UNMODELLED = {"definition", "textFormat", "titleFormat", "step"}


def name(panel):
    return f"{panel['id']} {panel['title']}"


def lost(before, after, path=""):
    """What of `before` is not in `after`."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], f"{path}.{key}")
            elif key not in UNMODELLED:
                yield f"{path}.{key}"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{path}[{index}]")
    elif before != after:
        yield f"{path}: {before!r} became {after!r}"


def through_grafanas_models(board):
    register_default_plugins()
    return json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))


def test_the_file_is_what_its_rows_make():
    assert (MONITORING / "dashboard.json").read_text() == dashboard_file.text(), \
        "run python3 tests/outside/monitoring/dashboard_file.py"


def test_grafanas_models_read_every_field_of_it():
    assert list(lost(dashboard(), through_grafanas_models(dashboard()))) == []


def test_a_misspelt_field_is_seen():
    """Shows that the models look that deep."""
    board = copy.deepcopy(dashboard())
    board["panels"][-1]["fieldConfig"]["defaults"]["threshold"] = {}
    assert len(list(lost(board, through_grafanas_models(board)))) == 1


def test_it_has_the_rows_in_the_order_in_which_one_looks():
    assert [panel["title"] for panel in PANELS if panel["type"] == "row"] == ROWS


def test_panels_have_numbers_of_their_own_and_lie_beside_each_other():
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken = collections.Counter(
        (x, y)
        for at in (panel["gridPos"] for panel in PANELS)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    )
    assert max(taken.values()) == 1 and min(taken)[0] >= 0 and max(taken)[0] < 24
    # no row begins before the one above has ended
    tops = [panel["gridPos"]["y"] for panel in PANELS]
    assert tops == sorted(tops)


def test_titles_of_a_row_differ():
    row, seen = None, set()
    for panel in PANELS:
        row = panel["title"] if panel["type"] == "row" else row
        key = (row, panel["type"], panel["title"])
        assert key not in seen, key
        seen.add(key)


@pytest.mark.parametrize("panel", SHOWING, ids=name)
def test_a_panel_says_what_to_look_at_and_each_of_its_queries_has_a_legend(panel):
    assert len(panel["description"]) > 40 and panel["description"].endswith(".")
    assert panel["targets"]
    letters = [target["refId"] for target in panel["targets"]]
    assert letters == sorted(set(letters))
    for target in panel["targets"]:
        assert target["expr"] and target["legendFormat"], target
        assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("panel", SHOWING, ids=name)
def test_the_legend_names_labels_that_the_query_leaves(panel):
    for target in panel["targets"]:
        in_legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        kept = queries.grouped_labels(target["expr"])
        aggregated = re.match(r"\s*(sum|max|min|count|topk|histogram_quantile)\b", target["expr"])
        if aggregated and not target["expr"].startswith("topk"):
            assert in_legend <= kept, f"{in_legend - kept} of {target['expr']}"


def test_every_query_can_be_narrowed_by_the_variables():
    for query in queries.queries_of_dashboard():
        for selector in queries.selectors(query.text):
            labels = {label for label, _, _ in selector.matchers}
            if query.place not in ("variable job", "variable instance"):
                assert {"job", "instance"} <= labels, f"{query}: {selector}"


def test_the_variables_choose_the_data_source_job_process_and_route():
    variables = dashboard()["templating"]["list"]
    assert [each["name"] for each in variables] == ["datasource", "job", "instance", "route"]
    assert (variables[0]["type"], variables[0]["query"]) == ("datasource", "prometheus")
    for each in variables[1:]:
        assert each["query"]["query"] == each["definition"] and each["includeAll"] and each["multi"]


def test_every_alert_can_be_seen_on_the_dashboard():
    """Each metric that an alert is about is on a panel, so that who is woken sees it there."""
    shown = {selector.metric for query in queries.queries_of_dashboard() for selector in queries.selectors(query.text)}
    recorded = {rule["record"]: rule["expr"] for rule in queries.rules() if "record" in rule}

    def read(expr):
        for selector in queries.selectors(expr):
            yield from read(recorded[selector.metric]) if selector.metric in recorded else [selector.metric]

    for alert, rule in queries.alerts().items():
        assert set(read(rule["expr"])) <= shown, f"{alert}: {set(read(rule['expr'])) - shown}"
