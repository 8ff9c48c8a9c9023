//! Keys in PKCS#11 tokens (HSM, TPM, smart card): the token computes the MAC, and nobody reads the secret.
//!
//! A token is accessed through a library of its vendor, which may use files, sockets and threads as it likes. It is
//! therefore loaded in an agent ([`crate::credentials::agent`]), never in the process that faces the network:
//!
//! ```text
//! worker --(request)--> socket --> signer thread, session --> token
//! worker <-- reader <-- socket <-- signer thread
//! ```
//!
//! The agent's signer threads all receive from the same packet socket, so that the kernel is the queue, and a thread
//! that waits for its token does not delay the others. [`TokenLink`] is the side that asks, [`serve`] the side that
//! answers.
//!
//! A PIN is tried once. If the token does anything but accept it, it is not tried again before countersign is
//! restarted, because tokens lock themselves after a few wrong PINs ([`TokenError::is_final`]).

mod error;
mod import;
mod keeper;
mod link;
mod message;
mod module;
mod open;
mod pin;
mod serve;
mod store;

pub use crate::credentials::stores::token_location::{KeyType, ReadableSecret, TokenAddress, TokenKey};
pub use error::TokenError;
pub use import::import;
pub use keeper::{Keeper, Seat, Unsigned};
pub use link::{Presence, TokenLink};
pub use open::KeyFacts;
pub use serve::{TokenAgent, serve};
pub use store::TokenStore;
