//! Which clock requests are signed with.

/// Which clock requests are signed with when the endpoint's clock and this host's differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockSource {
    /// The endpoint's clock, if the two differ by at most 24 hours: the endpoint decides what is too old.
    Endpoint,
    /// This host's clock, whatever the endpoint's is.
    Host,
}

impl ClockSource {
    /// The names in the configuration.
    pub const WORDS: [(&'static str, Self); 2] = [("endpoint", Self::Endpoint), ("host", Self::Host)];
}
