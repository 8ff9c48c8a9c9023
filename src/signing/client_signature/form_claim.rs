//! What a form says of its signature by AWS Signature Version 2, and its verification.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::claimed_time::{TimeFault, check_signed_at, check_until};
use super::error::ClientSignatureError;
use crate::credentials::{SignatureMethod, SigningKey};
use crate::query::{Parameters, percent};
use crate::signing::RequestTimestamp;

/// A signature by AWS Signature Version 2, as the form claims it. It proves nothing before [`Self::verify`].
pub struct FormClaim<'f> {
    parameters: &'f Parameters<'f>,
    key_id: &'f str,
    method: SignatureMethod,
    tag: Vec<u8>,
    time: ClaimedTime,
}

enum ClaimedTime {
    SignedAt(Timestamp),
    Until(Timestamp),
}

impl<'f> FormClaim<'f> {
    /// Whether a form claims to be signed. It looks for the name as SDKs write it: a form that writes it otherwise is
    /// not signed.
    #[must_use]
    pub fn is_in(form: &[u8]) -> bool {
        form.split(|byte| *byte == b'&').any(|pair| pair.starts_with(b"Signature="))
    }

    /// Reads the claim of a form.
    ///
    /// # Errors
    /// What is wrong with the claim.
    pub fn read(parameters: &'f Parameters<'f>) -> Result<Self, ClientSignatureError> {
        use ClientSignatureError::Incomplete;
        let present = |name: &str, fault| parameters.get(name).ok_or(Incomplete(fault));
        let key_id = present("AWSAccessKeyId", "it has no AWSAccessKeyId")?;
        let signature = present("Signature", "it has no Signature")?;
        if parameters.get("SignatureVersion") != Some("2") {
            return Err(Incomplete("SignatureVersion is not 2"));
        }
        let method = match parameters.get("SignatureMethod") {
            Some("HmacSHA256") => SignatureMethod::HmacSha256,
            Some("HmacSHA1") => SignatureMethod::HmacSha1,
            Some(_) | None => return Err(Incomplete("SignatureMethod is neither HmacSHA256 nor HmacSHA1")),
        };
        if parameters.get("SecurityToken").is_some() {
            return Err(ClientSignatureError::SessionToken);
        }
        let instant = |text: &str| {
            let time = RequestTimestamp::parse(text).ok_or(Incomplete("its time is not in the form of ISO 8601"));
            time.map(|time| time.instant())
        };
        let time = match (parameters.get("Timestamp"), parameters.get("Expires")) {
            (Some(signed_at), None) => ClaimedTime::SignedAt(instant(signed_at)?),
            (None, Some(until)) => ClaimedTime::Until(instant(until)?),
            (None, None) | (Some(_), Some(_)) => return Err(Incomplete("it needs one of Timestamp and Expires")),
        };
        let tag = STANDARD.decode(signature).map_err(|_| Incomplete("Signature is not base64"))?;
        Ok(Self { parameters, key_id, method, tag, time })
    }

    /// The id of the key that is said to have signed.
    #[must_use]
    pub const fn key_id(&self) -> &'f str {
        self.key_id
    }

    /// Verifies that the key signed this form for `method`, `host` (as it came) and `path`, within the window.
    ///
    /// # Errors
    /// [`ClientSignatureError::FormTime`] or [`ClientSignatureError::Mismatch`].
    pub fn verify(
        &self,
        [method, host, path]: [&str; 3],
        key: &SigningKey,
        now: Timestamp,
    ) -> Result<(), ClientSignatureError> {
        self.check_time(now).map_err(ClientSignatureError::FormTime)?;
        let mut string_to_sign = format!("{method}\n{}\n{path}\n", host.to_ascii_lowercase()).into_bytes();
        for (index, (name, value)) in self.signed().enumerate() {
            if index > 0 {
                string_to_sign.push(b'&');
            }
            percent::encode_into(name, &mut string_to_sign);
            string_to_sign.push(b'=');
            percent::encode_into(value, &mut string_to_sign);
        }
        if key.verifies(self.method, &string_to_sign, &self.tag) { Ok(()) } else { Err(ClientSignatureError::Mismatch) }
    }

    /// The string to sign that was expected, with the names of parameters and without their values: for the log.
    #[must_use]
    pub fn describe(&self, [method, host, path]: [&str; 3]) -> String {
        let names: Vec<_> = self.signed().map(|(name, _)| name).collect();
        format!("{method}\n{}\n{path}\n{}", host.to_ascii_lowercase(), names.join("&"))
    }

    fn check_time(&self, now: Timestamp) -> Result<(), TimeFault> {
        match self.time {
            ClaimedTime::SignedAt(signed_at) => check_signed_at(signed_at, now),
            ClaimedTime::Until(until) => check_until(until, now),
        }
    }

    /// Every parameter but the signature, in order of its name's bytes.
    fn signed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().filter(|(name, _)| *name != "Signature")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::SecretAccessKey;
    use crate::query::FormLimits;

    /// The worked example of AWS's developer guide for Elastic MapReduce (2009), which is a GET.
    const EXAMPLE: &str = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Action=DescribeJobFlows&SignatureMethod=HmacSHA256&\
                           SignatureVersion=2&Timestamp=2011-10-03T15%3A19%3A30&Version=2009-03-31&\
                           Signature=i91nKc4PWAt0JJIdXwz9HxZCJDdiy6cf%2FMj6vPxyYIs%3D";
    const PLACE: [&str; 3] = ["GET", "elasticmapreduce.amazonaws.com", "/"];

    fn verify(form: &str, place: [&str; 3], now: &str) -> Result<(), ClientSignatureError> {
        let key = SigningKey::new(&SecretAccessKey::new(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap());
        let parameters = Parameters::parse(form.as_bytes(), FormLimits::DEFAULT).unwrap();
        FormClaim::read(&parameters)?.verify(place, &key, now.parse().unwrap())
    }

    #[test]
    fn the_published_example_verifies_within_five_minutes() {
        for now in ["2011-10-03T15:19:30Z", "2011-10-03T15:24:30Z", "2011-10-03T15:14:30Z"] {
            assert_eq!(verify(EXAMPLE, PLACE, now), Ok(()), "{now}");
        }
        let [method, host, path] = PLACE;
        assert_eq!(verify(EXAMPLE, [method, &host.to_uppercase(), path], "2011-10-03T15:19:30Z"), Ok(()));
        for now in ["2011-10-03T15:24:31Z", "2011-10-03T15:14:29Z"] {
            assert!(matches!(verify(EXAMPLE, PLACE, now), Err(ClientSignatureError::FormTime(_))), "{now}");
        }
    }

    #[test]
    fn a_change_of_any_signed_part_does_not_verify() {
        let now = "2011-10-03T15:19:30Z";
        let [method, host, path] = PLACE;
        for place in [["POST", host, path], [method, "sdb.amazonaws.com", path], [method, host, "/x"]] {
            assert_eq!(verify(EXAMPLE, place, now), Err(ClientSignatureError::Mismatch), "{place:?}");
        }
        for changed in [
            EXAMPLE.replace("DescribeJobFlows", "RunJobFlow"),
            EXAMPLE.replace("HmacSHA256", "HmacSHA1"),
            EXAMPLE.replace("15%3A19%3A30&", "15%3A19%3A31&"),
            EXAMPLE.replace("Signature=i9", "Signature=j9"),
            format!("{EXAMPLE}&More=1"),
        ] {
            assert_eq!(verify(&changed, PLACE, now), Err(ClientSignatureError::Mismatch), "{changed}");
        }
    }

    #[test]
    fn what_is_missing_or_not_in_its_form_is_incomplete() {
        for name in ["AWSAccessKeyId", "SignatureMethod", "SignatureVersion", "Timestamp"] {
            let renamed = EXAMPLE.replace(&format!("{name}="), &format!("Other{name}="));
            assert!(matches!(
                verify(&renamed, PLACE, "2011-10-03T15:19:30Z"),
                Err(ClientSignatureError::Incomplete(_))
            ));
        }
        for more in ["Expires=2011-10-03T15%3A19%3A30", "SecurityToken=x"] {
            assert!(verify(&format!("{EXAMPLE}&{more}"), PLACE, "2011-10-03T15:19:30Z").is_err(), "{more}");
        }
    }

    #[test]
    fn a_description_has_no_values() {
        let parameters = Parameters::parse(EXAMPLE.as_bytes(), FormLimits::DEFAULT).unwrap();
        let told = FormClaim::read(&parameters).unwrap().describe(PLACE);
        let names = "AWSAccessKeyId&Action&SignatureMethod&SignatureVersion&Timestamp&Version";
        assert_eq!(told, format!("GET\nelasticmapreduce.amazonaws.com\n/\n{names}"));
    }

    #[test]
    fn a_form_claims_a_signature_only_by_its_name() {
        assert!(FormClaim::is_in(EXAMPLE.as_bytes()) && FormClaim::is_in(b"Signature=x&Action=A"));
        assert!(!FormClaim::is_in(b"Action=A&SignatureMethod=HmacSHA256&MySignature=x"));
    }
}
