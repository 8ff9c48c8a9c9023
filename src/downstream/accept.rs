//! Accepting connections: bounded, patient when the system runs out of descriptors, and ended by a drain.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::capacity::Capacity;
use super::connection::{Handler, Limits, serve};
use super::evidence::PeerEvidence;

/// How long to wait after an accept that failed for want of descriptors or memory: a retry at once would spin.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// The process's wish to end, seen from a worker.
#[derive(Debug, Clone)]
pub struct Drain {
    signal: watch::Receiver<bool>,
}

impl Drain {
    /// A drain that begins when `true` is sent.
    #[must_use]
    pub const fn new(signal: watch::Receiver<bool>) -> Self {
        Self { signal }
    }

    /// Waits until the drain begins. A sender that is gone counts as the beginning.
    pub async fn begun(&self) {
        let mut signal = self.signal.clone();
        let _begun_or_gone = signal.wait_for(|begun| *begun).await;
    }
}

/// Accepts until the drain begins, then returns when the last connection has ended. Runs on a worker's `LocalSet`.
pub async fn accept<H: Handler>(listener: TcpListener, limits: Limits, places: Capacity, handler: Rc<H>, drain: Drain) {
    // each connection holds a sender: the channel closes when the last one has ended
    let (alive, mut ended) = mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drain.begun() => break,
        };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let Some(place) = places.take() else {
            tracing::warn!(target: "countersign::connection", limit = limits.connections, "too many client connections: one was closed at once");
            continue;
        };
        let (handler, drain, alive) = (Rc::clone(&handler), drain.clone(), alive.clone());
        spawn_local(async move {
            let _held = (place, alive);
            serve_tcp(socket, PeerEvidence::Tcp { address }, limits, handler, drain).await;
        });
    }
    drop(listener); // the port is free for a successor while the last exchanges end
    drop(alive);
    while ended.recv().await.is_some() {}
}

async fn serve_tcp<H: Handler>(socket: TcpStream, peer: PeerEvidence, limits: Limits, handler: Rc<H>, drain: Drain) {
    // answers are written whole: waiting for more (Nagle) only adds delay
    if socket.set_nodelay(true).is_ok() {
        serve(socket, peer, limits.clocks, handler, drain).await;
    }
}

async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    // EMFILE, ENFILE, ENOBUFS, ENOMEM have no stable ErrorKind; whatever is not the one connection's own fault waits
    if ![ConnectionAborted, ConnectionReset, Interrupted].contains(&error.kind()) {
        tracing::warn!(target: "countersign::connection", %error, "cannot accept connections, trying again");
        sleep(EXHAUSTED_PAUSE).await;
    }
}
