"""Metrics as readers that we did not write read them, while calls and refusals go through: promtool lints the text
format, and Prometheus's own Python client parses both formats."""

import collections
import contextlib
import itertools
import json
import pathlib
import re
import subprocess
import threading
import urllib.error
import urllib.request

import pytest
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families
from shared_store import running

TIMEOUT = 60  # seconds; a debug build on a busy machine
CALLERS = 4
REFERENCE = pathlib.Path(__file__).resolve().parents[3] / "docs/reference/metrics.md"
FORMATS = {
    "text/plain;version=0.0.4": text_string_to_metric_families,
    "application/openmetrics-text;version=1.0.0": openmetrics_parser.text_string_to_metric_families,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of rates."""
    with running(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture(scope="module")
def gateway(proxy, sandbox, store):
    """A proxy to the sandbox, with its admin listener's URL."""
    more = f"""\
profile.service = "importexport"
safe_to_repeat = []
[[route.main.fallback]]
endpoint = "http://127.0.0.1:1/"
[client.reporting]
uid = 1
quota = "1000/d"
[rates]
store = "{store.url}"
[admin]
address = "127.0.0.1:0"
"""
    proxy = proxy(sandbox, route=more)
    line = proxy.process.wait_for(r'"message":"admin listening').string
    proxy.metrics = f"http://{json.loads(line)['address']}/metrics"
    return proxy


def call(proxy, number):
    """A call of an Action that is known, or not, or a form that is refused."""
    forms = [
        "Action=ListJobs", f"Action=Invented{number}", "Action=GetStatus&JobId=1", "A=1&A=2", "Action=ListJobs&A=%zz"
    ]
    request = urllib.request.Request(proxy.url, forms[number % len(forms)].encode())
    with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        answer.read()


@pytest.fixture
def load(gateway):
    """Calls from several threads for as long as a test runs, which waits for the first of them."""
    over, begun = threading.Event(), threading.Semaphore(0)
    numbers = itertools.count()

    def work():
        while not over.is_set():
            call(gateway, next(numbers))
            begun.release()

    threads = [threading.Thread(target=work) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        assert begun.acquire(timeout=TIMEOUT)
    yield
    over.set()
    for thread in threads:
        thread.join()


def scrape(gateway, accept):
    request = urllib.request.Request(gateway.metrics, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def families(gateway, accept):
    """The metrics of a scrape by their names."""
    found = list(FORMATS[accept](scrape(gateway, accept)[1]))
    assert len({family.name for family in found}) == len(found)
    return {family.name: family for family in found}


def promtool(text):
    """What promtool has to say of a text."""
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_promtool_finds_nothing_to_complain_about_under_load(gateway, load):
    for _ in range(3):
        media_type, text = scrape(gateway, "text/plain")
        assert media_type == "text/plain; version=0.0.4; charset=utf-8"
        assert promtool(text) == (0, ""), text


def test_promtool_would_complain(gateway):
    text = scrape(gateway, "text/plain")[1]
    code, complaint = promtool(text.replace("countersign_panics_total", "countersign_panics"))
    assert code != 0 and "countersign_panics" in complaint


def test_promtool_reads_openmetrics_too_once_its_marks_are_taken_for_comments(gateway, load):
    # Debian's promtool reads the text format alone: there, `# UNIT` and `# EOF` are comments, and the type of a counter
    # has to be named with its suffix
    media_type, text = scrape(gateway, "application/openmetrics-text")
    assert media_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert text.endswith("\n# EOF\n")
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    suffixes = {"counter": "_total", "info": "_info"}

    def renamed(line):
        keyword, name, rest = line.groups()
        rest = "gauge" if rest == "info" else rest
        return f"# {keyword} {name}{suffixes.get(kinds[name], '')} {rest}"

    assert promtool(re.sub(r"^# (HELP|TYPE) (\S+) (.*)$", renamed, text, flags=re.MULTILINE)) == (0, "")


@pytest.mark.parametrize("accept", FORMATS)
def test_the_python_client_reads_every_scrape_under_load_and_counters_never_fall(gateway, load, accept):
    before = {}
    for _ in range(4):
        now = {}
        for family in families(gateway, accept).values():
            assert family.documentation
            if family.type not in ("counter", "histogram"):
                continue
            for sample in family.samples:
                now[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
        assert all(now[series] >= value for series, value in before.items())
        before = now
    assert any(name == "countersign_exchanges_total" and value > 0 for (name, _), value in before.items())


def test_both_formats_have_the_same_metrics_and_series(gateway):
    def described(accept):
        suffixes = {"counter": "_total", "info": "_info"}
        found = {}
        for family in families(gateway, accept).values():
            # the text format has no `info`, and its parser leaves the suffix of a counter out
            kind = "info" if family.name.endswith("_info") else family.type
            name = family.name.removesuffix(suffixes.get(kind, " "))
            found[name] = (kind, family.documentation, {
                (sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples
            })
        return found

    call(gateway, 0)
    text, openmetrics = map(described, FORMATS)
    assert text == openmetrics


def test_scrapes_have_their_series_in_the_same_order(gateway):
    def order(text):
        return [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]

    for accept in FORMATS:
        first, second = (order(scrape(gateway, accept)[1]) for _ in range(2))
        assert first == second


def test_the_reference_names_every_metric_with_its_type_and_labels(gateway):
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| .* \|$", REFERENCE.read_text(), re.MULTILINE)
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    suffixes = collections.defaultdict(str, counter="_total", info="_info")
    scraped = families(gateway, "application/openmetrics-text;version=1.0.0")
    for family in scraped.values():
        name = family.name + suffixes[family.type]
        kind, labels = documented.pop(name)
        assert kind == family.type, name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == labels, sample
    # what this configuration cannot have: no certificate, no expiry, no fetched keys, no answer of another clock
    absent = {name for name in documented if not name.startswith("countersign_config_file")}
    assert absent <= {
        "countersign_certificate_expiry_timestamp_seconds",
        "countersign_client_certificate_expiry_timestamp_seconds",
        "countersign_endpoint_clock_offset_seconds",
        "countersign_key_expiry_timestamp_seconds",
        "countersign_refused_handshakes_total",
        "countersign_revocation_list_expiry_timestamp_seconds",
        "countersign_token_key_loads_total",
    }


def test_the_process_is_described_as_every_client_of_prometheus_does(gateway):
    found = families(gateway, "application/openmetrics-text;version=1.0.0")
    value = {sample.name: sample.value for family in found.values() for sample in family.samples}
    assert value["process_cpu_seconds_total"] > 0
    assert value["process_virtual_memory_bytes"] > value["process_resident_memory_bytes"] > 1e6
    assert 10 < value["process_open_fds"] < value["process_max_fds"]
    assert found["process_cpu_seconds"].unit == "seconds"
    (build,) = found["countersign_build"].samples
    assert build.value == 1 and set(build.labels) == {"version", "commit", "features"}
