//! Who may do what, pure: client identity, policy, and the proof that the policy said yes.

pub mod identity;
pub mod pattern;
pub mod policy;

pub use identity::{Callers, ClientIdentity};
pub use pattern::ActionPattern;
pub use policy::{Authorized, Denied, Policy};
