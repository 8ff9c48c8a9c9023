//! Access keys: secret types, key stores, which key is current, and how it is refreshed.

pub mod access_key;
pub mod secret;
pub mod signing_key;

pub use access_key::{AccessKeyId, ActiveKey, Credentials};
pub use secret::{SecretAccessKey, SessionToken};
pub use signing_key::{Mac, SignatureMethod, SigningKey};
