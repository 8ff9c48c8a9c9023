//! Workers that hand connections to each other, until one of them drains.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use countersign::downstream::listener::{Security, bind};
use countersign::downstream::{
    Capacity, Current, Drain, ExchangeGuard, Handler, HeadFault, ListenerSocket, OwnerLookup, PeerEvidence,
    PlaceRequests, Reply, RequestBody, RequestHead, Service, accept,
};
use http::StatusCode;
use http_body_util::Full;
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::serving::{LIMITS, reply, talk};

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

/// A worker on a thread of its own. Sending `true` to `drain` begins its drain; `thread` ends with it.
struct Worker {
    address: SocketAddr,
    drain: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// A worker with a socket of its own, among others of the same listener.
fn worker(name: &'static str, requests: &Arc<PlaceRequests>, places: &Capacity) -> Worker {
    let socket: TcpListener = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap().remove(0);
    let address = socket.local_addr().unwrap();
    let (requests, places) = (Arc::clone(requests), places.clone());
    let (drain, signal) = watch::channel(false);
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let security = Security::Plain(OwnerLookup::Skip);
            let bound = ListenerSocket::Tcp(socket).into_bound(&security).unwrap();
            let drain = Drain::new(signal);
            let handler = Rc::new(Named(name));
            let service = Service { handler, limits: LIMITS, places, requests, security, drain: drain.clone() };
            accept(bound, Current::new(service), drain).await;
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
    second.drain.send(true).unwrap();
    for call in calls {
        for answer in call.join().unwrap() {
            assert!(by("first", &answer) || by("second", &answer), "{answer:?}");
        }
    }
    second.thread.join().unwrap();
    let after: Vec<String> = (0..8).map(|_| talk(first.address, REQUEST)).collect();
    assert!(after.iter().all(|answer| by("first", answer)), "{after:?}");
    drop(idle);
    first.drain.send(true).unwrap();
    first.thread.join().unwrap();
    assert_eq!(places.taken(), 0);
}
