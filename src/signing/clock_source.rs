//! Whose time requests are signed with.

/// Whose time requests are signed with when the endpoint's clock and this host's differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockSource {
    /// The endpoint's, within 24 hours: it decides what is too old.
    Endpoint,
    /// This host's, whatever the endpoint says.
    Host,
}

impl ClockSource {
    /// What the configuration calls them.
    pub const WORDS: [(&'static str, Self); 2] = [("endpoint", Self::Endpoint), ("host", Self::Host)];
}
