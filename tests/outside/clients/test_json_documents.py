"""What commands print with `--format json` keeps to the published schemas, whatever comes of it; so do the lines of log
and audit."""

import json
import os
import pathlib
import re
import subprocess

import jsonschema
import pytest
import schemas
from importexport import KEY_ID, SECRET

TOP = pathlib.Path(__file__).resolve().parents[3]
TIMEOUT = 60  # seconds
ENDPOINT = "https://importexport.amazonaws.com"
TIME = "2011-06-20T22:30:59.556Z"
FORM = "Action=GetStatus&JobId=MARKER-VALUE&Version=2010-06-03"


@pytest.fixture
def run(countersign_bin):
    """Runs a command; returns its exit code, what it printed and its messages."""

    def run(*arguments, given="", environment=None):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COUNTERSIGN_"))}
        done = subprocess.run(
            [countersign_bin, *map(str, arguments)], input=given, env={**kept, **(environment or {})},
            capture_output=True, text=True, timeout=TIMEOUT, check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def document(run):
    """Runs a command with `--format json`; returns the document, which keeps to its schema."""

    def document(name, *arguments, given="", environment=None):
        code, printed, errors = run(*arguments, "--format", "json", given=given, environment=environment)
        made = json.loads(printed)
        schemas.check(name, made)
        assert made["exit_code"] == code
        assert SECRET not in printed + errors and "MARKER-VALUE" not in printed
        # the message on standard error is that of the text; the document has the same
        assert all(fault["message"] in errors for fault in made["faults"]), errors
        assert (code == 0) == (errors == "")
        return made

    return document


@pytest.fixture
def sealed(run, tmp_path):
    """A sealed key and the identity that opens it."""

    def seal(name="main.age", token="", expires=""):
        identity = tmp_path / "identity"
        if not identity.exists():
            assert run("keys", "new-identity", "--out", identity)[0] == 0
        key = {"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET}
        key |= {"SessionToken": token} if token else {}
        key |= {"Expiration": expires} if expires else {}
        path = tmp_path / "keys" / name
        path.parent.mkdir(exist_ok=True)
        done = run("keys", "seal", "--identity", identity, "--out", path, given=json.dumps(key))
        assert done[0] == 0, done
        return path, identity

    return seal


@pytest.mark.parametrize("path", sorted(schemas.FOLDER.glob("*.schema.json")), ids=lambda path: path.name)
def test_each_schema_is_a_closed_schema_with_descriptions(path):
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] and schema["description"]
    open_objects = []

    def walk(part, at):
        if isinstance(part, dict):
            if part.get("type") == "object" and "properties" in part and "additionalProperties" not in part:
                open_objects.append(at)
            for name, inner in part.items():
                walk(inner, f"{at}/{name}")
        elif isinstance(part, list):
            for nth, inner in enumerate(part):
                walk(inner, f"{at}/{nth}")

    walk(schema, "#")
    # a line of the log may have members of its own; the tests of the status close its schema themselves
    assert open_objects == [] or path.name in ("log.schema.json", "status.schema.json")


def test_every_schema_is_on_the_page_about_them():
    page = (TOP / "docs/reference/json.md").read_text()
    for path in schemas.FOLDER.glob("*.schema.json"):
        assert f"](schemas/{path.name})" in page, f"{path.name} is not on docs/reference/json.md"


def test_a_directory_of_keys_is_listed_with_and_without_an_identity(document, sealed):
    path, identity = sealed()
    sealed("temporary.age", token="FwoGZXIvYXdz", expires="2020-01-01T00:00:00Z")
    (path.parent / "not.age").write_text("nothing that is sealed\n" * 10)
    (path.parent / "not.age").chmod(0o600)
    (path.parent / "readme").write_text("nothing")
    files = document("keys-list", "keys", "list", path.parent)["files"]
    assert [(file["file"], file["state"]) for file in files] == [
        ("main.age", "sealed"), ("not.age", "not_sealed"), ("temporary.age", "sealed"),
    ]  # fmt: skip
    made = document("keys-list", "keys", "list", "--identity", identity, path.parent)
    opened = {file["file"]: file["key"] for file in made["files"] if file["state"] == "opened"}
    assert opened == {
        "main.age": {"id": KEY_ID, "expires": None, "expired": False},
        "temporary.age": {"id": KEY_ID, "expires": "2020-01-01T00:00:00Z", "expired": True},
    }
    assert (made["result"], made["others"]) == ("ok", 1)


def test_a_key_that_another_identity_seals_is_unusable_in_the_list_and_no_fault(document, run, sealed, tmp_path):
    path, _ = sealed()
    other = tmp_path / "other"
    assert run("keys", "new-identity", "--out", other)[0] == 0
    made = document("keys-list", "keys", "list", "--identity", other, path.parent)
    [file] = made["files"]
    assert (made["result"], file["state"]) == ("ok", "unusable") and file["message"]


def test_a_directory_that_is_not_there_and_an_identity_that_is_none_are_faults_of_the_list(document, sealed, tmp_path):
    path, _ = sealed()
    made = document("keys-list", "keys", "list", tmp_path / "gone")
    assert (made["result"], made["exit_code"], made["files"]) == ("failed", 69, [])
    made = document("keys-list", "keys", "list", "--identity", tmp_path / "gone", path.parent)
    assert (made["result"], made["files"]) == ("failed", [])


def test_a_sealed_key_is_inspected(document, sealed, tmp_path):
    path, identity = sealed("temporary.age", token="FwoGZXIvYXdz", expires="2099-01-01T00:00:00Z")
    made = document("keys-inspect", "keys", "inspect", "--identity", identity, path)
    key = made["key"]
    assert (key["id"], key["session_token"], key["expires"], key["expired"]) == (
        KEY_ID, True, "2099-01-01T00:00:00Z", False,
    )  # fmt: skip
    assert "aws-v2" in key["dialects"]
    made = document("keys-inspect", "keys", "inspect", "--identity", identity, tmp_path / "gone.age")
    assert (made["result"], made["key"]) == ("failed", None)


@pytest.fixture
def configuration(tmp_path):
    def write(*keys, route=""):
        path = tmp_path / "countersign.toml"
        path.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[route.main]
endpoint = "{ENDPOINT}/"
key = "main"
{route}
""" + "".join(keys))
        return path

    return write


def table(name, path, identity):
    return f'[key.{name}]\nfile = "{path}"\nidentity_file = "{identity}"\n'


def test_configured_keys_are_tested_each_as_far_as_it_comes(document, sealed, configuration, tmp_path):
    path, identity = sealed()
    expired, _ = sealed("expired.age", expires="2020-01-01T00:00:00Z")
    good = table("main", path, identity)
    made = document("keys-test", "keys", "test", "--config", configuration(good))
    [key] = made["keys"]
    assert (made["result"], key["name"], key["loaded"]["id"], key["fault"]) == ("ok", "main", KEY_ID, None)
    assert [(one["method"], one["dialect"]) for one in key["signatures"]] == [("HmacSHA256", "aws-v2")]
    bad = [table("expired", expired, identity), table("gone", tmp_path / "gone.age", identity)]
    made = document("keys-test", "keys", "test", "--config", configuration(good, *bad))
    by_name = {key["name"]: key for key in made["keys"]}
    assert (made["result"], made["exit_code"]) == ("failed", 69)
    assert [fault["path"] for fault in made["faults"]] == ["key.expired", "key.gone"]
    assert by_name["expired"]["loaded"]["expired"] and by_name["expired"]["signatures"]
    assert by_name["gone"]["loaded"] is None and "gone.age" in by_name["gone"]["fault"]
    assert by_name["main"]["fault"] is None


def test_a_configuration_that_cannot_be_used_is_told_fault_by_fault(document, sealed, configuration):
    path, identity = sealed()
    made = document("keys-test", "keys", "test", "--config",
                    configuration(table("main", path, identity), route="clock = 1\nprobe = 2\n"))
    assert (made["result"], made["exit_code"], made["keys"]) == ("failed", 78, [])
    assert [fault["path"] for fault in made["faults"]] == ["route.main.clock", "route.main.probe"]
    assert all(re.search(r"countersign\.toml:\d+:\d+$", fault["place"]) for fault in made["faults"])


@pytest.fixture
def signed(run):
    def sign(*arguments, secret=SECRET, endpoint=ENDPOINT):
        code, printed, errors = run("sign", "--endpoint", endpoint, "--access-key-id", KEY_ID, "--timestamp", TIME,
                                    *arguments, given=FORM, environment={"AWS_SECRET_ACCESS_KEY": secret})
        assert code == 0, errors
        return printed

    return sign


@pytest.fixture
def verified(document):
    def verify(form, *arguments, secret=SECRET, at=TIME):
        return document("verify", "verify", "--endpoint", ENDPOINT, "--at", at, *arguments, given=form,
                        environment={"AWS_SECRET_ACCESS_KEY": secret} if secret else {})

    return verify


def test_a_form_that_verifies(verified, signed):
    made = verified(signed())
    assert (made["result"], made["verifies"], made["signature_matches"]) == ("ok", True, True)
    assert (made["signed_by"], made["method"], made["host"], made["path"]) == (
        KEY_ID, "HmacSHA256", "importexport.amazonaws.com", "/",
    )  # fmt: skip


def test_a_form_that_does_not_verify_is_negative_with_what_is_wrong_and_what_was_done(verified, signed):
    made = verified(signed(endpoint="http://127.0.0.1:8021"), "--suspect", "http://127.0.0.1:8021")
    assert (made["result"], made["exit_code"], made["verifies"]) == ("negative", 1, False)
    assert made["signature_matches"] is False and any("127.0.0.1:8021" in cause["message"] for cause in made["causes"])
    late = verified(signed(), at="2011-06-21T22:30:59Z")
    assert (late["signature_matches"], late["causes"]) == (True, [])
    assert late["problems"][0]["remedy"]
    unsigned = verified(FORM)
    assert (unsigned["verifies"], unsigned["signed_by"], unsigned["signature_matches"]) == (False, None, None)


def test_a_form_in_another_dialect_is_judged_in_the_same_document(verified, signed):
    of_dialect = ["--dialect", "aws-v4", "--region", "us-east-1", "--service", "importexport"]
    made = verified(signed("--headers", *of_dialect), *of_dialect)
    assert (made["result"], made["dialect"], made["method"]) == ("ok", "aws-v4", None)
    other = ["--dialect", "aws-v4", "--region", "eu-central-1", "--service", "importexport"]
    made = verified(signed("--headers", *of_dialect), *other)
    assert (made["result"], made["verifies"]) == ("negative", False) and made["problems"]


def test_what_cannot_be_judged_is_a_failure(verified, signed):
    for form, secret, code in (("", SECRET, 65), ("a%zz=b", SECRET, 65), (signed(), None, 78)):
        made = verified(form, secret=secret)
        assert (made["result"], made["exit_code"], made["verifies"]) == ("failed", code, None)


@pytest.fixture
def explained(document, tmp_path):
    def explain(request, answer, *arguments, environment=None):
        (tmp_path / "request").write_text(request)
        (tmp_path / "answer").write_text(answer)
        return document("explain", "explain", "--request", tmp_path / "request", "--answer", tmp_path / "answer",
                        "--endpoint", ENDPOINT, *arguments, environment=environment)

    return explain


def refusal(code, message="No."):
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"


def test_a_refused_request_is_explained(explained, signed):
    made = explained(signed(), refusal("InvalidClientTokenId"))
    assert (made["result"], made["cause"]) == ("ok", "key_id") and made["remedies"]
    wrong = explained(signed(secret="x" * 40), refusal("SignatureDoesNotMatch"),
                      environment={"AWS_SECRET_ACCESS_KEY": SECRET})
    assert wrong["cause"] in ("key", "unknown") and wrong["reasons"]
    head = "HTTP/1.1 400 No\r\nDate: Tue, 21 Jun 2011 22:30:59 GMT\r\n\r\n"
    late = explained(signed(), head + refusal("RequestExpired"))
    assert (late["cause"], late["result"]) == ("clock", "ok")


def test_what_is_no_refusal_and_what_is_no_answer(explained, signed):
    made = explained(signed(), refusal("NoSuchJob"))
    assert (made["result"], made["exit_code"], made["cause"], made["endpoint_code"]) == (
        "negative", 1, None, "NoSuchJob",
    )  # fmt: skip
    made = explained(signed(), "nothing")
    assert (made["result"], made["exit_code"]) == ("failed", 65)
    made = explained(FORM, refusal("SignatureDoesNotMatch"))
    assert (made["result"], made["exit_code"]) == ("failed", 65)


def test_the_text_is_what_it_was(run, sealed, signed):
    path, identity = sealed()
    assert run("keys", "list", path.parent)[1] == "main.age  sealed (give --identity to see the key)\n"
    told = run("keys", "inspect", "--identity", identity, path)[1]
    assert told.startswith(f"file           {path}\naccess key id  {KEY_ID}\n")
    code, text, _ = run("verify", "--endpoint", ENDPOINT, "--at", TIME, given=signed(),
                        environment={"AWS_SECRET_ACCESS_KEY": SECRET})
    assert (code, text) == (
        0, f"verifies: signed by {KEY_ID} with HmacSHA256 for host importexport.amazonaws.com, path /\n",
    )  # fmt: skip


def test_lines_of_log_and_audit_are_what_their_schemas_say(start_countersign, seal, sandbox, tmp_path):
    path = tmp_path / "countersign.toml"
    path.write_text(f"""\
[listener.local]
address = "127.0.0.1:0"
any_local = true
[listener.named]
address = "127.0.0.1:0"
authenticate = ["token"]
[client.a]
token_sha256 = "{'0' * 63}1"
allow = ["*:Get*"]
rate = "1/m"
[route.main]
endpoint = "{sandbox}"
audit_values = ["JobId"]
limits.body = "1 KiB"
{seal()}
[audit]
target = "stdout"
[log]
format = "json"
level = "debug"
""")
    process = start_countersign("run", "--config", path)
    address = json.loads(process.wait_for(r'"message":"listening\b.*"listener":"local"').string)["address"]
    bodies = ["Action=ListJobs&JobId=a&Version=2010-06-03", "Action=ListJobs", "Action=a&Action=b", "", "JobId=%zz",
              "a=" + "b" * 2000]
    for nth, body in enumerate(bodies):
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--noproxy", "*", "--data-raw", body, "--header", "Expect:",
             "--header", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", f"http://{address}/"],
            capture_output=True, text=True, timeout=TIMEOUT, check=False,
        )
        assert done.returncode == 0, (nth, done.stderr)
    process.stop()
    count = schemas.check_lines(process.output + process.log)
    assert count["log"] > len(bodies) and count["audit"] >= len(bodies), (count, process.transcript())
    lines = [json.loads(line) for line in process.log if '"message":"exchange"' in line]
    assert {"answered_2xx", "refused"} <= {line["outcome"] for line in lines}


def test_a_line_with_a_member_that_is_not_described_is_found():
    line = {"timestamp": "2026-01-01T00:00:00Z", "level": "INFO", "message": "exchange",
            "target": "countersign::exchange", "request_id": "a", "listener": "l", "peer": "p",
            "outcome": "refused", "bytes_in": 0, "bytes_out": 0, "total_us": 1}
    schemas.check_lines([json.dumps(line)])
    with pytest.raises(jsonschema.ValidationError):
        schemas.check_lines([json.dumps(line | {"secret": "x"})])
