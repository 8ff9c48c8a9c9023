//! What the endpoint saw of a request, for programs that print or check it.

use jiff::Timestamp;

use super::refusal::Refusal;
use crate::signing::verify::VerifyError;

/// Called for each request before its response is sent, on the endpoint's own thread.
pub type Observer = Box<dyn Fn(&Observation) + Send + Sync>;

/// The result of verifying the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// The signature was not checked: the request is not a form, or not one that can be read.
    NotReached,
    /// The signature is valid.
    Verified,
    /// The signature is refused.
    Refused(VerifyError),
}

/// One request and its result.
#[derive(Debug, Clone)]
pub struct Observation {
    /// When the form had arrived.
    pub time: Timestamp,
    /// The `Host` header, empty if there is none.
    pub host: String,
    /// The path, as received.
    pub path: String,
    /// The parameters, decoded, in the order received; at most as many as the endpoint accepts.
    pub parameters: Vec<(String, String)>,
    /// Whether it was signed by a key that the endpoint knows.
    pub verification: Verification,
    /// Why it was refused, if it was.
    pub refusal: Option<Refusal>,
    /// The request ID in the response.
    pub request_id: String,
}

impl Observation {
    /// The first parameter called `name`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.refusal.as_ref().map_or(200, Refusal::status)
    }
}
