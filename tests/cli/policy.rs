//! `countersign policy`, and what `check` prints of clients: what rules decide, and rules made from a record.

use std::fs;

use crate::harness::clients::{client, digest, reader};
use crate::harness::{Endpoint, Outcome, Setup, program};

/// A configuration with clients of these tables, who are known by tokens.
fn setup(clients: &str) -> Setup {
    let mut setup = Setup::to(&Endpoint::obliging()).more(clients);
    setup.callers = "authenticate = [\"token\"]";
    setup
}

#[test]
fn a_broken_record_is_named_by_its_line_and_not_repeated() {
    let setup = setup(&reader());
    let record = setup.vault_path("audit.jsonl");
    let suggest = |text: &str| {
        fs::write(&record, text).unwrap();
        Outcome::of(setup.command("policy suggest").arg("--record").arg(&record), "")
    };
    let broken = suggest("{\"decision\":\"deny\"}\n\n{\"decision\":\"marker\"}\n");
    assert_eq!(broken.code, 65);
    assert!(broken.stderr.contains("audit.jsonl:3:") && !broken.stderr.contains("marker"), "{broken:?}");
    let foreign =
        suggest("{\"decision\":\"allow\",\"client\":\"x\\n[key\",\"route\":\"importexport\",\"action\":\"A\"}\n");
    foreign.failed(1, "1 calls were of clients or routes");
}

#[test]
fn explain_says_allow_or_deny_and_which_rule() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/config/clients.toml");
    let explain = |client: &str, call: &[&str]| {
        let arguments = [&["policy", "explain", "--config", config, "--client", client, "--action"], call].concat();
        let explained = Outcome::of(program().args(arguments), "");
        (explained.code, explained.stdout)
    };
    let (code, text) = explain("reporting", &["GetStatus"]);
    assert_eq!(
        (code, text.as_str()),
        (0, "allow importexport:GetStatus: allow[1] of client reporting: importexport:Get*\n")
    );
    let (code, text) = explain("reporting", &["GetShippingLabel"]);
    assert!(code == 1 && text.starts_with("deny importexport:GetShippingLabel: deny[1] of client reporting"), "{text}");
    let (code, text) = explain("reporting", &["CreateJob"]);
    assert_eq!((code, text.as_str()), (1, "deny importexport:CreateJob: no rule of client reporting allows it\n"));
    let (code, text) = explain("planner", &["CreateJob", "ValidateOnly=true", "JobType=Import"]);
    assert!(code == 0 && text.contains("rule[1]") && text.contains("when ValidateOnly equals \"true\" and"), "{text}");
    assert_eq!(explain("planner", &["CreateJob", "ValidateOnly=true", "JobType=Import", "ManifestAddendum=a=b"]).0, 1);
    assert_eq!(explain("migration", &["CreateJob"]).0, 1, "the answer that holds once rules are enforced");
    for wrong in [("nobody", ["GetStatus"].as_slice()), ("planner", &["Get Status"]), ("planner", &["GetStatus", "x"])]
    {
        assert_eq!(explain(wrong.0, wrong.1).0, 65, "{wrong:?}");
    }
}

#[test]
fn check_prints_clients_and_rules_and_never_a_digest() {
    let record = client("learner", "mode = \"record\"\nrate = \"5/s\"");
    let other = "[client.other]\nuid = 7\nallow = [\"*:*\"]\n";
    let checked = Outcome::of(&mut setup(&format!("{}{record}{other}", reader())).command("check"), "");
    assert_eq!(checked.code, 0, "{checked:?}");
    for line in [
        "callers: clients, by token",
        "client reader: identified by a token",
        "deny[1]: deny importexport:GetShippingLabel",
        "WARNING mode record",
        "rate: 5 calls in 1s, 5 at once",
        "allow[1]: allow *:*",
        "WARNING no listener can identify it",
    ] {
        assert!(checked.stdout.contains(line), "no {line:?} in {}", checked.stdout);
    }
    checked.shows_none_of(&[&digest("marker-token-reader")]);
}
