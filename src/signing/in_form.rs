//! Authentication in the form: its parameters and those of the signer in canonical order, and the string to sign made
//! from that.

use std::iter::Peekable;

use super::dialect::{FormMac, InForm, Prefix, Spelling, Value};
use super::profile::Profile;
use super::spelling::spell;
use super::stamp::Stamp;
use super::target::SigningTarget;
use super::unsealed::{Seal, Unsealed};
use crate::authorize::Authorized;
use crate::credentials::{ActiveKey, KeyUse, SessionToken};
use crate::http1::without_port;
use crate::query::{CanonicalParameter, percent};

/// Writes the form with the parameters of authentication, except for the signature.
pub(super) fn prepare<S>(
    dialect: &InForm,
    allowed: &Authorized<'_>,
    key: &ActiveKey<S>,
    target: &SigningTarget,
    profile: &Profile,
    stamp: &Stamp,
) -> Unsealed {
    let (id, time) = (key.id().as_str(), profile.dialect.row().time);
    let token = key.session_token().map(SessionToken::expose_secret);
    let form = allowed.form().parameters();
    let mut buffer = room_for(target, [form.text_length(), id.len(), token.map_or(0, str::len)]);
    if dialect.spelling == Spelling::Same {
        write_prefix(dialect.prefix, target, &mut buffer);
    }
    let body_at = buffer.len();
    let mut query = QueryWriter { buffer, body_at, form: form.canonical().peekable() };
    for (name, value) in dialect.parameters {
        match (value, token) {
            (Value::KeyId, _) => percent::encode_into(id, query.add(name)),
            (Value::Token, Some(token)) => percent::encode_into(token, query.add(name)),
            (Value::Token, None) => {}
            (Value::Method, _) => write(profile.signature_method.as_str(), query.add(name)),
            (Value::Time, _) => stamp.time.encode_as(time, stamp.lifetime, query.add(name)),
            (Value::Nonce(_), _) => percent::encode_into(stamp.nonce.as_deref().unwrap_or_default(), query.add(name)),
            (Value::Constant(text) | Value::ByToken { without: text, .. }, None) | (Value::Constant(text), Some(_)) => {
                write(text, query.add(name));
            }
            (Value::ByToken { with, .. }, Some(_)) => write(with, query.add(name)),
        }
    }
    query.write_form_while(|_| true);
    let buffer = query.buffer;
    let signed = (dialect.spelling != Spelling::Same).then(|| {
        let mut signed = Vec::with_capacity(buffer.len().saturating_mul(2));
        write_prefix(dialect.prefix, target, &mut signed);
        spell(dialect.spelling, &buffer, &mut signed);
        signed
    });
    let key = match dialect.mac {
        FormMac::Chosen | FormMac::Fixed(_) => KeyUse::Secret(profile.signature_method),
        FormMac::SecretAndAmpersand => KeyUse::SecretAndAmpersand,
    };
    Unsealed { buffer, body_at, signed, key, seal: Seal::Form(dialect.signature) }
}

/// A text that needs no escape.
fn write(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
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

/// Its capacity leaves 50 % for the escapes in form, id and token, so that ordinary forms need one allocation.
fn room_for(target: &SigningTarget, lengths: [usize; 3]) -> Vec<u8> {
    const OTHER_PARAMETERS: usize = 224;
    let raw = lengths.into_iter().fold(0, usize::saturating_add);
    let capacity = [raw, raw / 2, target.host.len(), target.path.len(), OTHER_PARAMETERS];
    Vec::with_capacity(capacity.into_iter().fold(0, usize::saturating_add))
}

/// Begins a string to sign.
fn write_prefix(prefix: Prefix, target: &SigningTarget, out: &mut Vec<u8>) {
    let SigningTarget { host, path } = target;
    let mut write = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    match prefix {
        Prefix::HostAndPathLines => write(&["POST\n", host, "\n", path, "\n"]),
        Prefix::PathLine => write(&["POST\n", path, "\n"]),
        Prefix::Joined => write(&["POST", without_port(host).unwrap_or(host), path, "?"]),
        Prefix::Encoded => write(&["POST&", &percent::encode(path), "&"]),
        Prefix::Nothing => {}
    }
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
