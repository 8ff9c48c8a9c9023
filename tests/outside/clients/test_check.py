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
SCHEMA = json.loads((TOP / "docs/reference/schemas/check.schema.json").read_text())
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
    assert route["facts"] == {
        "endpoint": "https://importexport.amazonaws.com/", "key": "main", "dialect": "aws-v2",
    }  # fmt: skip
    assert (key["facts"], listener["facts"]) == ({"id": KEY_ID}, {"address": "127.0.0.1:0"})


def v4(region, service):
    return f'profile = {{ dialect = "aws-v4", region = "{region}", service = "{service}" }}'


def test_the_dialect_of_a_route_is_told_with_what_it_signs_for(check, check_json, configuration):
    path = configuration(route=v4("us-east-1", "importexport"))
    _, document = check_json(path)
    [route] = of_kind(document, "route")
    told = {name: route["facts"][name] for name in ("dialect", "region", "service")}
    assert told == {"dialect": "aws-v4", "region": "us-east-1", "service": "importexport"}
    assert (document["result"], route["warnings"]) == ("ok", [])
    assert "  dialect: aws-v4, for the service importexport in the region us-east-1\n" in check(path)[1]


def test_a_host_of_aws_that_names_another_region_or_service_is_a_warning_and_decides_nothing(
    check, check_json, configuration
):
    path = configuration(route=v4("eu-central-1", "import"))
    code, document = check_json(path)
    [route] = of_kind(document, "route")
    assert (code, document["result"]) == (0, "warned")
    assert (route["facts"]["region"], route["facts"]["service"]) == ("eu-central-1", "import")
    region, service = route["warnings"]
    assert 'requests to importexport.amazonaws.com are signed for the region "us-east-1"' in region, region
    assert 'requests to importexport.amazonaws.com are signed for the service "importexport"' in service, service
    assert f"  WARNING {region}\n" in check(path)[1]


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


def test_without_keys_nothing_secret_is_needed_and_what_was_left_out_is_said(check_json, configuration, tmp_path):
    gone = f'[key.main]\nfile = "{tmp_path}/gone/main.age"\nidentity_file = "{tmp_path}/gone/identity"\n'
    route = f"""\
client_certificate = "{tmp_path}/gone/client.pem"
client_key = "{tmp_path}/gone/client.key"
egress = "http://127.0.0.1:3128"
egress_credentials_file = "{tmp_path}/gone/proxy"
"""
    code, document = check_json(configuration(key=gone, route=route), "--without-keys")
    assert (code, document["faults"]) == (0, [])
    [left_out] = of_kind(document, "left_out")
    assert left_out["summary"] == (
        "key.main, route.main.egress_credentials_file, route.main.client_certificate with its client_key"
    )
    assert of_kind(document, "key") == []
    assert of_kind(document, "route")[0]["facts"]["key"] == "main"


def test_without_keys_no_program_is_started(check_json, configuration, tmp_path):
    program, marker = tmp_path / "print-key", tmp_path / "started"
    program.write_text(f"#!/bin/sh\n: > {marker}\n")
    program.chmod(0o700)
    key = f'[key.main]\nkind = "process"\ncommand = ["{program}"]\n'
    code, document = check_json(configuration(key=key), "--without-keys")
    assert (code, marker.exists()) == (0, False)
    assert "its program is not started" in of_kind(document, "left_out")[0]["summary"]
    check_json(configuration(key=key))
    assert marker.exists(), "without the option it is"


def test_without_keys_the_rest_is_still_refused(check_json, configuration, tmp_path):
    gone = f'[key.main]\nfile = "{tmp_path}/gone/main.age"\nidentity_file = "{tmp_path}/gone/identity"\n'
    tls = f"""\
[listener.remote]
address = "127.0.0.1:0"
authenticate = ["mtls"]
[listener.remote.tls]
certificate = "{tmp_path}/certificate.pem"
private_key = "{tmp_path}/private.pem"
client_ca = "{tmp_path}/ca.pem"
[client.a]
dns = ["a"]
"""
    code, document = check_json(configuration(tls, route='ca_file = "own.pem"', key=gone), "--without-keys")
    assert code == 78
    said = [fault["message"] for fault in document["faults"]]
    assert [("own.pem" in one, "certificate.pem" in one, "/ca.pem" in one) for one in said] == [
        (True, False, False), (False, True, False), (False, False, True),
    ], said


def test_all_faults_of_files_are_told_at_once_in_the_order_of_the_configuration(check_json, check, configuration,
                                                                               countersign_bin, tmp_path):
    key = f'[key.main]\nfile = "{tmp_path}/no/main.age"\nidentity_file = "{tmp_path}/absent/identity"\n'
    more = f"""\
[audit]
target = "file:{tmp_path}/missing/audit.jsonl"
[listener.remote]
address = "127.0.0.1:0"
authenticate = ["mtls", "service-account"]
[listener.remote.tls]
certificate = "{tmp_path}/certificate.pem"
private_key = "{tmp_path}/private.pem"
client_ca = "{tmp_path}/ca.pem"
crl = ["{tmp_path}/one.crl", "{tmp_path}/two.crl"]
[listener.remote.service_account]
issuer = "https://issuer"
audience = "countersign"
algorithm = "RS256"
jwks_file = "{tmp_path}/jwks.json"
[client.a]
dns = ["a"]
"""
    path = configuration(more, route='ca_file = "own.pem"', key=key)
    code, document = check_json(path)
    said = [fault["message"] for fault in document["faults"]]
    names = ["own.pem", "/no does not exist", "absent/identity", "/missing", "certificate.pem", "private.pem",
             "/ca.pem", "one.crl", "two.crl", "jwks.json"]
    found = [next((name for name in names if name in one), one) for one in said]
    assert sorted(found) == sorted(names), said
    assert found.index("own.pem") == 0 and found.index("/missing") == 3
    assert found[4:] == names[4:], said
    assert all(fault["place"] for fault in document["faults"]), document["faults"]
    _, _, errors = check(path)
    run = subprocess.run([countersign_bin, "run", "--config", path], capture_output=True, text=True, timeout=TIMEOUT,
                         check=False, env={"PATH": os.environ["PATH"]})
    assert (run.returncode, run.stderr) == (code, errors)


def test_a_variable_that_sets_nothing_is_a_warning_with_the_one_that_was_meant(check_json, check, configuration):
    path, environment = configuration(), {"COUNTERSIGN_LOG_LEVEL": "debug"}
    code, document = check_json(path, environment=environment)
    assert (code, document["result"]) == (0, "warned")
    [section] = of_kind(document, "environment")
    assert section["warnings"] == [
        "COUNTERSIGN_LOG_LEVEL is set, but has no effect: did you mean COUNTERSIGN__LOG__LEVEL?"
    ]
    _, text, _ = check(path, environment=environment)
    assert text.startswith("WARNING environment: COUNTERSIGN_LOG_LEVEL")


def test_run_warns_of_a_variable_that_sets_nothing(start_countersign, configuration):
    process = start_countersign("run", "--config", configuration(), environment={"COUNTERSIGN_LOG_LEVEL": "debug"})
    process.wait_for(r"COUNTERSIGN_LOG_LEVEL is set, but has no effect: did you mean COUNTERSIGN__LOG__LEVEL\?")


def test_a_relative_path_begins_beside_the_configuration_wherever_the_program_starts(countersign_bin, seal, tmp_path):
    table = seal()
    for line in table.splitlines():
        if " = " in line:
            source = pathlib.Path(line.split('"')[1])
            (tmp_path / source.name).write_bytes(source.read_bytes())
            (tmp_path / source.name).chmod(0o600)
            table = table.replace(str(source), source.name)
    path = tmp_path / "countersign.toml"
    path.write_text(f'[listener.local]\naddress = "127.0.0.1:0"\nany_local = true\n[route.main]\n'
                    f'endpoint = "https://importexport.amazonaws.com/"\n{table}')
    environment = {"PATH": os.environ["PATH"]}
    for start, name in (("/", path), (tmp_path, path.name), (tmp_path.parent, f"{tmp_path.name}/countersign.toml")):
        done = subprocess.run([countersign_bin, "check", "--config", name], cwd=start, env=environment,
                              capture_output=True, text=True, timeout=TIMEOUT, check=False)
        assert done.returncode == 0, done.stderr
        assert f"key main: {tmp_path}/main.age" in done.stdout
    environment["COUNTERSIGN__KEY__MAIN__FILE"] = "main.age"
    done = subprocess.run([countersign_bin, "check", "--config", path], cwd=tmp_path, env=environment,
                          capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 78 and "is a relative path" in done.stderr
