//! A request that is complete except for its signature, and one that is signed. Both own the bytes that are sent.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;

use crate::credentials::{KeyUse, Mac};
use crate::query::percent;

/// A request that is complete except for its signature.
///
/// What is signed is a function of the bytes that are sent and of the configuration. Where a dialect signs the form as
/// it is sent, both are the same bytes of one buffer, such as `POST\n` host `\n` path `\n` canonical query string.
pub struct Unsealed {
    /// The form from `body_at` on; what is before it is the beginning of the string to sign.
    pub(super) buffer: Vec<u8>,
    pub(super) body_at: usize,
    /// The string to sign, where it is neither the buffer nor a part of the head.
    pub(super) signed: Option<Vec<u8>>,
    pub(super) key: KeyUse,
    pub(super) seal: Seal,
}

/// Where the signature goes.
pub(super) enum Seal {
    /// Into the form, as the parameter of this name.
    Form(&'static str),
    /// Into the head, which is complete except for that.
    Head(Box<SignedHead>),
}

/// What the signer writes into the head. All of it is in one text: the canonical request with the fields' values in it,
/// the string to sign, and at the end the field with the signature.
pub struct SignedHead {
    pub(super) text: Vec<u8>,
    pub(super) fields: Vec<(&'static str, Range<usize>)>,
    pub(super) query: Option<Range<usize>>,
    pub(super) canonical_request: Range<usize>,
    pub(super) string_to_sign: Range<usize>,
}

/// A signed request, which is the only thing that `upstream` can send.
pub struct SignedRequest {
    buffer: Vec<u8>,
    body_at: usize,
    head: Option<Box<SignedHead>>,
}

/// The length of the longest MAC (HMAC-SHA256) in base64.
const BASE64: usize = 44;

/// The same in hexadecimal digits.
const HEX: usize = 64;

impl Unsealed {
    /// What is signed.
    #[must_use]
    pub fn string_to_sign(&self) -> &[u8] {
        match (&self.seal, &self.signed) {
            (Seal::Head(head), _) => head.part(&head.string_to_sign),
            (Seal::Form(_), Some(signed)) => signed,
            (Seal::Form(_), None) => &self.buffer,
        }
    }

    /// The form that is sent, without a signature in it.
    #[must_use]
    pub fn canonical_query_string(&self) -> &[u8] {
        self.buffer.get(self.body_at..).unwrap_or_default()
    }

    /// The canonical request, whose hash is in the string to sign; `None` where the form itself is signed.
    #[must_use]
    pub fn canonical_request(&self) -> Option<&[u8]> {
        match &self.seal {
            Seal::Form(_) => None,
            Seal::Head(head) => Some(head.part(&head.canonical_request)),
        }
    }

    /// What the MAC that [`Self::seal`] expects is computed with.
    #[must_use]
    pub const fn key(&self) -> &KeyUse {
        &self.key
    }

    /// Adds the signature: to the form, as its last parameter, in base64 and percent-encoded; or to the head, in
    /// hexadecimal digits.
    #[must_use]
    pub fn seal(mut self, mac: &Mac) -> SignedRequest {
        let head = match self.seal {
            Seal::Form(name) => {
                self.buffer.push(b'&');
                self.buffer.extend_from_slice(name.as_bytes());
                self.buffer.push(b'=');
                write_base64(mac, &mut self.buffer);
                None
            }
            Seal::Head(mut head) => {
                head.append_signature(mac);
                Some(head)
            }
        };
        SignedRequest { buffer: self.buffer, body_at: self.body_at, head }
    }
}

fn write_base64(mac: &Mac, out: &mut Vec<u8>) {
    let mut base64 = [0; BASE64];
    let length = STANDARD_NO_PAD.encode_slice(mac.as_bytes(), &mut base64).unwrap_or_default();
    let mut rest = base64.get(..length).unwrap_or_default();
    // these are the characters of base64 that need an escape, but for the padding
    while let Some(at) = memchr::memchr2(b'+', b'/', rest)
        && let Some((literals, [byte, behind @ ..])) = rest.split_at_checked(at)
    {
        out.extend_from_slice(literals);
        out.extend_from_slice(&percent::escape(*byte));
        rest = behind;
    }
    out.extend_from_slice(rest);
    // 20 bytes and 32 bytes are padded by one character alike
    out.extend_from_slice(&percent::escape(b'='));
}

/// Writes lower-case hexadecimal digits, as many as there is room for.
pub(super) fn write_hex(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let (pairs, _) = out.as_chunks_mut::<2>();
    for (byte, pair) in bytes.iter().zip(pairs) {
        let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or_default();
        *pair = [digit(byte >> 4), digit(byte & 0x0f)];
    }
}

impl SignedRequest {
    /// A request without a signature, for tests of what is written.
    #[cfg(test)]
    pub(crate) fn of(body: &[u8]) -> Self {
        Self { buffer: [b"not sent", body].concat(), body_at: 8, head: None }
    }

    /// The form that is sent.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.buffer.get(self.body_at..).unwrap_or_default()
    }

    /// The form that is sent, without a copy.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        Bytes::from(self.buffer).slice(self.body_at..)
    }

    /// What the signer wrote into the head; `None` where everything is in the form.
    #[must_use]
    pub fn head(&self) -> Option<&SignedHead> {
        self.head.as_deref()
    }
}

impl SignedHead {
    /// The fields that the signer wrote beside `host` and `content-type`, which every request has. One may hold the
    /// session token: none is to be logged.
    pub fn added_fields(&self) -> impl Iterator<Item = (&'static str, &[u8])> + Clone {
        let is_added = |name: &str| !matches!(name, "host" | "content-type");
        let fields = self.fields.iter().filter(move |(name, _)| is_added(name));
        fields.map(|(name, value)| (*name, self.part(value)))
    }

    /// The fields that the signer wrote, `host` and `content-type` among them, in the order in which they are sent. A
    /// field may hold the session token: none is to be logged.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.fields.iter().map(|(name, value)| (*name, self.part(value)))
    }

    /// The query of the request target, where the dialect has one.
    #[must_use]
    pub fn query(&self) -> Option<&[u8]> {
        self.query.as_ref().map(|query| self.part(query))
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// Appends it in hexadecimal digits to the last field, which is at the end of the text.
    fn append_signature(&mut self, mac: &Mac) {
        let mut digits = [0; HEX];
        write_hex(mac.as_bytes(), &mut digits);
        self.text.extend_from_slice(digits.get(..mac.as_bytes().len().saturating_mul(2)).unwrap_or_default());
        if let Some((_, authorization)) = self.fields.last_mut() {
            authorization.end = self.text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;
    use crate::credentials::SignatureMethod;

    proptest! {
        #[test]
        fn every_mac_is_written_in_base64_and_encoded(sha256 in any::<[u8; 32]>(), sha1 in any::<[u8; 20]>()) {
            for mac in [Mac::Sha256(sha256), Mac::Sha1(sha1)] {
                let unsealed = Unsealed {
                    buffer: b"A=1".to_vec(),
                    body_at: 0,
                    signed: None,
                    key: SignatureMethod::HmacSha256.into(),
                    seal: Seal::Form("Signature"),
                };
                let base64 = STANDARD.encode(mac.as_bytes());
                let expected = format!("A=1&Signature={}", utf8_percent_encode(&base64, NON_ALPHANUMERIC));
                prop_assert_eq!(unsealed.seal(&mac).into_body(), expected);
            }
        }
    }
}
