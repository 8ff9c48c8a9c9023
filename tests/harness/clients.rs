//! Tables of clients that a token identifies.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Tokens of the tests' clients: `marker-token-` and the client's name, so that a leak is easy to find.
pub fn token(client: &str) -> String {
    format!("marker-token-{client}")
}

pub fn digest(token: &str) -> String {
    Sha256::digest(token).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A table that a client's token identifies, with more lines of it.
pub fn client(name: &str, lines: &str) -> String {
    format!("[client.{name}]\ntoken_sha256 = \"{}\"\n{lines}\n", digest(&token(name)))
}

/// A client that may read, but for one Action.
pub fn reader() -> String {
    client("reader", "allow = [\"importexport:Get*\", \"*:ListJobs\"]\ndeny = [\"importexport:GetShippingLabel\"]")
}
