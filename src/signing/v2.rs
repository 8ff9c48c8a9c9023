//! AWS Signature Version 2, stage by stage ("Signature Version 2 signing process", AWS General Reference 1.0).

use std::iter::Peekable;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::profile::Profile;
use super::target::SigningTarget;
use super::timestamp::RequestTimestamp;
use crate::authorize::Authorized;
use crate::credentials::{ActiveKey, Mac, SessionToken, SignatureMethod};
use crate::query::{CanonicalParameter, percent};

/// A request that is complete except for its signature.
///
/// One buffer holds `POST\n` host `\n` path `\n` canonical query string. All of it is the string to sign, and from
/// `body_at` on it is the future body. Since both are the same bytes, what is signed and what is sent cannot differ.
pub struct Unsealed {
    buffer: Vec<u8>,
    body_at: usize,
    method: SignatureMethod,
}

/// A signed request, which is the only thing that `upstream` can send.
pub struct SignedRequest {
    buffer: Vec<u8>,
    body_at: usize,
}

/// The length of the longest MAC (HMAC-SHA256) in base64.
const BASE64: usize = 44;

/// Writes the canonical query string and the string to sign.
///
/// The parameters are those of the form and `AWSAccessKeyId`, `SignatureMethod`, `SignatureVersion`, `Timestamp`, and
/// `SecurityToken` when the key is temporary, all of them sorted by the bytes of their names.
#[must_use]
pub fn prepare<S>(
    allowed: &Authorized<'_>,
    key: &ActiveKey<S>,
    target: &SigningTarget,
    profile: Profile,
    timestamp: &RequestTimestamp,
) -> Unsealed {
    let id = key.id().as_str();
    let token = key.session_token().map(SessionToken::expose_secret);
    let form = allowed.form().parameters();
    let buffer = string_to_sign_head(target, [form.text_length(), id.len(), token.map_or(0, str::len)]);
    let body_at = buffer.len();
    let mut query = QueryWriter { buffer, body_at, form: form.canonical().peekable() };
    // the order of these calls is the canonical order
    percent::encode_into(id, query.add("AWSAccessKeyId"));
    if let Some(token) = token {
        percent::encode_into(token, query.add("SecurityToken"));
    }
    query.add("SignatureMethod").extend_from_slice(profile.signature_method.as_str().as_bytes());
    query.add("SignatureVersion").push(b'2');
    timestamp.encode_into(query.add("Timestamp"));
    query.write_form_while(|_| true);
    Unsealed { buffer: query.buffer, body_at, method: profile.signature_method }
}

/// Writes a canonical query string: merges the form with the parameters of authentication.
struct QueryWriter<'f, Form: Iterator<Item = CanonicalParameter<'f>>> {
    buffer: Vec<u8>,
    body_at: usize,
    /// The parameters of the form that are not written yet.
    form: Peekable<Form>,
}

impl<'f, Form: Iterator<Item = CanonicalParameter<'f>>> QueryWriter<'f, Form> {
    /// Writes the parameters of the form that come before `name`, then `name=`. The form must have no parameter of this
    /// name, and the name needs no escape. The caller appends the encoded value.
    fn add(&mut self, name: &str) -> &mut Vec<u8> {
        self.write_form_while(|parameter| parameter.is_before(name));
        self.separate();
        self.buffer.extend_from_slice(name.as_bytes());
        self.buffer.push(b'=');
        &mut self.buffer
    }

    fn write_form_while(&mut self, comes_first: impl Fn(&CanonicalParameter<'_>) -> bool) {
        while let Some(parameter) = self.form.next_if(&comes_first) {
            self.separate();
            parameter.write(&mut self.buffer);
        }
    }

    fn separate(&mut self) {
        if self.buffer.len() > self.body_at {
            self.buffer.push(b'&');
        }
    }
}

/// Begins the buffer. Its capacity leaves 50 % for the escapes in form, id and token, so that ordinary forms need one
/// allocation.
fn string_to_sign_head(target: &SigningTarget, lengths: [usize; 3]) -> Vec<u8> {
    const OTHER_PARAMETERS: usize = 224;
    let raw = lengths.into_iter().fold(0, usize::saturating_add);
    let capacity = [raw, raw / 2, target.host.len(), target.path.len(), OTHER_PARAMETERS];
    let mut buffer = Vec::with_capacity(capacity.into_iter().fold(0, usize::saturating_add));
    for part in ["POST\n", &target.host, "\n", &target.path, "\n"] {
        buffer.extend_from_slice(part.as_bytes());
    }
    buffer
}

/// Writes `name=value` pairs, percent-encoded and joined by `&`, in the given order.
pub(super) fn write_canonical<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>, out: &mut Vec<u8>) {
    for (index, (name, value)) in parameters.into_iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        percent::encode_into(name, out);
        out.push(b'=');
        percent::encode_into(value, out);
    }
}

impl Unsealed {
    /// `POST\n` host `\n` path `\n` canonical query string.
    #[must_use]
    pub fn string_to_sign(&self) -> &[u8] {
        &self.buffer
    }

    /// The canonical query string alone.
    #[must_use]
    pub fn canonical_query_string(&self) -> &[u8] {
        self.buffer.get(self.body_at..).unwrap_or_default()
    }

    /// The MAC that [`Self::seal`] expects.
    #[must_use]
    pub const fn method(&self) -> SignatureMethod {
        self.method
    }

    /// Appends `&Signature=` and the MAC in base64, percent-encoded.
    #[must_use]
    pub fn seal(mut self, mac: &Mac) -> SignedRequest {
        self.buffer.extend_from_slice(b"&Signature=");
        let mut base64 = [0; BASE64];
        let length = STANDARD.encode_slice(mac.as_bytes(), &mut base64).unwrap_or_default();
        let mut rest = base64.get(..length).unwrap_or_default();
        // these are the characters of base64 that need an escape
        while let Some(at) = memchr::memchr3(b'+', b'/', b'=', rest)
            && let Some((literals, [byte, behind @ ..])) = rest.split_at_checked(at)
        {
            self.buffer.extend_from_slice(literals);
            self.buffer.extend_from_slice(&percent::escape(*byte));
            rest = behind;
        }
        self.buffer.extend_from_slice(rest);
        SignedRequest { buffer: self.buffer, body_at: self.body_at }
    }
}

impl SignedRequest {
    /// A request without a signature, for tests of what is written.
    #[cfg(test)]
    pub(crate) fn of(body: &[u8]) -> Self {
        Self { buffer: [b"not sent", body].concat(), body_at: 8 }
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
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_mac_is_written_in_base64_and_encoded(sha256 in any::<[u8; 32]>(), sha1 in any::<[u8; 20]>()) {
            for mac in [Mac::Sha256(sha256), Mac::Sha1(sha1)] {
                let unsealed = Unsealed { buffer: b"A=1".to_vec(), body_at: 0, method: SignatureMethod::HmacSha256 };
                let base64 = STANDARD.encode(mac.as_bytes());
                let expected = format!("A=1&Signature={}", utf8_percent_encode(&base64, NON_ALPHANUMERIC));
                prop_assert_eq!(unsealed.seal(&mac).into_body(), expected);
            }
        }
    }
}
