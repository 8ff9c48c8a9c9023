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
    // a copy: the checkout may belong to another user
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("clients.toml");
    fs::write(&config, include_str!("../../config/clients.toml")).unwrap();
    let config = config.to_str().unwrap();
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
fn explain_says_which_spelling_decided() {
    let setup = setup(&client(
        "renter",
        "allow = [\"importexport:Get*\", \"importexport:Run*\", \"importexport:TerminateInstances\"]\n\
         deny = [\"*:TerminateInstances\"]\n\
         [[client.renter.rule]]\neffect = \"deny\"\nactions = [\"*:RunInstances\"]\n\
         when = [{ parameter = \"UserData\", absent = false }]",
    ));
    for (call, expected) in [
        (["TerminateInstances", "A=1"], "deny[1] of client renter: *:TerminateInstances"),
        (["terminateInstances", "A=1"], "deny[1] of client renter denies every spelling of the Action: *:Terminate"),
        (["getStatus", "A=1"], "no rule of client renter allows it; allow[1] allows another spelling of the Action"),
        (["RunInstances", "user_data=1"], "parameter 'user_data' could be taken for 'UserData', which rule[1] of"),
        (
            ["RunInstances", "UserData.value=1"],
            "parameter 'UserData.value' could be taken for 'UserData', which rule[1]",
        ),
        (["RunInstances", "Operation=A"], "the form is refused: parameter 'Operation' could be taken for the reserved"),
        (["RunInstances", "A\u{a0}=1"], "the form is refused: the name of parameter 'A\\u{a0}' has at position 2"),
    ] {
        let mut explain = setup.command("policy explain");
        explain.args(["--client", "renter", "--action"]).args(call);
        let explained = Outcome::of(&mut explain, "");
        assert_eq!(explained.code, 1, "{explained:?}");
        let line = format!("deny importexport:{}: ", call[0]);
        assert!(explained.stdout.starts_with(&line) && explained.stdout.contains(expected), "{explained:?}");
    }
    let mut explain = setup.command("policy explain");
    explain.args(["--client", "renter", "--action", "RunInstances", "InstanceType=a", "instance_type=b"]);
    let explained = Outcome::of(&mut explain, "");
    let alike = "parameters 'InstanceType' and 'instance_type' differ only by case";
    assert!(explained.code == 1 && explained.stdout.contains(alike), "{explained:?}");
}

#[test]
fn explain_and_suggest_speak_the_dialect_of_the_route() {
    let tenant = client(
        "tenant",
        "allow = [\"importexport:list*\"]\n[[client.tenant.rule]]\neffect = \"deny\"\nactions = [\"*:list*\"]\n\
         when = [{ parameter = \"id\", absent = false }]",
    );
    let setup = setup(&tenant).route("profile.dialect = \"cloudstack\"\n");
    for (code, call, expected) in [
        (0, ["listZones", "response=json"], "allow importexport:listZones: allow[1] of client tenant"),
        (1, ["listZones", "id=1"], "deny importexport:listZones: rule[1] of client tenant"),
        (1, ["listZones", "ID=1"], "parameter 'ID' could be taken for 'id', which rule[1] of client tenant"),
        (1, ["deployVirtualMachine", "Action=listZones"], "no rule of client tenant allows it"),
        (1, ["LISTzones", "a=1"], "allow[1] allows another spelling"),
        (1, ["login", "username=a"], "the form is refused: endpoints of this dialect answer login without a look"),
        (1, ["listZones", "a b=1"], "the form is refused: the name of parameter 'a b' has at position 2"),
        (1, ["listZones", "Command=login"], "the form is refused: parameters 'Command' and 'command' differ only"),
    ] {
        let mut explain = setup.command("policy explain");
        explain.args(["--client", "tenant", "--action"]).args(call);
        let explained = Outcome::of(&mut explain, "");
        assert!(explained.code == code && explained.stdout.contains(expected), "{call:?}: {explained:?}");
    }
    let record = setup.vault_path("audit.jsonl");
    let line = r#"{"client":"tenant","route":"importexport","action":"listZones","decision":"recorded",
        "parameters":["command","response","zoneid","Action"]}"#;
    fs::write(&record, line.replace('\n', "")).unwrap();
    let suggested = Outcome::of(setup.command("policy suggest").arg("--record").arg(&record), "").succeeded();
    assert!(suggested.contains("\"importexport:listZones\", # once, with Action, zoneid\n"), "{suggested}");
}

#[test]
fn check_and_run_refuse_two_spellings_of_one_parameter_in_the_rules_of_a_client() {
    let rule = |name: &str| {
        format!(
            "[[client.renter.rule]]\neffect = \"deny\"\nactions = [\"*:RunInstances\"]\n\
             when = [{{ parameter = \"{name}\", absent = false }}]\n"
        )
    };
    let setup = setup(&client("renter", &format!("{}{}", rule("UserData"), rule("user_data"))));
    let refused = |command: &str| {
        let outcome = Outcome::of(&mut setup.command(command), "");
        assert_eq!(outcome.code, 78, "{command}: {outcome:?}");
        let fault = "client.renter.rule: rule[1] asks about `UserData` and rule[2] about `user_data`";
        assert!(outcome.stderr.contains(fault), "{command}: {outcome:?}");
    };
    refused("check");
    refused("run");
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
