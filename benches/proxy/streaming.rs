//! Large answers: how fast they pass, and how much memory a reader that is slow makes a proxy hold.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::configurations::Endpoint;
use super::peers::Peer;
use super::socket::Address;
use super::system;
use super::works::PLAIN;

/// One answer.
pub const ANSWER: usize = 100 * 1024 * 1024;

/// What a peer did with large answers.
pub struct Streamed {
    /// Bytes a second.
    pub throughput: f64,
    /// Peak resident memory in KiB, after a fast and a slow reader.
    pub peak: u64,
}

/// An endpoint whose every answer is large.
pub fn endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || answer_all(stream));
        }
    });
    address
}

fn answer_all(mut stream: TcpStream) {
    let piece = vec![b'x'; 256 * 1024];
    let mut received = Vec::new();
    let mut scratch = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut scratch) {
        received.extend_from_slice(&scratch[..count]);
        let Some(length) = super::ends::message_length(&received) else { continue };
        if received.len() < length {
            continue;
        }
        received.drain(..length);
        let mut left = ANSWER;
        if write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {ANSWER}\r\n\r\n").is_err() {
            return;
        }
        while left > 0 {
            match stream.write(&piece[..left.min(piece.len())]) {
                Ok(count) => left -= count,
                Err(_) => return, // the reader had enough
            }
        }
    }
}

/// Lets `peer` carry `count` answers to a fast reader, then the start of one to a slow reader.
pub fn measure(peer: &Peer, directory: &std::path::Path, request: &[u8], count: u32, slow: Duration) -> Streamed {
    let endpoint = Endpoint { address: endpoint(), tls: false };
    let proxy = peer.start(directory, &endpoint, PLAIN);
    let Address::Tcp(address) = proxy.address else { panic!("not TCP") };
    let mut reader = loop {
        if let Ok(stream) = TcpStream::connect(address) {
            break stream;
        }
    };
    fetch(&mut reader, request);
    let began = Instant::now();
    for _ in 0..count {
        fetch(&mut reader, request);
    }
    let throughput = f64::from(count) * ANSWER as f64 / began.elapsed().as_secs_f64();
    reader.write_all(request).unwrap();
    let began = Instant::now();
    let mut piece = vec![0; 64 * 1024];
    while began.elapsed() < slow {
        assert!(reader.read(&mut piece).unwrap() > 0);
        thread::sleep(Duration::from_millis(20)); // this is what makes the reader slow
    }
    Streamed { throughput, peak: system::memory(&proxy.pids(), "VmHWM:") }
}

fn fetch(reader: &mut TcpStream, request: &[u8]) {
    reader.write_all(request).unwrap();
    let mut piece = vec![0; 256 * 1024];
    let mut received = Vec::new();
    let mut left = loop {
        let count = reader.read(&mut piece).unwrap();
        assert!(count > 0, "no answer: {}", String::from_utf8_lossy(&received));
        received.extend_from_slice(&piece[..count]);
        if let Some(length) = super::ends::message_length(&received) {
            break length - received.len();
        }
    };
    while left > 0 {
        let count = reader.read(&mut piece).unwrap();
        assert!(count > 0, "the answer broke off");
        left -= count;
    }
}
