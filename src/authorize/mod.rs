//! Who may do what, pure: client identity, policy, and the proof that the policy said yes.

pub mod identity;
pub mod policy;

pub use identity::ClientIdentity;
pub use policy::{Authorized, Denied, Policy};
