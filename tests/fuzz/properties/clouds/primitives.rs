//! Encodings and MACs as the documents describe them: bytes to bytes, as plainly as can be.

use std::fmt::Write as _;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::super::canonical::{Pairs, Plus, decode};

/// RFC 2104.
fn hmac<H: Digest>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = if key.len() > 64 { H::digest(key).to_vec() } else { key.to_vec() };
    block.resize(64, 0);
    let padded = |byte: u8| block.iter().map(|key| key ^ byte).collect::<Vec<u8>>();
    let inner = H::digest([padded(0x36), message.to_vec()].concat());
    H::digest([padded(0x5c), inner.to_vec()].concat()).to_vec()
}

pub(super) fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::<Sha256>(key, message)
}

pub(super) fn hmac_sha1(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::<Sha1>(key, message)
}

pub(crate) fn sha256(message: &[u8]) -> String {
    hex(&Sha256::digest(message))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// RFC 3986: unreserved characters stay.
pub(super) fn encode(text: &str) -> String {
    escape_but(text, b"-_.~")
}

/// What Java's `URLEncoder` writes, with `%20` for its `+`.
pub(super) fn encode_as_java(text: &str) -> String {
    escape_but(text, b".-*_")
}

fn escape_but(text: &str, literal: &[u8]) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || literal.contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").unwrap();
        }
        out
    })
}

/// `W`: the parameters encoded, in this order.
pub(crate) fn wire(pairs: &[(String, String)]) -> String {
    joined(pairs, encode, encode)
}

pub(super) fn joined(
    pairs: &[(String, String)],
    name: impl Fn(&str) -> String,
    value: impl Fn(&str) -> String,
) -> String {
    pairs.iter().map(|(n, v)| format!("{}={}", name(n), value(v))).collect::<Vec<_>>().join("&")
}

/// A form or a query string as servers read one, in the order in which it came.
pub(super) fn pairs(text: &[u8]) -> Pairs {
    let pieces = text.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty());
    let halves = pieces.map(|piece| {
        let at = piece.iter().position(|&byte| byte == b'=').unwrap_or(piece.len());
        let value = piece.get(at + 1..).unwrap_or_default();
        let half = |text| decode(text, Plus::Space).expect("what is sent can be decoded");
        (half(&piece[..at]), half(value))
    });
    halves.collect()
}
