//! Readiness of a gateway: what is wrong with one route makes no other one unready.

use jiff::{SignedDuration, Timestamp};
use rustix::process::Signal;

use crate::harness::{
    CREATE, Draft, Endpoint, FORM, ID, OTHER_ID, OTHER_SECRET, Outcome, Proxy, SECRET, Setup, Vault, eventually,
};

fn in_seconds(seconds: i64) -> Timestamp {
    let time = countersign::clock::now() + SignedDuration::from_secs(seconds);
    Timestamp::from_second(time.as_second()).unwrap()
}

fn expiration(seconds: i64) -> String {
    format!(r#","SessionToken":"t","Expiration":"{}""#, in_seconds(seconds))
}

/// A vault whose key ends in so many seconds, or has ended so many ago.
fn ending(id: &str, secret: &str, seconds: i64) -> Vault {
    let vault = Vault::empty();
    vault.publish(id, secret, &expiration(seconds));
    vault
}

/// A second tenant, with routes and a key of its own.
fn with_tenant(endpoint: &Endpoint, vault: &Vault, routes: &[&str]) -> Setup {
    let route = |name: &&str| {
        format!("[route.{name}]\nendpoint = \"{}\"\nkey = \"theirs\"\npath = \"/{name}\"\n", endpoint.url())
    };
    let routes: String = routes.iter().map(route).collect();
    Setup::to(endpoint).more(&format!("{routes}[key.theirs]\n{}\n", vault.sealed_lines()))
}

#[track_caller]
fn readiness(proxy: &Proxy, path: &str, status: u16) -> String {
    proxy.admin(path).expect(status).text()
}

#[test]
fn a_key_that_has_expired_leaves_the_routes_of_other_keys_ready() {
    let endpoint = Endpoint::obliging();
    let theirs = ending(OTHER_ID, OTHER_SECRET, -3600);
    let proxy = with_tenant(&endpoint, &theirs, &["other"]).start();
    proxy.post(FORM).expect(200);
    assert_eq!(proxy.call(&Draft::form(CREATE).path("/other")).status, 503);

    let told = readiness(&proxy, "/readyz", 200);
    let expected = "degraded: key.theirs: the key has expired; not served for that: route.other\n";
    assert_eq!(told, format!("ready\n{expected}"));
    assert_eq!(readiness(&proxy, "/readyz/importexport", 200), "ready\n", "one tenant sees nothing of another");
    assert_eq!(readiness(&proxy, "/readyz/other", 503), "not ready:\nkey.theirs: the key has expired\n");
    readiness(&proxy, "/readyz/unknown", 404);

    let status: serde_json::Value = serde_json::from_str(&readiness(&proxy, "/status", 200)).unwrap();
    assert_eq!(status["state"], "degraded");
    assert_eq!(status["reasons"][0]["state"], "degraded");
    assert_eq!(proxy.metric(r#"countersign_key_usable{key="theirs"}"#), 0.0, "the alert is told of it");

    theirs.publish(OTHER_ID, OTHER_SECRET, "");
    proxy.signal(Signal::HUP);
    eventually("the new key", || (proxy.admin("/readyz").text() == "ready\n").then_some(()));
    assert_eq!(readiness(&proxy, "/readyz/other", 200), "ready\n");
}

#[test]
fn where_no_key_can_sign_the_process_is_not_ready_and_tells_every_reason() {
    let endpoint = Endpoint::obliging();
    let theirs = ending(OTHER_ID, OTHER_SECRET, -3600);
    let setup = with_tenant(&endpoint, &theirs, &["other"]).vault(ending(ID, SECRET, -60));
    let proxy = setup.start();
    let told = readiness(&proxy, "/readyz", 503);
    assert_eq!(told, "not ready:\nkey.main: the key has expired\nkey.theirs: the key has expired\n");
    let status: serde_json::Value = serde_json::from_str(&readiness(&proxy, "/status", 200)).unwrap();
    assert_eq!(status["state"], "not_ready");
}

#[test]
fn many_routes_of_one_key_are_told_with_their_number() {
    let endpoint = Endpoint::obliging();
    let theirs = ending(OTHER_ID, OTHER_SECRET, -3600);
    let proxy = with_tenant(&endpoint, &theirs, &["a", "b", "c", "d", "e"]).start();
    let told = readiness(&proxy, "/readyz", 200);
    assert!(told.ends_with("not served for that: route.a, route.b, route.c and 2 more\n"), "{told}");
}

#[test]
fn health_can_be_asked_about_one_route() {
    let endpoint = Endpoint::obliging();
    let theirs = ending(OTHER_ID, OTHER_SECRET, -3600);
    let setup = with_tenant(&endpoint, &theirs, &["other"]);
    let proxy = setup.start();
    let health = |more: &[&str]| {
        let mut command = crate::harness::program();
        command.args(["health", "--admin", &proxy.admin.to_string()]).args(more);
        Outcome::of(&mut command, "")
    };
    let whole = health(&[]);
    assert_eq!(whole.code, 0, "{whole:?}");
    assert!(whole.stdout.contains("degraded: key.theirs: the key has expired"), "{whole:?}");
    assert_eq!(health(&["--route", "importexport"]).code, 0);
    let theirs = health(&["--route", "other"]);
    assert_eq!(theirs.code, 1, "{theirs:?}");
    assert!(theirs.stderr.contains("not ready: key.theirs: the key has expired"), "{theirs:?}");
    let unknown = health(&["--route", "unknown"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.stderr.contains("no such route"), "{unknown:?}");
}
