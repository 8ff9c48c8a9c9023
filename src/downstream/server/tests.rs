//! Whole connections in memory, with a paused clock: what comes back for what is sent, and when.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::{
    Clocks, Current, ExchangeGuard, Handler, KeepAlive, Lifetime, Limits, MinimumRate, Reply, RequestBody, Service,
    Socket, serve,
};
use crate::downstream::listener::Security;
use crate::downstream::{Capacity, Drain, OwnerLookup, PeerEvidence, PeerFacts, Stage};
use crate::http1::{Fields, HeadFault, RequestHead};

impl Socket for DuplexStream {
    fn reset_on_close(&self) {}
}

pub(super) const CLOCKS: Clocks = Clocks {
    head_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(60),
    slowest: MinimumRate { bytes: NonZeroU32::new(100).unwrap(), grace: Duration::from_secs(20) },
};
pub(super) const FORM: &str = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na=b";
const CHUNKED: &str =
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n2 ;y\r\n=b\r\n0\r\nX: y\r\n\r\n";

/// Answers by the path: `/wait` never, `/unread` without reading the body, `/trickle` and `/long` a byte every two
/// seconds, others with the body.
struct Script;

/// Pieces, with two seconds before each.
struct Trickle {
    pieces: VecDeque<Bytes>,
    pause: Option<Pin<Box<Sleep>>>,
    _exchange: ExchangeGuard,
}

impl http_body::Body for Trickle {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(cx));
            pause.as_mut().reset(Instant::now().checked_add(Duration::from_secs(2)).unwrap());
        }
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self.pause {
            Some(_) => http_body::SizeHint::new(),
            None => http_body::SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum()),
        }
    }
}

fn reply(status: u16, text: impl Into<Bytes>, exchange: ExchangeGuard) -> Reply<Trickle> {
    let body = Trickle { pieces: [text.into()].into(), pause: None, _exchange: exchange };
    Reply { status: StatusCode::from_u16(status).unwrap(), fields: Fields::default(), body }
}

impl Handler for Script {
    type Body = Trickle;

    async fn handle(
        &self,
        _: Rc<PeerEvidence>,
        exchange: ExchangeGuard,
        head: RequestHead,
        body: RequestBody,
    ) -> Reply<Trickle> {
        match head.path() {
            "/wait" => std::future::pending().await,
            "/unread" => reply(200, "unread", exchange),
            "/trickle" => {
                let mut reply = reply(200, "", exchange);
                reply.body.pieces = ["a", "b", "c", "d"].map(Bytes::from).into();
                reply.body.pause = Some(Box::pin(sleep(Duration::from_secs(2))));
                reply
            }
            "/long" => {
                let mut reply = reply(200, "", exchange);
                reply.body.pieces = vec![Bytes::from("a"); 40].into();
                reply.body.pause = Some(Box::pin(sleep(Duration::from_secs(2))));
                reply
            }
            _ => match body.collect().await {
                Ok(read) => reply(200, read.to_bytes(), exchange),
                // the connection ends, although this does not ask for it
                Err(error) => reply(400, error.to_string(), exchange),
            },
        }
    }

    fn refuse(&self, _: Rc<PeerEvidence>, exchange: ExchangeGuard, fault: HeadFault) -> Reply<Trickle> {
        reply(400, format!("{fault:?}"), exchange)
    }
}

pub(super) fn paused<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

thread_local! {
    /// Keeps the drains of the connections of a test from beginning.
    static DRAINS: RefCell<Vec<watch::Sender<Stage>>> = const { RefCell::new(Vec::new()) };
}

/// The client's side of a connection that is served, with so much memory between both.
pub(super) fn connect(memory: usize) -> DuplexStream {
    connect_with(memory, KeepAlive::UNLIMITED, Lifetime::Unlimited)
}

pub(super) fn connect_with(memory: usize, keep_alive: KeepAlive, lifetime: Lifetime) -> DuplexStream {
    let (client, server) = tokio::io::duplex(memory);
    let (never_drains, signal) = watch::channel(Stage::Serving);
    DRAINS.with_borrow_mut(|drains| drains.push(never_drains));
    let drain = Drain::new(signal);
    let current = Current::new(Service {
        handler: Rc::new(Script),
        limits: Limits { clocks: CLOCKS, connections: 1, keep_alive },
        places: Capacity::new(1),
        requests: Arc::default(),
        security: Security::Plain(OwnerLookup::Skip),
        relays: None,
        drain: drain.clone(),
    });
    let peer = Rc::new(PeerFacts::Tcp { address: "127.0.0.1:49152".parse().unwrap(), owner: None }.into());
    let place = current.admit(Capacity::new(1).take().unwrap());
    spawn_local(serve(server, peer, CLOCKS, lifetime, current, &drain, place));
    client
}

/// All that comes until the server closes, without what differs from day to day.
pub(super) async fn rest(client: &mut DuplexStream) -> String {
    let mut all = Vec::new();
    timeout(Duration::from_secs(10_000), client.read_to_end(&mut all)).await.unwrap().unwrap();
    let text = String::from_utf8(all).unwrap();
    let lines = text.split_inclusive("\r\n").filter(|line| !line.starts_with("date: "));
    lines.collect()
}

/// What is answered to `sent`, behind which the client closes its half. In pieces of so many bytes.
pub(super) async fn answers(sent: &str, piece: usize) -> String {
    let mut client = connect(1 << 16);
    for piece in sent.as_bytes().chunks(piece) {
        client.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    client.shutdown().await.unwrap();
    rest(&mut client).await
}

pub(super) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub(super) fn closing(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[test]
fn requests_are_answered_in_their_turn_however_they_are_cut_and_nothing_behind_a_refusal_is() {
    paused(async {
        let bad = "POST /#x HTTP/1.1\r\n\r\n";
        let sent = [FORM, CHUNKED, FORM, "\r\n", CHUNKED, bad, FORM].concat();
        let expected = [ok("a=b"), ok("a=b"), ok("a=b"), ok("a=b"), closing("400 Bad Request", "Path")].concat();
        for piece in 1..sent.len() {
            assert_eq!(answers(&sent, piece).await, expected, "in pieces of {piece}");
        }
    });
}

#[test]
fn bad_chunks_and_a_body_that_ends_early_are_told_to_whoever_reads_it() {
    paused(async {
        for (body, error) in [
            ("1\nx\r\n0\r\n\r\n", "the chunks of the body are framed wrongly"),
            (
                "0\r\n A: b\r\n\r\n",
                "the trailers behind the last chunk are more than 16384 bytes, too many, or not header fields",
            ),
            (
                "0\r\nnone\r\n\r\n",
                "the trailers behind the last chunk are more than 16384 bytes, too many, or not header fields",
            ),
            ("5\r\nabc", "unexpected end of file"),
        ] {
            let sent = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            assert_eq!(answers(&sent, 7).await, closing("400 Bad Request", error), "{body:?}");
        }
        assert_eq!(answers("POST / HTTP/1.1\r\nTransfer-Enc", 7).await, "", "an end within a head is no request");
    });
}

#[test]
fn a_client_of_http_1_0_is_answered_in_its_version_and_kept_only_when_it_asks() {
    paused(async {
        let once = FORM.replace("HTTP/1.1", "HTTP/1.0");
        let kept = once.replace("\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n");
        let expected = "HTTP/1.0 200 OK\r\ncontent-length: 3\r\nconnection: keep-alive\r\n\r\na=b\
                        HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\na=b";
        assert_eq!(answers(&[&kept, &*once, &once].concat(), 1000).await, expected);
        let trickle = "POST /trickle HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(answers(trickle, 1000).await, "HTTP/1.0 200 OK\r\n\r\nabcd");
    });
}

#[test]
fn a_connection_ends_behind_the_request_that_asks_for_it() {
    paused(async {
        let last = FORM.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        let expected = [ok("a=b"), closing("200 OK", "a=b")].concat();
        assert_eq!(answers(&[FORM, &last, FORM].concat(), 1000).await, expected);
    });
}

#[test]
fn the_response_to_a_head_has_no_body() {
    paused(async {
        let head = "HEAD /unread HTTP/1.1\r\nHost: a\r\n\r\n";
        let expected = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n";
        assert_eq!(answers(&[head, FORM].concat(), 1000).await, [expected, &ok("a=b")].concat());
        let refused = "HTTP/1.1 400 Bad Request\r\ncontent-length: 4\r\nconnection: close\r\n\r\n";
        assert_eq!(answers("HEAD /#x HTTP/1.1\r\n\r\n", 1000).await, refused);
    });
}

#[test]
fn a_client_is_told_to_continue_when_and_only_when_its_body_is_asked_for() {
    paused(async {
        let expecting = FORM.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
        let asked = ["HTTP/1.1 100 Continue\r\n\r\n", &ok("a=b"), &ok("a=b")].concat();
        assert_eq!(answers(&[&expecting, FORM].concat(), 1000).await, asked);

        let mut client = connect(1 << 16);
        client.write_all(expecting.strip_suffix("a=b").unwrap().as_bytes()).await.unwrap();
        let mut interim = [0; 25];
        client.read_exact(&mut interim).await.unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(b"a=b").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut client).await, ok("a=b"));

        // what comes behind a head whose body was not asked for is its body, or is not: nobody knows
        let unread = expecting.replace("POST / ", "POST /unread ");
        assert_eq!(answers(&[&unread, FORM].concat(), 1000).await, closing("200 OK", "unread"));
        let empty = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(answers(empty, 1000).await, ok(""));
        let old = expecting.replace("HTTP/1.1", "HTTP/1.0");
        assert!(answers(&old, 1000).await.starts_with("HTTP/1.0 200 OK\r\n"));
    });
}

#[test]
fn a_body_that_nobody_read_is_skipped_when_it_has_come_and_ends_the_connection_when_it_has_not() {
    paused(async {
        let (form, chunked) = (FORM.replace("/ ", "/unread "), CHUNKED.replace("/ ", "/unread "));
        let expected = [ok("unread"), ok("unread"), ok("a=b")].concat();
        assert_eq!(answers(&[&form, &*chunked, FORM].concat(), 1000).await, expected);
        for unread in [&form, &chunked] {
            let half = &unread[..unread.len() - 1];
            assert_eq!(answers(half, 1000).await, closing("200 OK", "unread"));
        }
    });
}

#[test]
fn a_body_of_any_announced_length_takes_no_more_memory_than_has_come() {
    paused(async {
        let sent = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\na=b", u64::MAX >> 1);
        assert_eq!(answers(&sent, 1000).await, closing("400 Bad Request", "unexpected end of file"));
        let body = "x".repeat(1_000_000);
        let mut client = connect(1 << 22);
        client.write_all(format!("POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n{body}").as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        assert!(rest(&mut client).await == ok(&body));
    });
}

#[test]
fn a_head_that_does_not_end_is_refused_after_the_head_timeout_and_a_silent_connection_cut() {
    paused(async {
        let started = Instant::now();
        let mut client = connect(1 << 16);
        client.write_all(b"POST / HT").await.unwrap();
        let mut answer = Vec::with_capacity(4096);
        client.read_buf(&mut answer).await.unwrap();
        assert!(answer.ends_with(b"\r\n\r\nTooSlow"));
        assert_eq!(started.elapsed().as_secs(), 10);

        let started = Instant::now();
        let mut client = connect(1 << 16);
        assert_eq!(rest(&mut client).await, "");
        assert_eq!(started.elapsed().as_secs(), 10);
    });
}

#[test]
fn the_beginning_of_a_head_behind_a_request_has_the_head_timeout_too() {
    paused(async {
        let mut client = connect(1 << 16);
        client.write_all([FORM, "GET"].concat().as_bytes()).await.unwrap();
        let started = Instant::now();
        assert_eq!(rest(&mut client).await, [ok("a=b"), closing("400 Bad Request", "TooSlow")].concat());
        assert_eq!(started.elapsed().as_secs(), 10);
    });
}

#[test]
fn a_client_that_closes_its_half_has_its_answer_while_it_moves() {
    paused(async {
        let started = Instant::now();
        let trickled = answers("POST /trickle HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 1000).await;
        assert!(trickled.ends_with("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n1\r\nd\r\n0\r\n\r\n"), "{trickled}");
        assert_eq!(started.elapsed().as_secs(), 10, "two seconds before each piece, and before the end");
        let started = Instant::now();
        assert_eq!(answers("POST /wait HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 1000).await, "");
        assert_eq!(started.elapsed().as_secs(), 3, "whether it is gone is not known before");
        // nor does it matter what it has left unread
        let much = ["POST /wait HTTP/1.1\r\nContent-Length: 0\r\n\r\n", &"x".repeat(10_000)].concat();
        let started = Instant::now();
        assert_eq!(answers(&much, 100_000).await, "");
        assert_eq!(started.elapsed().as_secs(), 3);
    });
}

#[test]
fn what_was_sent_before_a_client_closed_its_half_does_not_show_that_it_is_there() {
    paused(async {
        let started = Instant::now();
        let sent = [FORM, "POST /wait HTTP/1.1\r\nContent-Length: 0\r\n\r\n"].concat();
        assert_eq!(answers(&sent, 1000).await, ok("a=b"));
        assert_eq!(started.elapsed().as_secs(), 3);
    });
}

#[test]
fn an_empty_line_behind_a_body_does_not_begin_a_head() {
    paused(async {
        for line in ["\r", "\r\n"] {
            let mut client = connect(1 << 16);
            client.write_all([FORM, line].concat().as_bytes()).await.unwrap();
            let started = Instant::now();
            assert_eq!(rest(&mut client).await, ok("a=b"));
            assert_eq!(started.elapsed().as_secs(), 60, "the idle timeout, and no refusal");
        }
    });
}

#[test]
fn a_connection_between_two_requests_may_wait_for_the_idle_timeout() {
    paused(async {
        let mut client = connect(1 << 16);
        client.write_all(b"POST /wait HTTP/1.1\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let pending = timeout(Duration::from_secs(3600), client.read_u8()).await;
        assert!(pending.is_err(), "no clock of the connection runs during an exchange");

        let mut client = connect(1 << 16);
        client.write_all(FORM.as_bytes()).await.unwrap();
        let started = Instant::now();
        assert_eq!(rest(&mut client).await, ok("a=b"));
        assert_eq!(started.elapsed().as_secs(), 60);
    });
}

#[test]
fn a_closing_connection_reads_on_until_the_client_has_closed_too() {
    paused(async {
        let mut client = connect(1 << 8);
        let started = Instant::now();
        client.write_all(b"POST /#x HTTP/1.1\r\n\r\n").await.unwrap();
        // more than the pipe holds: somebody must be reading
        client.write_all(&[0; 10_000]).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut client).await, closing("400 Bad Request", "Path"));
        assert_eq!(started.elapsed(), Duration::ZERO);
    });
}
