//! One endpoint of a route, as one worker calls it.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::endpoint_clock::WorkerClock;
use crate::signing::Profile;
use crate::telemetry::TriedEndpoint;
use crate::upstream::Client;

/// One endpoint of a route, as one worker calls it.
pub struct WorkerEndpoint {
    /// How requests to it are signed. The endpoints of a route differ in the region at most.
    pub profile: Profile,
    /// Its clock, and whether requests are signed with its time.
    pub clock: WorkerClock,
    /// The client of the endpoint, shared by all listeners of a worker.
    pub upstream: Rc<Client>,
    /// Its name and its share of the calls, where the route has several endpoints.
    pub among_others: Option<AmongOthers>,
}

/// What is told of an endpoint because the route has others.
#[derive(Clone)]
pub struct AmongOthers {
    /// Which one it is.
    pub which: TriedEndpoint,
    /// How many requests were handed over to be sent to it, by all workers.
    pub sent: Arc<AtomicU64>,
}

impl WorkerEndpoint {
    /// Which one it is, where log and audit have to tell it from others.
    pub(super) fn which(&self) -> Option<TriedEndpoint> {
        self.among_others.as_ref().map(|others| others.which.clone())
    }

    /// Counts a request that is handed over to be sent.
    pub(super) fn count_sent(&self) {
        if let Some(others) = &self.among_others {
            others.sent.fetch_add(1, Ordering::Relaxed);
        }
    }
}
