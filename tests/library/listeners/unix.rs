//! Unix sockets, and who may connect to them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;

use countersign::downstream::listener::Security;
use countersign::downstream::unix_socket::{Group, UnixSocket, bind};
use countersign::downstream::{ListenerSocket, OwnerLookup};
use tempfile::TempDir;

use super::serving::{command_as, curl_as, serve};
use crate::harness::own_process;

const USER: u32 = 4321;
const GROUP: u32 = 4322;

/// Connects again and again until it gets in.
const INTRUDER: &str = "use Socket; $| = 1; print qq(ready\n); \
    for (;;) { socket(S, AF_UNIX, SOCK_STREAM, 0); \
    if (connect(S, pack_sockaddr_un($ARGV[0]))) { print qq(in\n); exit } }";

/// A directory that every user may look into.
fn open_directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    directory
}

fn socket(path: &Path, mode: u32) -> UnixSocket {
    UnixSocket { path: path.to_owned(), mode, group: Some(Group::Id(GROUP)) }
}

fn curl(uid: u32, gid: u32, path: &Path) -> (bool, String) {
    curl_as(uid, gid, &["--unix-socket", path.to_str().unwrap(), "http://localhost/"])
}

#[test]
fn the_group_gets_in_with_its_credentials_and_others_do_not() {
    let directory = open_directory();
    let path = directory.path().join("socket");
    let (listener, _path) = bind(&socket(&path, 0o660)).unwrap();
    let _served = serve(ListenerSocket::Unix(listener), Security::Plain(OwnerLookup::Skip));
    assert_eq!(fs::metadata(&path).unwrap().gid(), GROUP);
    let (admitted, answer) = curl(USER, GROUP, &path);
    assert!(admitted && answer.starts_with(&format!("Unix {{ uid: {USER}, gid: {GROUP}, pid: Some(")), "{answer}");
    let (admitted, answer) = curl(USER, USER, &path);
    assert!(!admitted, "{answer}");
}

#[test]
fn a_group_can_be_given_by_name() {
    let directory = open_directory();
    let path = directory.path().join("socket");
    let group = Some(Group::Name("daemon".to_owned()));
    let _bound = bind(&UnixSocket { path: path.clone(), mode: 0o660, group }).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().gid(), 1, "Debian's daemon group is 1");
}

#[test]
fn nobody_slips_in_before_the_mode_is_set() {
    let output = own_process(module_path!(), "the_process_without_a_umask").output().unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

/// In a process of its own, since the umask is the whole process's: here it hides nothing.
#[test]
#[ignore = "run by the test above, in a process of its own"]
fn the_process_without_a_umask() {
    let directory = open_directory();
    let path = directory.path().join("socket");
    rustix::process::umask(rustix::fs::Mode::empty());
    let mut intruder = command_as(USER, USER, "perl");
    intruder.args(["-e", INTRUDER, path.to_str().unwrap()]).stdout(Stdio::piped());
    let mut intruder = intruder.spawn().unwrap();
    for _ in 0..2000 {
        let (_listener, _path) = bind(&socket(&path, 0o660)).unwrap();
    }
    assert!(intruder.try_wait().unwrap().is_none(), "the intruder got in");
    // and it would have told us: the same with a mode that lets it in
    let (_listener, _path) = bind(&socket(&path, 0o666)).unwrap();
    let output = intruder.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ready\nin\n");
}

#[test]
fn every_worker_has_a_share_of_the_one_queue() {
    let directory = open_directory();
    let path = directory.path().join("socket");
    let (listener, _path) = bind(&socket(&path, 0o666)).unwrap();
    let mut shares = ListenerSocket::Unix(listener).share(3).unwrap();
    assert_eq!(shares.len(), 3);
    drop(shares.drain(..2)); // workers that have ended: the last one serves on
    let _served = serve(shares.remove(0), Security::Plain(OwnerLookup::Skip));
    let (admitted, answer) = curl(USER, USER, &path);
    assert!(admitted, "{answer}");
}
