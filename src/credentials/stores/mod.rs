//! The key stores, one file or folder each, with their settings and errors.

mod ordered;

#[cfg(feature = "aws")]
pub mod aws;
pub mod aws_key;
pub mod file_source;
#[cfg(feature = "pkcs11")]
pub mod pkcs11;
pub mod plain;
pub mod plugin;
pub mod process;
pub mod sealed;
pub mod token_location;

pub use ordered::ordered;
