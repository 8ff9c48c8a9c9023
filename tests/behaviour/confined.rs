//! `run` gives up what it does not need and serves, takes new keys, and ends well without it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use rustix::process::Signal;

use crate::harness::Outcome;
use crate::harness::scene::{KEY, OTHER_KEY, Scene, call};

fn field(status: &str, name: &str) -> String {
    status.lines().find_map(|line| line.strip_prefix(&format!("{name}:"))).unwrap_or_default().trim().to_owned()
}

#[test]
fn every_thread_of_the_service_is_confined_and_nobody_can_read_its_memory() {
    let scene = Scene::new();
    let (proxy, address) = scene.run("");
    assert_eq!(call(address).status, 200, "{}", proxy.log.text());
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
            .log
            .text()
            .contains("the process is confined landlock=fully enforced seccomp=fully enforced core_files=\"none\"")
    );
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
    let expected = "posture: landlock fully enforced, seccomp fully enforced, no new privileges, no core files\n";
    assert!(text.contains(expected), "{text}");
    let keys = scene.path("keys").canonicalize().unwrap();
    for line in ["  may write: none\n", &format!("{}, {}", keys.display(), keys.join("..data").display())] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(check("danger_unconfined = true").stdout.contains("posture: DANGER danger_unconfined"));
}
