//! What identifies a client: user and group ids, names in certificates, digests of tokens, service accounts.

use crate::authorize::TokenDigest;
use crate::config::reading::quantity::count;
use crate::config::reading::value::{Given, shown, text};
use crate::signing::authority::Authority;

/// One less than the largest number, which means "no change" to the kernel and is not an id.
pub(crate) const LARGEST_ID: usize = 4_294_967_294;
/// How the SHA-256 of an empty text begins, which a mistake in the shell command produces.
const DIGEST_OF_NOTHING: [u8; 4] = [0xe3, 0xb0, 0xc4, 0x42];

/// The number of a user or group. Names are refused, because the id that they stand for may change.
pub(crate) fn id(given: &Given<'_>) -> Result<u32, String> {
    let number = count(0..=LARGEST_ID)(given)?;
    u32::try_from(number).map_err(|_| format!("{} is too large", given.shown()))
}

/// A SPIFFE id: `spiffe://trust-domain/path`, compared exactly.
pub(crate) fn spiffe(given: &Given<'_>) -> Result<String, String> {
    let id = text(given)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let domain = |domain: &str| !domain.is_empty() && domain.bytes().all(|b| plain(b) && !b.is_ascii_uppercase());
    let segment = |s: &str| !matches!(s, "" | "." | "..") && s.bytes().all(plain);
    let parsed = id.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'));
    match parsed {
        Some((trust, path)) if domain(trust) && path.split('/').all(segment) && id.len() <= 2048 => Ok(id.to_owned()),
        Some(_) | None => {
            Err(format!("{} is not a SPIFFE id: write e.g. \"spiffe://example.org/reporting\"", given.shown()))
        }
    }
}

/// A DNS name in a certificate: exact, in lower case.
pub(crate) fn dns(given: &Given<'_>) -> Result<String, String> {
    let name = text(given)?;
    if name.contains('*') {
        return Err(format!("{} is a pattern: names are compared exactly, list each one", shown(name)));
    }
    let parsed = Authority::parse(name).map_err(|why| format!("{} {why}", shown(name)))?;
    let address = parsed.host.starts_with('[') || parsed.host.parse::<std::net::Ipv4Addr>().is_ok();
    if parsed.port.is_some() || address || name.ends_with('.') {
        return Err(format!(
            "{} is not a DNS name as certificates have it: write e.g. \"host.example.org\"",
            shown(name)
        ));
    }
    Ok(name.to_owned())
}

/// The SHA-256 of a bearer token, as `sha256sum` prints it. Never shown: it may be the token itself.
pub(crate) fn token_digest(given: &Given<'_>) -> Result<TokenDigest, String> {
    const HOW: &str = "write the 64 hexadecimal digits that `printf %s \"$TOKEN\" | sha256sum` prints; the token \
                       itself never stands here";
    let text = text(given).map_err(|_| format!("is not a text: {HOW}"))?;
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(format!("is not a SHA-256: {HOW}"));
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| HOW.to_owned())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| HOW.to_owned())?;
    }
    if digest.starts_with(&DIGEST_OF_NOTHING) {
        return Err(format!("is the SHA-256 of an empty token: {HOW}"));
    }
    Ok(TokenDigest::new(digest))
}

/// A Kubernetes service account, as `namespace/name`.
pub(crate) fn service_account(given: &Given<'_>) -> Result<String, String> {
    let account = text(given)?;
    let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    let part = |part: &str| (1..=253).contains(&part.len()) && part.bytes().all(plain);
    match account.split_once('/') {
        Some((namespace, name)) if part(namespace) && part(name) => Ok(account.to_owned()),
        Some(_) | None => Err(format!("{} is not a service account: write \"namespace/name\"", given.shown())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_numbers() {
        assert_eq!(id(&Given::Integer(0)), Ok(0));
        assert_eq!(id(&Given::Variable("1000")), Ok(1000));
        for wrong in [Given::Integer(-1), Given::Integer(4_294_967_295), Given::Text("www-data"), Given::Text("1")] {
            assert!(id(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn spiffe_ids_have_a_trust_domain_and_a_path() {
        assert!(spiffe(&Given::Text("spiffe://example.org/ns/a/sa/b")).is_ok());
        for wrong in [
            "example.org/a",
            "spiffe://",
            "spiffe://a",
            "spiffe://a/",
            "spiffe://A/b",
            "spiffe://a//b",
            "spiffe://a/b?c",
            "spiffe://a/..",
        ] {
            assert!(spiffe(&Given::Text(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dns_names_are_exact_names() {
        assert_eq!(dns(&Given::Text("a.example")), Ok("a.example".to_owned()));
        for wrong in ["*.example", "A.example", "a.example:80", "10.0.0.1", "[::1]", "a.example.", "", "a b"] {
            assert!(dns(&Given::Text(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_digest_is_64_hexadecimal_digits_and_what_is_not_is_not_shown() {
        let digits = "0123456789abcdef".repeat(4);
        let read = token_digest(&Given::Text(&digits)).unwrap();
        let bytes = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef].repeat(4);
        assert_eq!(read, TokenDigest::new(bytes.try_into().unwrap()));
        assert_eq!(format!("{read:?}"), "TokenDigest(..)");
        assert_eq!(token_digest(&Given::Text(&digits.to_uppercase())), Ok(read));
        for wrong in ["marker-token", &digits[1..], &format!("{digits}0"), &digits.replace('f', "g")] {
            let message = token_digest(&Given::Text(wrong)).unwrap_err();
            assert!(message.starts_with("is not a SHA-256") && !message.contains(wrong), "{message}");
        }
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(token_digest(&Given::Text(nothing)).unwrap_err().contains("empty token"));
    }

    #[test]
    fn service_accounts_have_a_namespace() {
        assert!(service_account(&Given::Text("default/reporting")).is_ok());
        for wrong in ["reporting", "/a", "a/", "a/b/c", "A/b", "system:serviceaccount:a:b"] {
            assert!(service_account(&Given::Text(wrong)).is_err(), "{wrong}");
        }
    }
}
