//! A server that answers every request with the evidence it has of the client, and clients of other users.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use countersign::downstream::listener::Security;
use countersign::downstream::server::{Clocks, ExchangeGuard, MinimumRate};
use countersign::downstream::{
    Capacity, Current, Drain, Handler, HeadFault, KeepAlive, Limits, ListenerSocket, PeerEvidence, Reply, RequestBody,
    RequestHead, Service, Stage, accept,
};
use countersign::http1::Fields;
use http::StatusCode;
use http_body_util::Full;

use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::harness::PATIENCE;

pub(super) const LIMITS: Limits = Limits {
    clocks: Clocks {
        head_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        slowest: MinimumRate { bytes: NonZeroU32::MIN, grace: Duration::from_secs(5) },
    },
    connections: 64,
    keep_alive: KeepAlive::UNLIMITED,
};

struct Echo;

impl Handler for Echo {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        peer: Rc<PeerEvidence>,
        _exchange: ExchangeGuard,
        _head: RequestHead,
        _body: RequestBody,
    ) -> Reply<Full<Bytes>> {
        reply(StatusCode::OK, format!("{:?}\n", peer.facts()))
    }

    fn refuse(&self, _peer: Rc<PeerEvidence>, _exchange: ExchangeGuard, fault: HeadFault) -> Reply<Full<Bytes>> {
        reply(StatusCode::BAD_REQUEST, format!("{fault}\n"))
    }
}

pub(super) fn reply(status: StatusCode, text: String) -> Reply<Full<Bytes>> {
    Reply { status, fields: Fields::default(), body: Full::new(Bytes::from(text)) }
}

/// Serving until it is dropped.
pub(crate) struct Served {
    _drain: watch::Sender<Stage>,
    /// Those of its connections.
    pub(crate) places: Capacity,
}

/// Serves `socket` on a thread of its own.
pub(crate) fn serve(socket: ListenerSocket, security: Security) -> Served {
    serve_by(socket, security, || Echo)
}

/// The same, with another handler.
pub(crate) fn serve_by<H: Handler>(
    socket: ListenerSocket,
    security: Security,
    handler: impl FnOnce() -> H + Send + 'static,
) -> Served {
    let (drain, signal) = watch::channel(Stage::Serving);
    let all = Capacity::new(LIMITS.connections);
    let places = all.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let bound = socket.into_bound(&security).unwrap();
            let drain = Drain::new(signal);
            let current = Current::new(Service {
                handler: Rc::new(handler()),
                limits: LIMITS,
                places,
                requests: Arc::default(),
                relays: None,
                security,
                drain: drain.clone(),
            });
            accept(vec![bound], current, drain).await;
            Ok::<_, Infallible>(())
        })
    });
    Served { _drain: drain, places: all }
}

/// Sends `bytes` and returns all that comes until the server closes; a reset counts as its end.
pub(crate) fn talk(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _end_or_reset = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Runs `program` as another user, without supplementary groups.
pub(crate) fn as_user(uid: u32, gid: u32, program: &str, arguments: &[&str]) -> Output {
    command_as(uid, gid, program).args(arguments).output().unwrap()
}

pub(crate) fn command_as(uid: u32, gid: u32, program: &str) -> Command {
    assert!(rustix::process::geteuid().is_root(), "this test lets another user connect: run it as root");
    let mut command = Command::new(program);
    command.uid(uid).gid(gid).current_dir("/");
    command
}

/// What curl says, and what it got.
pub(crate) fn curl_as(uid: u32, gid: u32, arguments: &[&str]) -> (bool, String) {
    let output = as_user(uid, gid, "curl", &[&["--silent", "--show-error", "--max-time", "60"], arguments].concat());
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}
