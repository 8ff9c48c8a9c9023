//! `[[route.NAME.fallback]]` as the program uses it.

use super::egress::Egress;
use super::endpoint::Endpoint;
use crate::signing;

/// One `[[route.NAME.fallback]]`: an endpoint that gets a call if nothing of the call was sent to the endpoints
/// before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// `endpoint`, `connect`, and what belongs to TLS.
    pub endpoint: Endpoint,
    /// `egress...`: the proxy on the way to it.
    pub egress: Egress,
    /// How requests to it are signed: as those to the first endpoint, for the region of `region`.
    pub signing: signing::Profile,
}
