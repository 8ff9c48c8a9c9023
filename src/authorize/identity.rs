//! Who is calling, once a listener's evidence has been judged.

use std::fmt;

/// An authenticated client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientIdentity {
    /// Whoever can connect to a listener that says `any_local = true`.
    AnyLocal,
}

impl fmt::Display for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyLocal => f.write_str("any-local"),
        }
    }
}
