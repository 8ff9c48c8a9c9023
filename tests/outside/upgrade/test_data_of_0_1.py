"""Files that countersign 0.1 wrote: keys open, records are read, and nobody's dashboard loses a name."""

import json
import re
import subprocess

import jsonschema
import pytest
from kept import DATA, SCHEMAS, TOP, WRITERS, check, lay_out, records, run

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
CONFIGURATION = """
[listener.local]
address = "127.0.0.1:0"
authenticate = ["issued-key"]

[client.reports]
issued_keys = ["reports-1"]
allow = ["importexport:ListJobs"]

[route.importexport]
endpoint = "https://importexport.amazonaws.com/"
key = "main"

[key.main]
file = "main.age"
identity_file = "identity"

[key.reports-1]
file = "reports-1.age"
identity_file = "identity"
"""
SIGNING = """
[listener.local]
any_local = true

[route.importexport]
endpoint = "https://importexport.amazonaws.com/"

[key.main]
file = "{writer}main.age"
identity_file = "{writer}identity"
"""
FORM = "Action=ListJobs&Version=2010-06-03"


@pytest.mark.parametrize("writer", WRITERS)
def test_a_key_that_0_1_sealed_signs(countersign, tmp_path, writer):
    lay_out(tmp_path, f"{writer}main.age", f"{writer}identity")
    file = tmp_path / "countersign.toml"
    file.write_text(SIGNING.format(writer=writer))
    words = [countersign, "sign", "--config", file, "--route", "importexport"]
    signed = subprocess.run(words, input=FORM, capture_output=True, text=True, timeout=60)
    assert signed.returncode == 0, signed.stderr
    assert f"AWSAccessKeyId={KEY_ID}" in signed.stdout and "Signature=" in signed.stdout


def test_keys_that_0_1_sealed_and_issued_pass_check(countersign, tmp_path):
    lay_out(tmp_path, "main.age", "identity", "reports-1.age")
    done = check(countersign, tmp_path, CONFIGURATION)
    assert done.returncode == 0, done.stderr
    assert KEY_ID in done.stdout and "reports-1" in done.stdout


@pytest.mark.parametrize("writer", WRITERS)
def test_rules_are_suggested_from_an_audit_of_0_1(countersign, tmp_path, writer):
    lay_out(tmp_path, "main.age", "identity", "reports-1.age")
    (tmp_path / "countersign.toml").write_text(CONFIGURATION)
    done = run(countersign, "policy", "suggest", "--config", tmp_path / "countersign.toml",
               "--record", DATA / f"{writer}audit.jsonl")
    assert done.returncode == 0, done.stderr
    assert "importexport:ListJobs" in done.stdout and "importexport:GetStatus" in done.stdout


@pytest.mark.parametrize("name, schema", [("audit.jsonl", "audit"), ("log.jsonl", "log")])
def test_records_of_the_last_0_1_keep_to_todays_schemas(name, schema):
    schema = json.loads((SCHEMAS / f"{schema}.schema.json").read_text())
    documents = records(name)
    assert documents
    for document in documents:
        jsonschema.validate(document, schema)


def test_a_report_of_the_last_0_1_lacks_at_most_what_has_come_since():
    """Nobody keeps a report: every member is in each of today's, also those that 0.1 did not have."""
    schema = json.loads((SCHEMAS / "status.schema.json").read_text())
    report = json.loads((DATA / "status.json").read_text())
    wrong = list(jsonschema.Draft202012Validator(schema).iter_errors(report))
    assert {error.validator for error in wrong} <= {"required"}, wrong


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name, schema", [("audit.jsonl", "audit"), ("log.jsonl", "log")])
def test_every_field_of_a_record_of_0_1_is_known_today(writer, name, schema):
    """A field may have come since; none may have gone."""
    known = (SCHEMAS / f"{schema}.schema.json").read_text()
    # lines about anything but an exchange have fields of their own, which the schema leaves open
    kept = [record for record in records(f"{writer}{name}") if "request_id" in record]
    assert kept
    assert not {field for record in kept for field in record if f'"{field}"' not in known}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_metric_of_0_1_is_documented_today_with_its_labels(writer):
    page = (TOP / "docs/reference/metrics.md").read_text()
    samples = (DATA / f"{writer}metrics.txt").read_text()
    families = set(re.findall(r"^# TYPE (\w+) ", samples, re.M))
    assert len(families) >= 20
    gone = {family for family in families if not re.search(rf"`{family}(_total)?[`{{]", page)}
    assert not gone
    for name, labels in sorted(set(re.findall(r"^(\w+)\{([^}]*)\} ", samples, re.M))):
        family = next(one for one in (name, re.sub(r"_(bucket|sum|count|total)$", "", name)) if one in families)
        # in one row or another: what a metric is, and what its labels are
        rows = "".join(re.findall(rf"^\|.*`{family}(?:_total)?[`{{].*$", page, re.M))
        kept = set(re.findall(r'(\w+)="', labels)) - {"le"}
        assert not [label for label in kept if f"`{label}`" not in rows], name
