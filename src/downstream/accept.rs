//! Accepting connections: up to a limit at once, with a pause when the system runs out of descriptors, until a drain
//! begins.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::drain::Drain;
use super::handshake::serve_authenticated;
use super::server::{Current, Handler};
use super::socket::bound::{Accepted, Bound};

/// How long to wait after an accept failed because descriptors or memory ran out. An immediate retry would spin.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// How long connections are still accepted after a drain has begun. The kernel has completed handshakes that we have
/// not accepted yet; closing the socket at once would reset those connections and lose their requests.
const LAST_CONNECTIONS: Duration = Duration::from_millis(50);

/// Accepts until `drain` begins, then returns when the last connection has ended. Runs on a worker's own runtime. A
/// connection ends with the drain of the service under which it began.
pub async fn accept<H: Handler>(listener: Bound, current: Rc<Current<H>>, drain: Drain) {
    // each connection holds a sender: the channel closes when the last one has ended
    let (alive, mut ended) = mpsc::channel::<()>(1);
    tokio::select! {
        () = accept_all(&listener, &current, &alive) => {}
        () = drain.begun() => {}
    }
    let _over = timeout(LAST_CONNECTIONS, accept_all(&listener, &current, &alive)).await;
    drop(listener); // the port is free for a successor while the last exchanges end
    drop(alive);
    while ended.recv().await.is_some() {}
}

/// Runs until it is dropped.
async fn accept_all<H: Handler>(listener: &Bound, current: &Rc<Current<H>>, alive: &mpsc::Sender<()>) {
    loop {
        match listener.accept().await {
            Ok(accepted) => serve_accepted(accepted, current, alive),
            Err(error) => pause_after(&error).await,
        }
    }
}

fn serve_accepted<H: Handler>(accepted: Accepted, current: &Rc<Current<H>>, alive: &mpsc::Sender<()>) {
    let service = current.load();
    let Some(place) = service.places.take() else {
        let limit = service.places.limit();
        tracing::warn!(target: "countersign::connection", limit, "too many client connections: one was closed at once");
        return;
    };
    let (current, alive) = (Rc::clone(current), alive.clone());
    spawn_local(async move {
        let _held = (place, alive);
        if let Err(error) = serve_authenticated(accepted, &service, current).await {
            tracing::debug!(target: "countersign::connection", %error, "client connection refused");
        }
    });
}

async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    // EMFILE, ENFILE, ENOBUFS and ENOMEM have no stable ErrorKind, so every error causes a pause, except those of a
    // single connection
    if ![ConnectionAborted, ConnectionReset, Interrupted].contains(&error.kind()) {
        tracing::warn!(target: "countersign::connection", %error, "cannot accept connections, trying again");
        sleep(EXHAUSTED_PAUSE).await;
    }
}
