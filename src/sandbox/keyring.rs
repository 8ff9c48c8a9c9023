//! The access keys an endpoint accepts.

use jiff::Timestamp;

use crate::credentials::HeldKey;
use crate::query::Parameters;
use crate::signing::SigningTarget;
use crate::signing::verify::{SignatureClaim, VerifyError};

/// The keys; no two have the same ID.
pub(super) struct Keyring(Vec<HeldKey>);

impl Keyring {
    /// Takes the keys; `None` if two have the same ID.
    #[must_use]
    pub(super) fn new(keys: Vec<HeldKey>) -> Option<Self> {
        let twice =
            keys.iter().enumerate().any(|(index, key)| keys.iter().skip(index).skip(1).any(|k| k.id() == key.id()));
        (!twice).then_some(Self(keys))
    }

    /// The key that signed `parameters` for `target`.
    ///
    /// A key that has expired counts as unknown.
    ///
    /// # Errors
    /// Any [`VerifyError`].
    pub(super) fn verify(
        &self,
        parameters: &Parameters<'_>,
        target: &SigningTarget,
        now: Timestamp,
    ) -> Result<&HeldKey, VerifyError> {
        let claim = SignatureClaim::read(parameters)?;
        let key = self.0.iter().find(|key| key.id().as_str() == claim.access_key_id);
        let key = key.filter(|key| !key.is_expired(now)).ok_or(VerifyError::UnknownKey)?;
        claim.check(key, target, now)?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::{AccessKeyId, Credentials, SecretAccessKey};
    use crate::query::FormLimits;

    fn key(id: &str, expiration: Option<&str>) -> HeldKey {
        HeldKey::new(Credentials {
            access_key_id: AccessKeyId::parse(id).unwrap(),
            secret_access_key: SecretAccessKey::new(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap(),
            session_token: None,
            expiration: expiration.map(|time| time.parse().unwrap()),
        })
    }

    #[test]
    fn an_id_may_be_there_only_once() {
        assert!(Keyring::new(vec![key("AKIAIOSFODNN7EXAMPLE", None), key("AKIAI44QH8DHBEXAMPLE", None)]).is_some());
        assert!(Keyring::new(vec![key("AKIAIOSFODNN7EXAMPLE", None), key("AKIAIOSFODNN7EXAMPLE", None)]).is_none());
    }

    #[test]
    fn unknown_and_expired_keys_are_not_known() {
        let keyring = Keyring::new(vec![key("AKIAIOSFODNN7EXAMPLE", Some("2011-06-20T22:00:00Z"))]).unwrap();
        let target = SigningTarget { host: "localhost".to_owned(), path: "/".to_owned() };
        for id in ["AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"] {
            let body = format!(
                "AWSAccessKeyId={id}&SignatureVersion=2&SignatureMethod=HmacSHA256&\
                 Timestamp=2011-06-20T22:30:59Z&Signature=AAAA"
            );
            let parameters = Parameters::parse(body.as_bytes(), FormLimits::DEFAULT).unwrap();
            let now = "2011-06-20T22:30:59Z".parse().unwrap();
            assert_eq!(keyring.verify(&parameters, &target, now).err(), Some(VerifyError::UnknownKey), "{id}");
        }
    }
}
