//! The part of the endpoint that is signed: the `Host` header and the path, both from configuration.

/// Where a signature is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningTarget {
    /// The `Host` header as sent, lower case, with the port unless it is the scheme's default.
    pub host: String,
    /// The path on the request line, `/` when empty.
    pub path: String,
}
