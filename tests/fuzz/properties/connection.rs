//! Bytes of a client, through the real connection, head checks, form, signature and upstream, in one thread and no
//! time.
//!
//! The client's side is in memory. The endpoint is a real socket on loopback, since `upstream` knows no other; it keeps
//! its connection over many inputs. The clock is paused: it jumps when nothing else can happen, so no timeout is ever
//! waited for.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use countersign::clock;
use countersign::downstream::listener::Security as ListenerSecurity;
use countersign::downstream::server::ExchangeGuard;
use countersign::downstream::server::{Lifetime, serve};
use countersign::downstream::{
    Capacity, Current, Drain, Handler, HeadFault, KeepAlive, Limits as ConnectionLimits, OwnerLookup, PeerEvidence,
    PeerFacts, Reply, RequestBody, RequestHead, Service, Stage,
};
use countersign::proxy::Proxy;
use countersign::proxy::ResponseBody;
use countersign::query::{FormLimits, Parameters};
use countersign::signing::verify::SignatureClaim;
use http::{Method, Version};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::sleep;

use super::canonical::read_signed;
use super::gateway::{CLOCKS, FORWARDED, LIMITS, LISTENER, Pipe, proxy};
use super::heads::{as_http, assert_plain, is_lawful, passed_on};
use super::keys::{active, target};
use super::messages::messages;
use super::responses::{self, find, read_all};

const NAMES: [&str; 2] = [LISTENER, "localhost:8021"];
/// Rounds in which nothing has happened, each with a look at the sockets, after which nothing will.
const QUIET_ROUNDS: u32 = 12;

/// Whatever comes in: answers are well formed, what passes is lawful, what is lawful is not refused for its head, what
/// leaves is canonical and verifies, and the answers do not depend on how the bytes were cut.
pub fn head(input: &[u8]) {
    let whole = answers(input, usize::MAX);
    let piece = input.first().map_or(1, |&byte| usize::from(byte) % 16 + 1);
    assert_eq!(answers(input, piece), whole, "in pieces of {piece} and as a whole");
}

/// The statuses of the answers to requests in `input`, which is sent in pieces of so many bytes.
pub fn answers(input: &[u8], piece: usize) -> Vec<u16> {
    thread_local! {
        // never dropped: a runtime cannot be, so late in the life of a thread
        static WORLD: ManuallyDrop<World> = ManuallyDrop::new(World::new());
    }
    WORLD.with(|world| world.converse(input, piece))
}

struct World {
    runtime: Runtime,
    local: LocalSet,
    handler: Rc<Witness>,
    current: Rc<Current<Witness>>,
    arrived: Rc<RefCell<Vec<Arrival>>>,
    _never_drains: watch::Sender<Stage>,
    drain: Drain,
}

/// A request as the endpoint received it.
struct Arrival {
    head: String,
    body: Vec<u8>,
}

impl World {
    fn new() -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        let local = LocalSet::new();
        let arrived = Rc::new(RefCell::new(Vec::new()));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let proxy = proxy(listener.local_addr().unwrap().port());
        local.spawn_local(endpoint(listener, Rc::clone(&arrived)));
        let (never_drains, signal) = watch::channel(Stage::Serving);
        let handler = Rc::new(Witness { proxy, seen: RefCell::default(), steps: Cell::default() });
        let drain = Drain::new(signal);
        let current = Current::new(Service {
            handler: Rc::clone(&handler),
            limits: ConnectionLimits { clocks: CLOCKS, connections: 1, keep_alive: KeepAlive::UNLIMITED },
            places: Capacity::new(1),
            requests: Arc::default(),
            relays: None,
            security: ListenerSecurity::Plain(OwnerLookup::Skip),
            drain: drain.clone(),
        });
        Self { runtime, local, handler, current, arrived, _never_drains: never_drains, drain }
    }

    /// Sends `input` on a connection of its own; the statuses of the answers.
    fn converse(&self, input: &[u8], piece: usize) -> Vec<u16> {
        self.handler.seen.borrow_mut().clear();
        self.arrived.borrow_mut().clear();
        let written = self.runtime.block_on(self.local.run_until(self.connection(input, piece)));
        let seen = self.handler.seen.borrow();
        let mut expected = messages(input);
        let to_head = |seen: &Seen| seen.method.as_ref().map_or(expected.to_head, |method| method == Method::HEAD);
        let answers = read_all(&written, |nth| seen.get(nth).is_some_and(to_head));
        self.check_answers(&answers);
        let passed: Vec<&Seen> = seen.iter().filter(|seen| seen.passed == Some(true)).collect();
        let arrived = self.arrived.borrow();
        assert_eq!(arrived.len(), passed.len(), "every request that left is one that was answered");
        arrived.iter().zip(passed).for_each(|(arrival, seen)| check_arrival(arrival, &seen.passed_on));
        let refused: Vec<bool> = seen.iter().map(|seen| seen.method.is_none()).collect();
        if expected.unfinished && refused.len() > expected.refused.len() {
            expected.refused.push(true);
        }
        let expected = expected.refused;
        assert!(expected.starts_with(&refused), "{refused:?} of {expected:?} were refused for their heads");
        let closed = answers.last().is_some_and(responses::Answer::closes) || seen.iter().any(|seen| seen.may_close);
        assert!(closed || refused == expected, "every message is answered: {refused:?} of {expected:?}");
        answers.iter().map(|answer| answer.status).collect()
    }

    async fn connection(&self, input: &[u8], piece: usize) -> Vec<u8> {
        let (client, server) = tokio::io::duplex(1 << 20);
        let peer = Rc::new(PeerFacts::Tcp { address: "127.0.0.1:49152".parse().unwrap(), owner: None }.into());
        let (current, drain) = (Rc::clone(&self.current), self.drain.clone());
        let place = current.admit(Capacity::new(1).take().unwrap());
        let served = spawn_local(serve(Pipe(server), peer, CLOCKS, Lifetime::Unlimited, current, &drain, place));
        let (mut reader, mut writer) = tokio::io::split(client);
        let reading = spawn_local(async move {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.map(|_| all)
        });
        for piece in input.chunks(piece) {
            if writer.write_all(piece).await.is_err() {
                break;
            }
            yield_now().await;
            yield_now().await;
        }
        self.quiet().await;
        let _may_be_closed = writer.shutdown().await;
        let written = reading.await.unwrap().unwrap();
        drop(writer);
        served.await.unwrap();
        written
    }

    /// Waits until nothing more happens without another byte from the client.
    async fn quiet(&self) {
        let steps = || (self.handler.steps.get(), self.arrived.borrow().len());
        let (mut before, mut rounds) = (steps(), 0);
        while rounds < QUIET_ROUNDS {
            sleep(Duration::from_millis(1)).await;
            let now = steps();
            rounds = if now == before { rounds + 1 } else { 0 };
            before = now;
        }
    }

    fn check_answers(&self, answers: &[responses::Answer]) {
        let seen = self.handler.seen.borrow();
        // hyper answers nothing by itself: all that it refuses has been refused before it
        assert!(answers.len() <= seen.len(), "{} answers to {} requests", answers.len(), seen.len());
        for (answer, seen) in answers.iter().zip(&*seen) {
            assert_ne!(answer.status, 500, "the exchange panicked");
            assert!(answer.field("countersign-request-id").is_some());
            if seen.method.is_none() {
                assert!(matches!(answer.status, 400 | 405 | 414 | 431 | 501 | 505), "{answer:?} to a malformed head");
            }
            if seen.passed == Some(true) {
                assert!(seen.lawful, "{answer:?} to an unlawful request");
                assert_eq!((answer.status, answer.field("x-endpoint")), (200, Some("yes")));
            } else if seen.lawful {
                assert!(matches!(answer.status, 400 | 413), "{answer:?} to a lawful head");
            } else {
                assert!(answer.status >= 400 && answer.field("x-proxy-sent") == Some("no"), "{answer:?}");
                assert!(answer.closes(), "what follows a refused head is no request: {answer:?}");
            }
        }
    }
}

/// Notes every request, and has the proxy answer it.
struct Witness {
    proxy: Proxy,
    seen: RefCell<Vec<Seen>>,
    steps: Cell<usize>,
}

struct Seen {
    /// `None` for a head that is refused.
    method: Option<Method>,
    lawful: bool,
    /// Whether the client may have asked that nothing follow.
    may_close: bool,
    /// The values of the field that the route passes on.
    passed_on: Vec<String>,
    /// Whether the answer is the endpoint's; `None` while there is none.
    passed: Option<bool>,
}

impl Handler for Witness {
    type Body = ResponseBody;

    async fn handle(
        &self,
        peer: Rc<PeerEvidence>,
        exchange: ExchangeGuard,
        head: RequestHead,
        body: RequestBody,
    ) -> Reply<ResponseBody> {
        let request = as_http(&head);
        assert_plain(&request);
        let lawful = is_lawful(&request, &NAMES);
        let nth = self.seen.borrow().len();
        let passed_on = passed_on(request.headers(), FORWARDED);
        let method = Some(request.method().clone());
        let may_close = request.version() == Version::HTTP_10 || request.headers().contains_key("connection");
        self.seen.borrow_mut().push(Seen { method, lawful, may_close, passed_on, passed: None });
        self.steps.set(self.steps.get() + 1);
        let reply = self.proxy.handle(peer, exchange, head, body).await;
        self.steps.set(self.steps.get() + 1);
        self.seen.borrow_mut()[nth].passed = Some(!reply.fields.contain("x-proxy-sent"));
        reply
    }

    fn refuse(&self, peer: Rc<PeerEvidence>, exchange: ExchangeGuard, fault: HeadFault) -> Reply<ResponseBody> {
        let reply = self.proxy.refuse(peer, exchange, fault);
        let passed = Some(!reply.fields.contain("x-proxy-sent"));
        let seen = Seen { method: None, lawful: false, may_close: true, passed_on: Vec::new(), passed };
        self.seen.borrow_mut().push(seen);
        self.steps.set(self.steps.get() + 1);
        reply
    }
}

/// Accepts, notes and answers whatever comes; what came is judged afterwards, where a panic is not lost.
async fn endpoint(listener: TcpListener, arrived: Rc<RefCell<Vec<Arrival>>>) {
    while let Ok((socket, _)) = listener.accept().await {
        spawn_local(answer_requests(socket, Rc::clone(&arrived)));
    }
}

async fn answer_requests(mut socket: TcpStream, arrived: Rc<RefCell<Vec<Arrival>>>) -> io::Result<()> {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nX-Endpoint: yes\r\nX-Proxy-Sent: yes\r\nContent-Length: 4\r\n\r\n<a/>";
    socket.set_nodelay(true)?;
    let mut received = Vec::new();
    loop {
        while let Some(end) = find(&received, b"\r\n\r\n").map(|end| end + 4) {
            let head = String::from_utf8_lossy(&received[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if received.len() < end + length {
                break;
            }
            let body = received[end..end + length].to_vec();
            received.drain(..end + length);
            arrived.borrow_mut().push(Arrival { head, body });
            socket.write_all(ANSWER).await?;
        }
        if socket.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

/// Nothing in the head is the client's but the field that the route lists; the body is canonical, and signed.
fn check_arrival(arrival: &Arrival, passed_on: &[String]) {
    let mut lines = arrival.head.strip_suffix("\r\n\r\n").unwrap().split("\r\n");
    assert_eq!(lines.next(), Some("POST / HTTP/1.1"));
    let (forwarded, ours): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with(FORWARDED));
    let length = format!("content-length: {}", arrival.body.len());
    let mut expected = [
        "host: importexport.amazonaws.com",
        "content-type: application/x-www-form-urlencoded; charset=utf-8",
        length.as_str(),
        "via: 1.1 countersign",
        concat!("user-agent: countersign/", env!("CARGO_PKG_VERSION")),
    ];
    let mut ours = ours;
    ours.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ours, expected);
    let passed_on: Vec<String> = passed_on.iter().map(|value| format!("{FORWARDED}: {value}")).collect();
    assert_eq!(forwarded, passed_on);

    let (pairs, _) = read_signed(&arrival.body);
    assert!(pairs.iter().any(|(name, _)| name == "Action"));
    let parameters = Parameters::parse(&arrival.body, FormLimits::new(LIMITS.max_parameters() + 6)).unwrap();
    let verified =
        SignatureClaim::read(&parameters).and_then(|claim| claim.check(&active(None), &target(), clock::now()));
    assert_eq!(verified, Ok(()));
}
