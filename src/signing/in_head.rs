//! Authentication in the head, as in AWS Signature Version 4: a canonical request, a string to sign with its hash, and
//! a key that is derived for the day.

use std::ops::Range;

use sha2::{Digest as _, Sha256};

use super::dialect::{Field, InHead, Moved};
use super::profile::Profile;
use super::stamp::Stamp;
use super::target::SigningTarget;
use super::unsealed::{Seal, SignedHead, Unsealed, write_hex};
use crate::authorize::Authorized;
use crate::credentials::{ActiveKey, KeyScope, KeyUse, SessionToken, SignatureMethod};
use crate::http1::FORM_TYPE;
use crate::query::Parameters;

/// Writes the form, the fields that are signed, and the string to sign.
pub(super) fn prepare<S>(
    dialect: &InHead,
    allowed: &Authorized<'_>,
    key: &ActiveKey<S>,
    target: &SigningTarget,
    profile: &Profile,
    stamp: &Stamp,
) -> Unsealed {
    let parameters = allowed.form().parameters();
    let (body, query) = write_form(dialect, parameters);
    let hash = hex_digest(&body);
    let token = key.session_token().map(SessionToken::expose_secret);
    let mut head = HeadWriter::new(target, &query, token);
    for (name, field) in dialect.fields {
        let value: &[u8] = match field {
            Field::ContentType => FORM_TYPE.as_bytes(),
            Field::Host => target.host.as_bytes(),
            Field::Time => {
                head.add_with(name, |out| stamp.time.append_as(profile.dialect.row().time, stamp.lifetime, out));
                continue;
            }
            Field::Token => match token {
                Some(token) => token.as_bytes(),
                None => continue,
            },
            Field::BodyHash => &hash,
            Field::Nonce => stamp.nonce.as_deref().unwrap_or_default().as_bytes(),
            Field::OptionalNonce => match &stamp.nonce {
                Some(nonce) => nonce.as_bytes(),
                None => continue,
            },
            Field::Parameter(name) => match parameters.get(name) {
                Some(value) if is_field_value(value) => value.as_bytes(),
                Some(_) | None => continue,
            },
        };
        head.add(name, value);
    }
    let names = head.finish_request(&hash);
    let scope = profile.scope(&stamp.time);
    head.write_string_to_sign(dialect.algorithm, scope.as_ref(), stamp);
    head.write_authorization(dialect, key.id().as_str(), scope.as_ref(), names);
    Unsealed {
        buffer: body,
        body_at: 0,
        signed: None,
        key: scope.map_or(KeyUse::Secret(SignatureMethod::HmacSha256), |scope| KeyUse::Derived(Box::new(scope))),
        seal: Seal::Head(Box::new(head.into_head(dialect))),
    }
}

/// The form, and the parameters that leave it for the query.
fn write_form(dialect: &InHead, parameters: &Parameters<'_>) -> (Vec<u8>, Vec<u8>) {
    let mut body = Vec::with_capacity(parameters.text_length().saturating_mul(3) / 2);
    let mut query = Vec::new();
    for parameter in parameters.canonical() {
        let out = match dialect.moved {
            Moved::ToQuery if InHead::moves(parameter.name()) => &mut query,
            // it becomes a field, if it can be one
            Moved::ToFields if moves_to_field(parameter.name(), parameters) => continue,
            Moved::Nothing | Moved::ToQuery | Moved::ToFields => &mut body,
        };
        if !out.is_empty() {
            out.push(b'&');
        }
        parameter.write(out);
    }
    (body, query)
}

fn moves_to_field(name: &str, parameters: &Parameters<'_>) -> bool {
    InHead::moves(name) && parameters.get(name).is_some_and(is_field_value)
}

/// Whether a client's text may stand in the head: a line break in it would begin another field. A text that may not
/// stays in the form.
fn is_field_value(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Writes into one buffer what the head is made of: the canonical request with the values of the fields in it, the
/// string to sign, and the field with the signature.
struct HeadWriter {
    text: Vec<u8>,
    query: Range<usize>,
    fields: Vec<(&'static str, Range<usize>)>,
    canonical_request: Range<usize>,
    string_to_sign: Range<usize>,
}

impl HeadWriter {
    /// Begins a canonical request: method, path, query.
    fn new(target: &SigningTarget, query: &[u8], token: Option<&str>) -> Self {
        const OTHERS: usize = 1024;
        const FIELDS: usize = 9;
        let lengths = [OTHERS, target.path.len(), target.host.len(), query.len(), token.map_or(0, str::len)];
        let mut text = Vec::with_capacity(lengths.into_iter().fold(0, usize::saturating_add));
        text.extend_from_slice(b"POST\n");
        text.extend_from_slice(target.path.as_bytes());
        text.push(b'\n');
        let query_at = text.len();
        text.extend_from_slice(query);
        let query = query_at..text.len();
        text.push(b'\n');
        Self { text, query, fields: Vec::with_capacity(FIELDS), canonical_request: 0..0, string_to_sign: 0..0 }
    }

    /// Writes a field that is signed.
    fn add(&mut self, name: &'static str, value: &[u8]) {
        self.add_with(name, |out| out.extend_from_slice(value));
    }

    fn add_with(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        self.text.extend_from_slice(name.as_bytes());
        self.text.push(b':');
        let value_at = self.text.len();
        write(&mut self.text);
        self.fields.push((name, value_at..self.text.len()));
        self.text.push(b'\n');
    }

    /// Ends the canonical request with the names of the fields and the hash of the body. Returns where the names are.
    fn finish_request(&mut self, hash: &[u8]) -> Range<usize> {
        self.text.push(b'\n');
        let names_at = self.text.len();
        for (index, (name, _)) in self.fields.iter().enumerate() {
            if index > 0 {
                self.text.push(b';');
            }
            self.text.extend_from_slice(name.as_bytes());
        }
        let names = names_at..self.text.len();
        self.text.push(b'\n');
        self.text.extend_from_slice(hash);
        self.canonical_request = 0..self.text.len();
        names
    }

    fn write_string_to_sign(&mut self, algorithm: &str, scope: Option<&KeyScope>, stamp: &Stamp) {
        let hash = hex_digest(&self.text);
        let begin = self.text.len();
        self.text.extend_from_slice(algorithm.as_bytes());
        self.text.push(b'\n');
        if let Some(scope) = scope {
            self.text.extend_from_slice(&stamp.time.basic());
            self.text.push(b'\n');
            write_scope(scope, &mut self.text);
            self.text.push(b'\n');
        }
        self.text.extend_from_slice(&hash);
        self.string_to_sign = begin..self.text.len();
    }

    /// Writes the field that the signature is appended to.
    fn write_authorization(&mut self, dialect: &InHead, id: &str, scope: Option<&KeyScope>, names: Range<usize>) {
        let begin = self.text.len();
        self.text.extend_from_slice(dialect.algorithm.as_bytes());
        self.text.extend_from_slice(b" Credential=");
        self.text.extend_from_slice(id.as_bytes());
        if let Some(scope) = scope {
            self.text.push(b'/');
            write_scope(scope, &mut self.text);
        }
        self.text.extend_from_slice(dialect.separator.as_bytes());
        self.text.extend_from_slice(b"SignedHeaders=");
        // the names are a part of the text: this cannot fail
        if names.end <= self.text.len() {
            self.text.extend_from_within(names);
        }
        self.text.extend_from_slice(dialect.separator.as_bytes());
        self.text.extend_from_slice(b"Signature=");
        self.fields.push(("authorization", begin..self.text.len()));
    }

    fn into_head(self, dialect: &InHead) -> SignedHead {
        let Self { text, query, fields, canonical_request, string_to_sign } = self;
        let query = (dialect.moved == Moved::ToQuery).then_some(query);
        SignedHead { text, fields, query, canonical_request, string_to_sign }
    }
}

fn write_scope(scope: &KeyScope, out: &mut Vec<u8>) {
    let KeyScope { derivation, date, region, service } = scope;
    out.extend_from_slice(date);
    for part in [region, service, derivation.last_word()] {
        out.push(b'/');
        out.extend_from_slice(part.as_bytes());
    }
}

/// The SHA-256 of a text in hexadecimal digits.
fn hex_digest(text: &[u8]) -> [u8; 64] {
    let mut digits = [0; 64];
    write_hex(&Sha256::digest(text), &mut digits);
    digits
}
