//! The load and the endpoint, in one thread with one epoll instance. The thread has a processor of its own where the
//! proxy has one worker.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustls::ServerConfig;

use super::callers::Callers;
use super::ends::{Client, Server};
use super::socket::{Address, Socket};

/// The most bytes of one read.
const PIECE: usize = 64 * 1024;

/// The size of the body of each response.
pub const ANSWER_BYTES: usize = 700;

/// How requests are paced.
#[derive(Clone, Copy)]
pub enum Pace {
    /// Each connection sends its next request when it has the response to the last one.
    Closed,
    /// So many requests a second over all connections, whether or not responses arrive. Latency counts from the time at
    /// which a request was due.
    Open(u32),
    /// No new requests; exchanges under way continue.
    Silent,
}

/// The result of a run.
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

/// The epoll instance and everything on it.
pub struct Wire {
    epoll: OwnedFd,
    roles: Vec<Option<Role>>,
    answer: Vec<u8>,
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
            scratch: vec![0; PIECE],
        }
    }

    /// Adds an endpoint, with TLS if there is a configuration. Returns its address.
    pub fn listen(&mut self, tls: Option<Arc<ServerConfig>>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        self.add(Role::Listener(listener, tls));
        address
    }

    /// Connects `count` clients, which send their requests when a run begins.
    pub fn connect(&mut self, address: &Address, count: usize, callers: &Callers) {
        self.connect_each(address, count, callers, |_| {});
    }

    /// Connects clients that send requests without a pause, while others keep to the pace of a run. Their responses are
    /// not counted.
    pub fn connect_busy(&mut self, address: &Address, count: usize, callers: &Callers) {
        self.connect_each(address, count, callers, |client| client.busy = true);
    }

    fn connect_each(&mut self, address: &Address, count: usize, callers: &Callers, prepare: impl Fn(&mut Client)) {
        for request in callers.requests.iter().cycle().take(count) {
            let socket = Socket::connect(address, callers.tls.as_ref()).unwrap();
            let mut client = Client::new(socket, Arc::clone(request));
            prepare(&mut client);
            self.add(Role::Client(client));
        }
    }

    fn clients(&self, busy: bool) -> VecDeque<usize> {
        let is_one = |role: &Option<Role>| matches!(role, Some(Role::Client(client)) if client.busy == busy);
        self.roles.iter().enumerate().filter(|(_, role)| is_one(role)).map(|(index, _)| index).collect()
    }

    /// Closes all clients.
    pub fn hang_up(&mut self) {
        for role in &mut self.roles {
            if matches!(role, Some(Role::Client(_))) {
                *role = None;
            }
        }
    }

    /// Runs for `duration`, or until each client has had `each` responses.
    pub fn run(&mut self, pace: Pace, duration: Duration, each: Option<u64>) -> Load {
        let mut free = self.clients(false);
        let busy = if matches!(pace, Pace::Silent) { VecDeque::new() } else { self.clients(true) };
        let clients = free.len() as u64;
        let began = Instant::now();
        let mut load = Load { answers: 0, elapsed: Duration::ZERO, latencies: Vec::new() };
        let mut due = VecDeque::new();
        let mut scheduled = 0_u32;
        for index in &busy {
            self.begin(*index, began);
        }
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
                    if busy.contains(&index) {
                        self.begin(index, Instant::now());
                        continue;
                    }
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

    /// Runs until no client waits for a response any more. Returns how many responses arrived.
    pub fn finish(&mut self) -> u64 {
        let (began, mut answers) = (Instant::now(), 0);
        while self.roles.iter().any(|role| matches!(role, Some(Role::Client(client)) if client.begun.is_some())) {
            assert!(began.elapsed() < Duration::from_secs(20), "a response does not arrive within 20 seconds");
            answers += self.run(Pace::Silent, Duration::from_millis(1), None).answers;
        }
        answers
    }

    fn add(&mut self, role: Role) {
        let index = self.roles.len();
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        let data = epoll::EventData::new_u64(index as u64);
        match &role {
            Role::Listener(socket, _) => epoll::add(&self.epoll, socket, data, flags),
            Role::Server(server) => epoll::add(&self.epoll, &server.socket, data, flags),
            Role::Client(client) => epoll::add(&self.epoll, &client.socket, data, flags),
        }
        .unwrap();
        self.roles.push(Some(role));
    }

    fn begin(&mut self, index: usize, due: Instant) {
        let Some(Some(Role::Client(client))) = self.roles.get_mut(index) else { return };
        client.begin(due);
    }

    /// Does what is possible on a socket now. Returns when a client's request began, once its response is complete.
    fn turn(&mut self, index: usize) -> Option<Instant> {
        let mut role = self.roles[index].take()?;
        let mut kept = true;
        let mut accepted = Vec::new();
        let mut done = None;
        match &mut role {
            Role::Listener(listener, tls) => {
                while let Ok((stream, _)) = listener.accept() {
                    let socket = Socket::accepted(stream, tls.as_ref());
                    accepted.push(Role::Server(Box::new(Server { socket, received: Vec::new() })));
                }
            }
            Role::Server(server) => kept = server.turn(&self.answer, &mut self.scratch),
            Role::Client(client) => done = client.turn(&mut self.scratch),
        }
        if kept {
            self.roles[index] = Some(role);
        }
        for role in accepted {
            self.add(role);
            // epoll is edge-triggered: there may be no event for bytes that arrived before the socket was added
            self.turn(self.roles.len() - 1);
        }
        done
    }
}
