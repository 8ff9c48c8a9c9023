//! What has to be done about a fault of a start.

/// What has to be done, in the order of its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Remedy {
    /// Nothing, or something about the system: it may be in order at the next start.
    Retry,
    /// The configuration has to be changed.
    Configure,
    /// An owner or permissions have to be changed.
    Permit,
}
