//! AWS Signature Version 2, stage by stage ("Signature Version 2 signing process", AWS General Reference 1.0).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::profile::Profile;
use super::target::SigningTarget;
use super::timestamp::RequestTimestamp;
use crate::authorize::Authorized;
use crate::credentials::{ActiveKey, Mac, SignatureMethod};
use crate::query::percent;

/// A request that is complete but for its signature.
///
/// One buffer holds `POST\n` host `\n` path `\n` canonical query string: the string to sign as a whole, the future body
/// from `body_at` on. Writing it once means that what is signed and what is sent cannot differ.
pub struct Unsealed {
    buffer: Vec<u8>,
    body_at: usize,
    method: SignatureMethod,
}

/// A signed request: the only thing `upstream` can send.
pub struct SignedRequest {
    buffer: Vec<u8>,
    body_at: usize,
}

/// The length of the longest MAC, of SHA-256, in base64.
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
    let token = key.session_token().map(|token| ("SecurityToken", token.expose_secret()));
    // in canonical order
    let added = [
        Some(("AWSAccessKeyId", key.id().as_str())),
        token,
        Some(("SignatureMethod", profile.signature_method.as_str())),
        Some(("SignatureVersion", "2")),
        Some(("Timestamp", timestamp.as_str())),
    ];
    let form = allowed.form().parameters();
    let mut buffer = string_to_sign_head(target, form.written_length(), &added);
    let body_at = buffer.len();
    let mut form = form.canonical().peekable();
    for (name, value) in added.into_iter().flatten() {
        // a form has no name that is added to it
        while let Some(parameter) = form.next_if(|parameter| parameter.is_before(name)) {
            parameter.write(&mut buffer);
            buffer.push(b'&');
        }
        // none of these names has a byte to escape
        buffer.extend_from_slice(name.as_bytes());
        buffer.push(b'=');
        percent::encode_into(value, &mut buffer);
        buffer.push(b'&');
    }
    for parameter in form {
        parameter.write(&mut buffer);
        buffer.push(b'&');
    }
    buffer.pop(); // no `&` at the end
    Unsealed { buffer, body_at, method: profile.signature_method }
}

/// Starts the buffer, with room for half as much again as the form and what is added have, so that ordinary forms need one allocation.
fn string_to_sign_head(target: &SigningTarget, form: usize, added: &[Option<(&str, &str)>]) -> Vec<u8> {
    const SIGNATURE_LINES_AND_NAMES: usize = 192;
    let values = added.iter().flatten().map(|(_, value)| value.len());
    let raw = values.fold(form, usize::saturating_add);
    let room = [raw, raw / 2, target.host.len(), target.path.len(), SIGNATURE_LINES_AND_NAMES];
    let mut buffer = Vec::with_capacity(room.into_iter().fold(0, usize::saturating_add));
    for part in ["POST\n", &target.host, "\n", &target.path, "\n"] {
        buffer.extend_from_slice(part.as_bytes());
    }
    buffer
}

/// Writes `name=value` pairs joined by `&`, percent-encoded, in the order given.
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

    /// Which MAC [`Self::seal`] expects.
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
        let base64 = base64.get(..length).and_then(|text| std::str::from_utf8(text).ok());
        percent::encode_into(base64.unwrap_or_default(), &mut self.buffer);
        SignedRequest { buffer: self.buffer, body_at: self.body_at }
    }
}

impl SignedRequest {
    /// One that nobody has signed, to write it and look at what was written.
    #[cfg(test)]
    pub(crate) fn of(body: &[u8]) -> Self {
        Self { buffer: [b"not sent", body].concat(), body_at: 8 }
    }

    /// The form as it is sent.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.buffer.get(self.body_at..).unwrap_or_default()
    }

    /// The same, to keep.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        Bytes::from(self.buffer).slice(self.body_at..)
    }
}
