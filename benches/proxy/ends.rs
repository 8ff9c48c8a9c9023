//! The two ends of an exchange: the endpoint's side of a connection, and a client.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::socket::Socket;

/// One connection from the proxy to the endpoint.
pub struct Server {
    pub socket: Socket,
    pub received: Vec<u8>,
}

/// A client with one connection, which sends the same request again and again.
pub struct Client {
    pub socket: Socket,
    request: Arc<[u8]>,
    unsent: usize,
    /// Bytes of the response that have not arrived; `None` until its head is complete.
    missing: Option<usize>,
    received: Vec<u8>,
    pub begun: Option<Instant>,
    /// Sends its next request at once, whatever the pace, and is not counted.
    pub busy: bool,
}

impl Server {
    /// Answers the requests that have arrived. Returns whether the connection stays open.
    pub fn turn(&mut self, answer: &[u8], scratch: &mut [u8]) -> bool {
        self.socket.flush();
        loop {
            let count = match self.socket.read(scratch) {
                Ok(0) => return false,
                Ok(count) => count,
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            };
            self.received.extend_from_slice(&scratch[..count]);
            while let Some(length) = message_length(&self.received).filter(|length| self.received.len() >= *length) {
                self.received.drain(..length);
                if !self.socket.write(answer).is_ok_and(|written| written == answer.len()) {
                    return false;
                }
            }
            if self.socket.is_drained(count, scratch.len()) {
                return true;
            }
        }
    }
}

impl Client {
    pub const fn new(socket: Socket, request: Arc<[u8]>) -> Self {
        Self { socket, request, unsent: 0, missing: None, received: Vec::new(), begun: None, busy: false }
    }

    pub fn begin(&mut self, due: Instant) {
        self.begun = Some(due);
        self.unsent = self.request.len();
        self.send();
    }

    /// Sends and receives what is possible now. Returns when the request began, once its response is complete.
    pub fn turn(&mut self, scratch: &mut [u8]) -> Option<Instant> {
        self.socket.flush();
        self.send();
        self.receive(scratch)
    }

    fn send(&mut self) {
        while self.unsent > 0 {
            match self.socket.write(&self.request[self.request.len() - self.unsent..]) {
                Ok(count) => self.unsent -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the proxy closed a connection: {error}"),
            }
        }
    }

    fn receive(&mut self, scratch: &mut [u8]) -> Option<Instant> {
        if self.begun.is_none() && !self.socket.is_secure() {
            return None;
        }
        loop {
            let count = match self.socket.read(scratch) {
                Ok(0) => panic!("the proxy closed a connection"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => panic!("the proxy closed a connection: {error}"),
            };
            let missing = match self.missing {
                Some(missing) => missing - count,
                None => {
                    self.received.extend_from_slice(&scratch[..count]);
                    let Some(length) = message_length(&self.received) else { continue };
                    assert!(self.received.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&self.received));
                    length - self.received.len()
                }
            };
            self.missing = Some(missing);
            if missing == 0 {
                self.missing = None;
                self.received.clear();
                return self.begun.take();
            }
            if self.socket.is_drained(count, scratch.len()) {
                return None;
            }
        }
    }
}

/// Sends a request and waits for the whole response, or for the end of the connection; `turn` runs the endpoint.
pub fn ask(socket: &mut Socket, request: &[u8], mut turn: impl FnMut()) -> Vec<u8> {
    let patience = Instant::now() + Duration::from_secs(20);
    let (mut unsent, mut received) = (request, Vec::new());
    let mut piece = [0; 4096];
    while message_length(&received).is_none_or(|length| received.len() < length) {
        assert!(Instant::now() < patience, "no answer in time");
        turn();
        if let Ok(count) = socket.write(unsent) {
            unsent = &unsent[count..];
        }
        match socket.read(&mut piece) {
            Ok(count @ 1..) => received.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => break,
        }
    }
    received
}

/// The length of the message that `bytes` begin with, once its head is complete. In this benchmark all messages have a
/// Content-Length, except for GETs, which have no body.
pub fn message_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    match head.lines().find_map(|line| line.strip_prefix("content-length:")) {
        Some(length) => Some(end + length.trim().parse::<usize>().unwrap()),
        None => head.starts_with("get ").then_some(end),
    }
}
