//! Authentication in the head, as in AWS Signature Version 4: a canonical request, a string to sign with its hash, and
//! a key that is derived for the day.

use sha2::{Digest as _, Sha256};

use super::dialect::{Field, InHead, Moved};
use super::profile::Profile;
use super::stamp::Stamp;
use super::target::SigningTarget;
use super::unsealed::{Seal, SignedHead, Unsealed, UnsealedHead, write_hex};
use crate::authorize::Authorized;
use crate::credentials::{ActiveKey, KeyScope, KeyUse, SessionToken, SignatureMethod};
use crate::http1::FORM_TYPE;

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
    let mut body = Vec::with_capacity(parameters.text_length().saturating_mul(3) / 2);
    let mut query = Vec::new();
    for parameter in parameters.canonical() {
        let out = match (dialect.moves(parameter.name()), dialect.moved) {
            (false, _) => &mut body,
            (true, Moved::ToQuery) => &mut query,
            // it becomes a field
            (true, Moved::Nothing | Moved::ToFields) => continue,
        };
        if !out.is_empty() {
            out.push(b'&');
        }
        parameter.write(out);
    }
    let hash = hex(&Sha256::digest(&body));
    let time = stamp.time.text_as(profile.dialect.row().time, stamp.lifetime);
    let value = |field: Field| -> Option<Vec<u8>> {
        match field {
            Field::ContentType => Some(FORM_TYPE.into()),
            Field::Host => Some(target.host.as_str().into()),
            Field::Time => Some(time.as_str().into()),
            Field::Token => key.session_token().map(|token: &SessionToken| token.expose_secret().into()),
            Field::BodyHash => Some(hash.clone()),
            Field::Nonce => Some(stamp.nonce.as_deref().unwrap_or_default().into()),
            Field::OptionalNonce => stamp.nonce.as_deref().map(Into::into),
            Field::Parameter(name) => parameters.get(name).map(Into::into),
        }
    };
    let signed = dialect.fields.iter().filter_map(|(name, field)| Some((*name, value(*field)?)));
    let mut fields: Vec<(&'static str, Vec<u8>)> = signed.collect();
    let names = fields.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let canonical_request = canonical_request(&target.path, &query, &fields, &names, &hash);
    let scope = scope(dialect, profile, stamp);
    let written_scope = scope.as_ref().map(written).unwrap_or_default();
    let request_hash = hex(&Sha256::digest(&canonical_request));
    let mut string_to_sign = Vec::new();
    let mut begin = |parts: &[&[u8]]| parts.iter().for_each(|part| string_to_sign.extend_from_slice(part));
    begin(&[dialect.algorithm.as_bytes(), b"\n"]);
    if scope.is_some() {
        begin(&[time.as_bytes(), b"\n", written_scope.as_bytes(), b"\n"]);
    }
    begin(&[&request_hash]);
    let slash = if scope.is_some() { "/" } else { "" };
    let authorization = format!(
        "{} Credential={}{slash}{written_scope}{separator}SignedHeaders={names}{separator}Signature=",
        dialect.algorithm,
        key.id(),
        separator = dialect.separator,
    );
    fields.push(("authorization", authorization.into()));
    Unsealed {
        buffer: body,
        body_at: 0,
        signed: Some(string_to_sign),
        key: scope.map_or(KeyUse::Secret(SignatureMethod::HmacSha256), |scope| KeyUse::Derived(Box::new(scope))),
        seal: Seal::Head(Box::new(UnsealedHead {
            canonical_request,
            head: SignedHead { fields, query: (dialect.moved == Moved::ToQuery).then_some(query) },
        })),
    }
}

/// Method, path, query, the fields, their names, the hash of the body.
fn canonical_request(
    path: &str,
    query: &[u8],
    fields: &[(&'static str, Vec<u8>)],
    names: &str,
    hash: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let mut write = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
    write(&[b"POST\n", path.as_bytes(), b"\n", query, b"\n"]);
    for (name, value) in fields {
        write(&[name.as_bytes(), b":", value, b"\n"]);
    }
    write(&[b"\n", names.as_bytes(), b"\n", hash]);
    out
}

/// What the key is derived for: the day is that of the time which is sent.
fn scope(dialect: &InHead, profile: &Profile, stamp: &Stamp) -> Option<KeyScope> {
    let (derivation, realm) = dialect.derivation.zip(profile.realm.as_ref())?;
    let basic = stamp.time.basic();
    let date = *basic.first_chunk()?;
    Some(KeyScope { derivation, date, region: realm.region.clone(), service: realm.service.clone() })
}

fn written(scope: &KeyScope) -> String {
    let KeyScope { derivation, date, region, service } = scope;
    format!("{}/{region}/{service}/{}", String::from_utf8_lossy(date), derivation.last_word())
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().saturating_mul(2));
    write_hex(bytes, &mut out);
    out
}
