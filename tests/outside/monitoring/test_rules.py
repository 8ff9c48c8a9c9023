"""The rules parse, each alert fires when it should and is quiet when not, and each names a runbook."""

import functools
import re
import shutil
import subprocess

import promql_parser
import pytest
import queries
import yaml
from queries import MONITORING, TOP, alerts

TIMEOUT = 120  # seconds
TESTS = ["rules_test.yml", "rules_days_test.yml"]
RUNBOOKS = TOP / "docs/operations/runbooks"


def promtool(*arguments, directory=MONITORING):
    assert shutil.which("promtool"), "promtool is not installed: apt-get install prometheus"
    return subprocess.run(["promtool", *arguments], cwd=directory, capture_output=True, text=True, timeout=TIMEOUT,
                          check=False)


@functools.cache
def cases():
    """The alerts of each case of the tests, and whether it must fire."""
    tests = [test for file in TESTS for test in yaml.safe_load((MONITORING / file).read_text())["tests"]]
    return [(case["name"], alert["alertname"], bool(alert["exp_alerts"]))
            for case in tests for alert in case.get("alert_rule_test", [])]


def test_promtool_finds_no_fault_in_the_rules():
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", "rules.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_does_what_its_tests_say():
    done = promtool("test", "rules", *TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_is_broken_fails_its_test(tmp_path):
    """Shows that the tests see the rules: the warning must leave the last two days to the critical alert."""
    for name in ["rules.yml", "rules_days_test.yml"]:
        shutil.copy(MONITORING / name, tmp_path)
    text = (tmp_path / "rules.yml").read_text()
    broken = text.replace("(countersign_key_expiry_timestamp_seconds - time() < 14 * 86400)",
                          "(countersign_key_expiry_timestamp_seconds - time() < 4 * 86400)")
    assert broken != text
    (tmp_path / "rules.yml").write_text(broken)
    done = promtool("test", "rules", "rules_days_test.yml", directory=tmp_path)
    assert done.returncode != 0 and "CountersignKeyExpires" in done.stdout + done.stderr


@pytest.mark.parametrize("alert", alerts())
def test_every_alert_is_shown_to_fire_and_to_be_quiet(alert):
    assert {fires for _, name, fires in cases() if name == alert} == {True, False}


def test_the_name_of_each_case_says_what_it_shows():
    for name, alert, fires in cases():
        assert name.startswith(f"{alert} {'fires' if fires else 'is quiet'}: "), name


def test_every_recorded_metric_has_a_test():
    text = "".join((MONITORING / file).read_text() for file in TESTS)
    recorded = [rule["record"] for rule in queries.rules() if "record" in rule]
    assert len(recorded) == len(set(recorded)) and all(name in text for name in recorded)


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_says_how_bad_it_is_what_happened_and_where(alert):
    rule = alerts()[alert]
    notes = rule["annotations"]
    assert re.fullmatch(r"Countersign[A-Z][A-Za-z]+", alert)
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert not notes["summary"].endswith(".") and notes["description"].endswith(".")
    # where: of which process, and of which route, key, listener or client if it is about one
    assert rule["expr"].startswith("absent(") or "{{ $labels.instance }}" in notes["summary"] + notes["description"]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    named = {rule["annotations"]["runbook_url"] for rule in alerts().values()}
    there = {str(page.relative_to(TOP)) for page in RUNBOOKS.glob("*.md") if page.name != "index.md"}
    assert named == there
    index = (RUNBOOKS / "index.md").read_text()
    for alert, rule in alerts().items():
        page = TOP / rule["annotations"]["runbook_url"]
        assert f"| `{alert}` | {rule['labels']['severity']} | " in page.read_text(), f"{page.name} lacks {alert}"
        (row,) = [line for line in index.splitlines() if f"]({page.name})" in line]
        assert f"`{alert}`" in row
    pages = "".join(page.read_text() for page in RUNBOOKS.glob("*.md"))
    assert set(re.findall(r"(?m)^\| `(Countersign\w+)` \|", pages)) == set(alerts())


def test_the_expressions_parse_with_another_parser_than_prometheus_own():
    for query in queries.queries_of_rules() + queries.queries_of_dashboard():
        assert promql_parser.parse(queries.filled(query.text)), query


def test_links_to_a_copy_of_the_manual_are_made_by_the_command_of_the_page(tmp_path):
    page = (TOP / "docs/operations/monitoring.md").read_text()
    (command,) = re.findall(r"(?m)^sed .*runbook_url.*$", page)
    shutil.copy(MONITORING / "rules.yml", tmp_path / "rules.yml")
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, timeout=TIMEOUT)
    changed = yaml.safe_load((tmp_path / "rules.yml").read_text())
    rules = [rule for group in changed["groups"] for rule in group["rules"] if "alert" in rule]
    links = [rule["annotations"]["runbook_url"] for rule in rules]
    assert len(links) == len(alerts())
    assert all(re.fullmatch(r"https://wiki\.example\.org/\S+/runbooks/[a-z-]+\.html", link) for link in links), links
    assert promtool("check", "rules", "rules.yml", directory=tmp_path).returncode == 0


def test_promtool_finds_no_fault_in_the_sample_of_a_configuration():
    done = promtool("check", "config", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
