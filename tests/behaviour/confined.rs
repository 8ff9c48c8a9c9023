//! `run` gives up what it does not need and serves, takes new keys, and ends well without it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use rustix::process::Signal;

use crate::harness::scene::{KEY, OTHER_KEY, Scene, USER, call};
use crate::harness::{Endpoint, FORM, Outcome, Running, Setup};

/// What the kernel says of every thread there is. One that ends meanwhile, as a lookup of a name does, is left out.
fn threads(proxy: &Running) -> Vec<String> {
    let threads = fs::read_dir(proxy.proc("task")).unwrap();
    threads.filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("status")).ok()).collect()
}

fn field(status: &str, name: &str) -> String {
    status.lines().find_map(|line| line.strip_prefix(&format!("{name}:"))).unwrap_or_default().trim().to_owned()
}

#[test]
fn every_thread_of_the_service_is_confined_and_nobody_can_read_its_memory() {
    let scene = Scene::new();
    let (proxy, address) = scene.run("");
    assert_eq!(call(address).status, 200, "{}", proxy.log.text());
    let threads = threads(&proxy);
    assert!(threads.len() >= 4, "main, keys, two workers: {threads:?}");
    for status in threads {
        let found = ["NoNewPrivs", "Seccomp", "Seccomp_filters"].map(|name| field(&status, name));
        assert_eq!(found, ["1", "2", "2"], "{status}");
    }
    let limits = fs::read_to_string(proxy.proc("limits")).unwrap();
    let core: Vec<_> =
        limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"]);
    // what belongs to a process that is not dumpable belongs to root
    assert_eq!(fs::metadata(proxy.proc("mem")).unwrap().uid(), 0);
    assert!(proxy.log.text().contains(
        "the process is confined landlock=fully enforced seccomp=fully enforced core_files=\"none\" \
                 capabilities=\"none\""
    ));
}

#[test]
fn a_service_of_root_keeps_no_capability_and_takes_a_new_key() {
    let setup = Setup::to(&Endpoint::obliging());
    let proxy = setup.start();
    assert!(rustix::process::geteuid().is_root(), "this test is about root: run it as root");
    proxy.post(FORM).expect(200);
    let threads = threads(&proxy);
    assert!(threads.len() >= 4, "main, keys, admin, a worker: {threads:?}");
    for status in threads {
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(field(&status, set), "0000000000000000", "{set} in {status}");
        }
    }
    proxy.signal(Signal::HUP);
    proxy.log.wait_for("reload", |line| line.contains("was read again and is in use").then_some(()));
    proxy.post(FORM).expect(200);
}

#[test]
fn files_that_only_the_capabilities_of_root_open_are_refused_before_anything_is_served() {
    assert!(rustix::process::geteuid().is_root(), "this test is about root: run it as root");
    let scene = Scene::new();
    fs::create_dir(scene.path("log")).unwrap();
    let audit = format!("[audit]\ntarget = \"file:{}\"\n", scene.path("log/audit.jsonl").display());
    let outcome = |command: &str, foreign: &str, owner: u32, mode: u32| {
        let mut command = scene.command(command, &audit);
        own_all(&scene.path(""), 0);
        own(&scene.path(foreign), owner);
        fs::set_permissions(scene.path(foreign), Permissions::from_mode(mode)).unwrap();
        Outcome::of(command.uid(0).gid(0), "")
    };
    for (foreign, owner, mode, what) in [
        ("etc/countersign.toml", 0, 0o000, "etc/countersign.toml can be read only with the capabilities of root"),
        // above the directory of the configuration, which its owner could replace
        ("", USER, 0o700, "who is neither root nor this user and could replace what is in it"),
        ("log", USER, 0o755, "log belongs to uid 65532, who is neither root nor this user and could replace"),
        ("log", 0, 0o555, "log can be written to only with the capabilities of root"),
    ] {
        for command in ["check", "run"] {
            let outcome = outcome(command, foreign, owner, mode);
            assert_eq!(outcome.code, 77, "{command}: {outcome:?}");
            assert!(outcome.stderr.contains(what), "{command}: {outcome:?}");
        }
        fs::set_permissions(scene.path(foreign), Permissions::from_mode(0o755)).unwrap();
    }
}

fn own(path: &Path, user: u32) {
    lchown(path, Some(user), Some(user)).unwrap();
}

fn own_all(directory: &Path, user: u32) {
    own(directory, user);
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            own_all(&path, user);
        } else {
            own(&path, user);
        }
    }
}

#[test]
fn a_confined_service_takes_new_keys_by_rename_and_by_symlink_and_ends_in_good_order() {
    let scene = Scene::new();
    let (mut proxy, address) = scene.run("");
    assert_eq!(call(address).status, 200, "{}", proxy.log.text());
    scene.put("keys/..one/main.age", OTHER_KEY);
    proxy.signal(Signal::HUP);
    proxy.log.after("a changed key is in use key=\"main\" key_id=\"AKIAI44QH8DHBEXAMPLE\"");
    // the sandbox does not know that one: what was signed was signed with it
    assert_eq!(call(address).status, 403, "{}", proxy.log.text());

    scene.put("keys/..two/main.age", KEY);
    symlink("..two", scene.path("keys/..new")).unwrap();
    fs::rename(scene.path("keys/..new"), scene.path("keys/..data")).unwrap();
    proxy.log.after("a changed key is in use key=\"main\" key_id=\"AKIAIOSFODNN7EXAMPLE\"");
    assert_eq!(call(address).status, 200, "{}", proxy.log.text());

    proxy.signal(Signal::TERM);
    assert!(proxy.wait().success(), "{}", proxy.log.text());
    assert!(proxy.log.text().contains("drained"));
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
            proxy.log.after("listening listener=unix");
            assert!(socket.exists());
            proxy.signal(Signal::TERM);
            assert!(proxy.wait().success(), "{}", proxy.log.text());
            assert_eq!(socket.exists(), left, "{}", proxy.log.text());
        }
    }
}

#[test]
fn a_key_that_is_moved_out_of_its_directories_is_not_followed() {
    let scene = Scene::new();
    let (proxy, address) = scene.run("");
    scene.put("elsewhere/main.age", OTHER_KEY);
    symlink("../elsewhere", scene.path("keys/..new")).unwrap();
    fs::rename(scene.path("keys/..new"), scene.path("keys/..data")).unwrap();
    scene.give_away();
    proxy.signal(Signal::HUP);
    proxy.log.after("the key cannot be loaded; the last good one stays in use");
    assert_eq!(call(address).status, 200, "{}", proxy.log.text());
}

#[test]
fn the_service_is_unconfined_only_on_demand_and_says_so() {
    let scene = Scene::new();
    let (proxy, address) = scene.run("danger_unconfined = true");
    assert_eq!(call(address).status, 200, "{}", proxy.log.text());
    let status = fs::read_to_string(proxy.proc("status")).unwrap();
    assert_eq!(["NoNewPrivs", "Seccomp"].map(|name| field(&status, name)), ["0", "0"]);
    assert!(
        proxy.log.text().contains("WARN") && proxy.log.text().contains("danger_unconfined"),
        "{}",
        proxy.log.text()
    );
    assert_eq!(fs::metadata(proxy.proc("mem")).unwrap().uid(), 0);
}

#[test]
fn check_shows_what_is_in_force() {
    let scene = Scene::new();
    let check = |process| Outcome::of(&mut scene.command("check", process), "");
    let checked = check("");
    let text = &checked.stdout;
    assert_eq!(checked.code, 0, "{checked:?}");
    let expected = "posture: landlock fully enforced, seccomp fully enforced, no capabilities, no new privileges, \
                    no core files\n";
    assert!(text.contains(expected), "{text}");
    let keys = scene.path("keys").canonicalize().unwrap();
    let sockets = "  may have sockets: TCP, UDP (names are resolved)\n";
    for line in ["  may write: none\n", sockets, &format!("{}, {}", keys.display(), keys.join("..data").display())] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(check("danger_unconfined = true").stdout.contains("posture: DANGER danger_unconfined"));
}
