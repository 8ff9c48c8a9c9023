//! Two servers towards the same client, ours and hyper's, each behind a recorder that reads every request to its end
//! and answers it.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use countersign::downstream::listener::Security;
use countersign::downstream::server::{ExchangeGuard, Lifetime, serve};
use countersign::downstream::{
    BodyLimits, ByteBudget, Capacity, Current, Drain, Handler, HeadFault, KeepAlive, Limits, OwnerLookup, PeerEvidence,
    PeerFacts, Reply, RequestBody, RequestHead, Service, Stage, body,
};
use http::{Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};
use tokio::time::sleep;

use super::gateway::{AGES, CLOCKS, Pipe};
use super::written::{Asked, Given, Written, read};

/// More than any stream holds.
const BODY_LIMITS: BodyLimits = BodyLimits { bytes: 1 << 30, deadline: AGES };

/// How a stream is sent.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) piece: usize,
    /// Behind so many bytes nothing more is sent until nothing more happens.
    pub(super) pause: Option<usize>,
}

/// A request as a server has read it.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) is_http_11: bool,
    /// The values of each name, in the order of their coming.
    pub(super) fields: Vec<(String, Vec<Vec<u8>>)>,
    /// The authority of a target in absolute form.
    pub(super) authority: Option<String>,
    /// `None` while it has not come to its end.
    pub(super) body: Option<Vec<u8>>,
}

/// What came of a stream.
pub(super) struct Outcome {
    pub(super) requests: Vec<Seen>,
    pub(super) refused: Option<HeadFault>,
    pub(super) written: Vec<u8>,
    pub(super) written_at_pause: Vec<u8>,
    /// Whether the server has ended the connection before its client did.
    pub(super) has_closed: bool,
}

impl Outcome {
    /// What the answers among `bytes`, which it has written, are.
    pub(super) fn read(&self, bytes: &[u8]) -> Written {
        let asked = |seen: &Seen| Asked { is_head: seen.method == "HEAD", is_http_11: seen.is_http_11 };
        read(bytes, &self.requests.iter().map(asked).collect::<Vec<_>>())
    }

    pub(super) fn answers(&self) -> Vec<Given> {
        self.read(&self.written).answers
    }
}

#[derive(Clone, Copy)]
pub(super) enum Server {
    Ours,
    Hypers,
}

pub(super) struct World {
    runtime: Runtime,
    local: LocalSet,
    _never_drains: watch::Sender<Stage>,
    drain: Drain,
}

impl World {
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (never_drains, signal) = watch::channel(Stage::Serving);
        Self { runtime, local: LocalSet::new(), _never_drains: never_drains, drain: Drain::new(signal) }
    }

    /// Sends `bytes` to one of the servers, on a connection of its own.
    pub(super) fn ask(&self, server: Server, bytes: &[u8], delivery: &Delivery) -> Outcome {
        let recorder = Rc::<Recorder>::default();
        let (client, io) = tokio::io::duplex(1 << 20);
        let talked = self.runtime.block_on(self.local.run_until(async {
            let served = match server {
                Server::Ours => self.serve(io, &recorder),
                Server::Hypers => serve_by_hyper(io, Rc::clone(&recorder)),
            };
            let talked = talk(client, bytes, delivery).await;
            served.await.unwrap();
            talked
        }));
        let (written, written_at_pause, has_closed) = talked;
        let requests = recorder.requests.take();
        Outcome { requests, refused: recorder.refused.get(), written, written_at_pause, has_closed }
    }

    fn serve(&self, io: DuplexStream, recorder: &Rc<Recorder>) -> JoinHandle<()> {
        let current = Current::new(Service {
            handler: Rc::clone(recorder),
            limits: Limits { clocks: CLOCKS, connections: 1, keep_alive: KeepAlive::UNLIMITED },
            places: Capacity::new(1),
            requests: Arc::default(),
            relays: None,
            security: Security::Plain(OwnerLookup::Skip),
            drain: self.drain.clone(),
        });
        let peer = Rc::new(PeerFacts::Tcp { address: "127.0.0.1:49152".parse().unwrap(), owner: None }.into());
        let place = current.admit(Capacity::new(1).take().unwrap());
        spawn_local(serve(Pipe(io), peer, CLOCKS, Lifetime::Unlimited, current, &self.drain, place))
    }
}

/// Sends `bytes`; all that came back, what had come at the pause, and whether the connection was ended.
async fn talk(client: DuplexStream, bytes: &[u8], delivery: &Delivery) -> (Vec<u8>, Vec<u8>, bool) {
    let (mut reader, mut writer) = tokio::io::split(client);
    let (received, has_ended) = (Rc::<RefCell<Vec<u8>>>::default(), Rc::<Cell<bool>>::default());
    let (all, end) = (Rc::clone(&received), Rc::clone(&has_ended));
    let reading = spawn_local(async move {
        let mut piece = Vec::new();
        while reader.read_buf(&mut piece).await.is_ok_and(|read| read > 0) {
            all.borrow_mut().append(&mut piece);
        }
        end.set(true);
    });
    // with the clock paused, time passes only when nothing else can happen
    let quiet = || sleep(Duration::from_millis(1));
    let mut at_pause = Vec::new();
    let (before, behind) = bytes.split_at(delivery.pause.unwrap_or(0));
    for (part, rest) in [(before, delivery.pause), (behind, None)] {
        for piece in part.chunks(delivery.piece) {
            let _may_be_closed = writer.write_all(piece).await;
            yield_now().await;
            yield_now().await;
        }
        if rest.is_some() {
            quiet().await;
            at_pause = received.borrow().clone();
        }
    }
    quiet().await;
    let has_closed = has_ended.get();
    let _may_be_closed = writer.shutdown().await;
    drop(writer);
    reading.await.unwrap();
    (received.take(), at_pause, has_closed)
}

/// Notes every request, and answers it when it has read all of it.
#[derive(Default)]
struct Recorder {
    requests: RefCell<Vec<Seen>>,
    refused: Cell<Option<HeadFault>>,
}

/// The body of an answer, in one piece; the exchange lasts as long as it.
struct Answer {
    left: Option<Bytes>,
    /// Of some answers, the length is not known before they end.
    length_is_known: bool,
    _exchange: Option<ExchangeGuard>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.left.take().map(|left| Ok(Frame::data(left))))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.left {
            None => SizeHint::with_exact(0),
            Some(left) if self.length_is_known => SizeHint::with_exact(left.len().try_into().unwrap()),
            Some(_) => SizeHint::default(),
        }
    }
}

/// The body of the answer to the nth request.
pub(super) fn answer(nth: usize) -> Vec<u8> {
    format!("answer {nth}\n").into_bytes()
}

impl Recorder {
    fn note(&self, seen: Seen) -> usize {
        self.requests.borrow_mut().push(seen);
        self.requests.borrow().len() - 1
    }

    /// The answer to the nth request, of which this body has come.
    fn end(&self, nth: usize, body: Option<Vec<u8>>, exchange: Option<ExchangeGuard>) -> (StatusCode, Answer) {
        let status = if body.is_some() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let seen = &mut self.requests.borrow_mut()[nth];
        seen.body = body;
        let length_is_known = !seen.target.contains("stream");
        (status, Answer { left: Some(answer(nth).into()), length_is_known, _exchange: exchange })
    }
}

impl Handler for Recorder {
    type Body = Answer;

    async fn handle(
        &self,
        _peer: Rc<PeerEvidence>,
        exchange: ExchangeGuard,
        head: RequestHead,
        body: RequestBody,
    ) -> Reply<Answer> {
        let nth = self.note(Seen {
            method: head.method().to_owned(),
            target: head.target().to_owned(),
            is_http_11: head.version() == countersign::http1::Version::Http11,
            fields: grouped(head.fields().iter()),
            authority: None,
            body: None,
        });
        let budget = ByteBudget::new(usize::MAX);
        let read = body::read(body, BODY_LIMITS, &budget).await;
        let (status, body) = self.end(nth, read.ok().map(|(body, _held)| body.to_vec()), Some(exchange));
        Reply { status, fields: Default::default(), body }
    }

    fn refuse(&self, _: Rc<PeerEvidence>, exchange: ExchangeGuard, fault: HeadFault) -> Reply<Answer> {
        assert!(self.refused.replace(Some(fault)).is_none(), "one refusal is the last");
        let body = Answer { left: None, length_is_known: true, _exchange: Some(exchange) };
        Reply { status: StatusCode::BAD_REQUEST, fields: Default::default(), body }
    }
}

fn serve_by_hyper(io: DuplexStream, recorder: Rc<Recorder>) -> JoinHandle<()> {
    let service = service_fn(move |request: Request<Incoming>| {
        let recorder = Rc::clone(&recorder);
        async move {
            let (head, body) = request.into_parts();
            let nth = recorder.note(Seen {
                method: head.method.to_string(),
                target: head.uri.path_and_query().map_or("", |target| target.as_str()).to_owned(),
                is_http_11: head.version == Version::HTTP_11,
                fields: grouped(head.headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))),
                authority: head.uri.authority().map(ToString::to_string),
                body: None,
            });
            let body = body.collect().await.ok().map(|body| body.to_bytes().to_vec());
            let (status, body) = recorder.end(nth, body, None);
            let mut response = Response::new(body);
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        }
    });
    spawn_local(async move {
        let connection =
            http1::Builder::new().max_buf_size(64 * 1024).max_headers(128).serve_connection(TokioIo::new(io), service);
        let _refused = connection.await;
    })
}

/// Fields of the same name together, as `http` keeps them.
fn grouped<'f>(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Vec<(String, Vec<Vec<u8>>)> {
    let mut groups: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    for (name, value) in fields {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        match groups.iter_mut().find(|(other, _)| *other == name) {
            Some((_, values)) => values.push(value.to_vec()),
            None => groups.push((name, vec![value.to_vec()])),
        }
    }
    groups
}
