//! Everything that is trusted is guarded: what others can write or replace is refused at a start, in `check`, and when
//! it changes while the program serves.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::plugin::{Plugin, RECIPIENT};
use crate::harness::scene::Scene;
use crate::harness::{After, Endpoint, FORM, ID, Outcome, SECRET, Setup, Vault, document, endpoint, eventually};
use crate::untrusted::{Authority, VALID, secure};

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Runs `check` and `run`, which must say the same and end with 77; `change` is made after the configuration was
/// written.
#[track_caller]
fn refused(setup: &Setup, change: &dyn Fn(), words: &[&str]) {
    let changed = |subcommand: &str| {
        let command = setup.command(subcommand);
        change();
        command
    };
    both_refuse(&changed, words);
}

/// Runs `check` and `run` by what `command` makes of each: they must say the same and end with 77.
#[track_caller]
fn both_refuse(command: &dyn Fn(&str) -> Command, words: &[&str]) {
    let said = ["check", "run"].map(|subcommand| {
        let outcome = Outcome::of(&mut command(subcommand), "");
        assert_eq!((outcome.code, outcome.stdout.as_str()), (77, ""), "{subcommand}: {}", outcome.stderr);
        outcome.stderr
    });
    assert_eq!(said[0], said[1]);
    for word in words {
        assert!(said[0].contains(word), "{word} in {}", said[0]);
    }
}

/// A configuration in a directory of its own, so that nothing else is judged by that directory.
fn apart(setup: &Setup) -> Vault {
    let apart = Vault::empty();
    let text = setup.command("check").get_args().last().map(|file| fs::read(file).unwrap()).unwrap();
    fs::write(apart.path("countersign.toml"), text).unwrap();
    apart
}

#[test]
fn a_configuration_that_others_can_write_is_refused_with_the_command_that_mends_it() {
    let setup = Setup::to(&Endpoint::obliging());
    let file = setup.vault_path("countersign.toml");
    for loose in [0o666, 0o646] {
        let words = format!("can be written by others (mode {loose:04o}): chmod go-w {}", file.display());
        refused(&setup, &|| mode(&file, loose), &["the configuration cannot be used", &words]);
    }
    mode(&file, 0o644);
    let directory = file.parent().unwrap();
    let words = format!("everybody may replace files in {0} (mode 0777): chmod o-w {0}", directory.display());
    refused(&setup, &|| mode(directory, 0o777), &[&words]);
    mode(directory, 0o755);
    let foreign = "belongs to uid 54321, which is neither root nor this user: chown";
    refused(&setup, &|| lchown(&file, Some(54321), None).expect("run this test as root"), &[foreign]);
    lchown(&file, Some(0), Some(54321)).unwrap();
    refused(&setup, &|| mode(&file, 0o664), &["can be written by others (mode 0664)"]);
}

#[test]
fn a_configuration_that_its_user_cannot_read_is_refused_with_the_command_that_mends_it() {
    let scene = Scene::new();
    let file = scene.path("etc/countersign.toml");
    let closed = |subcommand: &str| {
        let command = scene.command(subcommand, "");
        mode(&file, 0o000);
        command
    };
    let file = file.display();
    both_refuse(&closed, &[&format!("{file}: cannot be read by the user "), &format!("chmod a+rX {file}, ")]);
}

#[test]
fn a_configuration_swapped_in_a_directory_that_others_can_write_sends_no_call_to_their_server() {
    let (ours, theirs) = (Endpoint::obliging(), Endpoint::obliging());
    let setup = Setup::to(&ours).process("workers = 1\ndanger_unconfined = true");
    let place = apart(&setup);
    let file = place.path("countersign.toml");
    let mut command = setup.command("run");
    fs::remove_file(setup.vault_path("countersign.toml")).unwrap();
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let mut moved = std::process::Command::new(command.get_program());
    moved.args(&arguments[..arguments.len() - 1]).arg(&file);
    command = moved;
    let proxy = setup.start_command(&mut command, std::process::Stdio::null());
    proxy.post(FORM).expect(200);

    mode(file.parent().unwrap(), 0o777);
    let attack = apart(&setup.clone().redirected(&theirs));
    fs::copy(attack.path("countersign.toml"), place.path("new")).unwrap();
    fs::rename(place.path("new"), &file).unwrap();
    proxy.log.wait_for("refusal", |line| {
        let refused = line.contains("is not used: what was served before stays in use");
        (refused && line.contains("everybody may replace files in")).then_some(())
    });
    proxy.post(FORM).expect(200);
    assert_eq!((ours.requests().len(), theirs.connections()), (2, 0));
    assert_eq!(proxy.metric("countersign_config_last_reload_ok"), 0.0);

    // what an operator has looked at and made safe is read again without being touched
    mode(file.parent().unwrap(), 0o755);
    proxy.signal(rustix::process::Signal::HUP);
    eventually("the new configuration", || (proxy.metric("countersign_config_generation") == 2.0).then_some(()));
    proxy.post(FORM).expect(200);
    assert_eq!(theirs.requests().len(), 1);
}

#[test]
fn authorities_that_others_can_write_or_replace_are_refused_and_not_adopted_later() {
    let authority = Authority::new();
    let endpoint = secure(authority.server(&["127.0.0.1"], VALID), &endpoint::answer("200 OK", "ok"), After::KeepOpen);
    let setup = Setup::to(&endpoint).trusting(&authority.pem);
    let file = setup.vault_path("ca.pem");
    refused(&setup, &|| mode(&file, 0o666), &["route.importexport: ", "ca.pem can be written by others (mode 0666)"]);
    mode(&file, 0o644);
    let proxy = setup.clone().start();
    proxy.post(FORM).expect(200);
    // in this order: the file is noticed without a signal, too
    mode(&file, 0o666);
    fs::write(&file, Authority::new().pem).unwrap();
    proxy.signal(rustix::process::Signal::HUP);
    proxy.log.wait_for("refusal", |line| {
        let refused = line.contains("is not used: what was served before stays in use");
        (refused && line.contains("ca.pem can be written by others")).then_some(())
    });
    proxy.post(FORM).expect(200);
}

#[test]
fn certificates_authorities_of_clients_revocation_lists_and_key_sets_are_guarded() {
    let setup = Setup::to(&Endpoint::obliging());
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = setup.of_vault().put("tls.key", &signing_key.serialize_pem());
    for name in ["tls.pem", "clients.pem", "crl.pem", "jwks.json"] {
        fs::write(setup.vault_path(name), cert.pem()).unwrap();
    }
    let path = |name: &str| setup.vault_path(name);
    let mtls = format!(
        "[listener.b]\naddress = \"127.0.0.1:0\"\nauthenticate = [\"mtls\"]\n[listener.b.tls]\ncertificate = {:?}\n\
         private_key = {key:?}\nclient_ca = {:?}\ncrl = [{:?}]\n[client.c]\ndns = [\"c\"]\n",
        path("tls.pem"),
        path("clients.pem"),
        path("crl.pem"),
    );
    let tokens = format!(
        "[listener.b]\naddress = \"127.0.0.1:0\"\nauthenticate = [\"service-account\"]\n\
         [listener.b.service_account]\nissuer = \"i\"\naudience = \"a\"\nalgorithm = \"RS256\"\njwks_file = {:?}\n\
         [client.c]\nservice_account = \"a/b\"\n",
        path("jwks.json"),
    );
    for (name, tables) in [("tls.pem", &mtls), ("clients.pem", &mtls), ("crl.pem", &mtls), ("jwks.json", &tokens)] {
        let file = path(name);
        let words = format!("{name} can be written by others (mode 0666): chmod go-w {}", file.display());
        refused(&setup.clone().more(tables), &|| mode(&file, 0o666), &["listener.b: ", &words]);
        mode(&file, 0o644);
    }
    let tls = format!("tls = {{ certificate = {:?}, private_key = {key:?} }}", path("tls.pem"));
    let proxy = setup.clone().listener(&tls).start();
    mode(&path("tls.pem"), 0o666);
    proxy.signal(rustix::process::Signal::HUP);
    proxy.log.wait_for("the refusal", |line| {
        let is_kept = line.contains("the last good ones stay in use");
        (is_kept && line.contains("tls.pem can be written by others")).then_some(())
    });
}

#[test]
fn a_store_of_authorities_that_the_environment_names_is_guarded() {
    let setup = Setup::to_url("https://127.0.0.1:9/");
    let store = setup.vault_path("store.pem");
    fs::write(&store, Authority::new().pem).unwrap();
    mode(&store, 0o666);
    let command = |subcommand: &str| {
        let mut command = setup.command(subcommand);
        command.env("SSL_CERT_FILE", &store);
        command
    };
    both_refuse(&command, &["store.pem can be written by others (mode 0666)"]);
}

#[test]
fn a_key_program_that_others_can_write_or_replace_is_not_run() {
    let vault = Vault::empty();
    fs::create_dir(vault.path("bin")).unwrap();
    let program = vault
        .program("bin/fetch", &format!("echo ran >> {:?}; echo '{}'", vault.path("ran"), document(ID, SECRET, "")));
    let key = format!("kind = \"process\"\ncommand = {program}\nrefresh = \"1s\"");
    let setup = Setup::to(&Endpoint::obliging()).vault(vault).key(&key);
    let (file, directory, ran) = (setup.vault_path("bin/fetch"), setup.vault_path("bin"), setup.vault_path("ran"));
    refused(&setup, &|| mode(&file, 0o777), &["key.main: ", "bin/fetch can be written by others (mode 0777)"]);
    mode(&file, 0o755);
    refused(&setup, &|| mode(&directory, 0o777), &["key.main: everybody may replace files in"]);
    assert!(!ran.exists(), "nothing was started");
    mode(&directory, 0o755);
    // the key that is in use stays; the program of somebody else is not started
    let proxy = setup.start();
    mode(&directory, 0o777);
    eventually("a refused refresh", || (proxy.metric("countersign_key_degraded{key=\"main\"}") == 1.0).then_some(()));
    proxy.log.wait_for("the reason", |line| line.contains("everybody may replace files in").then_some(()));
    proxy.post(FORM).expect(200);
}

#[test]
fn an_age_plugin_that_others_can_write_or_put_another_before_is_not_started() {
    let vault = Vault::empty();
    let plugin = Plugin::install(&vault);
    plugin.publish(&vault, ID, SECRET);
    let setup = Setup::to(&Endpoint::obliging()).vault(vault);
    let lines = plugin.lines(setup.of_vault());
    let setup = setup.key(&lines);
    let program = plugin.path("age-plugin-example");
    fs::remove_file(plugin.path("environment")).unwrap_or_default();
    let refused = |words: &str| {
        let outcome = Outcome::of(plugin.beside(&mut setup.command("check")), "");
        assert_eq!(outcome.code, 77, "{}", outcome.stderr);
        assert!(outcome.stderr.contains("age-plugin-example is not started: ") && outcome.stderr.contains(words));
        assert!(!plugin.path("environment").exists(), "it was started");
    };
    mode(&program, 0o777);
    refused("can be written by others (mode 0777)");
    mode(&program, 0o755);
    mode(program.parent().unwrap(), 0o777);
    refused("everybody may replace files in");
    // neither does it see a key that is being sealed
    let mut seal = crate::harness::program();
    plugin.beside(&mut seal).args(["keys", "seal", "--recipient", RECIPIENT, "--out"]).arg(setup.vault_path("new.age"));
    Outcome::of(&mut seal, document(ID, SECRET, "")).failed(77, "age-plugin-example is not started");
}

#[test]
fn danger_writable_files_is_warned_of_and_does_not_vouch_for_the_file_that_it_stands_in() {
    let authority = Authority::new();
    let endpoint = secure(authority.server(&["127.0.0.1"], VALID), &endpoint::answer("200 OK", "ok"), After::KeepOpen);
    let process = "workers = 1\ndanger_writable_files = true";
    let setup = Setup::to(&endpoint).trusting(&authority.pem).process(process);
    mode(&setup.vault_path("ca.pem"), 0o666);
    let shown = Outcome::of(&mut setup.command("check"), "").succeeded();
    assert!(shown.contains("DANGER danger_writable_files"), "{shown}");
    let proxy = setup.clone().start();
    proxy
        .log
        .wait_for("warning", |line| (line.contains("WARN") && line.contains("danger_writable_files")).then_some(()));
    proxy.post(FORM).expect(200);

    let file = setup.vault_path("countersign.toml");
    let words = ["can be written by others (mode 0666)"];
    refused(&setup, &|| mode(&file, 0o666), &words);
    // whoever starts the program may say so
    let mut command = setup.command("check");
    let shown = Outcome::of(command.env("COUNTERSIGN__PROCESS__DANGER_WRITABLE_FILES", "true"), "").succeeded();
    assert!(shown.contains("DANGER danger_writable_files"), "{shown}");
    // a secret stays one
    mode(&setup.vault_path("identity"), 0o644);
    let outcome = Outcome::of(command.env("COUNTERSIGN__PROCESS__DANGER_WRITABLE_FILES", "true"), "");
    assert_eq!(outcome.code, 77, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("identity is open to others (mode 0644)"), "{}", outcome.stderr);
}

#[test]
fn danger_writable_files_holds_in_the_processes_of_keys_as_well() {
    let endpoint = Endpoint::obliging();
    let danger = "workers = 1\ndanger_writable_files = true";
    let vault = Vault::empty();
    let program = vault.program("fetch", &format!("echo '{}'", document(ID, SECRET, "")));
    mode(&vault.path("fetch"), 0o777);
    let key = format!("kind = \"process\"\ncommand = {program}");
    let proxy = Setup::to(&endpoint).process(danger).vault(vault).key(&key).start();
    proxy.post(FORM).expect(200);

    let vault = Vault::empty();
    let plugin = Plugin::install(&vault);
    plugin.publish(&vault, ID, SECRET);
    mode(&plugin.path("age-plugin-example"), 0o777);
    let setup = Setup::to(&endpoint).process(danger).vault(vault);
    let lines = plugin.lines(setup.of_vault());
    let proxy = setup.key(&lines).start_with(|command| plugin.beside(command));
    proxy.post(FORM).expect(200);
}

#[test]
fn danger_writable_files_cannot_be_switched_on_by_a_reload() {
    let setup = Setup::to(&Endpoint::obliging());
    let proxy = setup.clone().start();
    setup.process("workers = 1\ndanger_writable_files = true").publish();
    proxy.log.wait_for("refusal", |line| {
        line.contains("process.danger_writable_files: has changed, and takes effect at a start only").then_some(())
    });
}

/// The directory of an audit, and the table that has it written there.
fn audited() -> (Setup, PathBuf) {
    let setup = Setup::to(&Endpoint::obliging());
    let directory = setup.vault_path("log");
    fs::create_dir(&directory).unwrap();
    mode(&directory, 0o755);
    let table = format!("[audit]\ntarget = \"file:{}\"\n", directory.join("audit.jsonl").display());
    (setup.more(&table), directory)
}

fn text(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok().filter(|text| !text.is_empty())
}

#[test]
fn an_audit_that_others_can_read_write_or_replace_is_refused_by_check_and_run_in_the_same_words() {
    let (setup, directory) = audited();
    let file = directory.join("audit.jsonl");
    let (shown, place) = (file.display(), directory.display());
    let words = "everybody may replace files in";
    let words = format!("cannot write the audit to {shown}: {words} {place} (mode 0777): chmod o-w {place}");
    refused(&setup, &|| mode(&directory, 0o777), &[&words]);
    assert!(!file.exists(), "nothing was made in a directory of everybody's");
    mode(&directory, 0o755);
    let foreign = "belongs to uid 54321, who is neither root nor this user and could replace what is in it";
    refused(&setup, &|| lchown(&directory, Some(54321), None).expect("run this test as root"), &[foreign]);
    lchown(&directory, Some(0), None).unwrap();

    fs::write(&file, "").unwrap();
    for loose in [0o666, 0o644, 0o602] {
        let words = format!("audit.jsonl is open to others (mode {loose:04o}): chmod 600 {shown}");
        refused(&setup, &|| mode(&file, loose), &[&words]);
    }
    lchown(&file, Some(0), Some(54321)).unwrap();
    refused(&setup, &|| mode(&file, 0o660), &["audit.jsonl can be written by others (mode 0660): chmod go-w "]);
    let foreign = "audit.jsonl belongs to uid 54321, which is neither root nor this user: chown";
    refused(&setup, &|| lchown(&file, Some(54321), None).unwrap(), &[foreign]);
    assert_eq!(text(&file), None);

    // as a program that rotates makes it for a group that reads
    lchown(&file, Some(0), Some(54321)).unwrap();
    mode(&file, 0o640);
    let proxy = setup.start();
    proxy.post(FORM).expect(200);
    eventually("the line", || text(&file));
}

#[test]
fn an_audit_that_was_rotated_into_the_hands_of_others_is_not_written_and_calls_are_refused() {
    let (setup, directory) = audited();
    let (file, planted) = (directory.join("audit.jsonl"), directory.join("planted"));
    let proxy = setup.start();
    proxy.post(FORM).expect(200);
    eventually("the line", || text(&file));
    fs::write(&planted, "").unwrap();
    mode(&planted, 0o666);
    lchown(&planted, Some(54321), None).expect("run this test as root");
    fs::rename(&planted, &file).unwrap();
    // its line had a place before it was known, and waits
    proxy.post(FORM).expect(200);
    proxy.log.wait_for("the reason", |line| {
        let refused = line.contains("the audit cannot be written; trying again every second");
        (refused && line.contains("belongs to uid 54321, which is neither root nor this user")).then_some(())
    });
    proxy.post(FORM).expect(503);
    assert!(proxy.admin("/readyz").text().contains("audit: it cannot be written"));
    assert_eq!(text(&file), None);
    fs::remove_file(&file).unwrap();
    eventually("the line that waited", || text(&file));
    eventually("calls again", || (proxy.post(FORM).status == 200).then_some(()));
}

#[test]
fn an_audit_beside_the_configuration_and_the_key_is_warned_of_by_check_and_at_the_start() {
    let (apart, _) = audited();
    let printed = Outcome::of(&mut apart.command("check"), "").succeeded();
    assert!(!printed.contains("audit's directory"), "{printed}");

    let setup = Setup::to(&Endpoint::obliging());
    let (file, audit) = (setup.vault_path("countersign.toml"), setup.vault_path("audit.jsonl"));
    let setup = setup.more(&format!("[audit]\ntarget = \"file:{}\"\n", audit.display()));
    let printed = Outcome::of(&mut setup.command("check"), "").succeeded();
    let warned = printed.lines().find_map(|line| line.trim().strip_prefix("WARNING ").map(ToOwned::to_owned));
    let warned = warned.unwrap_or_else(|| panic!("no warning in {printed}"));
    let words = "in the audit's directory, where this process can write while it serves, there are also ";
    assert!(warned.contains(words) && warned.contains(&file.display().to_string()), "{warned}");
    let proxy = setup.start();
    proxy.log.wait_for("the same words", |line| line.contains(&warned).then_some(()));
}
