//! The family of AWS Signature Version 4, whose authentication is in the head.

use sha2::{Digest as _, Sha256};

use super::encoding::{hex, joined, path, rfc3986};
use super::problem::Problem;
use super::reading::{Reading, RequestTime, Window, time};
use super::received::{Parameters, Received};
use super::verifying_key::KeyForm;
use crate::query::ShownName;

/// What one of them does otherwise.
pub(super) struct Family {
    pub(super) algorithm: &'static str,
    pub(super) time: (&'static str, &'static str),
    pub(super) token: &'static str,
    /// The field that repeats the hash of the body.
    pub(super) body_hash: Option<&'static str>,
    /// How the fields begin that have to be signed where they are there.
    pub(super) beginning: &'static str,
    pub(super) scope: Scope,
    pub(super) window: Window,
}

/// What a signature is good for.
pub(super) enum Scope {
    /// Everything: the secret signs.
    None,
    /// A day, a region and a service, with a key derived by this and the last word.
    Derived(fn([String; 4]) -> KeyForm, &'static str),
}

pub(super) const AWS: Family = Family {
    algorithm: "AWS4-HMAC-SHA256",
    time: ("x-amz-date", "%Y%m%dT%H%M%SZ"),
    token: "x-amz-security-token",
    body_hash: None,
    beginning: "x-amz-",
    scope: Scope::Derived(KeyForm::Aws4, "aws4_request"),
    window: Window::minutes(5),
};

pub(super) const VOLCENGINE: Family = Family {
    algorithm: "HMAC-SHA256",
    time: ("x-date", "%Y%m%dT%H%M%SZ"),
    token: "x-security-token",
    body_hash: Some("x-content-sha256"),
    beginning: "x-",
    scope: Scope::Derived(KeyForm::Chain, "request"),
    window: Window::minutes(15),
};

pub(super) const ALIBABA: Family = Family {
    algorithm: "ACS3-HMAC-SHA256",
    time: ("x-acs-date", "%Y-%m-%dT%H:%M:%SZ"),
    token: "x-acs-security-token",
    body_hash: Some("x-acs-content-sha256"),
    beginning: "x-acs-",
    scope: Scope::None,
    window: Window::minutes(15),
};

/// The parts of an `Authorization` field.
struct Authorization<'a> {
    credential: &'a str,
    names: Vec<&'a str>,
    tag: Vec<u8>,
}

/// `region` and `service` are those of the endpoint.
pub(super) fn read(family: &Family, received: &Received<'_>, realm: [&str; 2]) -> Result<Reading, Problem> {
    let written = received.field("authorization")?.ok_or(Problem::NotSigned("Authorization"))?;
    let authorization = Authorization::read(family, written)?;
    let (time_name, format) = family.time;
    let date = received.field(time_name)?.ok_or(Problem::Missing(time_name))?;
    let at = time(time_name, date, format)?;
    let (key_id, form, scope) = scope(family, authorization.credential, date, realm)?;
    check_names(family, received, &authorization.names)?;
    let hash = hex(&Sha256::digest(received.body));
    if let Some(name) = family.body_hash
        && received.field(name)?.ok_or(Problem::Missing(name))? != hash
    {
        return Err(Problem::Wrong { name, expected: "the hash of the body".to_owned() });
    }
    let canonical_request = canonical_request(received, &authorization.names, &hash)?;
    let request_hash = hex(&Sha256::digest(&canonical_request));
    let string_to_sign = match scope {
        Some(scope) => format!("{}\n{date}\n{scope}\n{request_hash}", family.algorithm),
        None => format!("{}\n{request_hash}", family.algorithm),
    };
    Ok(Reading {
        key_id,
        canonical_request: Some(canonical_request),
        string_to_sign,
        otherwise: None,
        once: None,
        token: received.field(family.token)?.map(str::to_owned),
        token_name: family.token,
        tag: authorization.tag,
        form,
        time: RequestTime { name: time_name, at, window: family.window },
        parameters: received.query_and_form()?.into_pairs(),
    })
}

impl<'a> Authorization<'a> {
    fn read(family: &Family, text: &'a str) -> Result<Self, Problem> {
        let name = "Authorization";
        let wrong = |expected: &str| Problem::Wrong { name, expected: expected.to_owned() };
        let parts = text.strip_prefix(family.algorithm).and_then(|rest| rest.strip_prefix(' '));
        let parts = parts.ok_or_else(|| wrong(family.algorithm))?;
        let mut found = [None; 3];
        for part in parts.split(',') {
            let (key, value) = part.trim().split_once('=').unwrap_or_default();
            let place = match key {
                "Credential" => 0,
                "SignedHeaders" => 1,
                "Signature" => 2,
                _ => return Err(wrong("of Credential, SignedHeaders and Signature")),
            };
            if let Some(place) = found.get_mut(place)
                && place.replace(value).is_some()
            {
                return Err(wrong("of one Credential, SignedHeaders and Signature each"));
            }
        }
        let [Some(credential), Some(names), Some(signature)] = found else {
            return Err(wrong("of Credential, SignedHeaders and Signature"));
        };
        let tag = unhexed(signature).ok_or_else(|| wrong("with a Signature of lower-case hexadecimal digits"))?;
        Ok(Self { credential, names: names.split(';').collect(), tag })
    }
}

fn unhexed(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let pairs = text.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    is_hex.then(|| pairs.collect()).flatten()
}

/// The id of the key, what the MAC is computed with, and the scope as it is written.
fn scope(
    family: &Family,
    credential: &str,
    date: &str,
    [region, service]: [&str; 2],
) -> Result<(String, KeyForm, Option<String>), Problem> {
    let (form, last) = match family.scope {
        Scope::None => return Ok((credential.to_owned(), KeyForm::Sha256, None)),
        Scope::Derived(form, last) => (form, last),
    };
    let mut parts = credential.rsplitn(5, '/');
    let mut part = || parts.next().unwrap_or_default();
    let [end, signed_service, signed_region, day, id] = [part(), part(), part(), part(), part()];
    let expected = [
        ("last word", end, last),
        ("service", signed_service, service),
        ("region", signed_region, region),
        ("date", day, date.get(..8).unwrap_or_default()),
    ];
    for (part, found, expected) in expected {
        if found != expected {
            return Err(Problem::Scope { part, expected: expected.to_owned() });
        }
    }
    let words = [day, signed_region, signed_service, end].map(str::to_owned);
    Ok((id.to_owned(), form(words), Some(format!("{day}/{region}/{service}/{last}"))))
}

/// The host, the time and all fields of the dialect's own have to be signed, each name once and in order.
fn check_names(family: &Family, received: &Received<'_>, names: &[&str]) -> Result<(), Problem> {
    if !names.is_sorted_by(|one, other| one < other) || names.iter().any(|name| *name != name.to_ascii_lowercase()) {
        let expected = "a sorted list of names in lower case".to_owned();
        return Err(Problem::Wrong { name: "SignedHeaders", expected });
    }
    let own = received.fields.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with(family.beginning));
    let mut needed = own.chain(["host", family.time.0]);
    match needed.find(|needed| !names.contains(needed)) {
        Some(name) => Err(Problem::Unsigned(ShownName::of(name))),
        None => Ok(()),
    }
}

fn canonical_request(received: &Received<'_>, names: &[&str], hash: &str) -> Result<String, Problem> {
    let query = Parameters::read([received.query.as_bytes()])?;
    let mut out = format!("POST\n{}\n{}\n", path(received.path), joined(query.iter(), rfc3986));
    for name in names {
        let values: Vec<String> = if *name == "host" {
            vec![received.host.to_owned()]
        } else {
            received.values(name).map(|value| value.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        if values.is_empty() {
            return Err(Problem::NoSuchField(ShownName::of(name)));
        }
        out.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    out.push_str(&format!("\n{}\n{hash}", names.join(";")));
    Ok(out)
}
