//! Rules by use: `policy suggest` from the records of all replicas, compared with the rules in force, and `policy
//! test`, which runs a table of calls.

use std::fs;
use std::path::PathBuf;

use crate::harness::clients::{client, reader};
use crate::harness::{Endpoint, Outcome, Setup, program};

/// A configuration with clients of these tables, who are known by tokens.
fn setup(clients: &str) -> Setup {
    let mut setup = Setup::to(&Endpoint::obliging()).more(clients);
    setup.callers = "authenticate = [\"token\"]";
    setup
}

/// A line of the audit.
fn line(time: &str, client: &str, action: &str, decision: &str) -> String {
    format!(
        "{{\"time\":\"{time}\",\"client\":\"{client}\",\"route\":\"importexport\",\"action\":\"{action}\",\
         \"decision\":\"{decision}\",\"parameters\":[\"Action\",\"JobId\"]}}\n"
    )
}

/// Two replicas' records.
fn records(setup: &Setup) -> [PathBuf; 2] {
    let one = [
        line("2026-03-01T10:00:00.5Z", "reader", "GetStatus", "allow"),
        line("2026-03-04T10:00:00Z", "reader", "CreateJob", "deny"),
        line("2026-03-02T11:00:00Z", "learner", "CreateJob", "recorded"),
    ];
    let two = [
        line("2026-03-03T08:30:00Z", "reader", "GetStatus", "allow"),
        line("2026-03-01T07:00:00Z", "learner", "CreateJob", "recorded"),
        line("2026-03-01T07:00:01Z", "learner", "GetShippingLabel", "recorded"),
    ];
    [("one.jsonl", one), ("two.jsonl", two)].map(|(name, lines)| {
        let path = setup.vault_path(name);
        fs::write(&path, lines.concat()).unwrap();
        path
    })
}

fn learner() -> String {
    client("learner", "mode = \"record\"\ndeny = [\"*:GetShippingLabel\"]")
}

#[test]
fn suggestions_are_from_the_records_of_all_replicas_with_how_often_and_when() {
    let setup = setup(&format!("{}{}", reader(), learner()));
    let [one, two] = records(&setup);
    let mut suggest = setup.command("policy suggest");
    // one is named twice, as a pattern of a shell may
    suggest.arg("--record").args([&one, &two]).arg("--record").arg(&one);
    let suggested = Outcome::of(&mut suggest, "");
    assert_eq!(suggested.code, 0, "{suggested:?}");
    for expected in [
        "one.jsonl: 3 decisions, from 2026-03-01T10:00:00.5Z to 2026-03-04T10:00:00Z\n",
        "two.jsonl: 3 decisions, from ",
        "  \"importexport:GetStatus\", # 2 times, last at 2026-03-03T08:30:00Z, with JobId\n",
        "  \"importexport:CreateJob\", # 2 times, last at 2026-03-02T11:00:00Z, with JobId\n",
    ] {
        assert!(suggested.stdout.contains(expected), "no {expected} in {}", suggested.stdout);
    }
    assert_eq!(suggested.stdout.matches("one.jsonl").count(), 1, "{}", suggested.stdout);
    assert!(suggested.stderr.contains("1 calls were refused"), "{suggested:?}");
}

#[test]
fn the_name_of_a_record_cannot_write_a_rule() {
    let setup = setup(&reader());
    let path = setup.vault_path("a.jsonl\n[[client.reader.rule]]\u{1b}[2J");
    fs::write(&path, line("2026-03-01T10:00:00Z", "reader", "GetStatus", "allow")).unwrap();
    let suggested = Outcome::of(setup.command("policy suggest").arg("--record").arg(&path), "");
    assert_eq!(suggested.code, 0, "{suggested:?}");
    let rules = suggested.stdout.lines().filter(|line| line.starts_with("[["));
    assert_eq!(rules.count(), 1, "{}", suggested.stdout);
    assert!(!suggested.stdout.contains('\u{1b}'), "{}", suggested.stdout);
}

#[test]
fn suggestions_are_compared_with_the_rules_in_force() {
    let setup = setup(&format!("{}{}{}", reader(), learner(), client("silent", "allow = [\"*:*\"]")));
    let mut suggest = setup.command("policy suggest");
    suggest.arg("--record").args(records(&setup));
    let suggested = Outcome::of(&mut suggest, "");
    assert_eq!(suggested.code, 0, "{suggested:?}");
    for expected in [
        "# compared with the rules of reader in force (mode enforce):\n\
         # = importexport:GetStatus: allowed by allow[1]\n\
         # - allow[1] importexport:Get*: of what it allows, only importexport:GetStatus was recorded\n\
         # - allow[2] *:ListJobs: nothing recorded needs it\n",
        "# compared with the rules of learner in force (mode record):\n\
         # + importexport:CreateJob: no rule allows it\n\
         # ! importexport:GetShippingLabel: denied by deny[1], whatever allows it\n",
    ] {
        assert!(suggested.stdout.contains(expected), "no {expected} in {}", suggested.stdout);
    }
    assert!(suggested.stderr.contains("nothing was recorded of silent"), "{suggested:?}");
}

#[test]
fn what_is_suggested_can_be_appended_and_allows_what_was_recorded() {
    let clients = format!("{}{}", reader(), learner());
    let before = setup(&clients);
    let mut suggest = before.command("policy suggest");
    suggest.arg("--record").args(records(&before));
    let suggested = Outcome::of(&mut suggest, "").stdout;
    let after = setup(&format!("{clients}\n{suggested}"));
    let explained = |setup: &Setup, client: &str, action: &str| {
        let mut explain = setup.command("policy explain");
        Outcome::of(explain.args(["--client", client, "--action", action, "JobId=1"]), "").code
    };
    assert_eq!(explained(&before, "learner", "CreateJob"), 1);
    assert_eq!(explained(&after, "learner", "CreateJob"), 0);
    assert_eq!(explained(&after, "learner", "GetShippingLabel"), 1, "as the comparison said");
    assert_eq!(explained(&after, "reader", "GetStatus"), 0);
}

/// The outcome of `policy test` with this table.
fn test(setup: &Setup, table: &str) -> Outcome {
    let path = setup.vault_path("calls.toml");
    fs::write(&path, table).unwrap();
    Outcome::of(setup.command("policy test").arg(&path), "")
}

#[test]
fn a_table_of_calls_that_are_decided_as_expected_passes() {
    let setup = setup(&reader());
    let table = "[[call]]\nclient = \"reader\"\naction = \"GetStatus\"\nexpect = \"allow\"\nrule = \"allow[1]\"\n\
                 [[call]]\nclient = \"reader\"\nroute = \"importexport\"\naction = \"GetShippingLabel\"\n\
                 parameters = { name = \"marker-value\", MaxJobs = 3 }\nexpect = \"deny\"\n\
                 [[call]]\nclient = \"reader\"\nform = \"Action=ListJobs&MaxJobs=%zz\"\nexpect = \"deny\"\n";
    let tested = test(&setup, table);
    assert_eq!(tested.code, 0, "{tested:?}");
    for expected in [
        "calls.toml:1: reader calls importexport:GetStatus: allow\n",
        "calls.toml:6: reader calls importexport:GetShippingLabel with MaxJobs, name: deny\n",
        "calls.toml:12: reader calls importexport:ListJobs with MaxJobs: deny\n",
        "untested: no call is decided by allow[2] of client reader: *:ListJobs\n",
        "3 calls, all decided as expected\n",
    ] {
        assert!(tested.stdout.contains(expected), "no {expected} in {}", tested.stdout);
    }
    tested.shows_none_of(&["marker-value", "%zz"]);
}

#[test]
fn a_call_that_is_decided_otherwise_is_named_with_its_line_the_reason_and_the_note() {
    let setup = setup(&reader());
    let table = "[[call]]\nclient = \"reader\"\naction = \"CreateJob\"\nparameters.Manifest = \"marker-value\"\n\
                 expect = \"allow\"\nnote = \"the nightly job\"\n\
                 [[call]]\nclient = \"reader\"\naction = \"ListJobs\"\nexpect = \"allow\"\nrule = \"allow[1]\"\n\
                 [[call]]\nclient = \"reader\"\naction = \"ListJobs\"\nexpect = \"allow\"\n";
    let tested = test(&setup, table);
    tested.shows_none_of(&["marker-value"]);
    for expected in [
        "NOT AS EXPECTED: ",
        "calls.toml:1: reader calls importexport:CreateJob with Manifest: expected is allow, and it is deny: no rule \
         of client reader allows it (the nightly job)\n",
        "calls.toml:7: reader calls importexport:ListJobs: expected is allow by allow[1], and it is allow: allow[2] of",
        "calls.toml:12: reader calls importexport:ListJobs: allow\n",
    ] {
        assert!(tested.stdout.contains(expected), "no {expected} in {}", tested.stdout);
    }
    assert!(tested.code == 1 && tested.stderr.contains("2 of 3 calls are not decided as expected"), "{tested:?}");
}

#[test]
fn a_table_that_cannot_be_used_is_refused_with_its_line() {
    let setup = setup(&reader());
    for (table, told) in [
        (
            "\n[[call]]\nclient = \"nobody\"\naction = \"A\"\nexpect = \"deny\"\n",
            "calls.toml:2: \"nobody\" names no client",
        ),
        (
            "[[call]]\nclient = \"reader\"\nroute = \"none\"\naction = \"A\"\nexpect = \"deny\"\n",
            "calls.toml:1: \"none\" names no route",
        ),
        ("[[call]]\nclient = \"reader\"\nexpect = \"deny\"\n", "calls.toml:1: this call has neither"),
        (
            "[[call]]\nclient = \"reader\"\naction = \"A\"\nexpect = \"maybe\"\n",
            "calls.toml:4: is not a table of calls",
        ),
        ("", "is not a table of calls"),
        ("call = []\n", "has no calls"),
    ] {
        test(&setup, table).failed(65, told);
    }
    let missing = Outcome::of(setup.command("policy test").arg(setup.vault_path("none.toml")), "");
    missing.failed(65, "none.toml: cannot be read");
}

#[test]
fn the_sample_table_passes_with_its_configuration() {
    // copies: the checkout may belong to another user
    let directory = tempfile::tempdir().unwrap();
    let [config, calls] = ["clients.toml", "calls.toml"].map(|name| directory.path().join(name));
    fs::write(&config, include_str!("../../config/clients.toml")).unwrap();
    fs::write(&calls, include_str!("../../config/calls/clients.toml")).unwrap();
    let tested = Outcome::of(program().args(["policy", "test", "--config"]).args([&config, &calls]), "");
    assert_eq!(tested.code, 0, "{tested:?}");
    assert!(tested.stdout.ends_with("10 calls, all decided as expected\n"), "{}", tested.stdout);
}
