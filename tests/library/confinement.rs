//! The process cannot do what it does not need: every refusal is provoked, beside what is allowed, and `run` serves confined.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use countersign::confine::{AbstractSockets, Confinement, Enforcement, Netlink, Spawn, apply, apply_to_thread};
use rustix::process::{DumpableBehavior, Pid, Signal, kill_process, set_dumpable_behavior};

use crate::harness::scene::{KEY, OTHER_KEY, Scene, call, spawn};

/// Name the scene to the process that is confined.
const DIRECTORY: &str = "COUNTERSIGN_TEST_DIRECTORY";
const PORTS: &str = "COUNTERSIGN_TEST_PORTS";

// --- the mechanisms

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
        write: vec![directory.join("write")],
        remove: vec![directory.join("sockets")],
        connect: vec![connect],
        bind: vec![bind],
        netlink: Netlink::Deny,
        abstract_sockets: AbstractSockets::Deny,
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
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "confinement::the_process_that_is_confined", "--nocapture"])
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
        "thread: read a file outside: PermissionDenied",
        "thread: connect to another port: PermissionDenied",
        "thread: start a program: PermissionDenied",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_posture_is_whole_only_when_both_are_fully_enforced() {
    let posture = countersign::confine::Posture {
        landlock: Enforcement::Partially("version 3".to_owned()),
        seccomp: Enforcement::Fully,
    };
    assert!(!posture.is_whole());
    assert_eq!(posture.to_string(), "landlock partially enforced (version 3), seccomp fully enforced");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

// --- the program

fn field(status: &str, name: &str) -> String {
    status.lines().find_map(|line| line.strip_prefix(&format!("{name}:"))).unwrap_or_default().trim().to_owned()
}

#[test]
fn every_thread_of_the_service_is_confined_and_nobody_can_read_its_memory() {
    let scene = Scene::new();
    let (proxy, port) = scene.run("");
    assert!(call(port).starts_with("HTTP/1.1 200"), "{}", proxy.output());
    let threads: Vec<_> = fs::read_dir(proxy.proc("task")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(threads.len() >= 4, "main, keys, two workers: {threads:?}");
    for thread in threads {
        let status = fs::read_to_string(thread.join("status")).unwrap();
        let found = ["NoNewPrivs", "Seccomp", "Seccomp_filters"].map(|name| field(&status, name));
        assert_eq!(found, ["1", "2", "2"], "{status}");
    }
    let limits = fs::read_to_string(proxy.proc("limits")).unwrap();
    let core: Vec<_> =
        limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"]);
    // what belongs to a process that is not dumpable belongs to root
    assert_eq!(fs::metadata(proxy.proc("mem")).unwrap().uid(), 0);
    assert!(
        proxy
            .output()
            .contains("the process is confined landlock=fully enforced seccomp=fully enforced core_files=\"none\"")
    );
}

#[test]
fn a_confined_service_takes_new_keys_by_rename_and_by_symlink_and_ends_in_good_order() {
    let scene = Scene::new();
    let (mut proxy, port) = scene.run("");
    assert!(call(port).starts_with("HTTP/1.1 200"), "{}", proxy.output());
    scene.put("keys/..one/main.age", OTHER_KEY);
    proxy.signal(Signal::HUP);
    proxy.wait_for("a changed key is in use key=\"main\" key_id=\"AKIAI44QH8DHBEXAMPLE\"");
    // the sandbox does not know that one: what was signed was signed with it
    assert!(call(port).starts_with("HTTP/1.1 403"), "{}", proxy.output());

    scene.put("keys/..two/main.age", KEY);
    symlink("..two", scene.path("keys/..new")).unwrap();
    fs::rename(scene.path("keys/..new"), scene.path("keys/..data")).unwrap();
    proxy.wait_for("a changed key is in use key=\"main\" key_id=\"AKIAIOSFODNN7EXAMPLE\"");
    assert!(call(port).starts_with("HTTP/1.1 200"), "{}", proxy.output());

    proxy.signal(Signal::TERM);
    assert!(proxy.process.wait().unwrap().success(), "{}", proxy.output());
    assert!(proxy.output().contains("drained"));
}

#[test]
fn a_confined_service_removes_its_socket_where_nothing_else_could_be_removed() {
    for (beside, left) in [(None, false), (Some("sockets/somebody's"), true)] {
        let scene = Scene::new();
        fs::create_dir(scene.path("sockets")).unwrap();
        if let Some(name) = beside {
            fs::write(scene.path(name), "").unwrap();
        }
        scene.give_away();
        let socket = scene.path("sockets/socket");
        let listener = format!("[listener.unix]\naddress = \"unix:{}\"\nany_local = true\n", socket.display());
        // the second start finds the socket of the first, or nothing
        for _ in 0..2 {
            let (mut proxy, _) = scene.run(&listener);
            proxy.wait_for("listening listener=unix");
            assert!(socket.exists());
            proxy.signal(Signal::TERM);
            assert!(proxy.process.wait().unwrap().success(), "{}", proxy.output());
            assert_eq!(socket.exists(), left, "{}", proxy.output());
        }
    }
}

#[test]
fn a_key_that_is_moved_out_of_its_directories_is_not_followed() {
    let scene = Scene::new();
    let (proxy, port) = scene.run("");
    scene.put("elsewhere/main.age", OTHER_KEY);
    symlink("../elsewhere", scene.path("keys/..new")).unwrap();
    fs::rename(scene.path("keys/..new"), scene.path("keys/..data")).unwrap();
    scene.give_away();
    proxy.signal(Signal::HUP);
    proxy.wait_for("the key cannot be loaded; the last good one stays in use");
    assert!(call(port).starts_with("HTTP/1.1 200"), "{}", proxy.output());
}

#[test]
fn the_service_is_unconfined_only_on_demand_and_says_so() {
    let scene = Scene::new();
    let (proxy, port) = scene.run("danger_unconfined = true");
    assert!(call(port).starts_with("HTTP/1.1 200"), "{}", proxy.output());
    let status = fs::read_to_string(proxy.proc("status")).unwrap();
    assert_eq!(["NoNewPrivs", "Seccomp"].map(|name| field(&status, name)), ["0", "0"]);
    assert!(proxy.output().contains("WARN") && proxy.output().contains("danger_unconfined"), "{}", proxy.output());
    assert_eq!(fs::metadata(proxy.proc("mem")).unwrap().uid(), 0);
}

#[test]
fn check_shows_what_is_in_force() {
    let scene = Scene::new();
    let check = |process| {
        let mut command = scene.command("check", process);
        spawn(command.stdout(Stdio::piped())).wait_with_output().unwrap()
    };
    let output = check("");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let expected = "posture: landlock fully enforced, seccomp fully enforced, no new privileges, no core files\n";
    assert!(text.contains(expected), "{text}");
    let keys = scene.path("keys").canonicalize().unwrap();
    for line in ["  may write: none\n", &format!("{}, {}", keys.display(), keys.join("..data").display())] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let output = check("danger_unconfined = true");
    assert!(String::from_utf8_lossy(&output.stdout).contains("posture: DANGER danger_unconfined"));
}
