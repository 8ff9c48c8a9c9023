//! Authentication in the form: its parameters and those of the signer in canonical order, and the string to sign made
//! from that.

use super::dialect::{FormMac, InForm, Parameter, Prefix, Spelling, Value};
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
    let mut query = QueryWriter::new(buffer, form.canonical());
    for Parameter { name, written, value } in dialect.parameters {
        if *value == Value::Token && token.is_none() {
            continue;
        }
        // the one call, so that it is part of this loop
        let out = query.add(name, written);
        match value {
            Value::KeyId if key.id().is_alphanumeric() => write(id, out),
            Value::KeyId => percent::encode_into(id, out),
            Value::Token => percent::encode_secret_into(token.unwrap_or_default().as_bytes(), out),
            Value::Method => write(profile.signature_method.as_str(), out),
            Value::Time => stamp.time.encode_as(time, stamp.lifetime, out),
            Value::Nonce(_) => percent::encode_into(stamp.nonce.as_deref().unwrap_or_default(), out),
            // it is in what is written
            Value::Constant => {}
            Value::ByToken { without, with } => write(if token.is_some() { with } else { without }, out),
        }
    }
    let (buffer, body_at) = query.finish();
    let signed = (dialect.spelling != Spelling::Same).then(|| {
        let mut signed = Vec::with_capacity(buffer.len().saturating_mul(2));
        write_prefix(dialect.prefix, target, &mut signed);
        spell(dialect.spelling, buffer.get(body_at..).unwrap_or_default(), token.is_some(), &mut signed);
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

/// Writes a canonical query string: merges the form with the parameters of authentication. Every parameter is written
/// with a `&` before it, in the place of which the first one gets a line feed: the end of what is before the form.
struct QueryWriter<'f, Form> {
    buffer: Vec<u8>,
    /// Where the first `&` is.
    begin: usize,
    /// The first parameter of the form that is not written yet, and those behind it.
    next: Option<CanonicalParameter<'f>>,
    rest: Form,
}

impl<'f, Form: Iterator<Item = CanonicalParameter<'f>>> QueryWriter<'f, Form> {
    fn new(buffer: Vec<u8>, mut form: Form) -> Self {
        Self { begin: buffer.len(), buffer, next: form.next(), rest: form }
    }

    /// Writes the parameters of the form that come before `name`, then `written`: the name, with what is around it. The
    /// form must have no parameter of this name. The caller appends the encoded value.
    #[inline]
    fn add(&mut self, name: &str, written: &str) -> &mut Vec<u8> {
        while let Some(parameter) = self.next.take_if(|parameter| parameter.is_before(name)) {
            self.write(&parameter);
        }
        self.buffer.extend_from_slice(written.as_bytes());
        &mut self.buffer
    }

    fn write(&mut self, parameter: &CanonicalParameter<'_>) {
        self.buffer.push(b'&');
        parameter.write(&mut self.buffer);
        self.next = self.rest.next();
    }

    /// Writes the other parameters of the form. Returns the buffer, and where the query string begins in it.
    fn finish(mut self) -> (Vec<u8>, usize) {
        while let Some(parameter) = self.next.take() {
            self.write(&parameter);
        }
        if let Some(first) = self.buffer.get_mut(self.begin) {
            *first = b'\n';
        }
        (self.buffer, self.begin.saturating_add(1))
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
    let mut write = |part: &str| out.extend_from_slice(part.as_bytes());
    match prefix {
        // the line feed behind the path takes the place of the first `&`
        Prefix::HostAndPathLines => {
            write("POST\n");
            write(host);
            write("\n");
            write(path);
        }
        Prefix::PathLine => {
            write("POST\n");
            write(path);
        }
        Prefix::Joined => {
            write("POST");
            write(without_port(host).unwrap_or(host));
            write(path);
            write("?");
        }
        Prefix::Encoded => {
            write("POST&");
            write(&percent::encode(path));
            write("&");
        }
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
