//! Who may call a listener, as its configuration says.

use super::evidence::Method;
use super::policy::Policy;

/// Who may call a listener. There is deliberately no default: a listener that does not say is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// `any_local = true`: whoever can connect.
    AnyLocal,
    /// `authenticate = [...]`: the configured clients, identified by these methods and no others. At least one, each
    /// once.
    Clients(Vec<Method>),
}

impl Admission {
    /// Whether clients may identify themselves by `method`.
    #[must_use]
    pub fn accepts(&self, method: Method) -> bool {
        match self {
            Self::AnyLocal => false,
            Self::Clients(methods) => methods.contains(&method),
        }
    }

    /// What decides on the calls of such a listener.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        match self {
            Self::AnyLocal => Policy::AnyLocal,
            Self::Clients(_) => Policy::ByClient,
        }
    }
}
