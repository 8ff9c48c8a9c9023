//! Connections to the endpoint: used again while they are sound, never with what belongs to somebody else's answer.

use std::sync::Mutex;
use std::sync::mpsc;

use crate::harness::{After, Draft, Endpoint, FORM, PATIENCE, Setup, endpoint};
use crate::untrusted::{Authority, VALID, secure};

#[test]
fn a_connection_is_used_again_for_the_next_call_of_any_client() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).start();
    for _ in 0..20 {
        proxy.post(FORM).expect(200);
    }
    assert_eq!((endpoint.connections(), endpoint.requests().len()), (1, 20));
}

#[test]
fn chunked_answers_give_their_connection_back_too() {
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let endpoint = Endpoint::saying(CHUNKED, After::KeepOpen);
    let proxy = Setup::to(&endpoint).start();
    for _ in 0..20 {
        assert_eq!(proxy.post(FORM).expect(200).text(), "ok");
    }
    assert_eq!(endpoint.connections(), 1);
}

#[test]
fn a_connection_that_the_endpoint_closes_while_idle_costs_no_call() {
    // announced with `Connection: close` or not: the next call works
    for head in ["", "Connection: close\r\n"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 2\r\n\r\nok");
        let endpoint = Endpoint::saying(answer.as_bytes(), After::Close);
        let proxy = Setup::to(&endpoint).start();
        let mut client = proxy.connect();
        for _ in 0..10 {
            client.call(&Draft::form(FORM)).expect(200);
            // the FIN is on its way; whichever comes first at the proxy, the call must not fail for it
            endpoint.wait_for_closed();
        }
        assert_eq!(endpoint.requests().len(), 10);
    }
}

#[test]
fn an_unused_connection_is_closed_after_its_time() {
    let (gone, going) = mpsc::channel();
    let gone = Mutex::new(gone);
    let endpoint = Endpoint::scripted(move |exchange| {
        exchange.write(&endpoint::answer("200 OK", ""));
        gone.lock().unwrap().send(exchange.is_left()).unwrap();
        After::Close
    });
    let proxy = Setup::to(&endpoint).route(r#"timeouts.pool_idle = "100ms""#).start();
    proxy.post(FORM).expect(200);
    assert_eq!(going.recv_timeout(PATIENCE), Ok(true));
}

#[test]
fn bytes_behind_an_answer_never_reach_the_next_caller() {
    let poison = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoodHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad";
    let endpoint = Endpoint::saying(poison, After::KeepOpen);
    let proxy = Setup::to(&endpoint).start();
    let mut client = proxy.connect();
    for _ in 0..50 {
        assert_eq!(client.call(&Draft::form(FORM)).expect(200).text(), "good");
    }
    assert_eq!(endpoint.requests().len(), 50, "and nothing was sent twice");
    assert_eq!(endpoint.connections(), 50);
}

#[test]
fn a_second_answer_that_comes_late_never_reaches_the_next_caller() {
    let (late, sent) = mpsc::channel();
    let late = Mutex::new(late);
    let endpoint = Endpoint::scripted(move |exchange| {
        exchange.write(&endpoint::answer("200 OK", "good"));
        // the proxy has read the first one, and passed it on, when this comes
        exchange.write(&endpoint::answer("200 OK", "bad"));
        late.lock().unwrap().send(()).unwrap();
        After::KeepOpen
    });
    let proxy = Setup::to(&endpoint).start();
    let mut client = proxy.connect();
    for _ in 0..50 {
        assert_eq!(client.call(&Draft::form(FORM)).expect(200).text(), "good");
        sent.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_body_on_an_answer_that_has_none_never_reaches_the_next_caller() {
    for status in ["304 Not Modified", "204 No Content"] {
        for framing in
            ["Content-Length: 3\r\n\r\nbad", "Transfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n", "\r\nbad"]
        {
            let endpoint = Endpoint::saying(format!("HTTP/1.1 {status}\r\n{framing}").as_bytes(), After::KeepOpen);
            let proxy = Setup::to(&endpoint).start();
            for _ in 0..5 {
                let mut client = proxy.connect();
                client.send(&Draft::form(FORM).field("Connection", "close"));
                let head = client.answer_head();
                assert!(head.first_line.starts_with(&format!("HTTP/1.1 {status}")), "{head:?}");
                assert_eq!(client.until_closed(), b"");
            }
            assert_eq!(endpoint.requests().len(), 5, "and nothing was sent twice");
        }
    }
}

#[test]
fn a_connection_is_not_kept_beyond_the_time_that_the_endpoint_gives_it() {
    // a second to spare: of one second none is left
    let endpoint = Endpoint::saying(
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=100\r\nContent-Length: 2\r\n\r\nok",
        After::KeepOpen,
    );
    let proxy = Setup::to(&endpoint).start();
    for _ in 0..5 {
        proxy.post(FORM).expect(200);
    }
    assert_eq!((endpoint.connections(), endpoint.requests().len()), (5, 5));
}

#[test]
fn parallel_answers_are_never_crossed() {
    let endpoint = Endpoint::scripted(|exchange| {
        let id = exchange.request.parameter("JobId");
        exchange.write(&endpoint::answer("200 OK", &id.repeat(100)));
        After::KeepOpen
    });
    let proxy = Setup::to(&endpoint).process("workers = 2").start();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let proxy = &proxy;
            scope.spawn(move || {
                let mut client = proxy.connect();
                for call in 0..100 {
                    let id = format!("<{thread}.{call}>");
                    let answer = client.call(&Draft::form(&format!("Action=GetStatus&JobId={id}"))).expect(200);
                    assert_eq!(answer.text(), id.repeat(100));
                }
            });
        }
    });
    assert_eq!(endpoint.requests().len(), 800);
    assert!(endpoint.connections() <= 16, "{} connections", endpoint.connections());
}

#[test]
fn a_connection_over_tls_is_used_again_too() {
    let authority = Authority::new();
    let answer = endpoint::answer("200 OK", "over TLS");
    let endpoint = secure(authority.server(&["127.0.0.1"], VALID), &answer, After::KeepOpen);
    let proxy = Setup::to(&endpoint).trusting(&authority.pem).start();
    for _ in 0..20 {
        assert_eq!(proxy.post(FORM).expect(200).text(), "over TLS");
    }
    assert_eq!((endpoint.connections(), endpoint.requests().len()), (1, 20));
}

#[test]
fn bytes_behind_an_answer_over_tls_never_reach_the_next_caller() {
    let authority = Authority::new();
    let poison = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoodHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad";
    let endpoint = secure(authority.server(&["127.0.0.1"], VALID), poison, After::KeepOpen);
    let proxy = Setup::to(&endpoint).trusting(&authority.pem).start();
    for _ in 0..20 {
        assert_eq!(proxy.post(FORM).expect(200).text(), "good");
    }
    assert_eq!((endpoint.connections(), endpoint.requests().len()), (20, 20));
}
