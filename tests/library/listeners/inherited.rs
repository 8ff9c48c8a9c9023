//! Sockets handed over by a service manager: systemd's own `systemd-socket-activate` does it here.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use countersign::downstream::OwnerLookup;
use countersign::downstream::inherited::{InheritedError, InheritedSockets};
use countersign::downstream::listener::Security;

use super::serving::serve;
use crate::harness::{eventually, free_port, own_process};

/// Set for the process that is handed sockets: the names it is to take, with commas between.
const TAKE: &str = "TEST_TAKE_SOCKETS";

/// In the tests' own process there are none. In the process that systemd-socket-activate starts, which is this test
/// alone in the same program, the sockets are taken and served.
#[test]
fn a_process_takes_the_sockets_it_was_handed_and_no_others() {
    let mut inherited = InheritedSockets::from_environment().unwrap();
    let Ok(names) = std::env::var(TAKE) else {
        assert_eq!(inherited.names().count(), 0);
        assert!(matches!(inherited.take("web"), Err(InheritedError::Missing { .. })));
        return;
    };
    let mut served = Vec::new();
    for name in names.split(',') {
        match inherited.take(name) {
            Ok(socket) => served.push(serve(socket, Security::Plain(OwnerLookup::Skip))),
            Err(error) => println!("{name}: {error}"),
        }
    }
    while !served.is_empty() {
        sleep(Duration::from_secs(60)); // until we are killed
    }
}

/// Starts the test above behind systemd-socket-activate. It begins when somebody connects.
fn activate(take: &str, options: &[&str]) -> Running {
    let test = own_process(module_path!(), "a_process_takes_the_sockets_it_was_handed_and_no_others");
    let child = Command::new("systemd-socket-activate")
        .args(options)
        .arg(format!("--setenv={TAKE}={take}"))
        .arg(test.get_program())
        .args(test.get_args())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("systemd-socket-activate, of Debian's package systemd");
    Running(Some(child))
}

struct Running(Option<Child>);

impl Running {
    fn output(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

fn curl(arguments: &[&str]) -> String {
    let retries = ["--retry", "20", "--retry-delay", "1", "--retry-connrefused", "--max-time", "60"];
    let output =
        Command::new("curl").args(["--silent", "--show-error"]).args(retries).args(arguments).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn wait_for_socket(path: &Path) {
    eventually("a socket at its path", || path.symlink_metadata().ok()?.file_type().is_socket().then_some(()));
}

#[test]
fn tcp_and_unix_sockets_are_served_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let (path, url) = (path.to_str().unwrap(), format!("127.0.0.1:{}", free_port()));
    let _running = activate("local,web", &["--listen", &url, "--listen", path, "--fdname=web:local"]);
    wait_for_socket(Path::new(path));
    let answer = curl(&[&format!("http://{url}/")]);
    assert!(answer.contains("Tcp { address: 127.0.0.1:"), "{answer}");
    let answer = curl(&["--unix-socket", path, "http://localhost/"]);
    assert!(answer.starts_with("Unix { uid: "), "{answer}");
}

#[test]
fn a_datagram_socket_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let running =
        activate("datagrams,other", &["--datagram", "--listen", path.to_str().unwrap(), "--fdname=datagrams"]);
    wait_for_socket(&path);
    let sender = std::os::unix::net::UnixDatagram::unbound().unwrap();
    sender.send_to(b"begin", &path).unwrap();
    let said = String::from_utf8(running.output().stdout).unwrap();
    assert!(said.contains("datagrams: \"datagrams\" is neither a TCP nor a Unix stream socket"), "{said}");
    assert!(
        said.contains("other: no socket named \"other\" was handed to this process; there are datagrams"),
        "{said}"
    );
}

#[test]
fn a_name_that_two_sockets_have_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let paths = ["a", "b"].map(|name| directory.path().join(name));
    let [a, b] = paths.each_ref().map(|path| path.to_str().unwrap());
    let running = activate("web", &["--listen", a, "--listen", b, "--fdname=web:web"]);
    wait_for_socket(&paths[1]);
    // bound is not yet listening
    let _client = eventually("a listening socket", || std::os::unix::net::UnixStream::connect(a).ok());
    let said = String::from_utf8(running.output().stdout).unwrap();
    assert!(said.contains("web: 2 sockets are named \"web\""), "{said}");
}
