//! A plain TCP port.

use countersign::downstream::listener::{self, Security};
use countersign::downstream::{ListenerSocket, OwnerLookup, TcpSocket};

use super::serving::{serve, talk};

fn answer_to(bytes: &[u8]) -> String {
    let socket = listener::bind(TcpSocket::at("127.0.0.1:0".parse().unwrap()), 1).unwrap().remove(0);
    let address = socket.local_addr().unwrap();
    let _served = serve(ListenerSocket::Tcp(socket), Security::Plain(OwnerLookup::Skip));
    talk(address, bytes)
}

#[test]
fn a_request_is_answered_and_nobody_asked_for_an_owner() {
    let answer = answer_to(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("Tcp { address: 127.0.0.1:") && answer.contains("owner: None"), "{answer}");
}

#[test]
fn what_is_not_http_is_refused_and_the_connection_closed() {
    for (what, bytes) in [
        ("the PROXY protocol", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice()),
        ("the PROXY protocol, version 2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\0\x01\0\x02"),
        ("a TLS ClientHello", b"\x16\x03\x01\0\x05\x01\0\0\x01\0"),
        ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ] {
        let answer = answer_to(bytes);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
    }
}
