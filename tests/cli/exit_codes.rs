//! The exit codes of every command that opens the file of a key, an identity or a certificate.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{ID, Outcome, SECRET, program};

/// A directory with a file for each fault.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let key = format!(r#"{{"Version": 1, "AccessKeyId": "{ID}", "SecretAccessKey": "{SECRET}"}}"#);
        for identity in ["id", "other"] {
            place.run(&["keys", "new-identity", "--out", identity], "").succeeded();
        }
        for sealed in ["key.age", "open.age"] {
            place.run(&["keys", "seal", "--out", sealed, "--identity", "id"], &key).succeeded();
        }
        place.write("text", "no key at all");
        place.write("pasted.json", &format!(r#"{{"Credentials": {key}}}"#));
        place.write("key.json", &key);
        fs::set_permissions(place.path("open.age"), Permissions::from_mode(0o644)).unwrap();
        place.seal_with_age("no-key.age", "{}");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    /// `keys seal` seals nothing that is no key.
    fn seal_with_age(&self, name: &str, text: &str) {
        let mut age = Command::new("age");
        age.args(["--encrypt", "--identity", "id", "--output", name]).current_dir(self.0.path());
        Outcome::of(&mut age, text).succeeded();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    /// Runs the program, which shows no secret.
    fn run(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut command = program();
        command.args(arguments).current_dir(self.0.path()).env_remove("AWS_SECRET_ACCESS_KEY");
        let outcome = Outcome::of(&mut command, input);
        outcome.shows_none_of(&[SECRET]);
        outcome
    }

    fn path_of(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A configuration with one key.
    fn configuration(&self, key: &str) -> String {
        let text = format!(
            "[listener.local]\naddress = \"127.0.0.1:0\"\nany_local = true\n\
             [route.ie]\nendpoint = \"https://importexport.amazonaws.com/\"\n[key.main]\n{key}\n"
        );
        self.write("countersign.toml", &text);
        self.path_of("countersign.toml")
    }
}

#[test]
fn every_command_ends_with_the_same_code_for_the_same_fault_of_a_file() {
    let place = Place::new();
    let path = |name| place.path_of(name);
    let sealed = |file, identity| format!("file = {:?}\nidentity_file = {:?}", path(file), path(identity));
    let plain = |file| format!("kind = \"file\"\nfile = {:?}", path(file));
    let faults = [
        (sealed("key.age", "other"), 78, "the identity does not fit"),
        (sealed("key.age", "text"), 78, "line 1 of "),
        (sealed("text", "id"), 78, "it is not an age file"),
        (sealed("key.json", "id"), 78, "it is not sealed, it holds JSON"),
        (sealed("no-key.age", "id"), 78, "opens, but does not hold an access key: Version is missing"),
        (plain("text"), 78, "does not hold an access key: not JSON"),
        (plain("pasted.json"), 78, "does not hold an access key: the key is nested under Credentials"),
        (plain("key.age"), 78, "is an age file: write kind = \"sealed\""),
        ("kind = \"file\"\ncredential = \"key\"".to_owned(), 78, "LoadCredential=key:"),
        (sealed("open.age", "id"), 77, "is open to others (mode 0644): chmod 600 "),
        (sealed("missing", "id"), 69, "missing does not exist"),
        (sealed("key.age", "missing"), 69, "missing does not exist"),
        (plain("missing"), 69, "missing does not exist"),
    ];
    for (key, code, message) in &faults {
        let config = place.configuration(key);
        let commands: [(&[&str], &str); 4] = [
            (&["check", "--config", &config], ""),
            (&["run", "--config", &config], ""),
            (&["sign", "--config", &config, "--route", "ie"], "Action=ListJobs"),
            (&["keys", "test", "--config", &config], ""),
        ];
        for (arguments, input) in commands {
            // `run` waits for a key that may still come
            if (arguments[0], *code) != ("run", 69) {
                let outcome = place.run(arguments, input);
                assert_eq!(outcome.code, *code, "{arguments:?} with {key}: {}", outcome.stderr);
                assert!(outcome.stderr.contains(message), "{arguments:?} with {key}: {}", outcome.stderr);
            }
        }
    }
}

#[test]
fn every_command_that_is_given_a_file_has_the_code_of_its_fault() {
    let place = Place::new();
    let public = place.run(&["keys", "new-identity", "--out", "third"], "").succeeded();
    let to = public.trim();
    let sandbox = ["sandbox", "--plain", "--listen", "127.0.0.1:0", "--credentials"];
    let with = |more: &[&'static str]| [&sandbox[..], more].concat();
    let tls = ["sandbox", "--listen", "127.0.0.1:0", "--tls-cert", "text", "--tls-key", "text"];
    let unset = ["sandbox", "--plain", "--listen", "127.0.0.1:0", "--access-key-id", ID];
    let seal = |identity| ["keys", "seal", "--out", "new.age", "--identity", identity];
    let sign = ["sign", "--endpoint", "https://h.example/", "--access-key-id", ID];
    let table: [(&[&str], i32, &str); 24] = [
        (&["keys", "inspect", "key.age", "-i", "other"], 78, "the identity does not fit"),
        (&["keys", "inspect", "no-key.age", "-i", "id"], 78, "no-key.age opens, but does not hold an access key"),
        (&["keys", "inspect", "key.json", "-i", "id"], 78, "it is not sealed, it holds JSON"),
        (&["keys", "inspect", "key.age", "-i", "text"], 78, "is not an age identity"),
        (&["keys", "inspect", "key.age", "--identity-credential", "id"], 78, "LoadCredential=id:"),
        (&["keys", "inspect", "open.age", "-i", "id"], 77, "is open to others"),
        (&["keys", "inspect", "missing", "-i", "id"], 69, "missing does not exist"),
        (&["keys", "reseal", "key.age", "-i", "other", "-r", to], 78, "the identity does not fit"),
        (&["keys", "reseal", "no-key.age", "-i", "id", "-r", to], 78, "no-key.age opens, but does not hold an access"),
        (&["keys", "reseal", "missing", "-i", "id", "-r", to], 69, "missing does not exist"),
        (&["keys", "list", ".", "-i", "text"], 78, "is not an age identity"),
        (&["keys", "list", ".", "-i", "open.age"], 77, "is open to others"),
        (&["keys", "list", "missing"], 69, "missing cannot be listed"),
        (&seal("text"), 78, "is not an age identity"),
        (&seal("key.age"), 78, "key.age is a sealed key, not an identity"),
        (&seal("missing"), 69, "missing does not exist"),
        // what is to be sealed is input, and no key of this program yet
        (&seal("id"), 65, "standard input is empty"),
        (&with(&["text"]), 78, "text: not JSON"),
        (&with(&["pasted.json"]), 78, "pasted.json: the key is nested under Credentials"),
        (&with(&["key.json", "--credentials", "key.json"]), 78, "two keys have the same access key id"),
        (&with(&["missing"]), 69, "missing cannot be read"),
        (&tls, 78, "PEM certificate"),
        (&unset, 78, "AWS_SECRET_ACCESS_KEY, which is not set"),
        (&sign, 78, "AWS_SECRET_ACCESS_KEY, which is not set"),
    ];
    for (arguments, code, message) in table {
        let input = if arguments[0] == "sign" { "Action=ListJobs" } else { "" };
        let outcome = place.run(arguments, input);
        assert_eq!(outcome.code, code, "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(message), "{arguments:?}: {}", outcome.stderr);
    }
    assert!(!place.path("new.age").exists());
}
