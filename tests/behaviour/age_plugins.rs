//! Sealed keys that an age plugin opens, a program in a process of its own: what it does well, and everything else it
//! may do.

use std::io::Write as _;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::harness::plugin::{IDENTITY, Plugin, RECIPIENT};
use crate::harness::{Endpoint, FORM, ID, OTHER_ID, OTHER_SECRET, Proxy, SECRET, Setup, Vault, document, eventually};

/// A configuration whose key the plugin opens.
fn setup(endpoint: &Endpoint) -> (Setup, Plugin) {
    let vault = Vault::empty();
    let plugin = Plugin::install(&vault);
    plugin.publish(&vault, ID, SECRET);
    let setup = Setup::to(endpoint).vault(vault);
    let lines = plugin.lines(setup.of_vault());
    (setup.key(&lines), plugin)
}

#[track_caller]
fn assert_signs_with(proxy: &Proxy, endpoint: &Endpoint, id: &str, secret: &str) {
    proxy.post(FORM).expect(200);
    let requests = endpoint.requests();
    assert_eq!(requests.last().unwrap().verify(id, secret, None), Ok(()));
}

/// Exit code, standard output and standard error of a command.
fn output(setup: &Setup, plugin: &Plugin, subcommand: &str) -> (Option<i32>, String, String) {
    let output = plugin.beside(&mut setup.command(subcommand)).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_key_that_a_plugin_opens_signs_and_its_replacement_after_it() {
    let endpoint = Endpoint::obliging();
    let (setup, plugin) = setup(&endpoint);
    let proxy = setup.start_with(|command| plugin.beside(command));
    assert_signs_with(&proxy, &endpoint, ID, SECRET);
    plugin.publish(&proxy.vault, OTHER_ID, OTHER_SECRET);
    proxy.log.wait_for("change of the key", |line| line.contains("a changed key is in use").then_some(()));
    assert_signs_with(&proxy, &endpoint, OTHER_ID, OTHER_SECRET);
}

#[test]
fn the_process_that_serves_is_confined_and_the_plugin_is_started_by_another() {
    let (setup, plugin) = setup(&Endpoint::obliging());
    let proxy = setup.start_with(|command| plugin.beside(command));
    let serving = proxy.id();
    let children = std::fs::read_to_string(format!("/proc/{serving}/task/{serving}/children")).unwrap();
    let agent: u32 = children.trim().parse().expect("one child, the agent");
    // a container may have one around all of them
    let filters = |id: u32| -> u32 {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the right to read it");
        let line = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"));
        line.expect("Linux 5.9 or later").trim().parse().unwrap()
    };
    assert!(filters(serving) > filters(agent), "{} and {}", filters(serving), filters(agent));
}

#[test]
fn check_and_the_test_of_a_key_open_it_too_and_say_by_what() {
    let (setup, plugin) = setup(&Endpoint::obliging());
    let (code, stdout, stderr) = output(&setup, &plugin, "check");
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.contains("through an age plugin") && stdout.contains(ID), "{stdout}");
    let (code, stdout, stderr) = output(&setup, &plugin, "keys test");
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.contains("through an age plugin") && stdout.contains("signed with HmacSHA256"), "{stdout}");
    assert!(!stdout.contains(IDENTITY) && !stdout.contains(SECRET), "{stdout}");
}

#[test]
fn a_native_identity_needs_no_process_even_where_a_plugin_is() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let plugin = Plugin::install(&Vault::empty());
    let proxy = setup.start_with(|command| plugin.beside(command));
    assert_signs_with(&proxy, &endpoint, ID, SECRET);
    let children = format!("/proc/{0}/task/{0}/children", proxy.id());
    assert_eq!(std::fs::read_to_string(children).unwrap(), "");
}

#[test]
fn a_file_with_both_sorts_of_identities_opens_what_is_sealed_to_either() {
    let endpoint = Endpoint::obliging();
    let vault = Vault::with(ID, SECRET);
    let native = std::fs::read_to_string(vault.identity_file()).unwrap();
    let plugin = Plugin::install(&vault);
    vault.put("identity", &format!("{IDENTITY}\n{native}"));
    let lines = plugin.lines(&vault);
    let proxy = Setup::to(&endpoint).vault(vault).key(&lines).start_with(|command| plugin.beside(command));
    assert_signs_with(&proxy, &endpoint, ID, SECRET);
    assert!(!plugin.path("environment").exists(), "the plugin was not needed");
    plugin.publish(&proxy.vault, OTHER_ID, OTHER_SECRET);
    proxy.log.wait_for("change of the key", |line| line.contains("a changed key is in use").then_some(()));
    assert_signs_with(&proxy, &endpoint, OTHER_ID, OTHER_SECRET);
}

#[test]
fn a_plugin_sees_the_listed_variables_and_no_others() {
    let (setup, plugin) = setup(&Endpoint::obliging());
    let lines = format!("{}\nenvironment = [\"PATH\", \"LISTED\"]", setup.of_vault().sealed_lines());
    let setup = setup.key(&lines);
    let mut command = setup.command("keys test");
    let surroundings = [("LISTED", "seen"), ("MARKER", "hidden"), ("AGEDEBUG", "plugin"), ("TMPDIR", "/nonexistent")];
    let output = plugin.beside(&mut command).envs(surroundings).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""));
    // where python3 is a wrapper, that adds some of its own
    let seen = plugin.environment();
    let sees = |name: &str| seen.iter().any(|seen| seen.starts_with(name));
    assert!(sees("LISTED") && sees("PATH"), "{seen:?}");
    for name in ["MARKER", "AGEDEBUG", "TMPDIR", "COUNTERSIGN", "HOME", "RES_OPTIONS"] {
        assert!(!sees(name), "{name}: {seen:?}");
    }
}

#[test]
fn what_a_plugin_does_instead_of_opening_is_told_with_what_to_do() {
    let (setup, plugin) = setup(&Endpoint::obliging());
    for (behaviour, code, part) in [
        ("refuse", 69, "the token is not plugged in"),
        ("ask", 78, "age-plugin-example asks for something (PIN of the example token), and nobody is there to answer"),
        ("ask in public", 78, "asks for something (PIN of the example token)"),
        ("confirm", 78, "asks for something (Use the example token?)"),
        ("die", 69, "age-plugin-example ended while it was asked to open"),
        ("garble", 78, "age-plugin-example does not answer as an age plugin does"),
    ] {
        plugin.behave(behaviour);
        let (found, _, stderr) = output(&setup, &plugin, "keys test");
        assert_eq!(found, Some(code), "{behaviour}: {stderr}");
        assert!(stderr.contains(part), "{behaviour}: {stderr}");
        assert!(!stderr.contains("AGEDEBUG") && !stderr.contains(IDENTITY), "{stderr}");
    }
}

#[test]
fn a_plugin_that_waits_for_ever_is_killed_and_what_it_said_last_is_told() {
    let (setup, plugin) = setup(&Endpoint::obliging());
    plugin.behave("hang");
    let lines = format!("{}\ntimeout = \"10s\"", plugin.lines(setup.of_vault()));
    let (code, _, stderr) = output(&setup.key(&lines), &plugin, "keys test");
    assert_eq!(code, Some(69), "{stderr}");
    assert!(stderr.contains("was not opened within 10s (timeout), and the age plugin was killed"), "{stderr}");
    assert!(stderr.contains("or to be touched: touch the example token"), "{stderr}");
    let id = std::fs::read_to_string(plugin.path("process")).unwrap();
    eventually("the end of the plugin", || {
        let status = std::fs::read_to_string(format!("/proc/{id}/stat"));
        // dead, and perhaps not yet taken note of by who inherited it
        status.map_or(true, |status| status.contains(") Z ")).then_some(())
    });
}

#[test]
fn a_plugin_that_is_not_installed_ends_the_start_with_its_name_and_where_it_was_looked_for() {
    let (setup, plugin) = setup(&Endpoint::obliging());
    // without its line countersign's own PATH is not searched
    let lines = setup.of_vault().sealed_lines();
    let (code, _, stderr) = output(&setup.key(&lines), &plugin, "check");
    assert_eq!(code, Some(78), "{stderr}");
    let parts = ["the program age-plugin-example", "/usr/local/bin:", "install it there", "environment = [\"PATH\"]"];
    assert!(parts.iter().all(|part| stderr.contains(part)), "{stderr}");
}

#[test]
fn what_is_sealed_to_another_identity_of_the_plugin_does_not_open() {
    let (setup, plugin) = setup(&Endpoint::obliging());
    setup.of_vault().put("identity", "AGE-PLUGIN-EXAMPLE-1V9HX7ARGV4EZQMMWV53ZGLWH\n");
    let (code, _, stderr) = output(&setup, &plugin, "keys test");
    assert_eq!(code, Some(78), "{stderr}");
    assert!(
        stderr.contains("is opened by none of the identities in") && stderr.contains("age-plugin-example"),
        "{stderr}"
    );
}

#[test]
fn a_damaged_identity_or_file_is_told_of_as_with_native_identities() {
    let (setup, plugin) = setup(&Endpoint::obliging());
    let sealed = std::fs::read_to_string(setup.of_vault().key_file()).unwrap();
    setup.of_vault().put("key.age", &sealed[..sealed.len() / 2]);
    let (_, _, stderr) = output(&setup, &plugin, "keys test");
    assert!(stderr.contains("key.age cannot be opened: it is damaged"), "{stderr}");
    setup.of_vault().put("identity", &format!("{IDENTITY}X\n"));
    let (code, _, stderr) = output(&setup, &plugin, "keys test");
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains("line 1 of ") && stderr.contains("is not an age identity"), "{stderr}");
    assert!(!stderr.contains(IDENTITY), "{stderr}");
}

#[test]
fn what_opens_and_is_no_key_is_never_shown_and_blank_space_around_a_key_is_no_matter() {
    let (setup, plugin) = setup(&Endpoint::obliging());
    for (sealed, code) in [(format!("\n {}", document(ID, SECRET, "")), 0), ("Unsealed MARKER".to_owned(), 78)] {
        let mut command = Command::new("age");
        plugin.beside(&mut command).args(["-a", "-r", RECIPIENT, "-o"]).arg(setup.of_vault().path("new"));
        let mut age = command.stdin(Stdio::piped()).spawn().expect("Debian's package age, which tests/run installs");
        age.stdin.take().unwrap().write_all(sealed.as_bytes()).unwrap();
        assert!(age.wait().unwrap().success());
        setup.of_vault().put("key.age", &std::fs::read_to_string(setup.of_vault().path("new")).unwrap());
        let (found, stdout, stderr) = output(&setup, &plugin, "keys test");
        assert_eq!(found, Some(code), "{stderr}");
        assert!(!stdout.contains("MARKER") && !stderr.contains("MARKER"), "{stdout}{stderr}");
        assert_eq!(stderr.contains("not JSON"), code != 0, "{stderr}");
    }
}

#[test]
fn a_plugin_that_fails_leaves_the_last_good_key_and_one_that_comes_back_is_asked_again() {
    let endpoint = Endpoint::obliging();
    let (setup, plugin) = setup(&endpoint);
    let proxy = setup.start_with(|command| plugin.beside(command));
    plugin.behave("refuse");
    plugin.publish(&proxy.vault, OTHER_ID, OTHER_SECRET);
    proxy.log.json("warning", |line| line["error"].as_str().is_some_and(|error| error.contains("not plugged in")));
    assert_signs_with(&proxy, &endpoint, ID, SECRET);
    let note = proxy.admin("/readyz").expect(200).text();
    assert!(note.contains("degraded: key.main: the last good key is in use"), "{note}");
    plugin.behave("");
    proxy.log.wait_for("change of the key", |line| line.contains("a changed key is in use").then_some(()));
    assert_signs_with(&proxy, &endpoint, OTHER_ID, OTHER_SECRET);
}

#[test]
fn a_device_that_is_not_there_at_the_start_is_waited_for_with_503() {
    let endpoint = Endpoint::obliging();
    let (setup, plugin) = setup(&endpoint);
    plugin.behave("refuse");
    let proxy = setup.start_with(|command| plugin.beside(command));
    let answer = proxy.post(FORM);
    proxy.assert_own(&answer, 503, "ServiceUnavailable", "no");
    let readiness = proxy.admin("/readyz").expect(503).text();
    assert!(readiness.contains("the token is not plugged in"), "{readiness}");
    plugin.behave("");
    eventually("readiness", || (proxy.admin("/readyz").status == 200).then_some(()));
    assert_signs_with(&proxy, &endpoint, ID, SECRET);
}

#[test]
fn an_identity_that_becomes_a_plugins_while_the_program_runs_takes_a_restart() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    let _plugin = Plugin::install(&proxy.vault);
    proxy.signal(Signal::HUP);
    proxy.log.json("warning", |line| line["error"].as_str().is_some_and(|error| error.contains("restart countersign")));
    assert_signs_with(&proxy, &endpoint, ID, SECRET);
}

#[test]
fn a_reload_that_needs_a_new_plugin_is_refused_with_the_reason() {
    let endpoint = Endpoint::obliging();
    let (setup, plugin) = setup(&endpoint);
    let identity = setup.of_vault().put("native", &std::fs::read_to_string(setup.of_vault().identity_file()).unwrap());
    let proxy = setup.clone().start_with(|command| plugin.beside(command));
    let lines = format!("[key.second]\nfile = {:?}\nidentity_file = {identity:?}\n", proxy.vault.key_file());
    setup.more(&lines).publish();
    proxy.signal(Signal::HUP);
    proxy.log.wait_for("refusal", |line| {
        (line.contains("key.second") && line.contains("its program can be started no more")).then_some(())
    });
    assert_signs_with(&proxy, &endpoint, ID, SECRET);
}
