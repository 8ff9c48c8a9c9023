//! How loudly an exchange is logged, and under which name.

/// How much an exchange's line deserves to be looked at: the level it is logged at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Somebody has to do something: the endpoint is not trusted, or there is a bug.
    Error,
    /// Somebody should look into it: an attack, a misconfiguration, a failing endpoint.
    Warn,
    /// The daily business, refusals of honest mistakes included.
    Info,
}

/// What was wrong with an exchange, in a word of a fixed set: `browser`, `form.dup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// How loudly.
    pub severity: Severity,
    /// The word.
    pub reason: &'static str,
}
