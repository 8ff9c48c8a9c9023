//! A confined process cannot do what it does not need: every refusal is provoked, beside what is allowed.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use countersign::confine::{
    Confinement, Enforcement, Netlink, Spawn, Udp, UnixSockets, UnixStreams, apply, apply_to_thread,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
use rustix::process::{DumpableBehavior, Pid, Signal, kill_process, set_dumpable_behavior};

use crate::harness::{free_port, own_process};

/// Name the scene to the process that is confined.
const DIRECTORY: &str = "COUNTERSIGN_TEST_DIRECTORY";
const PORTS: &str = "COUNTERSIGN_TEST_PORTS";

/// One line per attempt: its name and `ok` or the system's error.
#[test]
#[ignore = "run by the other test, in a process of its own"]
fn the_process_that_is_confined() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("run by the other test"));
    let ports = std::env::var(PORTS).unwrap();
    let ports: Vec<u16> = ports.split(' ').map(|port| port.parse().unwrap()).collect();
    let [listed, unlisted, ours, other] = ports[..] else { panic!("four ports") };
    let outside = directory.join("outside");
    let before = File::open(&outside).unwrap();
    assert!(
        matches!(apply(&confinement(&directory, listed, ours)), Err(error) if error.to_string().contains("threads"))
    );

    let posture = apply_to_thread(&confinement(&directory, listed, ours)).unwrap();
    println!("posture: {posture}");
    attempt("read a listed file", || File::open(directory.join("read/file")));
    attempt("read a file outside", || File::open(&outside));
    attempt("read on through a descriptor of before", || (&before).read(&mut [0]));
    attempt("read shadow", || File::open("/etc/shadow"));
    attempt("follow a symlink outside", || File::open(directory.join("read/link")));
    attempt("list a directory", || fs::read_dir("/etc"));
    attempt("write a listed file", || File::create(directory.join("write/file")));
    attempt("write where one may only read", || File::create(directory.join("read/new")));
    attempt("write outside", || File::create(directory.join("new")));
    attempt("remove a file that was written", || fs::remove_file(directory.join("write/old")));
    attempt("shorten a file that was written", || File::create(directory.join("write/old")));
    attempt("rename a file that was written", || fs::rename(directory.join("write/old"), directory.join("write/new")));
    attempt("remove what may be removed", || fs::remove_file(directory.join("sockets/old")));
    attempt("remove a file outside", || fs::remove_file(&outside));
    attempt("connect to a listed port", || TcpStream::connect(("127.0.0.1", listed)));
    attempt("connect to another port", || TcpStream::connect(("127.0.0.1", unlisted)));
    attempt("bind a listed port", || TcpListener::bind(("127.0.0.1", ours)));
    attempt("bind another port", || TcpListener::bind(("127.0.0.1", other)));
    attempt("bind any port", || TcpListener::bind(("127.0.0.1", 0)));
    attempt("start a program", || Command::new("/bin/true").status());
    attempt("signal another process", || Ok(kill_process(Pid::from_raw(1).unwrap(), Signal::WINCH)?));
    attempt("make a program in memory", || Ok(rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::empty())?));
    attempt("become dumpable", || Ok(set_dumpable_behavior(DumpableBehavior::Dumpable)?));
    attempt("start a thread", || {
        thread::Builder::new().spawn(|| ())?.join().map_err(|_| std::io::ErrorKind::Other.into())
    });
    let socket = |family, kind, protocol| Ok(socket_with(family, kind, SocketFlags::CLOEXEC, protocol)?);
    attempt("make a socket of TCP", || socket(AddressFamily::INET6, SocketType::STREAM, None));
    attempt("make a socket of MPTCP", || socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::MPTCP)));
    attempt("make a socket of UDP", || socket(AddressFamily::INET, SocketType::DGRAM, None));
    attempt("make a raw socket", || socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP)));
    attempt("make a Unix socket", || socket(AddressFamily::UNIX, SocketType::STREAM, None));
    attempt("make a pair of sockets", UnixStream::pair);
    attempt("ask the kernel of its network", || socket(AddressFamily::NETLINK, SocketType::RAW, None));
    // a thread that starts afterwards is bound by both
    thread::spawn(move || {
        attempt("thread: read a file outside", || File::open(&outside));
        attempt("thread: connect to another port", || TcpStream::connect(("127.0.0.1", unlisted)));
        attempt("thread: start a program", || Command::new("/bin/true").status());
    })
    .join()
    .unwrap();
}

fn confinement(directory: &Path, connect: u16, bind: u16) -> Confinement {
    Confinement {
        read: vec![directory.join("read"), directory.join("not there")],
        list: vec![],
        write: vec![directory.join("write")],
        remove: vec![directory.join("sockets")],
        connect: vec![connect],
        bind: vec![bind],
        netlink: Netlink::Deny,
        udp: Udp::Deny,
        unix_sockets: UnixSockets::Deny,
        unix_streams: UnixStreams::Deny,
        spawn: Spawn::Deny,
    }
}

fn attempt<T>(name: &str, action: impl FnOnce() -> std::io::Result<T>) {
    match action() {
        Ok(_) => println!("attempt {name}: ok"),
        Err(error) => println!("attempt {name}: {:?}", error.kind()),
    }
}

/// The tests here say nothing where the kernel cannot do it; that it can is said by the first line.
#[test]
fn what_is_not_listed_is_refused_and_what_is_listed_works() {
    let scene = tempfile::tempdir().unwrap();
    for name in ["read", "write", "sockets"] {
        fs::create_dir(scene.path().join(name)).unwrap();
    }
    for name in ["outside", "read/file", "write/old", "sockets/old"] {
        fs::write(scene.path().join(name), "text").unwrap();
    }
    symlink("../outside", scene.path().join("read/link")).unwrap();
    let listeners: Vec<_> = (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let mut ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    ports.extend([free_port(), free_port()]);
    let output = own_process(module_path!(), "the_process_that_is_confined")
        .env(DIRECTORY, scene.path())
        .env(PORTS, ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("posture: landlock fully enforced, seccomp fully enforced"), "{text}\n{output:?}");
    let found: Vec<&str> = text.lines().filter_map(|line| line.split_once("attempt ").map(|(_, rest)| rest)).collect();
    let expected = [
        "read a listed file: ok",
        "read a file outside: PermissionDenied",
        "read on through a descriptor of before: ok",
        "read shadow: PermissionDenied",
        "follow a symlink outside: PermissionDenied",
        "list a directory: PermissionDenied",
        "write a listed file: ok",
        "write where one may only read: PermissionDenied",
        "write outside: PermissionDenied",
        "remove a file that was written: PermissionDenied",
        "shorten a file that was written: PermissionDenied",
        "rename a file that was written: Unsupported",
        "remove what may be removed: ok",
        "remove a file outside: PermissionDenied",
        "connect to a listed port: ok",
        "connect to another port: PermissionDenied",
        "bind a listed port: ok",
        "bind another port: PermissionDenied",
        "bind any port: PermissionDenied",
        "start a program: PermissionDenied",
        "signal another process: Unsupported",
        "make a program in memory: PermissionDenied",
        "become dumpable: PermissionDenied",
        "start a thread: ok",
        "make a socket of TCP: ok",
        "make a socket of MPTCP: PermissionDenied",
        "make a socket of UDP: PermissionDenied",
        "make a raw socket: PermissionDenied",
        "make a Unix socket: PermissionDenied",
        "make a pair of sockets: PermissionDenied",
        "ask the kernel of its network: PermissionDenied",
        "thread: read a file outside: PermissionDenied",
        "thread: connect to another port: PermissionDenied",
        "thread: start a program: PermissionDenied",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_posture_is_complete_only_when_both_are_fully_enforced() {
    let posture = countersign::confine::Posture {
        landlock: Enforcement::Partially("version 3".to_owned()),
        seccomp: Enforcement::Fully,
        capabilities: Enforcement::Fully,
    };
    assert!(!posture.is_complete());
    let text = "landlock partially enforced (version 3), seccomp fully enforced, no capabilities";
    assert_eq!(posture.to_string(), text);
    let posture = countersign::confine::Posture {
        landlock: Enforcement::Fully,
        seccomp: Enforcement::Fully,
        capabilities: Enforcement::NotSupported("not permitted".to_owned()),
    };
    assert!(!posture.is_complete());
    assert!(posture.to_string().ends_with(", capabilities kept (not permitted)"), "{posture}");
}
