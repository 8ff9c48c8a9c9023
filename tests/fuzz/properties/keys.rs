//! The key, place and time of every signature in these properties.

use countersign::credentials::{AccessKeyId, Credentials, HeldKey, SecretAccessKey, SessionToken};
use countersign::signing::SigningTarget;

pub(super) const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(super) const SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

pub(super) fn active(token: Option<&str>) -> HeldKey {
    HeldKey::new(Credentials {
        access_key_id: AccessKeyId::parse(KEY_ID).unwrap(),
        secret_access_key: SecretAccessKey::new(SECRET).unwrap(),
        session_token: token.map(|token| SessionToken::new(token).unwrap()),
        expiration: None,
    })
}

pub(super) fn target() -> SigningTarget {
    SigningTarget { host: "importexport.amazonaws.com".to_owned(), path: "/".to_owned() }
}
