//! Load and endpoint in one thread, on one epoll instance: whatever they cost, they cost it on a processor of their
//! own.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustls::{ServerConfig, ServerConnection};

/// Bytes read at once.
const PIECE: usize = 64 * 1024;

/// What the endpoint answers.
pub const ANSWER_BYTES: usize = 700;

/// How requests are paced.
#[derive(Clone, Copy)]
pub enum Pace {
    /// Each connection sends its next request when it has the answer to the last.
    Closed,
    /// So many a second over all connections, whether answers come or not; latency counts from when a request was due.
    Open(u32),
    /// Nothing is sent; what is under way goes on.
    Silent,
}

/// What a run of load gave.
pub struct Load {
    pub answers: u64,
    pub elapsed: Duration,
    /// One for each answer, unsorted.
    pub latencies: Vec<Duration>,
}

enum Role {
    Listener(TcpListener, Option<Arc<ServerConfig>>),
    Server(Box<Server>),
    Client(Client),
}

struct Server {
    stream: TcpStream,
    tls: Option<ServerConnection>,
    received: Vec<u8>,
}

struct Client {
    stream: TcpStream,
    unsent: usize,
    /// Bytes of the answer still to come; `None` until its head is known.
    missing: Option<usize>,
    received: Vec<u8>,
    begun: Option<Instant>,
}

/// The epoll instance and everything on it.
pub struct Wire {
    epoll: OwnedFd,
    roles: Vec<Option<Role>>,
    answer: Vec<u8>,
    request: Vec<u8>,
    scratch: Vec<u8>,
}

impl Wire {
    pub fn new() -> Self {
        let body = "x".repeat(ANSWER_BYTES);
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {ANSWER_BYTES}\r\n\r\n{body}");
        Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).unwrap(),
            roles: Vec::new(),
            answer: answer.into_bytes(),
            request: Vec::new(),
            scratch: vec![0; PIECE],
        }
    }

    /// An endpoint, with TLS when a configuration is given.
    pub fn listen(&mut self, tls: Option<Arc<ServerConfig>>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        self.add(Role::Listener(listener, tls));
        address
    }

    /// Connects so many clients, which send `request` when a run begins.
    pub fn connect(&mut self, address: SocketAddr, count: usize, request: &[u8]) {
        self.request = request.to_vec();
        for _ in 0..count {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_nonblocking(true).unwrap();
            let client = Client { stream, unsent: 0, missing: None, received: Vec::new(), begun: None };
            self.add(Role::Client(client));
        }
    }

    /// Closes all clients.
    pub fn hang_up(&mut self) {
        for role in &mut self.roles {
            if matches!(role, Some(Role::Client(_))) {
                *role = None;
            }
        }
    }

    /// Runs for so long, or until each client has had `each` answers.
    pub fn run(&mut self, pace: Pace, duration: Duration, each: Option<u64>) -> Load {
        let mut free: VecDeque<usize> =
            self.roles.iter().enumerate().filter(|(_, r)| matches!(r, Some(Role::Client(_)))).map(|(i, _)| i).collect();
        let clients = free.len() as u64;
        let began = Instant::now();
        let mut load = Load { answers: 0, elapsed: Duration::ZERO, latencies: Vec::new() };
        let mut due = VecDeque::new();
        let mut scheduled = 0_u32;
        if matches!(pace, Pace::Closed) {
            for index in free.drain(..) {
                self.begin(index, began);
            }
        }
        let mut events = Vec::with_capacity(1024);
        while began.elapsed() < duration && each.is_none_or(|each| load.answers < each * clients) {
            let mut patience = duration.saturating_sub(began.elapsed()).min(Duration::from_millis(20));
            if let Pace::Open(rate) = pace {
                let now = Instant::now();
                let step = Duration::from_secs(1) / rate;
                while began + step * scheduled <= now {
                    due.push_back(began + step * scheduled);
                    scheduled += 1;
                }
                while let (Some(index), true) = (free.front().copied(), !due.is_empty()) {
                    free.pop_front();
                    let at = due.pop_front().unwrap();
                    self.begin(index, at);
                }
                patience = (began + step * scheduled).saturating_duration_since(Instant::now());
            }
            events.clear();
            let timeout = Timespec { tv_sec: 0, tv_nsec: patience.subsec_nanos().into() };
            epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)).unwrap();
            for event in &events {
                let index = event.data.u64() as usize;
                if let Some(begun) = self.turn(index) {
                    load.answers += 1;
                    load.latencies.push(begun.elapsed());
                    match pace {
                        Pace::Closed if each.is_none() => self.begin(index, Instant::now()),
                        Pace::Closed | Pace::Silent => {}
                        Pace::Open(_) => free.push_back(index),
                    }
                }
            }
        }
        load.elapsed = began.elapsed();
        load
    }

    /// Until every client has the answer it waits for.
    pub fn finish(&mut self, patience: Duration) {
        let began = Instant::now();
        while self.roles.iter().any(|role| matches!(role, Some(Role::Client(client)) if client.begun.is_some())) {
            assert!(began.elapsed() < patience, "an answer does not come");
            self.run(Pace::Silent, Duration::from_millis(1), None);
        }
    }

    fn add(&mut self, role: Role) {
        let index = self.roles.len();
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        let data = epoll::EventData::new_u64(index as u64);
        match &role {
            Role::Listener(socket, _) => epoll::add(&self.epoll, socket, data, flags),
            Role::Server(server) => epoll::add(&self.epoll, &server.stream, data, flags),
            Role::Client(client) => epoll::add(&self.epoll, &client.stream, data, flags),
        }
        .unwrap();
        self.roles.push(Some(role));
    }

    fn begin(&mut self, index: usize, due: Instant) {
        let Some(Some(Role::Client(client))) = self.roles.get_mut(index) else { return };
        client.begun = Some(due);
        client.unsent = self.request.len();
        client.send(&self.request);
    }

    /// Does what can be done; the time a client's request began when its answer is complete.
    fn turn(&mut self, index: usize) -> Option<Instant> {
        let mut role = self.roles[index].take()?;
        let mut kept = true;
        let mut accepted = Vec::new();
        let mut done = None;
        match &mut role {
            Role::Listener(listener, tls) => {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true).unwrap();
                    stream.set_nodelay(true).unwrap();
                    let tls = tls.clone().map(|tls| ServerConnection::new(tls).unwrap());
                    accepted.push(Role::Server(Box::new(Server { stream, tls, received: Vec::new() })));
                }
            }
            Role::Server(server) => kept = server.turn(&self.answer, &mut self.scratch),
            Role::Client(client) => {
                client.send(&self.request);
                done = client.receive(&mut self.scratch);
            }
        }
        if kept {
            self.roles[index] = Some(role);
        }
        for role in accepted {
            self.add(role);
            // what came before it was registered makes no event of its own
            self.turn(self.roles.len() - 1);
        }
        done
    }
}

impl Server {
    /// Answers what has come; whether the connection goes on.
    fn turn(&mut self, answer: &[u8], scratch: &mut [u8]) -> bool {
        loop {
            let count = match &mut self.tls {
                None => self.stream.read(scratch),
                Some(tls) => match tls.read_tls(&mut self.stream) {
                    Ok(0) => Ok(0),
                    Ok(_) => {
                        if tls.process_new_packets().is_err() {
                            return false;
                        }
                        let plain = tls.reader().read(scratch);
                        if plain.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
                            self.flush();
                            continue;
                        }
                        plain
                    }
                    Err(error) => Err(error),
                },
            };
            match count {
                Ok(0) => return false,
                Ok(count) => self.received.extend_from_slice(&scratch[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
            while let Some(length) = message_length(&self.received) {
                if self.received.len() < length {
                    break;
                }
                self.received.drain(..length);
                let sent = match &mut self.tls {
                    None => self.stream.write_all(answer),
                    Some(tls) => tls.writer().write_all(answer),
                };
                if sent.is_err() {
                    return false;
                }
            }
            self.flush();
            if self.tls.is_none() && count.is_ok_and(|count| count < scratch.len()) {
                return true; // the next byte makes an event
            }
        }
    }

    fn flush(&mut self) {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() && tls.write_tls(&mut self.stream).is_ok() {}
        }
    }
}

impl Client {
    fn send(&mut self, request: &[u8]) {
        while self.unsent > 0 {
            match self.stream.write(&request[request.len() - self.unsent..]) {
                Ok(count) => self.unsent -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the proxy closed a connection: {error}"),
            }
        }
    }

    fn receive(&mut self, scratch: &mut [u8]) -> Option<Instant> {
        self.begun?;
        loop {
            let count = match self.stream.read(scratch) {
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
            if count < scratch.len() {
                return None;
            }
        }
    }
}

/// The length of the message that begins here, when its head is complete. Answers and requests of this benchmark have a
/// Content-Length.
pub fn message_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    Some(end + length.trim().parse::<usize>().unwrap())
}
