//! The switches of one cloud's dialect of Signature Version 2.

use crate::credentials::SignatureMethod;

/// How a route's endpoint wants requests signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// The MAC, and the value of `SignatureMethod`.
    pub signature_method: SignatureMethod,
}
