//! An endpoint of which a test decides every byte: it records what it receives and answers as scripted.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::Duration;

use countersign::clock;
use countersign::query::{FormLimits, Parameters};
use countersign::signing::SigningTarget;
use countersign::signing::verify::{SignatureClaim, VerifyError};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::keys::active;
use super::wire::{Head, Wire};
use super::{PATIENCE, eventually};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub head: Head,
    pub body: Vec<u8>,
}

impl Received {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Decoded names and values, in the order in which they were sent.
    pub fn parameters(&self) -> Vec<(String, String)> {
        let pair = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| (name.into(), value.into());
        form_urlencoded::parse(&self.body).map(pair).collect()
    }

    #[track_caller]
    pub fn parameter(&self, name: &str) -> String {
        let found = self.parameters().into_iter().find(|(found, _)| found == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", self.text())).1
    }

    /// Verifies the signature for the host and path the request came to.
    pub fn verify(&self, id: &str, secret: &str, token: Option<&str>) -> Result<(), VerifyError> {
        let parameters = Parameters::parse(&self.body, FormLimits::UNLIMITED).unwrap();
        let claim = SignatureClaim::read(&parameters)?;
        assert_eq!(claim.access_key_id, id);
        let path = self.head.first_line.split(' ').nth(1).unwrap().to_owned();
        let target = SigningTarget { host: self.head.field("host").unwrap().to_owned(), path };
        claim.check(&active(id, secret, token), &target, clock::now())
    }
}

/// What becomes of a connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The next request may come.
    KeepOpen,
    /// FIN. Over TLS without close_notify: a cut that TLS can see.
    Close,
    /// Over TLS: close_notify, then FIN.
    CloseNotify,
    /// RST.
    Reset,
}

trait Duplex: Read + Write + Send {
    /// Says in TLS's own words that nothing more will come.
    fn close_notify(&mut self);
}

impl Duplex for TcpStream {
    fn close_notify(&mut self) {}
}

impl Duplex for StreamOwned<ServerConnection, TcpStream> {
    fn close_notify(&mut self) {
        self.conn.send_close_notify();
        let _left = self.flush();
    }
}

/// One request, and the means to answer it.
pub struct Exchange<'a> {
    pub request: &'a Received,
    stream: &'a mut dyn Duplex,
    socket: &'a TcpStream,
}

impl Exchange<'_> {
    /// Writes to a proxy that may have left.
    pub fn write(&mut self, bytes: &[u8]) {
        let _left = self.try_write(bytes);
    }

    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Writes as much as is taken before `stall` passes without progress, up to `most` bytes of filling.
    pub fn pour(&mut self, most: u64, stall: Duration) -> u64 {
        self.socket.set_write_timeout(Some(stall)).unwrap();
        let filling = vec![b'.'; 64 * 1024];
        let mut written = 0;
        while written < most {
            let piece = usize::try_from(most - written).unwrap_or(usize::MAX).min(filling.len());
            match self.stream.write(&filling[..piece]) {
                Ok(taken) => written += taken as u64,
                Err(_stalled_or_left) => break,
            }
        }
        self.socket.set_write_timeout(Some(PATIENCE)).unwrap();
        written
    }

    /// Waits until the proxy closes the connection; `true` when it does.
    pub fn is_left(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 1]), Ok(0) | Err(_))
    }
}

type Script = dyn Fn(&mut Exchange<'_>) -> After + Send + Sync;

struct Shared {
    script: Box<Script>,
    tls: Option<Arc<ServerConfig>>,
    connections: AtomicUsize,
    /// Connections that were closed from here, and a bell for whoever waits for it.
    closed: (Mutex<usize>, Condvar),
    requests: Mutex<Vec<Received>>,
    /// How TLS handshakes ended that did not succeed.
    handshakes_failed: Mutex<Vec<String>>,
    /// Whether it has died, and the connections that it had until then.
    dead: AtomicBool,
    sockets: Mutex<Vec<Weak<TcpStream>>>,
}

/// A listening endpoint. Its threads live until the tests end.
#[derive(Clone)]
pub struct Endpoint {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

/// An answer with a length.
pub fn answer(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

impl Endpoint {
    /// Answers every request with 200 and a little document.
    pub fn obliging() -> Self {
        Self::saying(&answer("200 OK", "<Done/>"), After::KeepOpen)
    }

    /// Answers every request with these bytes.
    pub fn saying(bytes: &[u8], after: After) -> Self {
        let bytes = bytes.to_vec();
        Self::scripted(move |exchange| {
            exchange.write(&bytes);
            after
        })
    }

    /// Takes requests and says nothing until the proxy leaves.
    pub fn silent() -> Self {
        Self::scripted(|exchange| {
            exchange.is_left();
            After::Close
        })
    }

    pub fn scripted(script: impl Fn(&mut Exchange<'_>) -> After + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0", None, script)
    }

    pub fn on(
        address: &str,
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(&mut Exchange<'_>) -> After + Send + Sync + 'static,
    ) -> Self {
        Self::serving(TcpListener::bind(address).unwrap(), tls, script)
    }

    /// On a socket that a test has prepared.
    pub fn serving(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(&mut Exchange<'_>) -> After + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            tls,
            connections: AtomicUsize::new(0),
            closed: Default::default(),
            requests: Mutex::default(),
            handshakes_failed: Mutex::default(),
            dead: AtomicBool::new(false),
            sockets: Mutex::default(),
        });
        let ours = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (shared, socket) = (Arc::clone(&ours), socket.unwrap());
                if shared.dead.load(Ordering::SeqCst) {
                    return;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    shared.welcome(socket);
                    *shared.closed.0.lock().unwrap() += 1;
                    shared.closed.1.notify_all();
                });
            }
        });
        Self { address, shared }
    }

    /// Dies as a process does: its port refuses connections from now on, and those that were open end.
    pub fn die(&self) {
        self.shared.dead.store(true, Ordering::SeqCst);
        // the thread that accepts leaves its socket when it looks
        eventually("a port that refuses", || TcpStream::connect(self.address).is_err().then_some(()));
        for socket in self.shared.sockets.lock().unwrap().drain(..) {
            let _gone = socket.upgrade().map(|socket| socket.shutdown(std::net::Shutdown::Both));
        }
    }

    /// Its URL, by address.
    pub fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/", self.address)
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Every request received in full.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Waits until every connection accepted so far is closed on this side.
    #[track_caller]
    pub fn wait_for_closed(&self) {
        let (closed, changed) = &self.shared.closed;
        let open = |closed: &mut usize| *closed < self.connections();
        let (closed, waited) = changed.wait_timeout_while(closed.lock().unwrap(), PATIENCE, open).unwrap();
        assert!(!waited.timed_out(), "{} of {} connections are closed", *closed, self.connections());
    }

    #[track_caller]
    pub fn only_request(&self) -> Received {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.into_iter().next().unwrap()
    }

    pub fn handshakes_failed(&self) -> Vec<String> {
        self.shared.handshakes_failed.lock().unwrap().clone()
    }
}

impl Shared {
    fn welcome(&self, socket: TcpStream) {
        socket.set_nodelay(true).unwrap();
        let control = Arc::new(socket.try_clone().unwrap());
        self.sockets.lock().unwrap().push(Arc::downgrade(&control));
        let after = match &self.tls {
            None => self.converse(socket, &control),
            Some(config) => {
                let mut connection = ServerConnection::new(Arc::clone(config)).unwrap();
                let mut socket = socket;
                while connection.is_handshaking() {
                    if let Err(error) = connection.complete_io(&mut socket) {
                        self.handshakes_failed.lock().unwrap().push(error.to_string());
                        return;
                    }
                }
                self.converse(StreamOwned::new(connection, socket), &control)
            }
        };
        if after == After::Reset {
            socket2::SockRef::from(&*control).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }

    fn converse(&self, stream: impl Duplex, socket: &TcpStream) -> After {
        let mut wire = Wire::new(stream);
        while let Ok(Some(head)) = wire.head() {
            let mut body = Vec::new();
            let length = head.field("content-length").expect("a Content-Length").parse().unwrap();
            if wire.exactly(length, &mut |piece| body.extend_from_slice(piece)).is_err() {
                break;
            }
            let request = Received { head, body };
            self.requests.lock().unwrap().push(request.clone());
            let mut exchange = Exchange { request: &request, stream: &mut wire.stream, socket };
            let after = (self.script)(&mut exchange);
            if after == After::CloseNotify {
                wire.stream.close_notify();
            }
            if after != After::KeepOpen {
                return after;
            }
        }
        After::Close
    }
}
