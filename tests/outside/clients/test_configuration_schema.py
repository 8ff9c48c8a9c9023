"""config/countersign.schema.json and `check` agree: on every sample, and on every configuration that the tests of the
reader read, which src/config/corpus.rs keeps in tests/vectors/configurations.jsonl. Three programs judge by the schema:
jsonschema, and those of the editors, taplo and tombi, which are given no network."""

import collections
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tomllib

import jsonschema
import pytest

TOP = pathlib.Path(__file__).resolve().parents[3]
FILE = TOP / "config/countersign.schema.json"
CORPUS = [json.loads(line) for line in (TOP / "tests/vectors/configurations.jsonl").read_text().splitlines()]
SAMPLES = sorted([*(TOP / "config").glob("*.toml"), *(TOP / "deploy").rglob("*.toml")])
# becomes a ConfigMap as it stands: in a pod there is no schema beside it
IN_A_CONFIGMAP = TOP / "deploy/kubernetes/example/countersign.toml"
DIRECTIVE = re.compile(r"#:schema (\S+)\n")
TIMEOUT = 300  # seconds, for a thousand files on a busy machine
# whatever would be fetched is not: nobody listens there
NO_NETWORK = {"PATH": os.environ["PATH"], "HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
HAS_TAPLO = platform.machine() == "x86_64"  # there is no wheel for others


def judged_by_jsonschema(files):
    """The files that the schema refuses. What is not TOML is refused as well."""
    validator = jsonschema.Draft7Validator(json.loads(FILE.read_text()))
    refused = set()
    for path in files:
        try:
            if not validator.is_valid(tomllib.loads(path.read_bytes().decode())):
                refused.add(path)
        except tomllib.TOMLDecodeError:
            refused.add(path)
    return refused


def run(directory, name, *arguments):
    program = pathlib.Path(sys.executable).with_name(name)
    return subprocess.run([program, *arguments], cwd=directory, env={**NO_NETWORK, "HOME": str(directory)},
                          capture_output=True, text=True, timeout=TIMEOUT, check=False)


def judged_by_taplo(files, directory):
    done = run(directory, "taplo", "check", "--no-auto-config", "--colors", "never", *files)
    # it says of each file what is wrong, with the place, and that it is invalid; at its end it may lose a line of these
    told = re.findall(r'invalid file .* path="([^"]+)"|┌─ (.+?):\d+:\d+', done.stderr)
    refused = {pathlib.Path(logged or shown) for logged, shown in told}
    assert bool(done.returncode) == bool(refused), done.stderr[-2000:]
    return refused


def judged_by_tombi(files, directory):
    report = directory / "report"
    done = run(directory, "tombi", "lint", "--offline", "--diagnostics-format", "json-lines",
               "--diagnostics-file", report, *files)
    # its warnings are about style, such as the order of tables
    told = [json.loads(line) for line in report.read_text().splitlines()]
    refused = {(directory / one["path"]).resolve() for one in told if one["level"] == "error"}
    assert bool(done.returncode) == bool(refused), done.stderr[-2000:]
    return refused


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Every configuration of the corpus in a file, and the files that each program refuses."""
    directory = tmp_path_factory.mktemp("corpus").resolve()
    (directory / FILE.name).write_bytes(FILE.read_bytes())
    files = []
    for nth, row in enumerate(CORPUS):
        path = directory / f"{nth:05}.toml"
        path.write_text(f"#:schema ./{FILE.name}\n{row['text']}", newline="")
        files.append(path)
    verdicts = {"jsonschema": judged_by_jsonschema(files), "tombi": judged_by_tombi(files, directory)}
    if HAS_TAPLO:
        verdicts["taplo"] = judged_by_taplo(files, directory)
    return files, verdicts


@pytest.mark.parametrize("program", ["jsonschema", "tombi", "taplo"])
def test_a_schema_refuses_what_check_refuses_and_nothing_else(judged, program):
    files, verdicts = judged
    if program == "taplo" and not HAS_TAPLO:
        pytest.skip("taplo has no wheel for this machine")
    wrong = [
        row for path, row in zip(files, CORPUS, strict=True)
        if ("refuses" if path in verdicts[program] else "accepts") != row["schema"]
    ]
    assert wrong == []


def test_the_corpus_has_both_kinds_and_few_faults_that_a_schema_cannot_say():
    count = collections.Counter((row["check"], row["schema"]) for row in CORPUS)
    assert count["accepts", "refuses"] == 0
    assert count["accepts", "accepts"] > 300 and count["refuses", "refuses"] > 500, count
    assert count["refuses", "accepts"] < 120, count


def test_each_class_of_faults_that_a_schema_cannot_say_has_its_reason_in_the_reference():
    page = (TOP / "docs/reference/json.md").read_text()
    classes = {row["because"] for row in CORPUS if "because" in row}
    assert len(classes) >= 4
    for name in classes:
        assert f"\n| `{name}` | " in page, f"docs/reference/json.md gives no reason for {name}"


def test_the_program_prints_the_schema(countersign_bin):
    done = subprocess.run([countersign_bin, "config", "schema"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == FILE.read_text()
    jsonschema.Draft7Validator.check_schema(json.loads(done.stdout))


@pytest.mark.parametrize("path", [path for path in SAMPLES if path != IN_A_CONFIGMAP],
                         ids=lambda path: str(path.relative_to(TOP)))
def test_a_sample_names_the_schema_in_its_first_line(path):
    named = DIRECTIVE.match(path.read_text())
    assert named, f"{path} does not begin with #:schema"
    assert (path.parent / named[1]).resolve() == FILE


def test_every_sample_is_what_the_schema_says(tmp_path):
    assert judged_by_jsonschema(SAMPLES) == set()
    assert judged_by_tombi(SAMPLES, tmp_path) == set()
    if HAS_TAPLO:
        assert judged_by_taplo(SAMPLES, tmp_path) == set()


def test_a_file_of_conf_d_alone_is_what_the_schema_says(tmp_path):
    path = tmp_path / "team.toml"
    path.write_text(f'#:schema {FILE}\n[client.team]\nuid = 7\nallow = ["team:Get*"]\n'
                    '[route.team]\nendpoint = "https://b.example/"\nhosts = ["team.internal"]\n')
    assert judged_by_jsonschema([path]) | judged_by_tombi([path], tmp_path) == set()


def test_what_the_schema_refuses_the_program_refuses_at_a_line(countersign_bin, tmp_path):
    environment = {"PATH": os.environ["PATH"]}
    # each tenth: the reader's own tests have judged all of them
    rows = [row for row in CORPUS if row["schema"] == "refuses"][::10]
    assert len(rows) > 50
    for nth, row in enumerate(rows):
        path = tmp_path / f"{nth}.toml"
        path.write_text(row["text"], newline="")
        done = subprocess.run([countersign_bin, "check", "--without-keys", "--config", path], env=environment,
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 78 and f"{path}:" in done.stderr, (row["text"], done.stderr)
