"""`countersign check --format json` keeps to its published schema, whatever it finds."""

import copy
import json
import os
import pathlib
import subprocess

import jsonschema
import pytest
from importexport import KEY_ID, SECRET

TOP = pathlib.Path(__file__).resolve().parents[3]
SCHEMA = json.loads((TOP / "docs/reference/check.schema.json").read_text())
TIMEOUT = 60  # seconds


def closed(schema):
    """The schema in which no member may be added: a reader ignores new ones, but each is to be described."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(part) for name, part in schema.items()}
    if made.get("type") == "object":
        made["additionalProperties"] = False
    return made


@pytest.fixture
def check(countersign_bin):
    """Runs `check` on a configuration; returns its exit code, what it printed and its messages."""

    def run(configuration, *arguments, environment=None):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COUNTERSIGN_"))}
        done = subprocess.run(
            [countersign_bin, "check", "--config", configuration, *arguments],
            env={**kept, **(environment or {})}, capture_output=True, text=True, timeout=TIMEOUT, check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def check_json(check):
    """The same with `--format json`: the exit code and the document, which keeps to the schema."""

    def run(configuration, *arguments, environment=None):
        code, printed, errors = check(configuration, "--format", "json", *arguments, environment=environment)
        document = json.loads(printed)
        jsonschema.Draft202012Validator(closed(SCHEMA)).validate(document)
        assert document["exit_code"] == code
        assert SECRET not in printed + errors
        return code, document

    return run


@pytest.fixture
def configuration(seal, tmp_path):
    """Writes a configuration with one listener, key and route, and `more`."""

    def write(more="", route="", key=None):
        path = tmp_path / "countersign.toml"
        path.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "https://importexport.amazonaws.com/"
{route}
{seal() if key is None else key}
{more}
""")
        return path

    return write


def of_kind(document, kind):
    return [section for section in document["sections"] if section["kind"] == kind]


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_good_configuration_is_ok_and_tells_its_facts(check_json, configuration):
    code, document = check_json(configuration())
    assert (code, document["result"], document["faults"]) == (0, "ok", [])
    [route], [key], [listener] = (of_kind(document, kind) for kind in ("route", "key", "listener"))
    assert route["name"] == "main"
    assert route["facts"] == {"endpoint": "https://importexport.amazonaws.com/", "key": "main"}
    assert (key["facts"], listener["facts"]) == ({"id": KEY_ID}, {"address": "127.0.0.1:0"})


def test_the_time_at_which_a_key_expires_is_a_fact(check_json, configuration, seal):
    _, document = check_json(configuration(key=seal(token="FwoGZXIvYXdz", expires="2099-01-01T00:00:00Z")))
    assert of_kind(document, "key")[0]["facts"]["expires"] == "2099-01-01T00:00:00Z"


def test_what_is_probably_a_mistake_is_a_warning_of_its_section(check_json, configuration):
    code, document = check_json(configuration("[client.nobody]\nuid = 4242\n"))
    assert (code, document["result"]) == (0, "warned")
    warnings = of_kind(document, "client")[0]["warnings"]
    assert any("nothing is allowed" in warning for warning in warnings), warnings


def test_a_danger_switch_is_a_danger(check_json, configuration):
    code, document = check_json(configuration("[process]\ndanger_unconfined = true\n"))
    assert (code, document["result"]) == (0, "warned")
    [posture] = of_kind(document, "posture")
    assert posture["summary"] is None and "danger_unconfined" in posture["dangers"][0]


def test_each_fault_of_the_configuration_has_its_place(check_json, configuration):
    code, document = check_json(configuration("[log]\nlevle = \"info\"\n", route="timeouts.connect = 5\n"))
    assert (code, document["result"], document["sections"]) == (78, "refused", [])
    first, second = document["faults"]
    assert (first["path"], second["path"]) == ("route.main.timeouts.connect", "log.levle")
    assert first["place"].endswith("countersign.toml:6:20"), first


def test_the_text_says_the_same_as_the_document(check, check_json, configuration):
    path = configuration("[client.nobody]\nuid = 4242\n")
    _, text, _ = check(path)
    _, document = check_json(path)
    for section in document["sections"]:
        lines = section["details"] + section["warnings"] + section["dangers"]
        assert all(line in text for line in [*lines, section["summary"] or ""]), section
    assert text.endswith("\nok\n")


def test_a_document_is_printed_when_a_key_cannot_come(check_json, configuration, tmp_path):
    gone = f'[key.main]\nkind = "file"\nfile = "{tmp_path}/gone.json"\n'
    code, document = check_json(configuration(key=gone))
    assert (code, document["result"]) == (69, "refused")
    [fault] = copy.deepcopy(document["faults"])
    assert fault["path"] == "key.main" and "gone.json" in fault["message"]
