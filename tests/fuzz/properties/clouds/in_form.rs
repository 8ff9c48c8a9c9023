//! Servers that find the authentication among the parameters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::canonical::Pairs;
use super::primitives::{encode, encode_as_java, hmac_sha1, hmac_sha256, joined, pairs, wire};
use super::{Arrived, Cloud, Compares, InForm, Mac, Piece, Reading, Spelling};

pub(super) fn read(cloud: &Cloud, form: &InForm, arrived: &Arrived, secret: &str) -> Reading {
    assert!(arrived.fields.is_empty() && arrived.query.is_none(), "everything is in the form");
    let is_called = |name: &str, own: &str| match cloud.compares {
        Compares::Exactly => name == own,
        Compares::WithoutCase => name.eq_ignore_ascii_case(own),
    };
    let (signatures, mut signed): (Pairs, Pairs) =
        pairs(&arrived.body).into_iter().partition(|(name, _)| is_called(name, form.signature));
    let [(_, signature)] = signatures.as_slice() else { panic!("not one signature, but {}", signatures.len()) };
    signed.sort();
    let string_to_sign = string_to_sign(form, arrived, &signed);
    let named = |name: &str| signed.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    let mac = match form.mac {
        Mac::Named(parameter) => match named(parameter) {
            Some("HmacSHA256") => hmac_sha256(secret.as_bytes(), &string_to_sign),
            Some("HmacSHA1") => hmac_sha1(secret.as_bytes(), &string_to_sign),
            other => panic!("{parameter} is {other:?}"),
        },
        Mac::Sha256 => hmac_sha256(secret.as_bytes(), &string_to_sign),
        Mac::Sha1 => hmac_sha1(secret.as_bytes(), &string_to_sign),
        Mac::Sha1Ampersand => hmac_sha1(format!("{secret}&").as_bytes(), &string_to_sign),
    };
    let is_own = |name: &str| form.own.iter().any(|(own, _)| is_called(name, own));
    let (own, parameters) = signed.into_iter().partition(|(name, _)| is_own(name));
    Reading {
        parameters,
        own,
        canonical_request: None,
        string_to_sign,
        signature: signature.clone(),
        is_verified: STANDARD.encode(mac) == *signature,
    }
}

fn string_to_sign(form: &InForm, Arrived { host, path, .. }: &Arrived, signed: &[(String, String)]) -> Vec<u8> {
    let mut text = String::new();
    for piece in form.begins {
        match piece {
            Piece::Text(literal) => text.push_str(literal),
            Piece::Host => text.push_str(host),
            Piece::HostName => text.push_str(without_port(host)),
            Piece::Path => text.push_str(path),
            Piece::EncodedPath => text.push_str(&encode(path)),
        }
    }
    text.push_str(&match form.spelling {
        Spelling::Wire => wire(signed),
        Spelling::Twice => encode(&wire(signed)),
        Spelling::Raw => joined(signed, str::to_owned, str::to_owned),
        Spelling::JavaLower => joined(signed, str::to_owned, encode_as_java).to_ascii_lowercase(),
    });
    text.into_bytes()
}

/// The colons inside brackets belong to an address.
fn without_port(host: &str) -> &str {
    let behind = host.find(']').unwrap_or(0);
    host[behind..].find(':').map_or(host, |colon| &host[..behind + colon])
}
