//! Why the signature of a client is refused. What was expected is in the log at level debug, never here.

use thiserror::Error;

use super::claimed_time::TimeFault;
use crate::query::ShownName;

/// Why the signature of a client is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientSignatureError {
    /// What belongs to a signature is missing, there twice, or not in its form.
    #[error("the request is not signed as it should be: {0}")]
    Incomplete(&'static str),
    /// A header field that must be signed is not.
    #[error("the header field {0} must be among the SignedHeaders")]
    FieldNotSigned(ShownName),
    /// A header field that is said to be signed did not come.
    #[error("the signed header field {0} is missing")]
    FieldMissing(ShownName),
    /// The scope is for another day than the time of the request.
    #[error("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP")]
    ScopeDate,
    /// A session token came, and no issued key has one.
    #[error("the security token included in the request is invalid: keys that countersign issues have none")]
    SessionToken,
    /// The time of the signature is outside the window, in the words of Signature Version 4.
    #[error("{0}")]
    HeadTime(TimeFault),
    /// The same, for Signature Version 2.
    #[error("Request has expired: {0}")]
    FormTime(TimeFault),
    /// The client says of the body another hash than it has.
    #[error("x-amz-content-sha256 is not the SHA-256 of the body in hexadecimal")]
    BodyHash,
    /// Everything is in its form, and the MAC differs.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method"
    )]
    Mismatch,
}
