//! Accepting connections: bounded, patient when the system runs out of descriptors, and ended by a drain.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::drain::Drain;
use super::greeting::greet;
use super::server::{Current, Handler};
use super::socket::bound::{Bound, Stranger};

/// How long to wait after an accept that failed for want of descriptors or memory: a retry at once would spin.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// How long connections are still accepted after a drain has begun: those that the kernel has agreed to for us already would be
/// reset otherwise, with the requests they bring.
const LAST_CONNECTIONS: Duration = Duration::from_millis(50);

/// Accepts until `drain` begins, then returns when the last connection has ended. Runs on a worker's own runtime. Connections end
/// with the drain of the service they began under.
pub async fn accept<H: Handler>(listener: Bound, current: Rc<Current<H>>, drain: Drain) {
    // each connection holds a sender: the channel closes when the last one has ended
    let (alive, mut ended) = mpsc::channel::<()>(1);
    tokio::select! {
        () = welcome_all(&listener, &current, &alive) => {}
        () = drain.begun() => {}
    }
    let _over = timeout(LAST_CONNECTIONS, welcome_all(&listener, &current, &alive)).await;
    drop(listener); // the port is free for a successor while the last exchanges end
    drop(alive);
    while ended.recv().await.is_some() {}
}

/// Does not end.
async fn welcome_all<H: Handler>(listener: &Bound, current: &Rc<Current<H>>, alive: &mpsc::Sender<()>) {
    loop {
        match listener.accept().await {
            Ok(stranger) => welcome(stranger, current, alive),
            Err(error) => pause_after(&error).await,
        }
    }
}

fn welcome<H: Handler>(stranger: Stranger, current: &Rc<Current<H>>, alive: &mpsc::Sender<()>) {
    let service = current.load();
    let Some(place) = service.places.take() else {
        tracing::warn!(target: "countersign::connection", limit = service.places.limit(), "too many client connections: one was closed at once");
        return;
    };
    let (current, alive) = (Rc::clone(current), alive.clone());
    spawn_local(async move {
        let _held = (place, alive);
        if let Err(error) = greet(stranger, &service, current).await {
            tracing::debug!(target: "countersign::connection", %error, "client connection refused");
        }
    });
}

async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    // EMFILE, ENFILE, ENOBUFS, ENOMEM have no stable ErrorKind; whatever is not the one connection's own fault waits
    if ![ConnectionAborted, ConnectionReset, Interrupted].contains(&error.kind()) {
        tracing::warn!(target: "countersign::connection", %error, "cannot accept connections, trying again");
        sleep(EXHAUSTED_PAUSE).await;
    }
}
