//! Workers that hand connections to each other, until one of them drains, and what they do when one is busy.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use countersign::downstream::listener::{Security, bind};
use countersign::downstream::{
    Capacity, Current, Drain, ExchangeGuard, Handler, HeadFault, ListenerSocket, OwnerLookup, PeerEvidence,
    PlaceRequests, Reply, RequestBody, RequestHead, Service, Stage, TcpSocket, accept,
};
use http::StatusCode;
use http_body_util::Full;
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::serving::{LIMITS, reply, talk};
use crate::harness::{PATIENCE, eventually};

/// Answers with the name of its worker.
struct Named(&'static str);

impl Handler for Named {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        _peer: Rc<PeerEvidence>,
        _exchange: ExchangeGuard,
        _head: RequestHead,
        _body: RequestBody,
    ) -> Reply<Full<Bytes>> {
        reply(StatusCode::OK, format!("served by {}\n", self.0))
    }

    fn refuse(&self, _peer: Rc<PeerEvidence>, _exchange: ExchangeGuard, fault: HeadFault) -> Reply<Full<Bytes>> {
        reply(StatusCode::BAD_REQUEST, format!("{fault}\n"))
    }
}

/// A worker on a thread of its own. Sending [`Stage::Draining`] to `drain` begins its drain; `thread` ends with it.
struct Worker {
    address: SocketAddr,
    drain: watch::Sender<Stage>,
    thread: JoinHandle<()>,
}

/// A request for `/charge` charges its connection to a share, one for `/hold` holds the whole worker from one meeting
/// at the barrier to the next.
struct Charging {
    name: &'static str,
    share: Capacity,
    hold: Arc<Barrier>,
}

impl Handler for Charging {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        _peer: Rc<PeerEvidence>,
        exchange: ExchangeGuard,
        head: RequestHead,
        _body: RequestBody,
    ) -> Reply<Full<Bytes>> {
        if head.target() == "/hold" {
            self.hold.wait();
            self.hold.wait();
        }
        let is_over_here = head.target() == "/charge" && exchange.charge(&self.share).is_err();
        if is_over_here && exchange.charge_elsewhere(&self.share).await.is_err() {
            return reply(StatusCode::SERVICE_UNAVAILABLE, "over its share\n".to_owned());
        }
        reply(StatusCode::OK, format!("served by {}\n", self.name))
    }

    fn refuse(&self, _peer: Rc<PeerEvidence>, _exchange: ExchangeGuard, fault: HeadFault) -> Reply<Full<Bytes>> {
        reply(StatusCode::BAD_REQUEST, format!("{fault}\n"))
    }
}

/// A worker with a socket of its own, among others of the same listener.
fn worker(name: &'static str, requests: &Arc<PlaceRequests>, places: &Capacity) -> Worker {
    worker_by(requests, places, Named(name))
}

fn worker_by(
    requests: &Arc<PlaceRequests>,
    places: &Capacity,
    handler: impl Handler<Body = Full<Bytes>> + Send,
) -> Worker {
    let socket: TcpListener = bind(TcpSocket::at("127.0.0.1:0".parse().unwrap()), 1).unwrap().remove(0);
    let address = socket.local_addr().unwrap();
    let (requests, places) = (Arc::clone(requests), places.clone());
    let (drain, signal) = watch::channel(Stage::Serving);
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let security = Security::Plain(OwnerLookup::Skip);
            let bound = ListenerSocket::Tcp(socket).into_bound(&security).unwrap();
            let drain = Drain::new(signal);
            let handler = Rc::new(handler);
            let service =
                Service { handler, limits: LIMITS, places, requests, security, relays: None, drain: drain.clone() };
            accept(vec![bound], Current::new(service), drain).await;
        });
    });
    Worker { address, drain, thread }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn a_worker_that_drains_serves_what_it_was_sent_and_the_others_keep_what_they_accept_later() {
    let (requests, places) = (Arc::<PlaceRequests>::default(), Capacity::new(64));
    let (first, second) = (worker("first", &requests, &places), worker("second", &requests, &places));
    let by = |name: &str, answer: &str| answer.contains(&format!("served by {name}\n"));
    // all clients connect to the first worker: the second serves what that hands over, once it has joined
    let idle = std::net::TcpStream::connect(first.address).unwrap();
    while !by("second", &talk(first.address, REQUEST)) {}
    let calls: Vec<JoinHandle<Vec<String>>> =
        (0..4).map(|_| thread::spawn(move || (0..100).map(|_| talk(first.address, REQUEST)).collect())).collect();
    second.drain.send(Stage::Draining).unwrap();
    for call in calls {
        for answer in call.join().unwrap() {
            assert!(by("first", &answer) || by("second", &answer), "{answer:?}");
        }
    }
    second.thread.join().unwrap();
    let after: Vec<String> = (0..8).map(|_| talk(first.address, REQUEST)).collect();
    assert!(after.iter().all(|answer| by("first", answer)), "{after:?}");
    drop(idle);
    first.drain.send(Stage::Draining).unwrap();
    first.thread.join().unwrap();
    assert_eq!(places.taken(), 0);
}

/// Sends a request on a connection that stays open, and returns its response; what came before the end of a connection
/// that was closed instead.
fn call(connection: &mut TcpStream, target: &str) -> String {
    let _closed = write!(connection, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    response(connection)
}

fn response(connection: &mut TcpStream) -> String {
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    while !answer.split_once("\r\n\r\n").is_some_and(|(_, body)| body.ends_with('\n')) {
        let mut piece = [0; 1024];
        match connection.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(came) => answer.push_str(std::str::from_utf8(&piece[..came]).unwrap()),
        }
    }
    answer
}

/// Two workers that charge connections to one share, and what holds one of them.
fn charging(share: usize, places: &Capacity) -> ([Worker; 2], Arc<Barrier>) {
    let (requests, share, hold) = (Arc::default(), Capacity::new(share), Arc::new(Barrier::new(2)));
    let worker = |name| worker_by(&requests, places, Charging { name, share: share.clone(), hold: Arc::clone(&hold) });
    (["first", "second"].map(worker), hold)
}

#[test]
fn a_stranger_on_its_way_to_another_worker_makes_room_and_no_idle_connection_of_a_client() {
    let places = Capacity::new(4);
    let ([first, second], hold) = charging(4, &places);
    let [mut busy, mut one, mut other] = [second.address, first.address, first.address].map(|address| {
        let mut connection = TcpStream::connect(address).unwrap();
        assert!(call(&mut connection, "/charge").contains("served by"));
        connection
    });
    busy.write_all(b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    hold.wait();
    // the first has two connections and the second one, which gets this, and cannot look at it yet
    let mut stranger = TcpStream::connect(first.address).unwrap();
    eventually("the stranger accepted", || (places.taken() == 4).then_some(()));
    let mut newcomer = TcpStream::connect(first.address).unwrap();
    thread::sleep(Duration::from_millis(100));
    for idle in [&mut one, &mut other] {
        assert!(call(idle, "/").contains("served by first\n"), "it made room, and a stranger did not");
    }
    hold.wait();
    assert!(response(&mut busy).contains("served by second\n"));
    assert!(call(&mut newcomer, "/").contains("served by first\n"));
    assert_eq!(response(&mut stranger), "", "it made room");
}

#[test]
fn no_idle_connection_is_closed_for_a_request_that_was_refused_meanwhile() {
    let places = Capacity::new(8);
    let ([first, second], hold) = charging(1, &places);
    let [mut idle, mut over, mut busy] = [second.address, first.address, second.address].map(|address| {
        let mut connection = TcpStream::connect(address).unwrap();
        assert!(call(&mut connection, "/").contains("served by"));
        connection
    });
    assert!(call(&mut idle, "/charge").contains("served by second\n"));
    busy.write_all(b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    hold.wait();
    assert!(call(&mut over, "/charge").contains("over its share\n"));
    hold.wait();
    assert!(response(&mut busy).contains("served by second\n"));
    thread::sleep(Duration::from_millis(50));
    assert!(call(&mut idle, "/").contains("served by second\n"), "it was closed for nobody");
}
