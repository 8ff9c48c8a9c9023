//! Keys that change while the program serves: no call fails, the new key is soon in use, a bad one changes nothing.

use std::cell::Cell;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

use crate::harness::{Draft, Endpoint, FORM, ID, OTHER_ID, OTHER_SECRET, Proxy, SECRET, Setup, Vault};

const KEYS: [(&str, &str); 2] = [(ID, SECRET), (OTHER_ID, OTHER_SECRET)];

/// Without a line for each exchange: under load they are more than the log's reader, a test, may keep up with.
const QUIET: &str = "info,countersign::exchange=off";

/// Waits until the log has said `count` times that a changed key is in use.
#[track_caller]
fn changed(proxy: &Proxy, count: usize) {
    let seen = Cell::new(0);
    proxy.log.wait_for("change of the key", |line| {
        seen.set(seen.get() + usize::from(line.contains("a changed key is in use")));
        (seen.get() == count).then_some(())
    });
}

/// Calls from four clients while `rotate` changes keys; every call must succeed and verify.
fn under_load(proxy: &Proxy, endpoint: &Endpoint, rotate: impl FnOnce()) {
    struct EndOnDrop<'a>(&'a AtomicBool);
    impl Drop for EndOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed); // a panic on the way ends the clients too
        }
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = proxy.connect();
                let mut calls = 0;
                while !over.load(Ordering::Relaxed) || calls < 100 {
                    client.call(&Draft::form(FORM)).expect(200);
                    calls += 1;
                }
            });
        }
        let _end = EndOnDrop(&over);
        rotate();
    });
    let requests = endpoint.requests();
    assert!(requests.len() >= 400);
    for request in &requests {
        let id = request.parameter("AWSAccessKeyId");
        let (id, secret) = KEYS.into_iter().find(|(known, _)| *known == id).unwrap();
        assert_eq!(request.verify(id, secret, None), Ok(()), "id and secret change together");
    }
}

#[track_caller]
fn assert_signs_with(proxy: &Proxy, endpoint: &Endpoint, id: &str) {
    // marked, since other clients' requests that were signed before the change may arrive after it
    let mark = format!("&Mark={}", endpoint.requests().len());
    proxy.post(&format!("{FORM}{mark}")).expect(200);
    let ours = endpoint.requests().into_iter().rev().find(|request| request.text().contains(&mark)).unwrap();
    assert_eq!(ours.parameter("AWSAccessKeyId"), id);
}

#[test]
fn a_key_replaced_again_and_again_under_load_fails_no_call() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).process("workers = 2").log("json", QUIET).start();
    under_load(&proxy, &endpoint, || {
        for round in 1..=8 {
            let (id, secret) = KEYS[round % 2];
            proxy.vault.publish(id, secret, "");
            changed(&proxy, round);
            assert_signs_with(&proxy, &endpoint, id);
        }
    });
}

#[test]
fn a_kubernetes_secret_switched_under_load_fails_no_call() {
    let vault = Vault::empty();
    vault.publish_like_kubernetes(0, ID, SECRET);
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).vault(vault).log("json", QUIET).start();
    under_load(&proxy, &endpoint, || {
        for round in 1..=4 {
            let (id, secret) = KEYS[round % 2];
            proxy.vault.publish_like_kubernetes(round, id, secret);
            changed(&proxy, round);
            assert_signs_with(&proxy, &endpoint, id);
        }
    });
}

#[test]
fn sighup_has_the_key_looked_at_where_no_change_is_noticed() {
    // the file itself lies in a directory that nobody watches
    let elsewhere = Vault::with(ID, SECRET);
    let vault = Vault::empty();
    let replace = |id, secret| {
        fs::write(elsewhere.key_file(), vault.sealed(id, secret, "")).unwrap();
    };
    replace(ID, SECRET);
    symlink(elsewhere.key_file(), vault.key_file()).unwrap();
    let sealed = vault.sealed(OTHER_ID, OTHER_SECRET, "");
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).vault(vault).start();
    assert_signs_with(&proxy, &endpoint, ID);
    fs::write(elsewhere.key_file(), sealed).unwrap();
    proxy.signal(Signal::HUP);
    changed(&proxy, 1);
    assert_signs_with(&proxy, &endpoint, OTHER_ID);
}

#[test]
fn a_file_that_is_no_key_leaves_the_old_one_in_use_and_is_warned_of() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    let good = fs::read(proxy.vault.key_file()).unwrap();
    let other = Vault::with(OTHER_ID, OTHER_SECRET);
    let not_for_us = fs::read(other.key_file()).unwrap();
    let cases: [(&[u8], u32); 4] = [(b"garbage", 0o600), (&good[..200], 0o600), (&not_for_us, 0o600), (&good, 0o644)];
    for (number, (contents, mode)) in cases.into_iter().enumerate() {
        let staged = proxy.vault.path("staged");
        fs::write(&staged, contents).unwrap();
        fs::set_permissions(&staged, Permissions::from_mode(mode)).unwrap();
        fs::rename(&staged, proxy.vault.key_file()).unwrap();
        proxy.log.json("warning", |line| {
            line["level"] == "WARN"
                && line["key"] == "main"
                && line["message"] == "the key cannot be loaded; the last good one stays in use"
        });
        assert_signs_with(&proxy, &endpoint, ID);
        let note = proxy.admin("/readyz").expect(200).text();
        assert!(note.starts_with("ready\ndegraded: key.main: the last good key is in use: "), "{note}");
        assert!(proxy.metric(r#"countersign_key_degraded{key="main"}"#) > 0.0);
        let failures = proxy.metric(r#"countersign_key_loads_total{key="main",result="failed"}"#);
        assert!(failures >= 1.0, "{number}: {failures}");
    }
    proxy.vault.publish(OTHER_ID, OTHER_SECRET, "");
    changed(&proxy, 1);
    assert_signs_with(&proxy, &endpoint, OTHER_ID);
    assert_eq!(proxy.admin("/readyz").expect(200).text(), "ready\n");
    assert!(proxy.metric(r#"countersign_key_degraded{key="main"}"#) < 1.0);
}
