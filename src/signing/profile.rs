//! What differs between the clouds that use Signature Version 2.

use crate::credentials::SignatureMethod;

/// How a route's endpoint expects requests to be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// The MAC to compute, which is also the value of `SignatureMethod`.
    pub signature_method: SignatureMethod,
}
