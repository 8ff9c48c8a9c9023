//! How long a client may use one connection: the last response says so, and no request is lost.

use crate::harness::{Client, Draft, Endpoint, FORM, Setup, eventually};

fn limited(endpoint: &Endpoint, line: &str) -> Setup {
    Setup::to(endpoint).listener(&format!("limits.{line}"))
}

/// Calls on the connection until a response ends it; returns how many there were.
#[track_caller]
fn calls_until_closed(client: &mut Client) -> usize {
    for number in 1..1000 {
        let answer = client.call(&Draft::form(FORM)).expect(200);
        match answer.head.field("connection") {
            None => {}
            Some("close") => {
                assert!(client.until_closed().is_empty());
                return number;
            }
            Some(other) => panic!("{other}"),
        }
    }
    panic!("the connection is not closed");
}

#[test]
fn a_connection_is_closed_after_the_response_to_its_last_request_and_not_before() {
    let endpoint = Endpoint::obliging();
    let proxy = limited(&endpoint, "requests_per_connection = 3").start();
    for _ in 0..2 {
        assert_eq!(calls_until_closed(&mut proxy.connect()), 3);
    }
    assert_eq!(endpoint.requests().len(), 6);
}

#[test]
fn of_requests_sent_ahead_those_beyond_the_limit_are_not_carried_out_and_the_last_response_arrives() {
    let endpoint = Endpoint::obliging();
    let proxy = limited(&endpoint, "requests_per_connection = 2").start();
    let mut client = proxy.connect();
    for _ in 0..5 {
        client.send(&Draft::form(FORM));
    }
    let first = client.answer().expect(200);
    assert_eq!(first.head.field("connection"), None);
    let last = client.answer().expect(200);
    assert_eq!(last.head.field("connection"), Some("close"));
    assert!(client.until_closed().is_empty(), "without a reset, which could take the response away");
    assert_eq!(endpoint.requests().len(), 2);
}

#[test]
fn a_new_limit_holds_for_connections_that_are_open() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = setup.clone().start();
    let mut client = proxy.connect();
    for _ in 0..3 {
        client.call(&Draft::form(FORM)).expect(200);
    }
    proxy.reload(&setup.listener("limits.requests_per_connection = 4"));
    assert_eq!(calls_until_closed(&mut client), 1);
}

#[test]
fn no_call_of_a_client_that_keeps_its_connection_is_lost_however_often_the_connection_ends() {
    let endpoint = Endpoint::obliging();
    let proxy = limited(&endpoint, "connection_lifetime = \"1ms\"\nlimits.requests_per_connection = 7").start();
    let mut client = proxy.connect();
    let mut connections = 1;
    for _ in 0..200 {
        let answer = client.call(&Draft::form(FORM)).expect(200);
        if answer.head.field("connection") == Some("close") {
            client = proxy.connect();
            connections += 1;
        }
    }
    assert!(connections > 200 / 7, "{connections}");
    assert_eq!(endpoint.requests().len(), 200);
    drop(client);
    let open = "countersign_client_connections{listener=\"local\"}";
    eventually("closed connections", || (proxy.metric(open) < 1.0).then_some(()));
}
