//! Keys in PKCS#11 tokens (HSM, TPM, smart card): the token computes the MAC, and nobody reads the secret.
//!
//! A token is spoken to through a library of its vendor, which may do as it likes with files, sockets and threads. It is therefore
//! loaded in an agent ([`crate::credentials::agent`]), never in the process that faces the network:
//!
//! ```text
//! worker --(request)--> socket --> signer thread, session --> token
//! worker <-- reader <-- socket <-- signer thread
//! ```
//!
//! Both sockets are packet sockets: the signer threads of an agent take requests from one and the same, so that the kernel is the
//! queue, and a thread that waits for its token holds up no other. [`TokenLink`] is the side that asks, [`serve`] the one that
//! answers.
//!
//! The rules of a token's PIN: it is tried once. Whatever the token says to it but yes, it is not tried again before
//! countersign is started anew, because tokens lock themselves after a few wrong ones ([`TokenError::is_final`]).

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
