//! What a form says of its signature in Signature Version 2, from which diagnosis starts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::credentials::{HeldKey, SessionToken, SignatureMethod};
use crate::query::Parameters;
use crate::signing::in_form::write_canonical;
use crate::signing::target::SigningTarget;
use crate::signing::timestamp::RequestTimestamp;

/// How far a `Timestamp` may be behind or ahead of the verifier's clock.
pub const CLOCK_WINDOW: SignedDuration = SignedDuration::from_mins(15);

/// Why a signed request is refused, in the order of the checks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// The request has neither an access key id nor a signature.
    #[error("the request is not signed: it has neither AWSAccessKeyId nor Signature")]
    NotSigned,
    /// A parameter that belongs to a signature is missing.
    #[error("the request has no {0} parameter")]
    Missing(&'static str),
    /// The request has both `Timestamp` and `Expires`.
    #[error("the request has both Timestamp and Expires; exactly one is allowed")]
    TwoTimes,
    /// `SignatureVersion` is not `2`.
    #[error("SignatureVersion is not 2")]
    Version,
    /// `SignatureMethod` is neither `HmacSHA256` nor `HmacSHA1`.
    #[error("SignatureMethod is neither HmacSHA256 nor HmacSHA1")]
    Method,
    /// `Timestamp` or `Expires` is not an ISO 8601 time.
    #[error("{0} is not an ISO 8601 date and time, e.g. 2011-06-20T22:30:59.556Z")]
    NotATime(&'static str),
    /// `Signature` is not the base64 of a MAC.
    #[error("Signature is not base64")]
    NotBase64,
    /// The verifier has no key with this id.
    #[error("the access key id is not known here")]
    UnknownKey,
    /// The session token of temporary credentials is missing or wrong, or was sent with a key that has none.
    #[error("the SecurityToken is not the one that belongs to the access key")]
    WrongToken,
    /// The request's time is outside the clock window.
    #[error("the request's time is {} minutes {} the verifier's clock; at most 15 are allowed",
        .behind.abs().as_mins(), if .behind.is_negative() { "ahead of" } else { "behind" })]
    Expired {
        /// How far the request's time is behind the verifier's clock; negative when it is ahead.
        behind: SignedDuration,
    },
    /// Everything is well-formed, and the MAC differs.
    #[error("the signature does not match")]
    Mismatch,
}

/// The authentication parameters of a request, parsed: what a verifier needs to compute the MAC again.
pub struct SignatureClaim<'a> {
    /// The value of `AWSAccessKeyId`.
    pub access_key_id: &'a str,
    /// From `SignatureMethod`.
    pub method: SignatureMethod,
    /// The decoded `Signature`.
    pub tag: Vec<u8>,
    token: Option<&'a str>,
    validity: Validity,
    parameters: &'a Parameters<'a>,
}

enum Validity {
    SignedAt(Timestamp),
    Until(Timestamp),
}

impl<'a> SignatureClaim<'a> {
    /// Parses the authentication parameters.
    ///
    /// # Errors
    /// The first [`VerifyError`] that a malformed parameter causes.
    pub fn read(parameters: &'a Parameters<'a>) -> Result<Self, VerifyError> {
        let present = |name: &'static str| parameters.get(name).ok_or(VerifyError::Missing(name));
        if parameters.get("AWSAccessKeyId").is_none() && parameters.get("Signature").is_none() {
            return Err(VerifyError::NotSigned);
        }
        let access_key_id = present("AWSAccessKeyId")?;
        let signature = present("Signature")?;
        if present("SignatureVersion")? != "2" {
            return Err(VerifyError::Version);
        }
        let method = match present("SignatureMethod")? {
            "HmacSHA256" => SignatureMethod::HmacSha256,
            "HmacSHA1" => SignatureMethod::HmacSha1,
            _ => return Err(VerifyError::Method),
        };
        let time = |name: &'static str| {
            parameters
                .get(name)
                .map(|text| RequestTimestamp::parse(text).map(|time| time.instant()).ok_or(VerifyError::NotATime(name)))
                .transpose()
        };
        let validity = match (time("Timestamp")?, time("Expires")?) {
            (Some(signed_at), None) => Validity::SignedAt(signed_at),
            (None, Some(until)) => Validity::Until(until),
            (None, None) => return Err(VerifyError::Missing("Timestamp")),
            (Some(_), Some(_)) => return Err(VerifyError::TwoTimes),
        };
        let tag = STANDARD.decode(signature).map_err(|_| VerifyError::NotBase64)?;
        Ok(Self { access_key_id, method, tag, token: parameters.get("SecurityToken"), validity, parameters })
    }

    /// Checks token, time and MAC with the key that belongs to [`Self::access_key_id`].
    ///
    /// # Errors
    /// [`VerifyError::WrongToken`], [`VerifyError::Expired`] or [`VerifyError::Mismatch`].
    pub fn check(&self, key: &HeldKey, target: &SigningTarget, now: Timestamp) -> Result<(), VerifyError> {
        if self.token != key.session_token().map(SessionToken::expose_secret) {
            return Err(VerifyError::WrongToken);
        }
        self.check_time(now)?;
        let matches = key.signing_key().verifies(self.method, &self.string_to_sign(target), &self.tag);
        if matches { Ok(()) } else { Err(VerifyError::Mismatch) }
    }

    /// Checks the request's time at `now`.
    ///
    /// # Errors
    /// [`VerifyError::Expired`].
    pub fn check_time(&self, now: Timestamp) -> Result<(), VerifyError> {
        match self.validity {
            Validity::SignedAt(signed_at) => {
                let behind = now.duration_since(signed_at);
                if behind.abs() > CLOCK_WINDOW { Err(VerifyError::Expired { behind }) } else { Ok(()) }
            }
            Validity::Until(until) => {
                let behind = now.duration_since(until);
                if behind.is_positive() { Err(VerifyError::Expired { behind }) } else { Ok(()) }
            }
        }
    }

    /// The string that the signer must have signed: every parameter but `Signature`, for `target`.
    #[must_use]
    pub fn string_to_sign(&self, target: &SigningTarget) -> Vec<u8> {
        let mut out = format!("POST\n{}\n{}\n", target.host, target.path).into_bytes();
        write_canonical(self.signed_parameters(), &mut out);
        out
    }

    /// Every parameter but `Signature`, in canonical order.
    #[must_use]
    pub fn signed_parameters(&self) -> Vec<(&'a str, &'a str)> {
        self.parameters.iter().filter(|(name, _)| *name != "Signature").collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::{ClientIdentity, Policy};
    use crate::credentials::{AccessKeyId, Credentials, SecretAccessKey};
    use crate::query::{FormLimits, QueryForm};
    use crate::signing::{Profile, prepare};

    const LIMITS: FormLimits = FormLimits::DEFAULT;

    fn key(token: Option<&str>) -> HeldKey {
        HeldKey::new(Credentials {
            access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
            secret_access_key: SecretAccessKey::new(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap(),
            session_token: token.map(|token| SessionToken::new(token).unwrap()),
            expiration: None,
        })
    }

    fn target() -> SigningTarget {
        SigningTarget { host: "importexport.amazonaws.com".to_owned(), path: "/".to_owned() }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn signed(key: &HeldKey) -> Vec<u8> {
        let form = QueryForm::parse(b"Action=GetStatus&JobId=JOB+%26ID", LIMITS).unwrap();
        let allowed = Policy::AnyLocal.authorize(&ClientIdentity::AnyLocal, "ie", form).unwrap();
        let profile = Profile::aws_v2(SignatureMethod::HmacSha256);
        let time = RequestTimestamp::at(at("2011-06-20T22:30:59.556Z"));
        let unsealed = prepare(&allowed, key, &target(), &profile, &time.into());
        let mac = key.signing_key().mac_with(unsealed.key(), unsealed.string_to_sign());
        unsealed.seal(&mac).into_body().to_vec()
    }

    fn verify(body: &[u8], key: &HeldKey, target: &SigningTarget, now: &str) -> Result<(), VerifyError> {
        let parameters = Parameters::parse(body, LIMITS).unwrap();
        SignatureClaim::read(&parameters)?.check(key, target, at(now))
    }

    #[test]
    fn what_was_signed_verifies_within_fifteen_minutes_either_way() {
        for token in [None, Some("AQoEXAMPLEH4aoAH0gNCAPy")] {
            let key = key(token);
            let body = signed(&key);
            for now in ["2011-06-20T22:30:59Z", "2011-06-20T22:45:59Z", "2011-06-20T22:16:00Z"] {
                assert_eq!(verify(&body, &key, &target(), now), Ok(()), "{now}");
            }
            for now in ["2011-06-20T22:46:00Z", "2011-06-20T22:15:59Z"] {
                assert!(matches!(verify(&body, &key, &target(), now), Err(VerifyError::Expired { .. })), "{now}");
            }
        }
    }

    #[test]
    fn a_changed_parameter_host_or_path_does_not_verify() {
        let key = key(None);
        let body = String::from_utf8(signed(&key)).unwrap();
        let now = "2011-06-20T22:30:59Z";
        for changed in [body.replace("GetStatus", "CancelJob"), format!("{body}&More=1"), body.replace("JOB", "JoB")] {
            assert_eq!(verify(changed.as_bytes(), &key, &target(), now), Err(VerifyError::Mismatch));
        }
        for (host, path) in [("other.example", "/"), ("importexport.amazonaws.com", "/x")] {
            let target = SigningTarget { host: host.to_owned(), path: path.to_owned() };
            assert_eq!(verify(body.as_bytes(), &key, &target, now), Err(VerifyError::Mismatch));
        }
    }

    #[test]
    fn each_missing_or_malformed_part_is_named() {
        let key = key(None);
        let body = String::from_utf8(signed(&key)).unwrap();
        let without = |name: &str| {
            body.split('&').filter(|pair| !pair.starts_with(&format!("{name}="))).collect::<Vec<_>>().join("&")
        };
        let now = "2011-06-20T22:30:59Z";
        let check = |body: &str| verify(body.as_bytes(), &key, &target(), now).unwrap_err();
        for name in ["AWSAccessKeyId", "Signature", "SignatureVersion", "SignatureMethod", "Timestamp"] {
            assert_eq!(check(&without(name)), VerifyError::Missing(name));
        }
        assert_eq!(check("Action=ListJobs"), VerifyError::NotSigned);
        assert_eq!(check(&body.replace("SignatureVersion=2", "SignatureVersion=1")), VerifyError::Version);
        assert_eq!(check(&body.replace("HmacSHA256", "HmacMD5")), VerifyError::Method);
        assert_eq!(check(&body.replace("2011-06-20T", "2011-6-20 ")), VerifyError::NotATime("Timestamp"));
        assert_eq!(check(&format!("{body}&Expires=2030-01-01T00%3A00%3A00Z")), VerifyError::TwoTimes);
        assert_eq!(check(&format!("{body}&SecurityToken=x")), VerifyError::WrongToken);
        assert_eq!(check(&format!("{}&Signature=%21", without("Signature"))), VerifyError::NotBase64);
    }

    #[test]
    fn the_message_of_a_clock_error_says_which_way() {
        let error = VerifyError::Expired { behind: SignedDuration::from_mins(-20) };
        assert!(error.to_string().contains("20 minutes ahead of"), "{error}");
    }
}
