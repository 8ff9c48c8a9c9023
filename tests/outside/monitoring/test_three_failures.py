"""An expired key, an endpoint that is down and a skewed clock, played through with the real program and Prometheus:
what alert, dashboard, readiness, status and log say is what docs/operations/three-failures.md shows.

With COUNTERSIGN_WRITE_PAGES=1 the page's quotations are written anew.
"""

import html
import json
import os
import re
import subprocess

import pytest
import queries
import yaml
from failures import FAILURES, play
from prometheus_server import MONITORING, Prometheus
from queries import TOP
from waiting import eventually

PAGE = TOP / "docs/operations/three-failures.md"
# what differs in each run, and what the page has in its place
PLAIN = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "2026-11-30T03:00:00.000Z"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-11-30T03:00:00Z"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "5f0c5c0e-7d0c-4f6a-9d1f-0a7b6c5d4e3f"),
    (r"(?<=peer=127\.0\.0\.1:)\d+", "50000"),
    (r"(?<=total_us=)\d+", "1234"),
    (r"(?<=[a-rt-z]_us=)\d+", "1234"),
    (r"(?<=skew_seconds=)10(799|800)(\.\d+)?", "10800"),
    (r"\b10799(?= s\b)", "10800"),
    (r"(?<=last error )\d+ s ago", "now"),
    (r"^countersign \S+:", "countersign VERSION:"),
    (r"2h 59m 59(\.\d+)?s|3h 0m 0(\.\d+)?s", "3h 0m 0s"),
]


def waiting_two_seconds():
    """The rules as they are, but every alert that waits before it fires waits for two seconds."""
    rules = yaml.safe_load((MONITORING / "rules.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "2s"
    return yaml.safe_dump(rules)


@pytest.fixture(scope="module")
def played(start_countersign, seal, tmp_path_factory):
    played = play(start_countersign, seal, tmp_path_factory.mktemp("failures"))
    yield played
    for each in played.values():
        each.end()


@pytest.fixture(scope="module")
def prometheus(played, tmp_path_factory):
    targets = [each.admin for each in played.values()]
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), targets, waiting_two_seconds())
    yield prometheus
    prometheus.stop()


def plain(text, played):
    """A text without what differs in each run."""
    text = text.replace(played.admin, "127.0.0.1:8022").replace(played.endpoint, "http://127.0.0.1:8700")
    for pattern, example in PLAIN:
        text = re.sub(pattern, example, text)
    return text.rstrip("\n")


def block(text):
    return f"```text\n{text}\n```"


def shown(name, text):
    """Compares a quotation of the page with what there was, or writes it."""
    page = PAGE.read_text()
    pattern = rf"(?s)(<!-- shown: {name} -->\n\n)(.*?)(\n\n<!-- end -->)"
    (found,) = re.findall(pattern, page)
    if os.environ.get("COUNTERSIGN_WRITE_PAGES"):
        PAGE.write_text(re.sub(pattern, lambda match: match[1] + text + match[3], page))
    else:
        assert found[1] == text, f"COUNTERSIGN_WRITE_PAGES=1 writes the quotations of {PAGE.name} anew"


def color(panel, value):
    """The word and colour in which Grafana shows a value, as far as the panel says."""
    defaults = panel["fieldConfig"]["defaults"]
    for mapping in defaults["mappings"]:
        if (option := mapping["options"].get(str(int(value)))) and value == int(value):
            return option["text"], option["color"]
    steps = defaults["thresholds"]["steps"]
    return None, [step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]


def tiles(prometheus, instance):
    """The tiles of the first row that are not green: title, and the word and colour that one sees."""
    found = {}
    for panel in queries.dashboard()["panels"]:
        if panel["type"] == "stat":
            expression = panel["targets"][0]["expr"].replace("$instance", re.escape(instance).replace("\\", "\\\\"))
            if (value := prometheus.value(queries.filled(expression))) is None:
                continue
            word, shade = color(panel, value)
            if shade != "green":
                found[panel["title"]] = f"{word}, {shade}" if word else shade
    return found


@pytest.mark.parametrize("name", FAILURES)
def test_the_log_names_the_cause(played, name):
    each = played[name]
    lines = [plain(each.log_line(pattern), each) for pattern in each.failure.log]
    # the page has the beginning of long lines: up to what an operator reads
    short = [re.sub(r"( error=\"[^\"]*\"| attempts=2).*", r"\1 ...", line) for line in lines]
    shown(f"{name}, log", block("\n".join(short)))


@pytest.mark.parametrize("name", FAILURES)
def test_the_alert_goes_from_pending_to_firing_by_itself_and_names_its_runbook(prometheus, played, name):
    each = played[name]
    alert = each.failure.alert
    labels, notes = eventually(
        lambda: next(((labels, notes) for known, labels, state, notes in prometheus.alerts()
                      if (known, labels.get("instance"), state) == (alert, each.admin, "firing")), None),
        lambda: f"{alert} does not fire, only {prometheus.alerts()}",
    )
    pending = f'ALERTS{{alertname="{alert}", alertstate="pending", instance="{each.admin}"}}'
    assert prometheus.query(f"count_over_time({pending}[10m])"), "it fired without having been pending"
    assert (TOP / notes["runbook_url"]).is_file()
    text = f"{alert} ({labels['severity']})\n{notes['summary']}\n{notes['description']}\n{notes['runbook_url']}"
    shown(f"{name}, alert", block(plain(text, each)))


@pytest.mark.parametrize("name", FAILURES)
def test_the_dashboards_first_row_is_green_but_for_what_the_failure_touches(prometheus, played, name):
    each = played[name]
    prometheus.firing(each.failure.alert)
    eventually(lambda: tiles(prometheus, each.admin) == each.failure.tiles,
               lambda: f"{tiles(prometheus, each.admin)}, not {each.failure.tiles}")
    rows = "\n".join(f"| {title} | {seen} |" for title, seen in each.failure.tiles.items())
    shown(f"{name}, dashboard", f"| tile | shows |\n|---|---|\n{rows}")


@pytest.mark.parametrize("name", FAILURES)
def test_readiness_and_status_name_the_cause(prometheus, played, name):
    each = played[name]
    prometheus.firing(each.failure.alert)
    shown(f"{name}, readiness", block(plain(each.read("/readyz"), each)))
    report = json.loads(each.read("/status"))
    (route,), (key,) = report["routes"], report["keys"]
    error = route["last_error"] or {}
    lines = [
        f"state: {report['state']}",
        *(f"reason: {reason['text']}" for reason in report["reasons"]),
        f"route main: breaker {route['breaker']['state']}, clock {round(route['clock_offset_seconds'] or 0)} s apart",
        *(f"route main, last error: {error[member]}" for member in ("reason", "cause", "remedy") if error),
        f"key main: {key['state']}" + (f", {key['trouble']}" if key["trouble"] else ""),
    ]
    shown(f"{name}, status", block(plain("\n".join(lines), each)))


def text_of(markup):
    """The text of a piece of the page, as a reader sees it."""
    bare = re.sub(r"(?s)<svg.*?</svg>|<span aria-hidden=\"true\">.*?</span>", "", markup)
    bare = re.sub(r"<time[^>]*>.*?</time>", "now", bare)
    text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", bare))).strip()
    return re.sub(r" (?=[,:])", "", text)


def what_the_page_says(page):
    """The state with its reasons; and of each route and key with something wrong, what is wrong and what to do."""
    (head,) = re.findall(r'(?s)<h1 id="state">(.*?)</h1>', page)
    (meaning,) = re.findall(r'(?s)<p class="meaning">(.*?)</p>', page)
    lines = [head, meaning, *re.findall(r'(?s)<li class="state[^>]*>(.*?)</li>', page)]
    for kind, row in re.findall(r'(?s)<tr role="row" class="(?:bad|warn)" id="(route|key)\.main">(.*?)</tr>', page):
        cells = re.findall(r'(?s)<td role="cell" data-label="(Endpoint|Clock|State)">(.*?)</td>', row)
        # what is well has figures that differ each time
        unwell = [(label, cell) for label, cell in cells if not re.match("up|agrees|not known", text_of(cell))]
        lines += [f"{kind} main, {label}: {cell}" for label, cell in unwell]
    lines += re.findall(r'(?s)<p>(<strong>(?:Last error|What to do).*?)</p>', page)
    return "\n".join(text_of(line) for line in lines)


@pytest.mark.parametrize("name", FAILURES)
def test_the_page_names_the_cause_and_says_what_to_do(prometheus, played, name):
    each = played[name]
    prometheus.firing(each.failure.alert)
    shown(f"{name}, page", block(plain(what_the_page_says(each.read("/")), each)))


def what_top_says(printed):
    """The state with its reasons, and what is told below each row that has something wrong."""
    lines = printed.splitlines()
    reasons = printed[printed.index("Why\n"):].partition("\n\n")[0].splitlines() if "Why\n" in printed else []
    below = [line for line in lines if line.startswith("      ")]
    # how much of its share the client uses at this moment is beside the point
    told = [line for line in below if not re.match(r" +(request id:|uses |all callers )", line)]
    return "\n".join([lines[0], *reasons, *told])


@pytest.mark.parametrize("name", FAILURES)
def test_top_names_the_cause_and_says_what_to_do(countersign_bin, prometheus, played, name):
    each = played[name]
    prometheus.firing(each.failure.alert)
    done = subprocess.run([countersign_bin, "top", "--once", "--admin", f"http://{each.admin}"], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    shown(f"{name}, top", block(plain(what_top_says(done.stdout), each)))


def test_a_clock_that_is_followed_costs_one_repetition_and_is_no_refused_signature(prometheus, played):
    """Else a clock that was set would wake somebody, although every request succeeds."""
    instance = played["skewed clock"].admin
    prometheus.firing("CountersignClockApart")
    assert prometheus.value(f'sum(countersign_clock_repeats_total{{instance="{instance}"}})') >= 1
    assert prometheus.value(f'sum(countersign_signature_refusals_total{{instance="{instance}"}})') == 0


@pytest.mark.parametrize("name", FAILURES)
def test_the_metric_behind_the_alert_tells_it_too(prometheus, played, name):
    each = played[name]
    eventually(lambda: [found for found in prometheus.query(each.failure.sign)
                        if found["metric"]["instance"] == each.admin], f"no {each.failure.sign}")
    assert f"`{each.failure.sign.partition(' ')[0].removeprefix('abs(').rstrip(')')}`" in PAGE.read_text()
