//! Each kind of key store, through the whole program.

use rustix::process::Signal;

use crate::harness::program::program;
use crate::harness::{Endpoint, FORM, ID, OTHER_ID, OTHER_SECRET, Proxy, SECRET, Setup, Vault, document, eventually};

/// Makes a call, which must be signed with this key.
#[track_caller]
fn assert_signs_with(proxy: &Proxy, endpoint: &Endpoint, id: &str, secret: &str) {
    proxy.post(FORM).expect(200);
    let requests = endpoint.requests();
    let request = requests.last().unwrap();
    assert_eq!(request.parameter("AWSAccessKeyId"), id);
    assert_eq!(request.verify(id, secret, None), Ok(()));
}

#[test]
fn a_key_mounted_in_plain_signs_and_its_replacement_after_it() {
    let endpoint = Endpoint::obliging();
    let vault = Vault::empty();
    let file = vault.put("key.json", &document(ID, SECRET, ""));
    let proxy = Setup::to(&endpoint).vault(vault).key(&format!("kind = \"file\"\nfile = {file:?}")).start();
    assert_signs_with(&proxy, &endpoint, ID, SECRET);
    proxy.vault.put("key.json", &document(OTHER_ID, OTHER_SECRET, ""));
    proxy.log.wait_for("change of the key", |line| line.contains("a changed key is in use").then_some(()));
    assert_signs_with(&proxy, &endpoint, OTHER_ID, OTHER_SECRET);
}

#[test]
fn a_key_file_as_templates_and_editors_leave_it_signs() {
    let endpoint = Endpoint::obliging();
    let vault = Vault::empty();
    let text = document(ID, SECRET, r#","SessionToken":"","Expiration":"""#).replace(":1,", ":\"1\",\r\n");
    let file = vault.put("key.json", &format!("\u{feff}{text}\r\n"));
    let proxy = Setup::to(&endpoint).vault(vault).key(&format!("kind = \"file\"\nfile = {file:?}")).start();
    assert_signs_with(&proxy, &endpoint, ID, SECRET);
}

#[test]
fn a_key_that_a_program_prints_signs() {
    let endpoint = Endpoint::obliging();
    let vault = Vault::empty();
    let program = vault.program("fetch", &format!("echo '{}'", document(ID, SECRET, "")));
    let proxy = Setup::to(&endpoint).vault(vault).key(&format!("kind = \"process\"\ncommand = {program}")).start();
    assert_signs_with(&proxy, &endpoint, ID, SECRET);
}

/// Waits until readiness says what is wanted of it.
#[track_caller]
fn wait_until_ready(proxy: &Proxy) {
    eventually("readiness", || (proxy.admin("/readyz").status == 200).then_some(()));
}

#[test]
fn a_key_that_comes_later_is_waited_for_with_503_and_used_when_it_is_there() {
    let fetch = |vault: &Vault| {
        let program = vault.program("fetch", &format!("cat {:?} || exit 7", vault.path("key.json")));
        format!("kind = \"process\"\ncommand = {program}")
    };
    let mounted = |vault: &Vault| format!("kind = \"file\"\nfile = {:?}", vault.path("key.json"));
    type Lines<'a> = &'a dyn Fn(&Vault) -> String;
    let kinds: [(Lines<'_>, &str); 2] = [(&fetch, "failed (exit status: 7)"), (&mounted, "key.json does not exist")];
    for (lines, why) in kinds {
        let endpoint = Endpoint::obliging();
        let vault = Vault::empty();
        let lines = lines(&vault);
        let proxy = Setup::to(&endpoint).vault(vault).key(&lines).start();
        let answer = proxy.post(FORM);
        proxy.assert_own(&answer, 503, "ServiceUnavailable", "no");
        let readiness = proxy.admin("/readyz").expect(503).text();
        assert!(readiness.contains("key.main: the key is not loaded: ") && readiness.contains(why), "{readiness}");
        proxy.vault.put("key.json", &document(ID, SECRET, ""));
        wait_until_ready(&proxy);
        assert_signs_with(&proxy, &endpoint, ID, SECRET);
    }
}

#[test]
fn a_key_that_ends_is_renewed_before_and_never_used_after() {
    // the program gives keys that end soon, one after the other
    let endpoint = Endpoint::obliging();
    let vault = Vault::empty();
    let script = format!(
        "echo run >> {:?}; printf '{{\"Version\":1,\"AccessKeyId\":\"{ID}\",\"SecretAccessKey\":\"{SECRET}\",\
         \"Expiration\":\"%s\"}}' \"$(date -u -d '+8 seconds' +%Y-%m-%dT%H:%M:%SZ)\"",
        vault.path("runs")
    );
    let program = vault.program("fetch", &script);
    let proxy = Setup::to(&endpoint).vault(vault).key(&format!("kind = \"process\"\ncommand = {program}")).start();
    let runs = || std::fs::read_to_string(proxy.vault.path("runs")).unwrap().lines().count();
    let enough = runs() + 2;
    eventually("renewals", || {
        proxy.post(FORM).expect(200);
        (runs() >= enough).then_some(())
    });
    // and then there are no more
    std::fs::remove_file(proxy.vault.path("fetch")).unwrap();
    eventually("the end of the key", || (proxy.post(FORM).status == 503).then_some(()));
    let readiness = proxy.admin("/readyz").expect(503).text();
    assert!(readiness.contains("key.main: the key has expired: "), "{readiness}");
}

#[test]
fn an_agent_that_is_killed_leaves_the_last_good_key_and_is_told_of() {
    let endpoint = Endpoint::obliging();
    let vault = Vault::empty();
    // the agent is what starts the program
    let script = format!("echo $PPID > {:?}; echo '{}'", vault.path("agent"), document(ID, SECRET, ""));
    let program = vault.program("fetch", &script);
    let proxy = Setup::to(&endpoint).vault(vault).key(&format!("kind = \"process\"\ncommand = {program}")).start();
    let agent = std::fs::read_to_string(proxy.vault.path("agent")).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(agent).unwrap(), Signal::KILL).unwrap();
    proxy.signal(Signal::HUP);
    proxy.log.json("warning", |line| line["error"].as_str().is_some_and(|error| error.contains("has ended")));
    assert_signs_with(&proxy, &endpoint, ID, SECRET);
    let note = proxy.admin("/readyz").expect(200).text();
    assert!(note.contains("degraded: key.main: the last good key is in use"), "{note}");
}

#[test]
fn the_agent_ends_with_the_program_and_outlives_the_signals_that_stop_it() {
    let endpoint = Endpoint::obliging();
    let vault = Vault::empty();
    let script = format!("echo $PPID > {:?}; echo '{}'", vault.path("agent"), document(ID, SECRET, ""));
    let program = vault.program("fetch", &script);
    let mut proxy = Setup::to(&endpoint).vault(vault).key(&format!("kind = \"process\"\ncommand = {program}")).start();
    let agent: i32 = std::fs::read_to_string(proxy.vault.path("agent")).unwrap().trim().parse().unwrap();
    let alive = || std::path::Path::new(&format!("/proc/{agent}")).exists();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        // as a service manager does, to every process of the service
        rustix::process::kill_process(rustix::process::Pid::from_raw(agent).unwrap(), signal).unwrap();
    }
    let looks = || proxy.metric(r#"countersign_key_loads_total{key="main",result="unchanged"}"#);
    let before = looks();
    proxy.signal(Signal::HUP);
    eventually("another look", || (looks() > before).then_some(()));
    assert!(alive());
    proxy.signal(Signal::TERM);
    assert!(proxy.wait().success());
    eventually("the end of the agent", || (!alive()).then_some(()));
}

#[test]
fn a_program_sees_the_listed_variables_and_no_others() {
    let endpoint = Endpoint::obliging();
    let vault = Vault::empty();
    let script = format!("env > {:?}; echo '{}'", vault.path("seen"), document(ID, SECRET, ""));
    let program = vault.program("fetch", &script);
    let lines = format!("kind = \"process\"\ncommand = {program}\nenvironment = [\"LISTED\", \"NOT_THERE\"]");
    let setup = Setup::to(&endpoint).vault(vault).key(&lines);
    let proxy = setup.start_with(|command| command.env("LISTED", "seen").env("MARKER", "hidden"));
    let seen = std::fs::read_to_string(proxy.vault.path("seen")).unwrap();
    assert!(seen.contains("LISTED=seen\n"), "{seen}");
    for name in ["MARKER", "COUNTERSIGN", "HOME=", "RES_OPTIONS", "NOT_THERE"] {
        assert!(!seen.contains(name), "{name}: {seen}");
    }
}

#[test]
fn a_key_is_tested_from_the_command_line_whatever_its_kind() {
    let vault = Vault::with(ID, SECRET);
    let file = vault.put("key.json", &document(ID, SECRET, r#","Expiration":"2999-01-01T00:00:00Z""#));
    let fetch = vault.program("fetch", &format!("echo '{}'", document(ID, SECRET, "")));
    let fail = vault.program("fail", "echo 'no session' >&2; exit 2");
    let keys = format!(
        "[key.mounted]\nkind = \"file\"\nfile = {file:?}\n[key.printed]\nkind = \"process\"\ncommand = {fetch}\n\
         [key.failing]\nkind = \"process\"\ncommand = {fail}\n"
    );
    let setup = Setup::to_url("https://importexport.amazonaws.com/").vault(vault).more(&keys);
    let test = |arguments: &[&str]| {
        let output = setup.command("keys test").args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    for (name, parts) in [
        ("main", ["opened with", "never expires"]),
        ("mounted", ["key.json, not sealed", "expires 2999-01-01T00:00:00Z"]),
        ("printed", ["what /", "never expires"]),
    ] {
        let (code, stdout, stderr) = test(&["--key", name]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
        assert!(stdout.starts_with(&format!("key {name}: ")) && stdout.contains(ID), "{stdout}");
        assert!(stdout.contains("  loaded in ") && stdout.contains("  signed with HmacSHA256 in "), "{stdout}");
        assert!(parts.iter().all(|part| stdout.contains(part)), "{stdout}");
        assert!(!stdout.contains(SECRET));
    }
    let (code, stdout, stderr) = test(&[]);
    assert_eq!(code, Some(69), "{stderr}");
    assert!(stderr.contains("key.failing: ") && stderr.contains("(exit status: 2): no session"), "{stderr}");
    assert_eq!(stdout.matches("signed with").count(), 3, "{stdout}");
    let (code, _, stderr) = test(&["--key", "other"]);
    assert_eq!(code, Some(78));
    assert!(stderr.contains("there is no [key.other]"), "{stderr}");
}

#[test]
fn the_agent_cannot_be_started_by_hand() {
    let output = program().arg("key-agent").stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(71));
    assert!(String::from_utf8(output.stderr).unwrap().contains("key-agent is started by countersign itself"));
}
