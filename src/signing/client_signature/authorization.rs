//! The `Authorization` field of AWS Signature Version 4, read to the letter.

use super::error::ClientSignatureError;
use crate::credentials::{Derivation, KeyScope};

/// The algorithm, which begins the field.
const ALGORITHM: &[u8] = b"AWS4-HMAC-SHA256";
/// The longest region or service, in bytes; AWS's have at most 25.
const LONGEST_WORD: usize = 64;

/// What the field says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authorization<'a> {
    pub(super) key_id: &'a str,
    pub(super) scope: KeyScope,
    /// Names in lower case, in order, each once.
    pub(super) signed_headers: &'a str,
    pub(super) tag: [u8; 32],
}

/// Whether a field begins with the algorithm: another scheme is not ours to read.
pub(super) fn is_ours(field: &[u8]) -> bool {
    field.split(|byte| *byte == b' ').next() == Some(ALGORITHM)
}

/// Reads the field.
pub(super) fn parse(field: &[u8]) -> Result<Authorization<'_>, ClientSignatureError> {
    use ClientSignatureError::Incomplete;
    let rest = field.strip_prefix(ALGORITHM).and_then(|rest| std::str::from_utf8(rest).ok());
    let rest = rest.ok_or(Incomplete("the Authorization field is not text"))?;
    let [mut credential, mut signed_headers, mut signature] = [None; 3];
    for part in rest.split(',') {
        let (name, value) = part.trim_matches(' ').split_once('=').unwrap_or_default();
        let place = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(Incomplete("Authorization has another part than Credential, SignedHeaders, Signature")),
        };
        if place.replace(value).is_some() {
            return Err(Incomplete("Authorization has a part twice"));
        }
    }
    let credential = credential.ok_or(Incomplete("Authorization has no Credential"))?;
    let signed_headers = signed_headers.ok_or(Incomplete("Authorization has no SignedHeaders"))?;
    let signature = signature.ok_or(Incomplete("Authorization has no Signature"))?;
    let (key_id, scope) =
        credential_parts(credential).ok_or(Incomplete("Credential is not ID/DATE/REGION/SERVICE/aws4_request"))?;
    if !is_ordered_list(signed_headers) {
        return Err(Incomplete("SignedHeaders are not names in lower case, in order, each once"));
    }
    let tag = tag(signature.as_bytes()).ok_or(Incomplete("Signature is not 64 hexadecimal digits in lower case"))?;
    Ok(Authorization { key_id, scope, signed_headers, tag })
}

/// The id may have slashes in it: the scope is read from its end.
fn credential_parts(text: &str) -> Option<(&str, KeyScope)> {
    let mut parts = text.rsplitn(5, '/');
    let last = parts.next()?;
    let (service, region, date, key_id) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let date = <[u8; 8]>::try_from(date.as_bytes()).ok().filter(|date| date.iter().all(u8::is_ascii_digit))?;
    let derivation = Derivation::Aws4;
    (last == derivation.last_word() && is_word(service) && is_word(region) && !key_id.is_empty())
        .then(|| (key_id, KeyScope { derivation, date, region: region.into(), service: service.into() }))
}

/// Whether a text can be a region or a service.
pub(super) fn is_word(text: &str) -> bool {
    let of_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=LONGEST_WORD).contains(&text.len()) && text.bytes().all(of_word)
}

/// Another order, or a name twice, would be another list to another reader.
fn is_ordered_list(names: &str) -> bool {
    let is_name = |name: &str| {
        let in_name = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !matches!(byte, b';' | b',');
        !name.is_empty() && name.bytes().all(in_name)
    };
    names.split(';').all(is_name) && names.split(';').is_sorted_by(|first, second| first < second)
}

fn tag(hex: &[u8]) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    let pairs = hex.as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.0.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if pairs.1.is_empty() { bytes?.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";

    fn field(credential: &str, signed: &str, signature: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={signature}")
    }

    fn good() -> String {
        field("CSGN/20150830/us-east-1/iam/aws4_request", "content-type;host;x-amz-date", HEX)
    }

    #[test]
    fn a_field_is_read_with_and_without_spaces_after_its_commas() {
        for text in [good(), good().replace(", ", ","), good().replace(", ", ",  ")] {
            let read = parse(text.as_bytes()).unwrap();
            assert_eq!((read.key_id, read.signed_headers), ("CSGN", "content-type;host;x-amz-date"));
            assert_eq!(
                (&read.scope.date, &*read.scope.region, &*read.scope.service),
                (b"20150830", "us-east-1", "iam")
            );
            assert_eq!((read.tag[0], read.tag[31]), (0x5d, 0xd7));
        }
        let slashes = field("a/b/20150830/RegionOne/ec2/aws4_request", "host", HEX);
        assert_eq!(parse(slashes.as_bytes()).unwrap().key_id, "a/b");
    }

    #[test]
    fn whatever_differs_from_the_form_is_refused() {
        let scope = "CSGN/20150830/us-east-1/iam/aws4_request";
        for credential in [
            "CSGN",
            "/20150830/us-east-1/iam/aws4_request",
            "CSGN/2015083/us-east-1/iam/aws4_request",
            "CSGN/20150830/us-east-1/iam/aws5_request",
            "CSGN/20150830//iam/aws4_request",
            "CSGN/20150830/us east/iam/aws4_request",
        ] {
            assert!(parse(field(credential, "host", HEX).as_bytes()).is_err(), "{credential}");
        }
        for signed in ["", "Host", "host;", "host;host", "x-amz-date;host", "host;;x-amz-date", "host x"] {
            assert!(parse(field(scope, signed, HEX).as_bytes()).is_err(), "{signed}");
        }
        for signature in ["", &HEX[1..], &HEX.to_uppercase(), &format!("{HEX}00"), &HEX.replace('5', "g")] {
            assert!(parse(field(scope, "host", signature).as_bytes()).is_err(), "{signature}");
        }
        for text in [good().replace("SignedHeaders", "Signed"), format!("{}, Signature={HEX}", good()), String::new()] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn other_schemes_are_not_ours() {
        assert!(is_ours(good().as_bytes()) && is_ours(b"AWS4-HMAC-SHA256"));
        for other in ["Bearer AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256 Credential=x", "aws4-hmac-sha256 x", ""] {
            assert!(!is_ours(other.as_bytes()), "{other}");
        }
    }
}
