//! What the endpoint saw of a request, for whoever wants to print or check it.

use jiff::Timestamp;

use super::refusal::Refusal;
use crate::signing::verify::VerifyError;

/// Called for each request before its answer is sent, on the endpoint's own thread.
pub type Observer = Box<dyn Fn(&Observation) + Send + Sync>;

/// What came of the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// It was not looked at: the request is no form, or one that cannot be read.
    NotReached,
    /// It verifies.
    Verified,
    /// It does not.
    Refused(VerifyError),
}

/// One request and what came of it.
#[derive(Debug, Clone)]
pub struct Observation {
    /// When the whole form had arrived.
    pub time: Timestamp,
    /// The `Host` header, empty when there is none.
    pub host: String,
    /// The path, as received.
    pub path: String,
    /// The parameters, decoded, in the order received; at most as many as the endpoint accepts.
    pub parameters: Vec<(String, String)>,
    /// Whether it was signed by a key the endpoint knows.
    pub verification: Verification,
    /// Why it was not served.
    pub refusal: Option<Refusal>,
    /// The id in the answer.
    pub request_id: String,
}

impl Observation {
    /// The first parameter called `name`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.refusal.as_ref().map_or(200, Refusal::status)
    }
}
