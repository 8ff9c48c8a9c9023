//! Answers that break off: what was cut on the endpoint's side looks cut on the client's.

use std::sync::Arc;

use crate::harness::{After, Draft, Ending, Endpoint, Exchange, FORM, Setup};
use crate::untrusted::{Authority, VALID, secure};

#[track_caller]
fn assert_cut(setup: Setup, begun: &str) {
    let proxy = setup.start();
    let mut client = proxy.connect();
    let answer = client.call(&Draft::form(FORM));
    assert_eq!((answer.status, answer.text().as_str()), (200, begun));
    assert_eq!(answer.ending, Ending::Broken);
    let line = proxy.log.exchange(&answer.request_id());
    assert_eq!((line["outcome"].as_str(), line["status"].as_u64()), (Some("cut"), Some(200)), "{line}");
    // and the proxy goes on
    assert_eq!(proxy.post(FORM).ending, Ending::Broken);
}

fn cut(bytes: &'static [u8], after: After) -> Setup {
    Setup::to(&Endpoint::saying(bytes, after))
}

#[test]
fn an_answer_shorter_than_its_length_is_cut() {
    const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun";
    assert_cut(cut(SHORT, After::Close), "begun");
}

#[test]
fn a_chunked_answer_without_its_last_chunk_is_cut() {
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n";
    assert_cut(cut(CHUNKED, After::Close), "begun");
}

#[test]
fn a_chunk_shorter_than_its_size_is_cut() {
    assert_cut(cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nbegun", After::Close), "begun");
}

#[test]
fn a_chunk_with_a_broken_size_is_cut() {
    assert_cut(
        cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\nxyz\r\n", After::KeepOpen),
        "begun",
    );
}

/// Resets only once the client has what came before: a reset may overtake data.
fn reset_after(head: &'static [u8]) -> (Setup, std::sync::mpsc::Sender<()>) {
    let (go, wait) = std::sync::mpsc::channel();
    let wait = std::sync::Mutex::new(wait);
    let endpoint = Endpoint::scripted(move |exchange: &mut Exchange<'_>| {
        exchange.write(head);
        wait.lock().unwrap().recv().unwrap();
        After::Reset
    });
    (Setup::to(&endpoint), go)
}

#[test]
fn a_reset_in_the_body_is_a_cut() {
    for head in [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun".as_slice(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nbegun",
    ] {
        let (setup, go) = reset_after(head);
        let proxy = setup.start();
        let mut client = proxy.connect();
        client.send(&Draft::form(FORM));
        let head = client.answer_head();
        let mut body = Vec::new();
        let ending = client.body(&head, &mut |piece| {
            body.extend_from_slice(piece);
            if body == b"begun" {
                go.send(()).unwrap();
            }
        });
        assert_eq!((String::from_utf8(body).unwrap().as_str(), ending), ("begun", Ending::Broken));
    }
}

#[test]
fn a_client_of_http_1_0_sees_a_cut_as_a_reset() {
    // its answer has no framing but the end of the connection: an end in order would be a whole answer
    let setup = cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n", After::Close);
    let proxy = setup.start();
    let mut client = proxy.connect();
    client.send(&Draft::form(FORM).line("POST / HTTP/1.0"));
    let head = client.answer_head();
    assert_eq!((head.field("transfer-encoding"), head.field("content-length")), (None, None));
    let ended = client.wire.rest().map_err(|error| error.kind());
    assert_eq!(ended, Err(std::io::ErrorKind::ConnectionReset));

    let whole = cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n", After::Close);
    let proxy = whole.start();
    let mut client = proxy.connect();
    client.send(&Draft::form(FORM).line("POST / HTTP/1.0"));
    client.answer_head();
    assert_eq!(client.until_closed(), b"whole");
}

#[test]
fn over_tls_an_answer_until_close_without_close_notify_is_cut() {
    let authority = Authority::new();
    let endpoint = secure(authority.server(&["127.0.0.1"], VALID), b"HTTP/1.1 200 OK\r\n\r\nbegun", After::Close);
    assert_cut(Setup::to(&endpoint).trusting(&authority.pem), "begun");
}

#[test]
fn over_tls_an_answer_until_close_with_close_notify_is_whole() {
    let authority = Authority::new();
    let config = Arc::new(authority.server(&["127.0.0.1"], VALID));
    let endpoint = Endpoint::on("127.0.0.1:0", Some(config), |exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\n\r\nall of it");
        After::CloseNotify
    });
    let proxy = Setup::to(&endpoint).trusting(&authority.pem).start();
    let answer = proxy.post(FORM).expect(200);
    assert_eq!(answer.text(), "all of it");
    assert_eq!(proxy.log.exchange(&answer.request_id())["outcome"], "answered_2xx");
}

#[test]
fn an_answer_until_close_is_whole_when_the_connection_ends_in_order() {
    let proxy = cut(b"HTTP/1.1 200 OK\r\n\r\nall of it", After::Close).start();
    assert_eq!(proxy.post(FORM).expect(200).text(), "all of it");
}

#[test]
fn an_answer_that_stalls_longer_than_the_idle_timeout_is_cut() {
    let endpoint = Endpoint::scripted(|exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun");
        exchange.is_left();
        After::Close
    });
    assert_cut(Setup::to(&endpoint).route(r#"timeouts.idle = "200ms""#), "begun");
}

#[test]
fn an_answer_that_keeps_moving_is_not_cut_however_long_it_takes() {
    let endpoint = Endpoint::scripted(|exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\n");
        for _ in 0..80 {
            exchange.write(b".");
            // the pace of the endpoint: in all, two timeouts
            std::thread::sleep(std::time::Duration::from_millis(75));
        }
        After::KeepOpen
    });
    let proxy = Setup::to(&endpoint).route(r#"timeouts.idle = "3s""#).start();
    assert_eq!(proxy.post(FORM).expect(200).body.len(), 80);
}

#[test]
fn a_client_that_leaves_while_it_waits_releases_the_endpoint() {
    let (arrived, arrival) = std::sync::mpsc::channel();
    let (left, leaving) = std::sync::mpsc::channel();
    let endpoint = Endpoint::scripted(move |exchange| {
        arrived.send(()).unwrap();
        left.send(exchange.is_left()).unwrap();
        After::Close
    });
    let proxy = Setup::to(&endpoint).start();
    let mut client = proxy.connect();
    client.send(&Draft::form(FORM));
    arrival.recv_timeout(crate::harness::PATIENCE).unwrap();
    drop(client);
    assert_eq!(leaving.recv_timeout(crate::harness::PATIENCE), Ok(true));
    let line = proxy.log.json("the exchange", |line| line["outcome"] == "abandoned");
    assert_eq!(line["action"], "GetStatus");
}

#[test]
fn a_client_that_closes_its_half_behind_its_request_has_its_answer() {
    let (half_closed, go) = std::sync::mpsc::channel();
    let go = std::sync::Mutex::new(go);
    let endpoint = Endpoint::scripted(move |exchange| {
        go.lock().unwrap().recv().unwrap();
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer");
        After::KeepOpen
    });
    let proxy = Setup::to(&endpoint).start();
    let mut client = proxy.connect();
    client.send(&Draft::form(FORM));
    client.wire.stream.shutdown(std::net::Shutdown::Write).unwrap();
    half_closed.send(()).unwrap();
    assert_eq!(client.answer().expect(200).text(), "answer");
    assert_eq!(client.until_closed(), b"", "it can send nothing more");
}

#[test]
fn a_client_that_leaves_in_the_middle_releases_the_endpoint() {
    let (left, leaving) = std::sync::mpsc::channel();
    let endpoint = Endpoint::scripted(move |exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun");
        left.send(exchange.is_left()).unwrap();
        After::Close
    });
    let proxy = Setup::to(&endpoint).start();
    let mut client = proxy.connect();
    client.send(&Draft::form(FORM));
    let id = client.answer_head().field("countersign-request-id").unwrap().to_owned();
    drop(client);
    assert_eq!(leaving.recv_timeout(crate::harness::PATIENCE), Ok(true));
    assert_eq!(proxy.log.exchange(&id)["outcome"], "abandoned");
}
