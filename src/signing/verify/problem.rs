//! What an endpoint finds wrong with a request's signature, in any dialect.

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::query::ShownName;

/// Why a request is refused. The texts have names of parameters and fields, never their values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// Neither a key id nor a signature.
    #[error("the request is not signed: it has no {0}")]
    NotSigned(&'static str),
    /// A part of the signature is missing.
    #[error("the request has no {0}")]
    Missing(&'static str),
    /// A part of the signature has a value that it cannot have.
    #[error("{name} is not {expected}")]
    Wrong {
        /// The parameter or field.
        name: &'static str,
        /// What it has to be.
        expected: String,
    },
    /// The credential is for another region, service or day.
    #[error("the {part} of the Credential is not {expected}")]
    Scope {
        /// Which part of its scope.
        part: &'static str,
        /// What it has to be.
        expected: String,
    },
    /// A name is there twice. Servers differ in which one counts.
    #[error("{0} is there more than once")]
    Twice(ShownName),
    /// A field is signed that the request does not have.
    #[error("SignedHeaders names {0}, which the request does not have")]
    NoSuchField(ShownName),
    /// A field has to be signed and is not.
    #[error("the field {0} is not signed")]
    Unsigned(ShownName),
    /// The form or the query string cannot be decoded.
    #[error("the form is not percent-encoded UTF-8")]
    Malformed,
    /// More parameters than are read.
    #[error("there are more than {0} parameters")]
    TooMany(usize),
    /// There are parameters in the query string, which this dialect does not sign there.
    #[error("there are parameters in the query string, where no signature covers them")]
    QueryString,
    /// The verifier has no key with this id.
    #[error("the access key id is not known here")]
    UnknownKey,
    /// The session token is missing or another one, or the key has none.
    #[error("{0} is not the token that belongs to the access key")]
    WrongToken(&'static str),
    /// The time of the request is outside of the window.
    #[error("{}", .0)]
    Time(TimeProblem),
    /// The request, or its nonce, was received before.
    #[error("{0} was used before")]
    Replayed(&'static str),
    /// Everything is well-formed, and the MAC differs.
    #[error("the signature does not match")]
    Mismatch,
}

/// A time outside of the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeProblem {
    /// The parameter or field that has it.
    pub name: &'static str,
    /// The request's time.
    pub at: Timestamp,
    /// The verifier's time.
    pub now: Timestamp,
    /// How far it may be off in that direction.
    pub limit: SignedDuration,
}

impl TimeProblem {
    /// How far the request's time is behind the verifier's; negative when it is ahead.
    #[must_use]
    pub fn behind(&self) -> SignedDuration {
        self.now.duration_since(self.at)
    }
}

impl std::fmt::Display for TimeProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let behind = self.behind();
        let direction = if behind.is_negative() { "ahead of" } else { "behind" };
        let (by, limit) = (behind.abs().as_secs(), self.limit.as_secs());
        write!(f, "{} is {by} seconds {direction} the verifier's clock; at most {limit} are allowed", self.name)
    }
}
