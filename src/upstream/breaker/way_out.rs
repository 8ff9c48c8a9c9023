//! What becomes of a call that finds its endpoint down, where another endpoint can get it.

use tokio::time::Instant;

use super::{Breaker, CallInProgress, Kind, Outage, Since};

/// Where a call can go that is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayOut {
    /// Nowhere: it is refused, unless it finds out whether the endpoint is back.
    None,
    /// To another endpoint. It is never made to wait for a connection to this one; and where this one has not answered,
    /// only a call that may be carried out twice finds out whether it does again.
    OtherEndpoint,
}

/// A call that is not let through.
pub(in crate::upstream) struct Refusal {
    /// How the endpoint is down.
    pub(in crate::upstream) outage: Outage,
    /// It is time to find out whether connections can be made again, and the call goes elsewhere: somebody else does.
    pub(in crate::upstream) probe: Option<Probe>,
}

/// The turn of a call to find out whether an endpoint is back, without the call.
pub(in crate::upstream) struct Probe {
    pub(super) client: Box<str>,
    pub(super) began: Instant,
}

impl Probe {
    /// The probe as a call of its own.
    pub(in crate::upstream) fn begin<'b>(&'b self, breaker: &'b Breaker) -> CallInProgress<'b> {
        let (kind, since) = (Kind::Probe(self.began), Since::Asked(self.began));
        CallInProgress { breaker, client: &self.client, kind, since }
    }
}
