//! Requests that are good but cannot be served now: an expired key, too many at once.

use std::sync::Mutex;
use std::sync::mpsc;

use crate::harness::proxy::closes;
use crate::harness::{After, Endpoint, FORM, ID, SECRET, Setup, Vault, endpoint};

#[test]
fn an_expired_key_signs_nothing_and_is_not_ready() {
    let endpoint = Endpoint::obliging();
    let vault = Vault::empty();
    vault.publish(ID, SECRET, r#","SessionToken":"t","Expiration":"2011-06-20T22:30:59Z""#);
    let proxy = Setup::to(&endpoint).vault(vault).start();
    let answer = proxy.post(FORM);
    proxy.assert_own(&answer, 503, "ServiceUnavailable", "no");
    let readiness = proxy.admin("/readyz").expect(503).text();
    assert!(readiness.contains("key.main: the key has expired"), "{readiness}");
    assert_eq!(endpoint.connections(), 0);
    proxy.admin("/livez").expect(200);

    // a fresh key ends it
    proxy.vault.publish(ID, SECRET, "");
    proxy.log.wait_for("change of the key", |line| line.contains("a changed key is in use").then_some(()));
    proxy.admin("/readyz").expect(200);
    proxy.post(FORM).expect(200);
}

#[test]
fn beyond_its_limit_a_route_says_503_at_once_and_recovers() {
    let (go, wait) = mpsc::channel();
    let (arrived, arrivals) = mpsc::channel();
    let wait = Mutex::new(wait);
    let endpoint = Endpoint::scripted(move |exchange| {
        arrived.send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        exchange.write(&endpoint::answer("200 OK", "late"));
        After::KeepOpen
    });
    let proxy = Setup::to(&endpoint).route("limits.in_flight = 1").start();
    let mut first = proxy.connect();
    first.send(&crate::harness::Draft::form(FORM));
    arrivals.recv_timeout(crate::harness::PATIENCE).unwrap();

    // the first is not answered before this one is: it waits for `go`
    let second = proxy.post(FORM);
    proxy.assert_own(&second, 503, "ServiceUnavailable", "no");
    assert!(closes(&second.head));

    go.send(()).unwrap();
    assert_eq!(first.answer().expect(200).text(), "late");
    go.send(()).unwrap();
    proxy.post(FORM).expect(200);
    assert_eq!(endpoint.requests().len(), 2);
}

#[test]
fn a_connection_too_many_is_closed_while_each_of_the_others_has_an_exchange() {
    let (arrived, arrival) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let endpoint = Endpoint::scripted(move |exchange| {
        arrived.send(()).unwrap();
        gone.lock().unwrap().recv().unwrap();
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        After::KeepOpen
    });
    let proxy = Setup::to(&endpoint).listener("limits.connections = 1").start();
    let mut first = proxy.connect();
    first.send(&crate::harness::Draft::form(FORM));
    arrival.recv_timeout(crate::harness::PATIENCE).unwrap();
    let mut second = proxy.connect();
    assert_eq!(second.until_closed(), b"");
    go.send(()).unwrap();
    first.answer().expect(200);
    proxy.log.wait_for("warning", |line| line.contains("too many client connections").then_some(()));
}
