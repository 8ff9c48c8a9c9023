//! Verifies what clients with issued keys signed, pure: aws-v4 in the `Authorization` field ([`HeadClaim`]), aws-v2 in
//! the form ([`FormClaim`]). It shares no code with the signer but primitives, and the time is an argument.

mod authorization;
mod canonical_request;
mod claimed_time;
mod client_scope;
mod error;
mod form_claim;
mod head_claim;

use jiff::SignedDuration;

pub use canonical_request::ReceivedParts;
pub use claimed_time::TimeFault;
pub use client_scope::ClientScope;
pub use error::ClientSignatureError;
pub use form_claim::FormClaim;
pub use head_claim::HeadClaim;

/// How far the time of a signature may be behind or ahead of our clock, as AWS has it for Signature Version 4.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);
