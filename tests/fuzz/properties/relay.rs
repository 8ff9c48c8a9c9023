//! Bytes of an endpoint, through the real upstream client and the real connection, to what the client is given.
//!
//! As in `connection`, the client's side is in memory, the endpoint is a socket on loopback, and the clock is paused.
//! Each input has a proxy of its own, so that nothing is left of the one before.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use countersign::downstream::listener::Security;
use countersign::downstream::server::{Lifetime, serve};
use countersign::downstream::{Capacity, Current, Drain, KeepAlive, Limits, OwnerLookup, PeerFacts, Service, Stage};
use countersign::proxy::Proxy;
use countersign::proxy::headers::{EndpointsField, NEVER_PASSED, WRITTEN, WrittenOn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};
use tokio::time::sleep;

use super::gateway::{AGES, CLOCKS, LISTENER, Pipe, proxy};
use super::oracle::by_hyper;
use super::reading::{Answer, Behind, End, Reading, read};
use super::responses::find;

/// Rounds in which nothing has happened, each with a look at the sockets, after which nothing will.
const QUIET_ROUNDS: u32 = 12;
/// Most informational answers, and most fields, of which it is certain that they are borne.
const INFORMATIONAL: usize = 19;
const FIELDS: usize = 64;
const FORM: &str = "Action=ListJobs&Version=2010-06-03";
/// Whatever the endpoint answers: nothing panics, the client is given that very answer, a broken transfer or an error
/// document of ours, fields for one hop stay on theirs, and the next exchange gets its own answer and nothing of this
/// one.
///
/// The first byte says how the rest, the answer, is sent: in pieces of which size, whether with pauses, and whether the
/// connection ends behind it.
pub fn response(input: &[u8]) {
    let outcome = relayed(input);
    assert!(outcome.is_some(), "the client is given an answer, or its transfer breaks");
}

/// The status of what the client was given for such an answer; 0 for a transfer that broke.
pub fn relayed(input: &[u8]) -> Option<u16> {
    thread_local! {
        // never dropped: a runtime cannot be, so late in the life of a thread
        static WORLD: ManuallyDrop<World> = ManuallyDrop::new(World::new());
    }
    let (&how, answer) = input.split_first().unwrap_or((&0, &[]));
    let script = Script {
        answer: answer.to_vec(),
        piece: [usize::MAX, 1, 2, 3, 7, 16, 61, 256][usize::from(how % 8)].max(answer.len() / 64).max(1),
        pace: if how & 8 == 0 { Pace::AtOnce } else { Pace::Pauses },
        behind: if how & 16 == 0 { Behind::MayCome } else { Behind::Nothing },
    };
    WORLD.with(|world| world.converse(&script))
}

/// How an endpoint answers.
#[derive(Clone)]
struct Script {
    answer: Vec<u8>,
    piece: usize,
    pace: Pace,
    behind: Behind,
}

#[derive(Clone, Copy)]
enum Pace {
    AtOnce,
    Pauses,
}

struct World {
    runtime: Runtime,
    local: LocalSet,
    port: u16,
    endpoint: Rc<Endpoint>,
    _never_drains: watch::Sender<Stage>,
    drain: Drain,
}

/// What the endpoint does next, and what it has done.
#[derive(Default)]
struct Endpoint {
    script: RefCell<Option<Script>>,
    /// The body of every answer but the scripted one.
    other: RefCell<String>,
    requests: Cell<usize>,
    steps: Cell<usize>,
    /// Connections.
    open: Cell<usize>,
}

impl World {
    fn new() -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        let (local, endpoint) = (LocalSet::new(), Rc::<Endpoint>::default());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        local.spawn_local(accept(listener, Rc::clone(&endpoint)));
        let (never_drains, signal) = watch::channel(Stage::Serving);
        Self { runtime, local, port, endpoint, _never_drains: never_drains, drain: Drain::new(signal) }
    }

    /// Two exchanges, the first of which is answered as the script says.
    fn converse(&self, script: &Script) -> Option<u16> {
        let other =
            (0_u32..).map(|n| format!("<other-{n}/>")).find(|other| find(&script.answer, other.as_bytes()).is_none());
        self.endpoint.other.replace(other.unwrap());
        self.endpoint.script.replace(Some(script.clone()));
        self.endpoint.requests.set(0);
        let [first, second] = self.runtime.block_on(self.local.run_until(self.exchanges()));

        let Reading::Whole(second, rest) = read(&second, Behind::MayCome) else {
            panic!("the next exchange is not answered: {}", second.escape_ascii())
        };
        assert_eq!(rest, b"", "one answer to one request");
        assert_eq!((second.status, second.values("x-endpoint")), (200, vec!["other"]), "{second:?}");
        assert_eq!(second.body, self.endpoint.other.borrow().as_bytes(), "{second:?}");
        self.check_first(&first, script)
    }

    fn check_first(&self, given: &[u8], script: &Script) -> Option<u16> {
        let meant = read(&script.answer, script.behind);
        let (given, is_whole) = match read(given, Behind::MayCome) {
            Reading::Whole(answer, rest) => {
                assert_eq!(rest, b"", "one answer to one request");
                (answer, true)
            }
            Reading::Part(answer) => (answer, false),
            Reading::Unclear if is_start_of_head(given) => return Some(0),
            Reading::Unclear => panic!("the client is given {}", given.escape_ascii()),
        };
        check_form(&given);
        if given.fields.iter().any(|(name, _)| name == "x-proxy-sent") {
            assert!(is_whole, "{given:?}");
            check_ours(&given);
            assert!(!matches!(meant, Reading::Whole(ref meant, _) if is_borne(meant)), "refused: {given:?}");
            return Some(given.status);
        }
        assert_eq!(self.endpoint.requests.get(), 2, "one request for each exchange");
        match meant {
            Reading::Whole(meant, _) if is_borne(&meant) => {
                assert!(is_whole, "the answer is whole, and given in part: {given:?}");
                check_same(&given, &meant);
                assert_eq!(given.body.escape_ascii().to_string(), meant.body.escape_ascii().to_string());
            }
            Reading::Part(meant) => {
                assert!(!is_whole, "an answer that broke off is given as if it were whole: {given:?}");
                check_same(&given, &meant);
                assert!(meant.body.starts_with(&given.body), "{given:?} of {meant:?}");
            }
            Reading::Whole(..) | Reading::Unclear => {}
        }
        if is_whole {
            let hyper = self.runtime.block_on(self.local.run_until(by_hyper(&script.answer, script.behind)));
            assert_eq!(hyper, Some((given.status, given.body)), "hyper reads something else");
        }
        Some(if is_whole { given.status } else { 0 })
    }

    async fn exchanges(&self) -> [Vec<u8>; 2] {
        let current = Current::new(Service {
            handler: Rc::new(proxy(self.port)),
            limits: Limits { clocks: CLOCKS, connections: 2, keep_alive: KeepAlive::UNLIMITED },
            places: Capacity::new(2),
            requests: Arc::default(),
            relays: None,
            security: Security::Plain(OwnerLookup::Skip),
            drain: self.drain.clone(),
        });
        let mut client = Client::connect(&current, &self.drain);
        client.send().await;
        self.quiet(&client).await;
        if client.waits() {
            // for timeouts, then
            sleep(AGES * 3).await;
            self.quiet(&client).await;
        }
        assert!(!client.waits(), "neither an answer nor an end: {}", client.received.borrow().escape_ascii());
        let first = client.received.take();
        if client.ended.get() {
            client.finish().await;
            client = Client::connect(&current, &self.drain);
        }
        client.send().await;
        self.quiet(&client).await;
        let second = client.received.take();
        client.finish().await;
        // the pool goes with the proxy, and with it what is open to the endpoint: nothing is left for the next input
        drop(current);
        while self.endpoint.open.get() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
        [first, second]
    }

    /// Waits until nothing more happens.
    async fn quiet(&self, client: &Client) {
        let steps = || (self.endpoint.steps.get(), client.received.borrow().len(), client.ended.get());
        let (mut before, mut rounds) = (steps(), 0);
        while rounds < QUIET_ROUNDS {
            sleep(Duration::from_millis(1)).await;
            let now = steps();
            rounds = if now == before { rounds + 1 } else { 0 };
            before = now;
        }
    }
}

/// A client's connection.
struct Client {
    writer: WriteHalf<DuplexStream>,
    received: Rc<RefCell<Vec<u8>>>,
    ended: Rc<Cell<bool>>,
    served: JoinHandle<()>,
}

impl Client {
    fn connect(current: &Rc<Current<Proxy>>, drain: &Drain) -> Self {
        let (client, server) = tokio::io::duplex(1 << 20);
        let peer = Rc::new(PeerFacts::Tcp { address: "127.0.0.1:49152".parse().unwrap(), owner: None }.into());
        let current = Rc::clone(current);
        let place = current.admit(Capacity::new(1).take().unwrap());
        let served = spawn_local(serve(Pipe(server), peer, CLOCKS, Lifetime::Unlimited, current, drain, place));
        let (mut reader, writer) = tokio::io::split(client);
        let (received, ended) = (Rc::<RefCell<Vec<u8>>>::default(), Rc::<Cell<bool>>::default());
        let (all, end) = (Rc::clone(&received), Rc::clone(&ended));
        spawn_local(async move {
            let mut piece = Vec::new();
            while reader.read_buf(&mut piece).await.is_ok_and(|read| read > 0) {
                all.borrow_mut().append(&mut piece);
            }
            end.set(true);
        });
        Self { writer, received, ended, served }
    }

    async fn send(&mut self) {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {LISTENER}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{FORM}",
            FORM.len()
        );
        self.writer.write_all(request.as_bytes()).await.unwrap();
    }

    /// Closes it, and waits until nothing of it is left.
    async fn finish(mut self) {
        let _may_be_closed = self.writer.shutdown().await;
        self.served.await.unwrap();
    }

    /// Whether it has neither a whole answer nor the end of its connection.
    fn waits(&self) -> bool {
        !self.ended.get() && !matches!(read(&self.received.borrow(), Behind::MayCome), Reading::Whole(..))
    }
}

async fn accept(listener: TcpListener, endpoint: Rc<Endpoint>) {
    while let Ok((socket, _)) = listener.accept().await {
        let endpoint = Rc::clone(&endpoint);
        endpoint.open.set(endpoint.open.get() + 1);
        spawn_local(async move {
            let _closed_or_broken = answer_requests(socket, &endpoint).await;
            endpoint.open.set(endpoint.open.get() - 1);
        });
    }
}

async fn answer_requests(mut socket: TcpStream, endpoint: &Endpoint) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut received = Vec::new();
    while socket.read_buf(&mut received).await? > 0 {
        let Some(end) = find(&received, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if received.len() < end + 4 + length {
            continue;
        }
        received.clear();
        endpoint.requests.set(endpoint.requests.get() + 1);
        let Some(script) = endpoint.script.take() else {
            let other = endpoint.other.borrow().clone();
            let answer =
                format!("HTTP/1.1 200 OK\r\nX-Endpoint: other\r\nContent-Length: {}\r\n\r\n{other}", other.len());
            socket.write_all(answer.as_bytes()).await?;
            continue;
        };
        for piece in script.answer.chunks(script.piece) {
            socket.write_all(piece).await?;
            endpoint.steps.set(endpoint.steps.get() + 1);
            match script.pace {
                Pace::AtOnce => yield_now().await,
                Pace::Pauses => sleep(Duration::from_millis(1)).await,
            }
        }
        if script.behind == Behind::Nothing {
            socket.shutdown().await?;
        }
    }
    Ok(())
}

/// Whether a transfer that breaks here is seen to break.
fn is_start_of_head(given: &[u8]) -> bool {
    b"HTTP/1.1 ".starts_with(given) || (given.starts_with(b"HTTP/1.1 ") && find(given, b"\r\n\r\n").is_none())
}

/// Whether a field of this name may be on a response of our own: not of a 405, and with a document of known length.
fn is_written(name: &str) -> bool {
    WRITTEN.iter().any(|field| field.name == name) && !["allow", "transfer-encoding"].contains(&name)
}

/// Whether the endpoint's field of this name is not passed on.
fn is_dropped(name: &str) -> bool {
    let ours = WRITTEN.iter().filter(|field| field.of_endpoint == EndpointsField::Dropped);
    ours.map(|field| field.name).chain(NEVER_PASSED).any(|dropped| dropped == name)
}

/// What holds of every answer, from whomever it is.
fn check_form(given: &Answer) {
    assert_ne!(given.end, End::Close, "a body without an end: {given:?}");
    assert!(given.informational == 0 && !given.has_trailers, "{given:?}");
    assert_eq!(given.values("countersign-request-id").len(), 1, "{given:?}");
    assert!(given.status != 204 || given.values("content-length").is_empty(), "{given:?}");
    for hop in ["keep-alive", "proxy-connection", "te", "trailer", "upgrade", "alt-svc", "proxy-authenticate"] {
        assert!(given.values(hop).is_empty(), "{hop} passes: {given:?}");
    }
    for connection in given.values("connection") {
        assert!(matches!(connection, "close" | "keep-alive"), "{given:?}");
    }
}

fn check_ours(given: &Answer) {
    assert!(matches!(given.status, 409 | 502 | 504), "{given:?}");
    assert_eq!(given.values("x-proxy-sent"), ["yes"], "the endpoint has the request: {given:?}");
    assert!(given.fields.iter().all(|(name, _)| is_written(name)), "{given:?}");
    let document = String::from_utf8(given.body.clone()).unwrap();
    let id = given.values("countersign-request-id")[0];
    assert!(document.is_ascii() && document.contains("<Code>") && document.contains(&format!(">{id}<")), "{document}");
}

/// Whether there is not too much of anything in an answer.
fn is_borne(meant: &Answer) -> bool {
    meant.informational <= INFORMATIONAL && meant.fields.len() <= FIELDS
}

/// The same status, and the same fields but for those of one hop.
fn check_same(given: &Answer, meant: &Answer) {
    assert_eq!(given.status, meant.status);
    let claimed = meant.values("connection").join(",").to_ascii_lowercase();
    let claimed: Vec<&str> = claimed.split(',').map(|name| name.trim_matches([' ', '\t'])).collect();
    let passes = |name: &str| !is_dropped(name) && !name.starts_with("access-control-") && !claimed.contains(&name);
    let has_date = meant.fields.iter().any(|(name, _)| name == "date" && passes(name));
    let sorted = |answer: &Answer, counts: &dyn Fn(&str) -> bool| {
        let mut fields: Vec<_> = answer.fields.iter().filter(|(name, _)| counts(name)).cloned().collect();
        fields.sort_by(|(one, _), (other, _)| one.cmp(other)); // stable: the order of a name's values stays
        fields
    };
    let expected = sorted(meant, &passes);
    let is_ours = |name: &str| {
        let is_on_all = |on| matches!(on, WrittenOn::Every | WrittenOn::Framing);
        WRITTEN.iter().any(|field| field.name == name && field.name != "date" && is_on_all(field.on))
    };
    assert_eq!(sorted(given, &|name| !is_ours(name) && (has_date || name != "date")), expected);
}
