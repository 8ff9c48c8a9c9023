//! Connections to endpoints that are opened before the first call: `limits.warm`.

use std::net::TcpListener;
use std::sync::Arc;

use rustix::process::Signal;

use crate::harness::{After, Endpoint, FORM, Setup, endpoint, eventually};
use crate::untrusted::{Authority, VALID};

const IDLE: &str = r#"countersign_pool_idle_connections{route="importexport"}"#;

#[test]
fn connections_are_opened_before_the_process_is_ready_and_the_first_calls_use_them() {
    let authority = Authority::new();
    let tls = Arc::new(authority.server(&["127.0.0.1"], VALID));
    let endpoint = Endpoint::on("127.0.0.1:0", Some(tls), |exchange| {
        exchange.write(&endpoint::answer("200 OK", "<Done/>"));
        After::KeepOpen
    });
    let url = format!("https://{}/", endpoint.address);
    let proxy = Setup::to_url(&url).trusting(&authority.pem).route("limits.warm = 3").start();
    eventually("readiness", || (proxy.admin("/readyz").status == 200).then_some(()));
    assert_eq!((proxy.metric(IDLE), endpoint.connections()), (3.0, 3));
    assert!(endpoint.requests().is_empty(), "nothing is sent ahead");
    for _ in 0..5 {
        proxy.post(FORM).expect(200);
    }
    assert_eq!((endpoint.connections(), endpoint.requests().len()), (3, 5), "session tickets leave them usable");
}

#[test]
fn without_the_setting_nothing_is_opened_before_the_first_call() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    assert_eq!(proxy.admin("/readyz").expect(200).text(), "ready\n");
    assert_eq!(endpoint.connections(), 0);
}

/// An endpoint where the kernel completes connections and nobody answers the handshake, and a set-up that waits for it
/// longer than readiness does.
fn to_a_silent_endpoint() -> (TcpListener, Setup) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    let setup = Setup::to_url(&url).trusting(&Authority::new().pem);
    (silent, setup.route("limits.warm = 1\ntimeouts.connect = \"1h\""))
}

#[test]
fn readiness_waits_for_an_endpoint_that_does_not_answer_and_not_for_long() {
    let (_silent, setup) = to_a_silent_endpoint();
    let proxy = setup.start();
    let told = proxy.admin("/readyz").text();
    assert!(told.contains("the process is starting: connections to endpoints are being opened"), "{told}");
    let status: serde_json::Value = serde_json::from_str(&proxy.admin("/status").expect(200).text()).unwrap();
    assert_eq!(status["state"], "not_ready");
    eventually("readiness", || (proxy.admin("/readyz").status == 200).then_some(()));
    proxy.log.wait_for("why", |line| line.contains("ready without all connections").then_some(()));
}

#[test]
fn sigterm_is_obeyed_while_an_endpoint_does_not_answer() {
    let (_silent, setup) = to_a_silent_endpoint();
    let mut proxy = setup.start();
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait().code(), Some(0));
    let log = proxy.log.to_the_end();
    assert!(log.contains("draining: no new connections"), "{log}");
    assert!(!log.contains("ready without all connections"), "readiness was awaited first: {log}");
}

#[test]
fn an_endpoint_that_refuses_connections_keeps_nobody_from_being_ready() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let proxy = Setup::to_url(&format!("http://127.0.0.1:{port}/")).route("limits.warm = 2").start();
    eventually("readiness", || (proxy.admin("/readyz").status == 200).then_some(()));
    proxy.log.wait_for("why", |line| line.contains("could be opened ahead of the first call").then_some(()));
    assert!(proxy.metric(r#"countersign_endpoint_down{route="importexport"}"#).abs() < 1e-9, "no call has failed");
}
