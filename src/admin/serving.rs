//! Serving the sockets of the admin listener: one request for each connection, and always a place for the next.

use std::io;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Admin, PLACES};
use crate::downstream::listener::Security;
use crate::downstream::server::Clocks;
use crate::downstream::{
    Capacity, Current, Drain, KeepAlive, Limits, ListenerSocket, MinimumRate, OwnerLookup, Service, Stage, accept,
};

/// The listener serves a few probes and scrapers, each of which sends its request at once. When all places are taken,
/// the oldest connection whose request has not arrived is closed for a new one. So only requests that are being
/// answered can keep a probe out, and few of those may take long ([`super::SCRAPES`]).
const LIMITS: Limits = Limits {
    clocks: Clocks {
        head_timeout: Duration::from_secs(2),
        idle_timeout: Duration::from_secs(2),
        slowest: MinimumRate { bytes: NonZeroU32::new(1024).unwrap(), grace: Duration::from_secs(2) },
    },
    connections: PLACES,
    keep_alive: KeepAlive::UNLIMITED,
};

/// Serves the sockets for as long as the process lives.
///
/// # Errors
/// A socket cannot be registered with the runtime.
pub(super) async fn serve_all(sockets: Vec<ListenerSocket>, admin: Admin) -> io::Result<()> {
    let security = Security::Plain(OwnerLookup::Skip);
    // health is answered for until the process ends, also while it drains
    let (_never, signal) = watch::channel(Stage::Serving);
    let current = Current::new(Service {
        handler: Rc::new(admin),
        limits: LIMITS,
        places: Capacity::new(LIMITS.connections),
        requests: Arc::default(),
        relays: None,
        security: security.clone(),
        drain: Drain::new(signal.clone()),
    });
    let mut listeners = JoinSet::new();
    for socket in sockets {
        let socket = socket.into_bound(&security)?;
        listeners.spawn_local(accept(vec![socket], Rc::clone(&current), Drain::new(signal.clone())));
    }
    while listeners.join_next().await.is_some() {}
    Ok(())
}
