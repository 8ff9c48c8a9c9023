//! Answers stream: the first piece before the last exists, memory flat whatever the size, and the endpoint waits for
//! the client.

use std::net::TcpStream;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use crate::harness::{After, Client, Draft, Ending, Endpoint, FORM, PATIENCE, Setup};

const MIB: u64 = 1024 * 1024;

/// The most memory, in KiB, the process may ever have had: a fraction of the answers sent here.
const FLAT: u64 = 48 * 1024;

#[test]
fn the_first_piece_reaches_the_client_before_the_endpoint_sends_the_last() {
    for (head, first, last) in [
        ("Transfer-Encoding: chunked", "5\r\nfirst\r\n", "4\r\nlast\r\n0\r\n\r\n"),
        ("Content-Length: 9", "first", "last"),
    ] {
        let (go, wait) = mpsc::channel();
        let wait = Mutex::new(wait);
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{first}");
        let endpoint = Endpoint::scripted(move |exchange| {
            exchange.write(answer.as_bytes());
            wait.lock().unwrap().recv_timeout(PATIENCE).expect("the client to have the first piece");
            exchange.write(last.as_bytes());
            After::KeepOpen
        });
        let proxy = Setup::to(&endpoint).start();
        let mut client = proxy.connect();
        client.send(&Draft::form(FORM));
        let head = client.answer_head();
        let mut body = Vec::new();
        let ending = client.body(&head, &mut |piece| {
            body.extend_from_slice(piece);
            if body == b"first" {
                go.send(()).unwrap();
            }
        });
        assert_eq!((body.as_slice(), ending), (b"firstlast".as_slice(), Ending::Whole));
    }
}

#[test]
fn a_gibibyte_passes_through_in_flat_memory() {
    let endpoint = Endpoint::scripted(|exchange| {
        exchange.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1024 * MIB).as_bytes());
        assert_eq!(exchange.pour(1024 * MIB, PATIENCE), 1024 * MIB);
        After::KeepOpen
    });
    let proxy = Setup::to(&endpoint).start();
    let mut client = proxy.connect();
    client.send(&Draft::form(FORM));
    let head = client.answer_head();
    let mut received = 0;
    assert_eq!(client.body(&head, &mut |piece| received += piece.len() as u64), Ending::Whole);
    assert_eq!(received, 1024 * MIB);
    let peak = proxy.status_kib("VmHWM");
    assert!(peak < FLAT, "{peak} KiB at the most");
    assert_eq!(proxy.log.exchange(head.field("countersign-request-id").unwrap())["bytes_out"], 1024 * MIB);
}

#[test]
fn a_client_that_does_not_read_stops_the_endpoint_and_loses_nothing_when_it_reads_on() {
    const LENGTH: u64 = 512 * MIB;
    let (stalled, stall) = mpsc::channel();
    let stalled = Mutex::new(stalled);
    let endpoint = Endpoint::scripted(move |exchange| {
        exchange.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n").as_bytes());
        // no progress for longer than the route's idle timeout, which is a limit on the endpoint, not on the client
        let taken = exchange.pour(LENGTH, Duration::from_secs(5));
        stalled.lock().unwrap().send(taken).unwrap();
        exchange.pour(LENGTH - taken, PATIENCE);
        After::KeepOpen
    });
    let proxy = Setup::to(&endpoint).route(r#"timeouts.idle = "3s""#).start();
    let mut client = Client::over(TcpStream::connect(proxy.address).unwrap());
    client.send(&Draft::form(FORM));
    let head = client.answer_head();
    let taken = stall.recv_timeout(PATIENCE).unwrap();
    assert!(taken < LENGTH / 2, "{taken} bytes were taken from the endpoint");
    let peak = proxy.status_kib("VmHWM");
    assert!(peak < FLAT, "{peak} KiB at the most");

    let mut received = 0;
    let ending = client.body(&head, &mut |piece| received += piece.len() as u64);
    assert_eq!((received, ending), (LENGTH, Ending::Whole));
    let peak = proxy.status_kib("VmHWM");
    assert!(peak < FLAT, "{peak} KiB at the most");
}

#[test]
fn a_client_that_never_reads_is_given_up_and_the_endpoint_released() {
    let (left, leaving) = mpsc::channel();
    let left = Mutex::new(left);
    let endpoint = Endpoint::scripted(move |exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n");
        exchange.pour(u64::from(u32::MAX), PATIENCE);
        left.lock().unwrap().send(()).unwrap();
        After::Close
    });
    let proxy = Setup::to(&endpoint).listener(r#"limits.idle_timeout = "300ms""#).start();
    let mut client = proxy.connect();
    client.send(&Draft::form(FORM));
    let id = client.answer_head().field("countersign-request-id").unwrap().to_owned();
    leaving.recv_timeout(PATIENCE).expect("the endpoint to be released");
    assert_eq!(proxy.log.exchange(&id)["outcome"], "abandoned");
}
