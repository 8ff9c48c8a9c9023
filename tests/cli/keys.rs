//! `countersign keys` as a shell uses it: exit codes, output, files; and Debian's `age` as the other side.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::plugin::{IDENTITY, Plugin, RECIPIENT};
use crate::harness::{ID, OTHER_ID, OTHER_SECRET, Outcome, SECRET, program};

const TOKEN: &str = "AQoDYXdzEJrEXAMPLETOKEN";

/// A directory to work in, with an identity `id`.
struct Place {
    directory: TempDir,
    recipient: String,
}

impl Place {
    fn new() -> Self {
        let mut place = Self { directory: tempfile::tempdir().unwrap(), recipient: String::new() };
        place.recipient = place.keys(&["new-identity", "--out", "id"], "").succeeded().trim().to_owned();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).unwrap();
        self.set_mode(name, 0o600);
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().mode() & 0o7777
    }

    fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// `countersign keys ...`; whatever it does, no secret is in its output.
    fn keys(&self, arguments: &[&str], input: &str) -> Outcome {
        let outcome = self.countersign(arguments, input);
        for output in [&outcome.stdout, &outcome.stderr] {
            let shown = [SECRET, OTHER_SECRET, TOKEN].iter().any(|secret| output.contains(secret));
            // the prefix alone is in messages about identities
            let identity = output.split("AGE-SECRET-KEY-1").skip(1).any(|rest| !rest.starts_with("..."));
            assert!(!shown && !identity, "{arguments:?} shows a secret");
        }
        outcome
    }

    fn countersign(&self, arguments: &[&str], input: &str) -> Outcome {
        self.run(program().arg("keys").args(arguments), input)
    }

    /// Debian's `age` or `age-keygen`.
    fn age(&self, program: &str, arguments: &[&str], input: &str) -> Outcome {
        self.run(Command::new(program).args(arguments), input)
    }

    fn run(&self, command: &mut Command, input: &str) -> Outcome {
        Outcome::of(command.current_dir(self.directory.path()), input)
    }

    /// Puts the plugin's identity into the file `plugin-id`.
    fn install_plugin(&self) -> Plugin {
        self.write("plugin-id", IDENTITY);
        Plugin::new()
    }

    /// Runs `age` beside the plugin.
    fn age_beside(&self, plugin: &Plugin, arguments: &[&str], input: &str) -> Outcome {
        self.run(plugin.beside(Command::new("age").args(arguments)), input)
    }

    /// Runs `countersign keys` beside the plugin.
    fn keys_beside(&self, plugin: &Plugin, arguments: &[&str], input: &str) -> Outcome {
        self.run(plugin.beside(program().arg("keys").args(arguments)), input)
    }

    /// Seals the first example key.
    fn seal(&self, name: &str) {
        self.keys(&["seal", "--out", name, "--identity", "id", "--access-key-id", ID], SECRET).succeeded();
    }
}

fn json(id: &str, secret: &str) -> String {
    format!(r#"{{"Version": 1, "AccessKeyId": "{id}", "SecretAccessKey": "{secret}"}}"#)
}

#[test]
fn a_new_identity_is_a_file_for_us_alone_and_only_its_public_key_is_shown() {
    let place = Place::new();
    assert!(place.recipient.starts_with("age1") && place.recipient.len() == 62, "{}", place.recipient);
    assert_eq!(place.mode("id"), 0o600);
    let file = place.read("id");
    let lines: Vec<_> = file.lines().collect();
    assert!(lines[0].starts_with("# created: 20"), "{}", lines[0]);
    assert_eq!(lines[1], format!("# public key: {}", place.recipient));
    assert!(lines[2].starts_with("AGE-SECRET-KEY-1") && lines.len() == 3);
}

#[test]
fn a_new_identity_never_replaces_one() {
    let place = Place::new();
    let before = place.read("id");
    place.keys(&["new-identity", "--out", "id"], "").failed(71, "id exists: it may be all that opens your keys");
    assert_eq!(place.read("id"), before);
    place.keys(&["new-identity", "--out", "missing/id"], "").failed(71, "missing/id cannot be written");
}

#[test]
fn a_new_identity_without_a_file_goes_to_standard_output_for_a_pipe() {
    let place = Place::new();
    let identity = place.countersign(&["new-identity"], "").succeeded();
    assert!(identity.lines().last().unwrap().starts_with("AGE-SECRET-KEY-1"));
}

#[test]
fn a_bare_secret_is_sealed_and_inspected() {
    let place = Place::new();
    let sealed =
        place.keys(&["seal", "-o", "key.age", "-r", &place.recipient, "--access-key-id", ID], &format!("{SECRET}\n"));
    assert_eq!(sealed.succeeded(), format!("sealed {ID} in key.age to\n  {}\n", place.recipient));
    assert_eq!(place.mode("key.age"), 0o600);
    assert_eq!(place.names(), ["id", "key.age"]);
    assert_eq!(
        place.keys(&["inspect", "key.age", "--identity", "id"], "").succeeded(),
        format!(
            "file           key.age\naccess key id  {ID}\nsession token  no\nexpiration     never expires\n\
             signs for      aws-v2, aws-v4, openstack, nifcloud, eucalyptus, cloudstack, alibaba-rpc, qingcloud, \
             tencent-v1\n"
        )
    );
}

#[test]
fn temporary_credentials_are_sealed_from_two_lines() {
    let place = Place::new();
    let arguments = ["seal", "-o", "key.age", "-i", "id", "--access-key-id", ID, "--with-session-token", "--expires"];
    let with = |time| [&arguments[..], &[time]].concat();
    let input = format!("{SECRET}\n{TOKEN}\n");
    place.keys(&with("2011-06-20T22:30:59Z"), &input).succeeded();
    let shown = place.keys(&["inspect", "key.age", "-i", "id"], "").succeeded();
    assert!(
        shown.contains(
            "session token  yes\nexpiration     expired 2011-06-20T22:30:59Z\n\
             signs for      aws-v2, aws-v4, eucalyptus, alibaba-rpc, qingcloud, tencent-v1\n"
        ),
        "{shown}"
    );
    fs::remove_file(place.path("key.age")).unwrap();
    place.keys(&with("tomorrow"), &input).failed(65, "--expires is not a time like");
    place.keys(&with("2999-01-01T00:00:00Z"), SECRET).failed(65, "no second line, for the session token");
    place.keys(&with("2999-01-01T00:00:00Z"), &format!("{input}more")).failed(65, "too many lines");
    assert_eq!(place.names(), ["id"]);
}

#[test]
fn json_from_a_credential_process_is_sealed_as_it_is() {
    let place = Place::new();
    let document =
        json(ID, SECRET).replace('}', r#", "SessionToken": "AQoDYXdzEJrEXAMPLETOKEN", "AccountId": "123456789012"}"#);
    place.keys(&["seal", "-o", "key.age", "-i", "id"], &document).succeeded();
    assert_eq!(place.age("age", &["-d", "-i", "id", "key.age"], "").succeeded(), document);
}

#[test]
fn json_as_templates_and_editors_leave_it_is_sealed_as_awss_tools_read_it() {
    let place = Place::new();
    let plain = json(ID, SECRET);
    let seal = ["seal", "-o", "key.age", "-i", "id", "--force"];
    for document in [
        plain.replace('}', r#", "SessionToken": "", "Expiration": ""}"#),
        plain.replace("\"Version\": 1", "\"Version\": \"1\""),
        format!("\u{feff}{plain}\r\n"),
    ] {
        place.keys(&seal, &document).succeeded();
        let opened = place.age("age", &["-d", "-i", "id", "key.age"], "").succeeded();
        assert_eq!(opened, format!("{{\"Version\":1,\"AccessKeyId\":\"{ID}\",\"SecretAccessKey\":\"{SECRET}\"}}\n"));
    }
    let bare = [&seal[..], &["--access-key-id", ID]].concat();
    place.keys(&bare, &format!("\u{feff}{SECRET}\r\n")).succeeded();
    place.keys(&bare, &format!("\"{SECRET}\"\n")).failed(65, "has quotes around it: remove them");
}

#[test]
fn files_that_an_editor_of_windows_has_saved_are_opened() {
    let place = Place::new();
    place.seal("key.age");
    for name in ["id", "key.age"] {
        let saved = format!("\u{feff}{}", place.read(name).replace('\n', "\r\n"));
        place.write(name, saved);
    }
    let shown = place.keys(&["inspect", "key.age", "-i", "id"], "").succeeded();
    assert!(shown.contains(ID), "{shown}");
    let listed = place.keys(&["list", ".", "-i", "id"], "").succeeded();
    assert!(listed.starts_with(&format!("key.age  {ID}")), "{listed}");
}

#[test]
fn a_key_in_another_form_is_not_sealed_and_the_message_names_the_form() {
    let place = Place::new();
    let key = json(ID, SECRET).replace("\"Version\": 1, ", "");
    for (input, message) in [
        (format!("{{\"Credentials\": {key}}}"), "what `aws sts assume-role` and the like prints, but SessionToken is"),
        (format!("{{\"AccessKey\": {}}}", key.replace('}', ", \"Status\": \"Inactive\"}")), "Status says that the key"),
        (format!("{{\"data\": {key}}}"), "nested under data, as Vault"),
        (format!("Access key ID,Secret access key\r\n{ID},{SECRET}\r\n"), "the CSV of AWS's console"),
        (format!("[default]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"), "it is a profile file"),
        (format!("AWS_ACCESS_KEY_ID={ID}\nAWS_SECRET_ACCESS_KEY={SECRET}\n"), "it has variables for a shell"),
    ] {
        place.keys(&["seal", "-o", "key.age", "-i", "id"], &input).failed(65, message);
    }
    assert_eq!(place.names(), ["id"]);
}

#[test]
fn what_a_clouds_tool_prints_for_a_key_is_sealed_and_the_user_is_told_what_was_read() {
    let place = Place::new();
    let fields = format!(r#""AccessKeyId": "{ID}", "SecretAccessKey": "{SECRET}""#);
    let temporary = format!(r#"{fields}, "SessionToken": "{TOKEN}", "Expiration": "2999-01-01T00:00:00+00:00""#);
    let seal = ["seal", "-o", "key.age", "-i", "id", "--force"];
    for (input, told) in [
        (
            format!(r#"{{"Credentials": {{{temporary}}}}}"#),
            "read what `aws sts assume-role` and the like prints: a temporary",
        ),
        (format!(r#"{{"AccessKey": {{{fields}, "Status": "Active"}}}}"#), "read what `aws iam create-access-key`"),
        (format!(r#"{{"access": "{ID}", "secret": "{SECRET}"}}"#), "read what `openstack ec2 credentials create"),
    ] {
        let printed = place.keys(&seal, &input).succeeded();
        assert!(printed.starts_with(told) && printed.contains(&format!("sealed {ID} in key.age")), "{printed}");
        assert!(!printed.contains(SECRET) && !printed.contains(TOKEN), "{printed}");
        let opened = place.age("age", &["-d", "-i", "id", "key.age"], "").succeeded();
        assert!(opened.starts_with("{\"Version\":1,") && opened.contains(SECRET), "in the one form of a key store");
        assert_eq!(opened.contains(TOKEN), told.contains("temporary"));
    }
    // what a credential_process prints is taken as it is, and nothing is told
    assert!(place.keys(&seal, &json(ID, SECRET)).succeeded().starts_with("sealed "));
}

#[test]
fn the_command_in_the_refusal_of_another_form_makes_a_key_that_is_taken() {
    let place = Place::new();
    // a key store takes one form; `keys seal` takes more
    place.write(
        "countersign.toml",
        "[listener.local]\naddress = \"127.0.0.1:0\"\nany_local = true\n[route.main]\n\
         endpoint = \"https://a.example/\"\n[key.main]\nkind = \"file\"\nfile = \"key.json\"\n",
    );
    let fields = format!(r#""AccessKeyId": "{ID}", "SecretAccessKey": "{SECRET}""#);
    let temporary = format!(r#""SessionToken": "{TOKEN}", "Expiration": "2999-01-01T00:00:00+00:00""#);
    let at_vault = format!(r#""access_key": "{ID}", "secret_key": "{SECRET}", "session_token": null"#);
    for (input, token) in [
        (format!(r#"{{"Credentials": {{{fields}, {temporary}}}, "AssumedRoleUser": {{}}}}"#), "yes"),
        (format!(r#"{{"AccessKey": {{{fields}, "UserName": "a", "Status": "Active"}}}}"#), "no"),
        (format!(r#"{{"lease_id": "aws/creds/a", "data": {{{at_vault}}}}}"#), "no"),
        (format!(r#"{{"Code": "Success", {fields}, {}}}"#, temporary.replace("SessionToken", "Token")), "yes"),
    ] {
        let seal = ["seal", "-o", "key.age", "-i", "id", "--force"];
        place.write("key.json", input.clone());
        let refused = place.keys(&["test", "--config", "countersign.toml"], "");
        let filter = refused.stderr.split("jq '").nth(1).and_then(|rest| rest.split('\'').next());
        let filter = filter.unwrap_or_else(|| panic!("{}", refused.stderr));
        let made = place.run(Command::new("jq").arg(filter), &input).succeeded();
        place.keys(&seal, &made).succeeded();
        let shown = place.keys(&["inspect", "key.age", "-i", "id"], "").succeeded();
        assert!(shown.contains(ID) && shown.contains(&format!("session token  {token}")), "{filter}: {shown}");
    }
}

#[test]
fn what_is_no_key_is_not_sealed_and_the_message_says_what_is_wrong() {
    let place = Place::new();
    let seal = ["seal", "-o", "key.age", "-i", "id"];
    let with_id = [&seal[..], &["--access-key-id", ID]].concat();
    let bad_id = [&seal[..], &["--access-key-id", SECRET]].concat();
    let with_token = [&seal[..], &["--with-session-token"]].concat();
    let cases: [(&[&str], String, &str); 11] = [
        (&seal, String::new(), "standard input is empty"),
        (&seal, SECRET.to_owned(), "give --access-key-id when it is the bare secret"),
        (&seal, json(ID, SECRET).replace("SecretAccessKey", "Secret"), "SecretAccessKey is missing"),
        (&seal, json(ID, SECRET).replace('}', ""), "not JSON (line 1, column"),
        (&with_token, json(ID, SECRET), "leave out --with-session-token"),
        (&with_id, json(ID, SECRET), "leave out --access-key-id"),
        (&with_id, format!("{SECRET} \u{e9}"), "the secret access key is empty, too long, or has"),
        (&with_id, "x".repeat(100_000), "no access key has"),
        (&bad_id, SECRET.to_owned(), "--access-key-id has the form of a secret"),
        (&seal, json(SECRET, ID), "id and secret may have changed places"),
        (&seal, json(SECRET, ID).replace("\"Version\": 1, ", ""), "id and secret may have changed places"),
    ];
    for (arguments, input, message) in cases {
        place.keys(arguments, &input).failed(65, message);
    }
    assert_eq!(place.names(), ["id"]);
}

#[test]
fn a_recipient_that_is_an_identity_is_refused_without_repeating_it() {
    let place = Place::new();
    let file = place.read("id");
    let identity = file.lines().last().unwrap();
    place
        .keys(&["seal", "-o", "key.age", "-r", identity], &json(ID, SECRET))
        .failed(65, "recipient 1 is not a public key but");
    let arguments = ["seal", "-o", "key.age", "-r", &place.recipient, "-r", "ssh-ed25519 AAAA"];
    place.keys(&arguments, &json(ID, SECRET)).failed(65, "recipient 2 is not an age public key");
    place.keys(&["seal", "-o", "key.age"], &json(ID, SECRET)).failed(2, "--recipient");
}

#[test]
fn a_sealed_key_is_replaced_only_by_force_and_without_a_backup() {
    let place = Place::new();
    place.seal("key.age");
    let before = place.read("key.age");
    let arguments = ["seal", "-o", "key.age", "-i", "id"];
    place.keys(&arguments, &json(OTHER_ID, OTHER_SECRET)).failed(71, "key.age exists: give --force to replace it");
    assert_eq!(place.read("key.age"), before);
    place.keys(&[&arguments[..], &["--force"]].concat(), &json(OTHER_ID, OTHER_SECRET)).succeeded();
    assert!(place.keys(&["inspect", "key.age", "-i", "id"], "").succeeded().contains(OTHER_ID));
    assert_eq!(place.names(), ["id", "key.age"]);
}

#[test]
fn files_that_others_can_read_are_refused_with_the_fix() {
    let place = Place::new();
    place.seal("key.age");
    let inspect = ["inspect", "key.age", "-i", "id"];
    for name in ["key.age", "id"] {
        place.set_mode(name, 0o644);
        let whole = place.path(name);
        let told = format!("{name} is open to others (mode 0644): chmod 600 {}", whole.display());
        place.keys(&inspect, "").failed(77, &told);
        place.set_mode(name, 0o600);
    }
    place.keys(&inspect, "").succeeded();
}

#[test]
fn what_does_not_open_says_why_and_what_to_do() {
    let place = Place::new();
    place.seal("key.age");
    place.keys(&["new-identity", "-o", "other"], "").succeeded();
    place.write("text", "not age");
    place.write("cut", &place.read("key.age")[..200]);
    let inspect = |file, identity| place.keys(&["inspect", file, "-i", identity], "");
    inspect("key.age", "other").failed(78, "key.age cannot be opened: the identity does not fit");
    inspect("text", "id").failed(78, "it is not an age file: make one with `countersign keys seal`");
    inspect("cut", "id").failed(78, "it is damaged: cut short");
    inspect("missing", "id").failed(69, "missing does not exist");
    let told = format!("the identity cannot be used: {} does not exist", place.path("missing").display());
    inspect("key.age", "missing").failed(69, &told);
    inspect("key.age", "text").failed(78, "line 1 of text is not an age identity");
    place.keys(&["inspect", "key.age"], "").failed(2, "--identity");
}

#[test]
fn the_identity_can_come_from_systemd() {
    let place = Place::new();
    place.seal("key.age");
    place.write("identity-credential", place.read("id"));
    let inspect = |name: &str, directory: Option<PathBuf>| {
        let mut command = program();
        command.args(["keys", "inspect", "key.age", "--identity-credential", name]);
        command.envs(directory.map(|directory| ("CREDENTIALS_DIRECTORY", directory)));
        place.run(&mut command, "")
    };
    let here = || Some(place.directory.path().to_owned());
    assert!(inspect("identity-credential", here()).succeeded().contains(ID));
    inspect("identity-credential", None).failed(78, "LoadCredential=identity-credential:");
    inspect("../id", here()).failed(78, "the name of one file");
}

#[test]
fn a_directory_is_listed_with_what_the_identity_opens() {
    let place = Place::new();
    fs::create_dir(place.path("keys")).unwrap();
    place.seal("keys/a.age");
    let dated = json(OTHER_ID, OTHER_SECRET).replace('}', r#", "Expiration": "2999-01-01T00:00:00Z"}"#);
    place.keys(&["seal", "-o", "keys/long-name.age", "-i", "id"], &dated).succeeded();
    place.write("keys/notes.txt", "not age");
    place.write("keys/empty.age", "");
    place.seal("keys/open.age");
    place.set_mode("keys/open.age", 0o604);
    place.write("keys/.hidden", "");
    let open = place.path("keys/open.age");
    let open = open.display();
    assert_eq!(
        place.keys(&["list", "keys", "--identity", "id"], "").succeeded(),
        format!(
            "a.age          {ID}  never expires\n\
             empty.age      not an age file\n\
             long-name.age  {OTHER_ID}  expires 2999-01-01T00:00:00Z\n\
             open.age       the sealed key cannot be used: {open} is open to others (mode 0604): chmod 600 {open}\n\
             not listed: 1 files that are no sealed keys\n"
        )
    );
    let unopened = place.keys(&["list", "keys"], "").succeeded();
    assert!(unopened.starts_with("a.age          sealed (give --identity to see the key)\n"), "{unopened}");
    place.keys(&["list", "missing"], "").failed(69, "missing cannot be listed");
    place.keys(&["list", "keys", "-i", "missing"], "").failed(69, "missing does not exist");
}

#[test]
fn a_sealed_key_given_as_the_identity_to_seal_to_is_called_what_it_is() {
    let place = Place::new();
    place.seal("sealed.age");
    let arguments = ["seal", "-i", "sealed.age", "-o", "other.age"];
    let told = "sealed.age is a sealed key, not an identity";
    place.keys(&arguments, &json(ID, SECRET)).failed(78, told);
    place.keys(&arguments, &json(ID, SECRET)).failed(78, "the access key comes from standard input");
    place.keys(&["inspect", "sealed.age", "-i", "sealed.age"], "").failed(78, told);
    place.write("key.json", json(ID, SECRET));
    place.keys(&["seal", "-i", "key.json", "-o", "other.age"], "").failed(78, "key.json holds JSON");
}

#[test]
fn a_key_is_sealed_again_to_other_recipients_only() {
    let place = Place::new();
    place.seal("key.age");
    let other = place.keys(&["new-identity", "-o", "other"], "").succeeded();
    let resealed = place.keys(&["reseal", "key.age", "-i", "id", "-r", other.trim()], "").succeeded();
    assert_eq!(resealed, format!("sealed key.age to\n  {other}"));
    assert_eq!((place.mode("key.age"), place.names()), (0o600, vec!["id".into(), "key.age".into(), "other".into()]));
    place.keys(&["inspect", "key.age", "-i", "id"], "").failed(78, "the identity does not fit");
    assert!(place.keys(&["inspect", "key.age", "-i", "other"], "").succeeded().contains(ID));
    let before = place.read("key.age");
    place.keys(&["reseal", "key.age", "-i", "id", "-r", &place.recipient], "").failed(78, "does not fit");
    assert_eq!(place.read("key.age"), before);
}

#[test]
fn what_age_seals_opens_here_binary_and_armored_with_its_own_identity() {
    let place = Place::new();
    place.age("age-keygen", &["-o", "theirs"], "");
    let theirs = place.age("age-keygen", &["-y", "theirs"], "").succeeded();
    for (name, armor) in [("binary.age", &[][..]), ("armored.age", &["--armor"][..])] {
        let arguments = [armor, &["-r", theirs.trim(), "-r", &place.recipient, "-o", name]].concat();
        place.age("age", &arguments, &json(ID, SECRET)).succeeded();
        place.set_mode(name, 0o600);
        for identity in ["id", "theirs"] {
            assert!(place.keys(&["inspect", name, "-i", identity], "").succeeded().contains(ID), "{name} {identity}");
        }
    }
}

#[test]
fn what_is_sealed_here_opens_with_age_and_its_identity_or_ours() {
    let place = Place::new();
    place.age("age-keygen", &["-o", "theirs"], "");
    let theirs = place.age("age-keygen", &["-y", "theirs"], "").succeeded();
    let arguments = ["seal", "-o", "key.age", "-r", theirs.trim(), "-i", "id", "--access-key-id", ID];
    place.keys(&arguments, SECRET).succeeded();
    // age-keygen reads our identity and finds the public key we printed
    assert_eq!(place.age("age-keygen", &["-y", "id"], "").succeeded().trim(), place.recipient);
    for identity in ["id", "theirs"] {
        assert_eq!(
            place.age("age", &["-d", "-i", identity, "key.age"], "").succeeded(),
            format!("{{\"Version\":1,\"AccessKeyId\":\"{ID}\",\"SecretAccessKey\":\"{SECRET}\"}}\n")
        );
    }
}

#[test]
fn what_age_seals_to_a_plugin_opens_here_with_it() {
    let place = Place::new();
    let plugin = place.install_plugin();
    for (name, arguments) in [
        ("to-recipient.age", &["-r", RECIPIENT, "-o", "to-recipient.age"][..]),
        ("to-identity.age", &["-e", "-i", "plugin-id", "-o", "to-identity.age"][..]),
        ("to-both.age", &["-a", "-r", &place.recipient, "-r", RECIPIENT, "-o", "to-both.age"][..]),
    ] {
        place.age_beside(&plugin, arguments, &json(ID, SECRET)).succeeded();
        place.set_mode(name, 0o600);
        let shown = place.keys_beside(&plugin, &["inspect", name, "-i", "plugin-id"], "").succeeded();
        assert!(shown.contains(ID), "{name}: {shown}");
    }
    let listed = place.keys_beside(&plugin, &["list", ".", "-i", "plugin-id"], "").succeeded();
    assert_eq!(listed.matches(ID).count(), 3, "{listed}");
    assert!(!listed.contains("plugin-id"), "{listed}");
}

#[test]
fn what_is_sealed_here_to_a_plugin_opens_with_age_and_it() {
    let place = Place::new();
    let plugin = place.install_plugin();
    let seal = |name: &str, to: [&str; 2]| {
        let arguments = [&["seal", "--access-key-id", ID, "-o", name], &to[..]].concat();
        let sealed = place.keys_beside(&plugin, &arguments, SECRET).succeeded();
        let opened = place.age_beside(&plugin, &["-d", "-i", "plugin-id", name], "").succeeded();
        assert!(opened.contains(SECRET));
        sealed
    };
    assert!(seal("one.age", ["--recipient", RECIPIENT]).contains(&format!("  {RECIPIENT}\n")));
    let sealed = seal("two.age", ["--identity", "plugin-id"]);
    assert!(sealed.contains("  an identity of age-plugin-example\n"), "{sealed}");
    let reseal = ["reseal", "two.age", "-i", "plugin-id", "-r", &place.recipient];
    place.keys_beside(&plugin, &reseal, "").succeeded();
    assert!(place.keys(&["inspect", "two.age", "-i", "id"], "").succeeded().contains(ID));
}

#[test]
fn nothing_is_sealed_to_a_plugin_that_is_not_there_or_refuses_or_while_age_shows_keys() {
    let place = Place::new();
    let plugin = place.install_plugin();
    let seal = ["seal", "--access-key-id", ID, "-o", "key.age", "--recipient"];
    let absent = [&seal[..], &["age1absent1v9hzqetcv9khqmr93v5spt"]].concat();
    place.keys_beside(&plugin, &absent, SECRET).failed(78, "the program age-plugin-absent is in no directory of PATH");
    plugin.behave("refuse to seal");
    let refused = [&seal[..], &[RECIPIENT]].concat();
    place.keys_beside(&plugin, &refused, SECRET).failed(69, "the token takes no more");
    let identity = [&seal[..], &[IDENTITY]].concat();
    place.keys(&identity, SECRET).failed(65, "is not a public key but an age plugin's identity");
    let mut debugged = program();
    debugged.arg("keys").args(seal).arg(RECIPIENT).env("AGEDEBUG", "plugin");
    place.run(&mut debugged, SECRET).failed(78, "AGEDEBUG is set");
    assert!(!place.path("key.age").exists());
}
