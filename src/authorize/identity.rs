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

/// Who may call a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// `any_local = true`: whoever can connect.
    AnyLocal,
}

impl Callers {
    /// Who is calling. It is asked for every request, before its body is read.
    #[must_use]
    pub const fn authenticate(self) -> ClientIdentity {
        match self {
            Self::AnyLocal => ClientIdentity::AnyLocal,
        }
    }
}
