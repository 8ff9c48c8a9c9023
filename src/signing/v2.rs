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
    body: Bytes,
}

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
    let added = added.into_iter().flatten();
    let form = allowed.form().parameters();

    let mut buffer = string_to_sign_head(target, form.iter().chain(added.clone()));
    let body_at = buffer.len();
    write_canonical(merge(form.iter(), added), &mut buffer);
    Unsealed { buffer, body_at, method: profile.signature_method }
}

/// Both in one, when both are sorted by the bytes of the names. A form has no name that is added to it.
fn merge<'a>(
    form: impl Iterator<Item = (&'a str, &'a str)>,
    added: impl Iterator<Item = (&'a str, &'a str)>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let (mut form, mut added) = (form.peekable(), added.peekable());
    std::iter::from_fn(move || match added.peek() {
        Some((name, _)) => form.next_if(|(own, _)| own < name).or_else(|| added.next()),
        None => form.next(),
    })
}

/// Starts the buffer, with room for an escape in every third byte, so that ordinary forms need one allocation.
fn string_to_sign_head<'a>(target: &SigningTarget, parameters: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    const SIGNATURE_AND_LINES: usize = 96;
    let raw =
        parameters.fold(0_usize, |sum, (n, v)| sum.saturating_add(n.len()).saturating_add(v.len()).saturating_add(2));
    let room = raw.saturating_add(raw / 2).saturating_add(target.host.len()).saturating_add(target.path.len());
    let mut buffer = Vec::with_capacity(room.saturating_add(SIGNATURE_AND_LINES));
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
        percent::encode_into(&STANDARD.encode(mac.as_bytes()), &mut self.buffer);
        SignedRequest { body: Bytes::from(self.buffer).slice(self.body_at..) }
    }
}

impl SignedRequest {
    /// The form as it is sent.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.body
    }
}
