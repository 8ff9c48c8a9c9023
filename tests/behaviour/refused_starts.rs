//! Everything that keeps `run` from starting: `check` refuses it too, in the same words and with the same exit code.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, lchown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Endpoint, FORM, ID, Outcome, SECRET, Setup, Vault, started_by};

/// One thing that is wrong: `change` makes it so, in the setup, the files beside it, or how the program is started.
struct Case {
    name: &'static str,
    code: i32,
    words: &'static str,
    change: fn(Setup, &Path) -> Setup,
    start: fn(&mut Command) -> &mut Command,
}

const fn case(name: &'static str, code: i32, words: &'static str, change: fn(Setup, &Path) -> Setup) -> Case {
    Case { name, code, words, change, start: |command| command }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The directory of the configuration, the key and whatever else a test needs.
fn place_of(setup: &Setup) -> PathBuf {
    setup.vault_path("countersign.toml").parent().unwrap().to_owned()
}

/// A directory of the test, which only we may change.
fn directory(place: &Path, name: &str) -> String {
    let path = place.join(name);
    fs::create_dir(&path).unwrap();
    mode(&path, 0o755);
    path.display().to_string()
}

/// A further listener, at this address.
fn listener(setup: Setup, address: &str, more: &str) -> Setup {
    setup.more(&format!("[listener.other]\naddress = \"{address}\"\nany_local = true\n{more}\n"))
}

fn audit(setup: Setup, target: &str) -> Setup {
    setup.more(&format!("[audit]\ntarget = \"{target}\"\n"))
}

fn trace(setup: Setup, scheme: &str, line: &str) -> Setup {
    setup.more(&format!("[trace]\nendpoint = \"{scheme}://127.0.0.1:4318\"\n{line}\n"))
}

/// A certificate and its key in a directory of their own, and the listener that uses them.
fn tls(setup: Setup, place: &Path) -> Setup {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let directory = directory(place, "tls");
    fs::write(format!("{directory}/tls.pem"), made.cert.pem()).unwrap();
    fs::write(format!("{directory}/tls.key"), made.signing_key.serialize_pem()).unwrap();
    mode(Path::new(&format!("{directory}/tls.key")), 0o600);
    setup.listener(&format!("tls.certificate = \"{directory}/tls.pem\"\ntls.private_key = \"{directory}/tls.key\""))
}

/// As a service manager that hands over a file.
const HAND_OVER: &str = "exec 3</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; exec \"$0\" \"$@\"";

#[rustfmt::skip] // a table: one line for each fault and how it is made
const CASES: &[Case] = &[
    // the configuration
    case("a fault", 78, "limits.connections", |setup, _| setup.listener("limits.connections = \"many\"")),
    case("the level of the log", 78, "log.level", |setup, _| setup.log("json", "loud and clear")),
    case("two addresses that overlap", 78, "overlap: each needs an address or a port of its own", |setup, _|
        listener(setup, "127.0.0.1:4", "")
            .more("[listener.wide]\naddress = \"0.0.0.0:4\"\nany_local = true\ndanger_beyond_loopback = true\n")),
    case("a configuration that others can write", 77, "countersign.toml can be written by others", |setup, place| {
        setup.publish();
        mode(&place.join("countersign.toml"), 0o666);
        setup
    }),
    // the system
    Case { start: |command| started_by(command, "sh", &["-c", "ulimit -n 64; exec \"$0\" \"$@\""]),
        ..case("too few descriptors", 71, "this process may have 64 descriptors", |setup, _| setup) },
    // keys
    case("a key whose directory is missing", 69, "/nonexistent does not exist", |setup, _|
        setup.key("kind = \"file\"\nfile = \"/nonexistent/key.json\"")),
    case("a key that others can read", 77, "key.age is open to others (mode 0644)", |setup, place| {
        mode(&place.join("key.age"), 0o644);
        setup
    }),
    case("a file that is no key", 78, "does not hold an access key", |setup, place|
        setup.key(&format!("kind = \"file\"\nfile = {:?}", place.join("identity")))),
    case("a program that is missing", 78, "/nonexistent/fetch cannot be started", |setup, _|
        setup.key("kind = \"process\"\ncommand = [\"/nonexistent/fetch\"]")),
    case("a systemd credential without systemd", 78, "LoadCredential=key:", |setup, _|
        setup.key("kind = \"file\"\ncredential = \"key\"")),
    case("a MAC that the dialect does not have", 78, "openstack is signed with HmacSHA256 only", |setup, _|
        setup.route("profile = { dialect = \"openstack\", signature_method = \"HmacSHA1\" }")),
    case("a session token that the dialect has no place for", 78, "key.main: it has a session token", |setup, _| {
        setup.of_vault().publish(ID, SECRET, ",\"SessionToken\":\"FwoGZXIvYXdzEXAMPLE\"");
        setup.route("profile.dialect = \"openstack\"")
    }),
    // trusted files
    case("a CA file that is missing", 78, "cannot read the CA certificates in /nonexistent/ca.pem", |setup, _|
        setup.more("[route.far]\nendpoint = \"https://far.example/\"\npath = \"/far\"\nkey = \"main\"\n\
                    ca_file = \"/nonexistent/ca.pem\"\n")),
    case("a certificate that is missing", 78, "tls.pem", |setup, place| {
        let setup = tls(setup, place);
        fs::remove_file(place.join("tls/tls.pem")).unwrap();
        setup
    }),
    case("a certificate's key that others can read", 77, "tls.key is open to others (mode 0644)", |setup, place| {
        let setup = tls(setup, place);
        mode(&place.join("tls/tls.key"), 0o644);
        setup
    }),
    case("a certificate of another key", 78, "cannot be used together", |setup, place| {
        let setup = tls(setup, place);
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        fs::write(place.join("tls/tls.key"), other).unwrap();
        setup
    }),
    case("the keys of a token issuer that are missing", 78, "jwks.json", |setup, place| setup.more(&format!(
        "[listener.pods]\naddress = \"127.0.0.1:0\"\nauthenticate = [\"service-account\"]\n\
         service_account = {{ issuer = \"i\", audience = \"a\", algorithm = \"RS256\", jwks_file = {:?} }}\n\
         [client.pod]\nservice_account = \"a/b\"\n", place.join("jwks.json")))),
    // the collector of spans
    case("a collector whose CA file is missing", 78, "cannot read the CA certificates in /nonexistent/ca.pem",
        |setup, _| trace(setup, "https", "ca_file = \"/nonexistent/ca.pem\"")),
    case("header fields that others can read", 77, "headers is open to others (mode 0644)", |setup, place| {
        fs::write(place.join("headers"), "authorization: Bearer EXAMPLE\n").unwrap();
        mode(&place.join("headers"), 0o644);
        trace(setup, "http", &format!("headers_file = {:?}", place.join("headers")))
    }),
    case("header fields that are none", 78, "headers is not a header field: it wants `name: value`", |setup, place| {
        fs::write(place.join("headers"), "EXAMPLE\n").unwrap();
        mode(&place.join("headers"), 0o600);
        trace(setup, "http", &format!("headers_file = {:?}", place.join("headers")))
    }),
    case("a field that a route and the trace both write", 78, "`traceparent` is what `trace.forward` writes itself",
        |setup, _| setup.route("forward_headers = [\"traceparent\"]").more("[trace]\nforward = true\n")),
    // the store of rates
    case("a store whose CA file is missing", 78, "cannot read the CA certificates in /nonexistent/ca.pem",
        |setup, _| setup.more("[rates]\nstore = \"valkeys://127.0.0.1\"\nca_file = \"/nonexistent/ca.pem\"\n")),
    case("a store's password that others can read", 77, "password is open to others (mode 0644)", |setup, place| {
        fs::write(place.join("password"), "EXAMPLE\n").unwrap();
        mode(&place.join("password"), 0o644);
        let file = place.join("password");
        setup.more(&format!("[rates]\nstore = \"valkey://127.0.0.1\"\npassword_file = {file:?}\n"))
    }),
    case("a store's password that is none", 78, "password holds no password", |setup, place| {
        fs::write(place.join("password"), "").unwrap();
        mode(&place.join("password"), 0o600);
        let file = place.join("password");
        setup.more(&format!("[rates]\nstore = \"valkey://127.0.0.1\"\npassword_file = {file:?}\n"))
    }),
    // the audit
    case("an audit without its directory", 71, "audit.jsonl: No such file or directory", |setup, place|
        audit(setup, &format!("file:{}/missing/audit.jsonl", place.display()))),
    case("an audit in everybody's directory", 77, "everybody may replace files in", |setup, place| {
        let log = directory(place, "log");
        mode(Path::new(&log), 0o777);
        audit(setup, &format!("file:{log}/audit.jsonl"))
    }),
    case("an audit that is a directory", 71, "Is a directory", |setup, place| {
        let log = directory(place, "log");
        audit(setup, &format!("file:{}", directory(Path::new(&log), "audit.jsonl")))
    }),
    Case { start: |command| started_by(command, "unshare",
            &["--mount", "sh", "-c", "mount -t tmpfs -o ro,mode=755 none /mnt && exec \"$0\" \"$@\""]),
        ..case("an audit where nothing can be written", 71, "audit.jsonl: Read-only file system", |setup, _|
            audit(setup, "file:/mnt/audit.jsonl")) },
    Case { start: |command| started_by(command, "unshare",
            &["--mount", "sh", "-c", "mount -t tmpfs none /run && exec \"$0\" \"$@\""]),
        ..case("an audit to a journal that is not there", 71, "cannot write the audit to the journal", |setup, _|
            audit(setup, "journald")) },
    // addresses
    case("a Unix socket without its directory", 71, "listener.other.address: cannot look at", |setup, place|
        listener(setup, &format!("unix:{}/missing/socket", place.display()), "")),
    case("a Unix socket in everybody's directory", 77, "listener.other.address: everybody may replace files in",
        |setup, place| {
            let run = directory(place, "run");
            mode(Path::new(&run), 0o777);
            listener(setup, &format!("unix:{run}/socket"), "")
        }),
    case("a Unix socket in another user's directory", 77, "belongs to uid 54321", |setup, place| {
        let run = directory(place, "run");
        lchown(&run, Some(54321), None).expect("this test gives a directory away: run it as root");
        listener(setup, &format!("unix:{run}/socket"), "")
    }),
    case("a file where a Unix socket should be", 71, "exists and is not a socket", |setup, place| {
        fs::write(place.join("socket"), "precious").unwrap();
        listener(setup, &format!("unix:{}/socket", place.display()), "")
    }),
    case("a group that is unknown", 78, "there is no group \"no-such-group-here\" on this system", |setup, place|
        listener(setup, &format!("unix:{}/socket", place.display()), "group = \"no-such-group-here\"")),
    case("an address of another host", 71, "listener.other.address: cannot listen on 192.0.2.1:8021", |setup, _|
        listener(setup, "192.0.2.1:8021", "danger_beyond_loopback = true")),
    case("the Unix socket of health without its directory", 71, "admin.address: cannot look at", |setup, place|
        setup.admin(&format!("unix:{}/missing/admin", place.display()))),
    Case { start: |command| started_by(command, "sh", &["-c", HAND_OVER]),
        ..case("a file handed over as a socket", 71, "\"web\" is neither a TCP nor a Unix stream socket", |setup, _|
            listener(setup, "systemd:web", "")) },
    Case { start: |command| started_by(command, "sh", &["-c", HAND_OVER]),
        ..case("a socket that was not handed over", 71, "no socket named \"api\" was handed to this process", |setup, _|
            listener(setup, "systemd:api", "")) },
];

/// What both commands say of a setup, which must be the same.
#[track_caller]
fn refused(name: &str, setup: &Setup, start: fn(&mut Command) -> &mut Command) -> (i32, String) {
    let [check, run] = ["check", "run"].map(|subcommand| Outcome::of(start(&mut setup.command(subcommand)), ""));
    assert_eq!((check.code, &check.stderr), (run.code, &run.stderr), "{name}: check and run");
    (run.code, run.stderr)
}

#[test]
fn what_run_refuses_check_refuses_in_the_same_words_and_with_the_same_code() {
    for Case { name, code, words, change, start } in CASES {
        let setup = Setup::to_url("http://127.0.0.1:9/");
        let place = place_of(&setup);
        let setup = change(setup, &place);
        let (ended, said) = refused(name, &setup, *start);
        assert_eq!(ended, *code, "{name}: {said}");
        assert!(said.contains(words), "{name}: {words} in {said}");
    }
}

#[test]
fn all_faults_of_a_start_are_told_at_once() {
    let setup = Setup::to_url("http://127.0.0.1:9/");
    let place = place_of(&setup);
    let setup = audit(setup, &format!("file:{}/no/audit.jsonl", place.display()));
    let setup = listener(setup, &format!("unix:{}/missing/socket", place.display()), "");
    let setup = setup.admin(&format!("unix:{}/none/admin", place.display()));
    let (code, said) = refused("several", &setup, |command| command);
    assert_eq!(code, 71);
    for words in ["cannot write the audit to", "listener.other.address: ", "admin.address: "] {
        assert!(said.contains(words), "{words} in {said}");
    }
}

#[test]
fn an_address_of_another_program_is_refused_by_check_as_by_run() {
    let setup = Setup::to_url("http://127.0.0.1:9/");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, said) =
        refused("a port", &listener(setup.clone(), &taken.local_addr().unwrap().to_string(), ""), |command| command);
    assert_eq!(code, 71, "no fault of the configuration: {said}");
    assert!(said.contains("listener.other.address: cannot listen on 127.0.0.1:"), "{said}");
    let path = setup.vault_path("socket");
    let _taken = UnixListener::bind(&path).unwrap();
    let (code, said) =
        refused("a socket", &listener(setup, &format!("unix:{}", path.display()), ""), |command| command);
    assert_eq!(code, 71, "{said}");
    assert!(said.contains(&format!("a process listens on {} already", path.display())), "{said}");
}

#[test]
fn a_check_beside_the_running_proxy_succeeds_and_says_what_is_in_use() {
    let endpoint = Endpoint::obliging();
    let first = Setup::to(&endpoint);
    let socket = format!("unix:{}", first.vault_path("socket").display());
    let first = listener(first, &socket, "").start();
    let setup = Setup::to(&endpoint).vault(Vault::with(ID, SECRET)).admin(&first.admin.to_string());
    let addresses = [first.address.to_string(), socket];
    let setup = addresses.iter().zip(["one", "two"]).fold(setup, |setup, (address, name)| {
        setup.more(&format!("[listener.{name}]\naddress = \"{address}\"\nany_local = true\n"))
    });
    let printed = Outcome::of(&mut setup.command("check"), "").succeeded();
    let process = first.id();
    for address in addresses.into_iter().chain([first.admin.to_string()]) {
        let line = format!("in use: the countersign that runs as process {process} serves {address};");
        assert!(printed.contains(&line), "{line} in {printed}");
    }
    let outcome = Outcome::of(&mut setup.command("run"), "");
    assert_eq!(outcome.code, 71, "a second one cannot start: {outcome:?}");
    first.post(FORM).expect(200);
}

#[test]
fn a_socket_of_the_service_manager_is_not_checked_without_one() {
    let setup = listener(Setup::to_url("http://127.0.0.1:9/"), "systemd:web", "");
    let printed = Outcome::of(&mut setup.command("check"), "").succeeded();
    assert!(printed.contains("not checked: the service manager hands systemd:web over at the start"), "{printed}");
}

#[test]
fn a_check_leaves_nothing_behind() {
    let setup = Setup::to_url("http://127.0.0.1:9/");
    let place = place_of(&setup);
    let run = directory(&place, "run");
    let setup = audit(setup, &format!("file:{run}/audit.jsonl")).admin(&format!("unix:{run}/admin"));
    let setup = listener(setup, &format!("unix:{run}/socket"), "");
    Outcome::of(&mut setup.command("check"), "").succeeded();
    assert_eq!(fs::read_dir(run).unwrap().count(), 0);
}
