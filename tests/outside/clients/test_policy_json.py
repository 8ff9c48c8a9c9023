"""What `countersign policy ... --format json` prints keeps to its schemas, whatever comes of it, and says what the text
says."""

import json
import os
import pathlib
import shutil
import subprocess
import tomllib

import pytest
import schemas

TOP = pathlib.Path(__file__).resolve().parents[3]
TIMEOUT = 60  # seconds; a debug build on a busy machine


@pytest.fixture
def document(countersign_bin, tmp_path):
    """Runs a command of `policy` on the sample of clients; returns its exit code and its document."""
    shutil.copy(TOP / "config/clients.toml", tmp_path)
    # the checkout may belong to another user, and others may write it
    (tmp_path / "clients.toml").chmod(0o644)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}

    def document(command, *arguments, configuration="clients.toml"):
        done = subprocess.run(
            [
                countersign_bin, "policy", command, "--format", "json", "--config", tmp_path / configuration,
                *map(str, arguments),
            ],
            capture_output=True, text=True, timeout=TIMEOUT, check=False, env=kept, stdin=subprocess.DEVNULL,
        )
        made = json.loads(done.stdout)
        schemas.check(f"policy-{command}", made)
        assert made["exit_code"] == done.returncode
        assert "MARKER-VALUE" not in done.stdout + done.stderr
        assert all(fault["message"] in done.stderr for fault in made["faults"]), done.stderr
        return done.returncode, made

    return document


def record(path, *lines):
    """Writes lines of the audit: client, Action, decision and time."""
    path.write_text("".join(
        json.dumps({
            "time": time, "client": client, "route": "importexport", "action": action, "decision": decision,
            "parameters": ["Action", "JobId"],
        }) + "\n"
        for client, action, decision, time in lines
    ))
    return path


def test_an_explanation_names_the_decision_the_rule_and_the_reason(document):
    code, made = document("explain", "--client", "reporting", "--action", "GetStatus", "JobId=MARKER-VALUE")
    assert code == 0
    expected = {
        "result": "ok", "client": "reporting", "route": "importexport", "action": "GetStatus", "mode": "enforce",
        "decision": "allow", "why": "rule", "rule": "allow[1]", "rule_text": "importexport:Get*",
    }
    assert {name: made[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "why", "rule"),
    [
        (["--client", "reporting", "--action", "GetShippingLabel"], "rule", "deny[1]"),
        (["--client", "reporting", "--action", "CreateJob"], "no_rule", None),
        (["--client", "reporting", "--action", "listJobs"], "other_spelling", "allow[2]"),
        (
            ["--client", "planner", "--action", "GetStatus", "manifestaddendum=MARKER-VALUE"],
            "other_parameter", "rule[2]",
        ),
        (["--client", "planner", "--action", "GetStatus", "Operation=MARKER-VALUE"], "form", None),
        (["--client", "migration", "--action", "CreateJob"], "no_rule", None),
    ],
)
def test_a_call_that_is_denied_has_a_reason_for_programs(document, arguments, why, rule):
    code, made = document("explain", *arguments)
    assert (code, made["result"], made["decision"], made["why"], made["rule"]) == (1, "negative", "deny", why, rule)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--client", "nobody", "--action", "GetStatus"],
        ["--client", "planner", "--action", "Get Status"],
        ["--client", "planner", "--action", "GetStatus", "--route", "none"],
    ],
)
def test_a_call_that_cannot_be_explained_is_a_failure_with_all_members(document, arguments):
    code, made = document("explain", *arguments)
    assert (code, made["result"], made["decision"]) == (65, "failed", None)


def test_a_configuration_that_cannot_be_read_is_a_failure_of_each_command(document, tmp_path):
    (tmp_path / "broken.toml").write_text("[listener.local]\n")
    for command, arguments in [
        ("explain", ["--client", "a", "--action", "B"]),
        ("suggest", ["--record", tmp_path / "none.jsonl"]),
        ("test", [tmp_path / "none.toml"]),
    ]:
        code, made = document(command, *arguments, configuration="broken.toml")
        assert (code, made["result"]) == (78, "failed") and made["faults"]


def test_a_suggestion_says_what_it_is_from_and_how_it_differs_from_the_rules_in_force(document, tmp_path):
    one = record(
        tmp_path / "one.jsonl",
        ("reporting", "GetStatus", "allow", "2026-03-01T10:00:00Z"),
        ("migration", "CreateJob", "recorded", "2026-03-01T11:00:00Z"),
        ("reporting", "CreateJob", "deny", "2026-03-01T12:00:00Z"),
    )
    two = record(tmp_path / "two.jsonl", ("reporting", "GetStatus", "allow", "2026-03-02T10:00:00Z"))
    code, made = document("suggest", "--record", one, two)
    assert (code, made["unseen_clients"], made["passed_over"]["denied"]) == (0, ["planner"], 1)
    assert [(each["lines"], each["from"], each["to"]) for each in made["records"]] == [
        (3, "2026-03-01T10:00:00Z", "2026-03-01T12:00:00Z"), (1, "2026-03-02T10:00:00Z", "2026-03-02T10:00:00Z"),
    ]
    migration, reporting = made["clients"]
    assert (migration["client"], migration["mode"]) == ("migration", "record")
    (call,) = reporting["calls"]
    assert call == {
        "route": "importexport", "action": "GetStatus", "count": 2, "first_seen": "2026-03-01T10:00:00Z",
        "last_seen": "2026-03-02T10:00:00Z", "parameters": ["JobId"], "other_spelling": None, "today": "allowed",
        "today_by": "allow[1]",
    }
    assert [(each["rule"], each["needed_for"]) for each in reporting["excess"]] == [
        ("allow[1]", ["importexport:GetStatus"]), ("allow[2]", []),
    ]
    assert (migration["calls"][0]["today"], migration["calls"][0]["today_by"]) == ("not_allowed", None)
    rule = tomllib.loads(migration["rule"])["client"]["migration"]["rule"]
    assert rule == [{"effect": "allow", "actions": ["importexport:CreateJob"]}]


def test_records_with_nothing_to_suggest_are_a_negative_result(document, tmp_path):
    empty = record(tmp_path / "empty.jsonl")
    code, made = document("suggest", "--record", empty)
    assert (code, made["result"], made["clients"]) == (1, "negative", [])
    (tmp_path / "broken.jsonl").write_text("MARKER-VALUE\n")
    code, made = document("suggest", "--record", tmp_path / "broken.jsonl")
    assert (code, made["result"]) == (65, "failed")


def test_the_sample_table_is_tested_call_by_call(document):
    code, made = document("test", TOP / "config/calls/clients.toml")
    assert (code, made["result"], made["as_expected"], made["otherwise"]) == (0, "ok", 10, 0)
    assert all(call["is_as_expected"] for call in made["calls"])
    assert made["untested_rules"] == []
    assert {call["why"] for call in made["calls"]} == {"rule", "no_rule", "form"}


def test_a_table_that_is_decided_otherwise_says_which_call_and_why(document, tmp_path):
    table = tmp_path / "calls.toml"
    table.write_text("""
[[call]]
client = "planner"
action = "CreateJob"
parameters = { ValidateOnly = true, JobType = "MARKER-VALUE" }
expect = "allow"
note = "the nightly job"
""")
    code, made = document("test", table)
    assert (code, made["result"], made["otherwise"]) == (1, "negative", 1)
    (call,) = made["calls"]
    assert (call["line"], call["expected"], call["decision"], call["why"]) == (2, "allow", "deny", "no_rule")
    assert (call["parameters"], call["note"]) == (["JobType", "ValidateOnly"], "the nightly job")
    table.write_text('[[call]]\nclient = "planner"\naction = "MARKER-VALUE"\nexpect = "maybe"\n')
    code, made = document("test", table)
    assert (code, made["result"], made["calls"]) == (65, "failed", [])
