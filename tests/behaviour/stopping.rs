//! How the program ends: drains on SIGTERM and SIGINT, and exits with a code that says why.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::process::Output;
use std::sync::{Mutex, mpsc};

use rustix::process::Signal;

use crate::harness::proxy::closes;
use crate::harness::{
    After, CREATE, Client, Draft, Ending, Endpoint, FORM, ID, PATIENCE, Proxy, SECRET, Setup, Vault, eventually,
};

/// A proxy with an exchange under way: its client, and the sender that lets the endpoint answer.
fn under_way(setup: impl FnOnce(Setup) -> Setup) -> (Proxy, Client, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel();
    let (arrived, arrival) = mpsc::channel();
    let wait = Mutex::new(wait);
    let endpoint = Endpoint::scripted(move |exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst");
        arrived.send(()).unwrap();
        let _gone = wait.lock().unwrap().recv();
        exchange.write(b"last");
        After::KeepOpen
    });
    let proxy = setup(Setup::to(&endpoint)).start();
    let mut client = proxy.connect();
    client.send(&Draft::form(FORM));
    arrival.recv_timeout(PATIENCE).unwrap();
    (proxy, client, go)
}

fn draining(proxy: &Proxy) {
    proxy.log.wait_for("drain", |line| line.contains("draining: no new connections").then_some(()));
}

fn refuses_connections(proxy: &Proxy) {
    eventually("the listener to close", || TcpStream::connect(proxy.address).is_err().then_some(()));
}

#[test]
fn sigterm_lets_the_exchange_under_way_end_and_takes_no_new_connection() {
    let (mut proxy, mut client, go) = under_way(|setup| setup);
    proxy.signal(Signal::TERM);
    draining(&proxy);
    refuses_connections(&proxy);
    let readiness = proxy.admin("/readyz").expect(503).text();
    assert!(readiness.contains("the process is draining"), "{readiness}");
    proxy.admin("/livez").expect(200);
    go.send(()).unwrap();
    assert_eq!(client.answer().expect(200).text(), "firstlast");
    assert_eq!(client.until_closed(), b"");
    drop(client);
    assert_eq!(proxy.wait().code(), Some(0));
    let log = proxy.log.to_the_end();
    assert!(log.contains("\"drained\"") && log.contains("answered_2xx"), "{log}");
}

#[test]
fn idle_connections_are_closed_at_once_by_a_drain() {
    let mut proxy = Setup::to(&Endpoint::obliging()).start();
    let mut used = proxy.connect();
    used.call(&Draft::form(FORM)).expect(200);
    let mut fresh = proxy.connect();
    proxy.post(FORM).expect(200); // accepted after `fresh`, by the same worker
    proxy.signal(Signal::INT);
    // the drain itself would take 25 seconds, idle connections 60
    assert_eq!((used.until_closed(), fresh.until_closed()), (Vec::new(), Vec::new()));
    drop((used, fresh));
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn a_request_that_is_half_sent_when_the_drain_begins_is_answered() {
    let mut proxy = Setup::to(&Endpoint::obliging()).start();
    let request = Draft::form(FORM).bytes(&proxy.address.to_string());
    // in the head, and in the body
    let mut clients = [20, request.len() - 10].map(|sent| (proxy.connect(), request.split_at(sent)));
    for (client, (begin, _)) in &mut clients {
        client.write(begin);
    }
    proxy.post(FORM).expect(200); // by the same worker, after it has read those
    proxy.signal(Signal::TERM);
    draining(&proxy);
    refuses_connections(&proxy);
    for (client, (_, rest)) in &mut clients {
        client.write(rest);
        assert!(closes(&client.answer().expect(200).head), "clients are asked to leave");
    }
    drop(clients);
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn beyond_its_limit_a_drain_cuts_what_is_left_and_says_so() {
    let (mut proxy, mut client, _go) = under_way(|setup| setup.process("workers = 1\ndrain = \"200ms\""));
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait().code(), Some(1));
    let log = proxy.log.to_the_end();
    assert!(log.contains("the drain ended with 1 exchanges cut off"), "{log}");
    let answer = client.answer();
    assert_eq!((answer.text().as_str(), answer.ending), ("first", Ending::Broken));
}

#[test]
fn a_second_signal_ends_the_drain() {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::INT), (Signal::TERM, Signal::INT)] {
        let (mut proxy, _client, _go) = under_way(|setup| setup.process("workers = 1\ndrain = \"1h\""));
        proxy.signal(first);
        draining(&proxy);
        proxy.signal(second);
        assert_eq!(proxy.wait().code(), Some(1));
        assert!(proxy.log.to_the_end().contains("a second signal"));
    }
}

/// What a client reads of a connection that it has to take for broken.
#[track_caller]
fn sees_a_reset(client: &mut Client) {
    let read = client.wire.rest();
    assert_eq!(read.as_ref().map_err(std::io::Error::kind), Err(ErrorKind::ConnectionReset), "{read:?}");
}

/// An endpoint that takes what it is sent, answers `ListJobs` with the beginning of a body, and all else not at all.
fn unhurried(arrived: mpsc::Sender<()>) -> Endpoint {
    Endpoint::scripted(move |exchange| {
        if exchange.request.text().contains("ListJobs") {
            exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        }
        arrived.send(()).unwrap();
        exchange.is_left();
        After::Close
    })
}

#[test]
fn what_the_end_of_the_process_cuts_off_has_its_lines_and_its_clients_see_a_reset() {
    for (drain, second) in [("200ms", None), ("1h", Some(Signal::TERM)), ("1h", Some(Signal::INT))] {
        let (arrived, arrival) = mpsc::channel();
        let setup = Setup::to(&unhurried(arrived)).process(&format!("workers = 2\ndrain = \"{drain}\""));
        let audit = setup.vault_path("audit.jsonl");
        let mut proxy = setup.more(&format!("[audit]\ntarget = \"file:{}\"\n", audit.display())).start();
        // a client that is not answered, one whose answer is under way, and one that still sends
        let mut clients = [proxy.connect(), proxy.connect(), proxy.connect()];
        let [unanswered, reading, sending] = &mut clients;
        unanswered.send(&Draft::form(CREATE));
        // a body without framing: only a reset says that it was cut
        reading.send(&Draft::form("Action=ListJobs&Version=2010-06-03").line("POST / HTTP/1.0"));
        for _ in 0..2 {
            arrival.recv_timeout(PATIENCE).unwrap();
        }
        let head = reading.answer_head();
        assert_eq!(head.all("transfer-encoding").len() + head.all("content-length").len(), 0, "{head:?}");
        reading.wire.exactly(5, &mut |_| {}).unwrap();
        let half = Draft::form(FORM).field("Expect", "100-continue").bytes(&proxy.address.to_string());
        sending.write(&half[..half.len() - 10]);
        assert!(sending.wire.head().unwrap().unwrap().first_line.starts_with("HTTP/1.1 100"));

        proxy.signal(Signal::TERM);
        if let Some(second) = second {
            draining(&proxy);
            proxy.signal(second);
        }
        let code = proxy.wait().code();
        let log = proxy.log.to_the_end();
        assert_eq!(code, Some(1), "{log}");
        assert!(log.contains("the drain ended with 3 exchanges cut off"), "{log}");
        clients.iter_mut().for_each(sees_a_reset);
        let lines = |text: &str, names: [&str; 3]| {
            let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let lines = lines.filter(|line| !line["outcome"].is_null());
            let mut lines: Vec<_> = lines.map(|line| names.map(|name| line[name].to_string()).join(" ")).collect();
            lines.sort();
            lines
        };
        let audited = lines(&fs::read_to_string(&audit).unwrap(), ["action", "decision", "outcome"]);
        let expected = [
            r#""CreateJob" "any_local" "unknown""#,
            r#""ListJobs" "any_local" "answered_2xx""#,
            r#"null "deny" "unavailable""#,
        ];
        assert_eq!(audited, expected, "{log}");
        let logged = lines(&log, ["status", "outcome", "reason"]);
        let expected = [r#"200 "cut" "shutdown""#, r#"null "unavailable" "shutdown""#, r#"null "unknown" "shutdown""#];
        assert_eq!(logged, expected, "{log}");
    }
}

#[test]
fn connections_without_a_request_are_no_exchanges_that_a_drain_cuts_off() {
    let mut proxy = Setup::to(&Endpoint::obliging()).process("workers = 1\ndrain = \"1ms\"").start();
    let mut idle = proxy.connect();
    let answer = idle.call(&Draft::form(FORM)).expect(200);
    proxy.log.exchange(&answer.request_id()); // the exchange is over, which the client may know first
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait().code(), Some(0), "{}", proxy.log.text());
    assert_eq!(idle.until_closed(), b"");
}

/// Runs a program that should not get as far as serving.
#[track_caller]
fn ends(setup: &Setup, code: i32, messages: &[&str]) {
    for subcommand in ["run", "check"] {
        let Output { status, stderr, .. } = setup.command(subcommand).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(code), "{subcommand}: {stderr}");
        for message in messages {
            assert!(stderr.contains(message), "{subcommand}: {message} in {stderr}");
        }
    }
}

#[test]
fn a_configuration_with_faults_ends_with_78_and_lists_them_all() {
    let setup = Setup::to_url("http://importexport.amazonaws.com/")
        .listener("limits.connections = \"many\"")
        .more("[metrics]\nport = 1\n");
    ends(&setup, 78, &["danger_plaintext", "limits.connections", "metrics", "3 faults in the configuration"]);
    let level = Setup::to_url("https://importexport.amazonaws.com/").log("json", "loud and clear");
    ends(&level, 78, &["log.level"]);
    let roots = Setup::to_url("https://importexport.amazonaws.com/").route("ca_file = \"/nonexistent/ca.pem\"");
    ends(&roots, 78, &["route.importexport: cannot read the CA certificates in /nonexistent/ca.pem"]);
}

#[test]
fn a_listener_that_does_not_say_who_may_call_or_goes_beyond_loopback_is_refused() {
    let setup = Setup::to(&Endpoint::obliging());
    let silent = setup.clone().more("[listener.other]\naddress = \"127.0.0.1:0\"\n");
    ends(&silent, 78, &["listener.other", "any_local"]);
    let wide = setup.more("[listener.other]\naddress = \"0.0.0.0:0\"\nany_local = true\n");
    ends(&wide, 78, &["listener.other", "danger_beyond_loopback"]);
}

#[test]
fn key_files_that_others_can_read_end_with_77() {
    for file in ["key.age", "identity"] {
        let setup = Setup::to(&Endpoint::obliging());
        fs::set_permissions(setup.vault_path(file), Permissions::from_mode(0o644)).unwrap();
        ends(&setup, 77, &["key.main", "is open to others (mode 0644)", "chmod"]);
    }
}

#[test]
fn the_key_of_a_certificate_is_kept_like_every_other_secret() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let setup = || {
        let setup = Setup::to(&Endpoint::obliging());
        // in a directory of their own: that of the configuration is judged before
        fs::create_dir(setup.vault_path("tls")).unwrap();
        let (certificate, key) = (setup.vault_path("tls/tls.pem"), setup.vault_path("tls/tls.key"));
        fs::write(&certificate, cert.pem()).unwrap();
        fs::write(&key, signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        (setup.listener(&format!("tls.certificate = {certificate:?}\ntls.private_key = {key:?}")), key)
    };
    let (open, key) = setup();
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    ends(&open, 77, &["listener.local", "tls.key is open to others (mode 0644): chmod 600"]);

    let (loose, key) = setup();
    fs::set_permissions(key.parent().unwrap(), Permissions::from_mode(0o777)).unwrap();
    ends(&loose, 77, &["listener.local: everybody may replace files in", "chmod o-w"]);

    let (foreign, key) = setup();
    fs::rename(&key, key.with_extension("real")).unwrap();
    symlink("tls.real", &key).unwrap();
    lchown(&key, Some(54321), None).expect("this test gives a symlink away: run it as root");
    ends(&foreign, 77, &["tls.key is a symlink that belongs to uid 54321"]);

    let (lent, key) = setup();
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    lchown(&key, Some(0), Some(54321)).unwrap();
    ends(&lent, 77, &["tls.key is open to others (mode 0640)"]);
    lchown(&key, Some(0), Some(0)).unwrap(); // our own group: as the kubelet does it with an fsGroup
    lent.start();

    let (missing, key) = setup();
    fs::remove_file(key).unwrap();
    ends(&missing, 78, &["listener.local", "tls.key does not exist"]);
}

#[test]
fn a_key_that_cannot_come_ends_with_69() {
    let setup = |lines: &str| Setup::to(&Endpoint::obliging()).key(lines);
    let nowhere = "kind = \"file\"\nfile = \"/nonexistent/key.json\"";
    ends(&setup(nowhere), 69, &["key.main", "/nonexistent does not exist"]);
}

#[test]
fn a_key_that_no_restart_mends_ends_with_78_in_run_and_check() {
    let ends = |setup: &Setup, parts: &[&str]| {
        ends(setup, 78, parts);
        let Output { status, stderr, .. } = setup.command("check").output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(78), "{stderr}");
        assert!(parts.iter().all(|part| stderr.contains(part)), "{stderr}");
    };
    let setup = |lines: &str| Setup::to(&Endpoint::obliging()).key(lines);
    let credential = "kind = \"file\"\ncredential = \"key\"";
    ends(&setup(credential), &["key.main", "LoadCredential=key:"]);
    let program = "kind = \"process\"\ncommand = [\"/nonexistent/fetch\"]";
    ends(&setup(program), &["key.main", "/nonexistent/fetch cannot be started"]);
    let garbage = "kind = \"process\"\ncommand = [\"/bin/echo\", \"marker\"]";
    ends(&setup(garbage), &["key.main: what /bin/echo prints gives no access key: not JSON (line 1, column 1)"]);
    let (ours, other) = (Vault::with(ID, SECRET), Vault::with(ID, SECRET));
    let misfit = format!("file = {:?}\nidentity_file = {:?}", ours.key_file(), other.identity_file());
    ends(&setup(&misfit), &["key.main", "the identity does not fit: it is sealed to other recipients"]);
    let no_key = format!("kind = \"file\"\nfile = {:?}", other.identity_file());
    ends(&setup(&no_key), &["key.main", "does not hold an access key"]);
}

#[test]
fn a_key_that_is_not_there_fails_a_check_with_69() {
    for file in ["key.age", "identity"] {
        let setup = Setup::to(&Endpoint::obliging());
        fs::remove_file(setup.vault_path(file)).unwrap();
        let Output { status, stderr, .. } = setup.command("check").output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(69), "{stderr}");
        assert!(stderr.contains("key.main: the key is not loaded: the ") && stderr.contains(file), "{stderr}");
        assert!(stderr.contains("does not exist"), "{stderr}");
    }
}

#[test]
fn a_port_in_use_ends_with_71() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let endpoint = Endpoint::obliging();
    let more = format!("[listener.other]\naddress = \"{address}\"\nany_local = true\n");
    let run = |setup: &Setup| setup.command("run").output().unwrap();
    let ended = run(&Setup::to(&endpoint).more(&more));
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(71), "{stderr}");
    assert!(stderr.contains(&format!("listener.other.address: cannot listen on {address}")), "{stderr}");

    // a second countersign on the port of a first one, which the kernel alone would allow
    let first = Setup::to(&endpoint).start();
    let more = format!("[listener.other]\naddress = \"{}\"\nany_local = true\n", first.address);
    assert_eq!(run(&Setup::to(&endpoint).more(&more)).status.code(), Some(71));
    first.post(FORM).expect(200);
    assert_eq!(endpoint.requests().len(), 1);
}
