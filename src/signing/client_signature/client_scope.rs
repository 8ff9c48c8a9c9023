//! The service and region that a client signed for, by which a route may be chosen.

use std::fmt;

use super::authorization::is_word;
use super::head_claim::HeadClaim;

/// A service and a region, as the signatures of clients have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientScope {
    service: String,
    region: String,
}

impl ClientScope {
    /// Reads `SERVICE/REGION`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (service, region) = text.split_once('/')?;
        let is_scope = is_word(service) && is_word(region);
        is_scope.then(|| Self { service: service.to_owned(), region: region.to_owned() })
    }

    /// Whether the claim is for this service and region.
    #[must_use]
    pub fn is_of(&self, claim: &HeadClaim) -> bool {
        self.service == claim.service() && self.region == claim.region()
    }
}

impl fmt::Display for ClientScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.region)
    }
}
