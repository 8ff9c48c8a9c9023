//! How connections end: clients that leave while their response is awaited, and responses that must not be lost to a
//! reset.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::downstream::listener::{self, Security};
use countersign::downstream::tls::ReloadableTls;
use countersign::downstream::unix_socket::{SocketPath, UnixSocket, bind};
use countersign::downstream::{
    ExchangeGuard, Handler, HeadFault, ListenerSocket, OwnerLookup, PeerEvidence, Reply, RequestBody, RequestHead,
    TcpSocket,
};
use countersign::http1::Fields;
use http::StatusCode;
use http_body_util::Full;
use rustls::{ClientConnection, StreamOwned};
use socket2::SockRef;
use tempfile::TempDir;

use super::serving::{Served, serve_by};
use super::tls_files::{Site, dns};
use crate::harness::{PATIENCE, at_best, eventually};

const SLOW: &[u8] = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
/// A client that is gone is noticed within a second; a loaded machine has another.
const NOTICED: Duration = Duration::from_secs(2);

/// Counts the calls under way: those to `/slow` never end by themselves, others are refused before their body is read.
struct Slow(Arc<AtomicUsize>);

struct Call<'a>(&'a AtomicUsize);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Handler for Slow {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        _: Rc<PeerEvidence>,
        _exchange: ExchangeGuard,
        head: RequestHead,
        _body: RequestBody,
    ) -> Reply<Full<Bytes>> {
        if head.path() == "/slow" {
            self.0.fetch_add(1, Ordering::SeqCst);
            let _call = Call(&self.0);
            std::future::pending::<()>().await;
        }
        let fields: Fields = [("connection", "close")].into_iter().collect();
        Reply { status: StatusCode::BAD_REQUEST, fields, body: Full::new(Bytes::from_static(b"refused")) }
    }

    fn refuse(&self, _: Rc<PeerEvidence>, _: ExchangeGuard, fault: HeadFault) -> Reply<Full<Bytes>> {
        panic!("{fault}")
    }
}

/// A server, and how to reach it.
struct Server {
    served: Served,
    calls: Arc<AtomicUsize>,
    at: At,
}

enum At {
    Tcp(SocketAddr),
    Tls(SocketAddr, Box<Site>),
    Unix { path: PathBuf, _directory: TempDir, _held: SocketPath },
}

/// A client's end of a connection.
trait Client: Read + Write {
    /// Leaves at once, without a word if the transport can do that.
    fn reset(self: Box<Self>);

    /// Says that nothing more will come.
    fn finish(&mut self);
}

fn reset(tcp: &TcpStream) {
    SockRef::from(tcp).set_linger(Some(Duration::ZERO)).unwrap();
}

impl Client for TcpStream {
    fn reset(self: Box<Self>) {
        reset(&self);
    }

    fn finish(&mut self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Client for StreamOwned<ClientConnection, TcpStream> {
    fn reset(self: Box<Self>) {
        reset(&self.sock);
    }

    fn finish(&mut self) {
        self.conn.send_close_notify();
        self.flush().unwrap();
        self.sock.shutdown(Shutdown::Write).unwrap();
    }
}

impl Client for UnixStream {
    /// Unix sockets know no reset: a close is as good.
    fn reset(self: Box<Self>) {}

    fn finish(&mut self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Server {
    fn start(security: Security, socket: ListenerSocket, at: At) -> Self {
        let calls = Arc::<AtomicUsize>::default();
        let slow = Arc::clone(&calls);
        Self { served: serve_by(socket, security, move || Slow(slow)), calls, at }
    }

    fn tcp() -> Self {
        let socket = listener::bind(TcpSocket::at("127.0.0.1:0".parse().unwrap()), 1).unwrap().remove(0);
        let address = socket.local_addr().unwrap();
        Self::start(Security::Plain(OwnerLookup::Skip), ListenerSocket::Tcp(socket), At::Tcp(address))
    }

    fn tls() -> Self {
        let site = Site::new();
        let tls = Arc::new(ReloadableTls::load(site.settings(&[])).unwrap());
        let socket = listener::bind(TcpSocket::at("127.0.0.1:0".parse().unwrap()), 1).unwrap().remove(0);
        let address = socket.local_addr().unwrap();
        Self::start(Security::Tls(tls), ListenerSocket::Tcp(socket), At::Tls(address, Box::new(site)))
    }

    fn unix() -> Self {
        let _directory = tempfile::tempdir().unwrap();
        let path = _directory.path().join("socket");
        let (listener, _held) = bind(&UnixSocket { path: path.clone(), mode: 0o600, group: None }).unwrap();
        let socket = ListenerSocket::Unix(listener);
        Self::start(Security::Plain(OwnerLookup::Skip), socket, At::Unix { path, _directory, _held })
    }

    fn all() -> [(&'static str, Self); 3] {
        [("TCP", Self::tcp()), ("TLS", Self::tls()), ("Unix", Self::unix())]
    }

    fn connect(&self) -> Box<dyn Client> {
        match &self.at {
            At::Tcp(address) => Box::new(patient(TcpStream::connect(address).unwrap())),
            At::Tls(address, site) => {
                let identity =
                    site.clients.issue(7, rcgen::ExtendedKeyUsagePurpose::ClientAuth, vec![dns("a.example")]);
                let config = Arc::new(site.client(Some(&identity)).0);
                let connection = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
                Box::new(StreamOwned::new(connection, patient(TcpStream::connect(address).unwrap())))
            }
            At::Unix { path, .. } => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
        }
    }

    /// A client whose call is under way.
    fn calling(&self) -> Box<dyn Client> {
        let mut client = self.connect();
        client.write_all(SLOW).unwrap();
        eventually("a call under way", || (self.calls.load(Ordering::SeqCst) == 1).then_some(()));
        client
    }

    /// How long it takes until the call is over and its place is free.
    fn released(&self) -> Duration {
        let started = Instant::now();
        let is_free = || self.calls.load(Ordering::SeqCst) == 0 && self.served.places.taken() == 0;
        eventually("a free place", || is_free().then_some(()));
        started.elapsed()
    }
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

#[test]
fn a_client_that_is_gone_is_noticed_whatever_it_left_unread() {
    for (transport, server) in Server::all() {
        // a byte, another request, more than is read ahead
        for unread in [b"".as_slice(), b"P", SLOW, &[b'x'; 40_000]] {
            let released = at_best(NOTICED, || {
                let mut client = server.calling();
                client.write_all(unread).unwrap();
                sleep(Duration::from_millis(100)); // so that what is left unread is seen before the end
                client.reset();
                server.released()
            });
            assert!(released < NOTICED, "{transport}, {} bytes unread: {released:?}", unread.len());
        }
    }
}

#[test]
fn a_client_that_says_that_nothing_more_comes_is_waited_for_whatever_it_said_before() {
    for (transport, server) in Server::all() {
        for unread in [b"".as_slice(), b"P", &[b'x'; 20_000]] {
            let mut client = server.calling();
            client.write_all(unread).unwrap();
            client.finish();
            let released = server.released();
            // three seconds without a byte for it, by which it cannot be told from one that is gone
            assert!(released > Duration::from_millis(2500), "{transport}, {} bytes: {released:?}", unread.len());
            drop(client);
        }
    }
}

#[test]
fn a_client_that_closes_its_half_and_then_leaves_is_noticed_at_once() {
    for (transport, server) in Server::all() {
        let released = at_best(NOTICED, || {
            let mut client = server.calling();
            client.write_all(b"P").unwrap();
            client.finish();
            sleep(Duration::from_millis(100));
            client.reset();
            server.released()
        });
        assert!(released < NOTICED, "{transport}: {released:?}");
    }
}

#[test]
fn a_refusal_is_followed_by_an_end_in_order_whatever_comes_behind_its_head() {
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n";
    for (transport, server) in Server::all() {
        for fields in ["", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "Expect: 100-continue\r\n"] {
            let mut client = server.connect();
            client.write_all(format!("{head}{fields}\r\n").as_bytes()).unwrap();
            sleep(Duration::from_millis(100)); // its body comes in a second segment
            client.write_all(&[b'x'; 40]).unwrap();
            let mut answer = Vec::new();
            let ended: io::Result<usize> = client.read_to_end(&mut answer);
            let answer = String::from_utf8(answer).unwrap();
            assert!(ended.is_ok(), "{transport}, {fields:?}: {ended:?} behind {answer}");
            assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("refused"), "{answer}");
        }
    }
}
