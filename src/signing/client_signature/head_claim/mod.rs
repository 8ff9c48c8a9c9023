//! What a head says of its signature: the claim is read before the body, and verified when the body has been read.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::authorization::{self, Authorization};
use super::canonical_request::{self, ReceivedParts, hex};
use super::claimed_time::{basic, check_signed_at, parse_basic, parse_date_field};
use super::error::ClientSignatureError;
use crate::credentials::{KeyScope, SigningKey};
use crate::http1::Fields;
use crate::query::ShownName;

/// A signature by AWS Signature Version 4, as the head claims it. It proves nothing before [`Self::verify`].
#[derive(Debug)]
pub struct HeadClaim {
    key_id: String,
    scope: KeyScope,
    signed_headers: String,
    signed_at: Timestamp,
    /// `x-amz-content-sha256`.
    body_hash: Option<String>,
    tag: [u8; 32],
}

/// The beginning of the names of AWS's own fields, all of which must be signed.
const AMZ: &[u8] = b"x-amz-";

impl HeadClaim {
    /// Reads the claim of a head; `None` when it has no `Authorization` of this algorithm.
    ///
    /// # Errors
    /// What is wrong with the claim, as far as the head shows it.
    pub fn read(fields: &Fields) -> Result<Option<Self>, ClientSignatureError> {
        if !fields.all("authorization").any(authorization::is_ours) {
            return Ok(None);
        }
        // another program might read the other one
        let only = fields.only("authorization");
        let only = only.ok_or(ClientSignatureError::Incomplete("there is more than one Authorization field"))?;
        let Authorization { key_id, scope, signed_headers, tag } = authorization::parse(only)?;
        let is_signed = |name: &str| signed_headers.split(';').any(|signed| signed == name);
        let unsigned = |name: &str| ClientSignatureError::FieldNotSigned(ShownName::of(name));
        let (time_field, signed_at) = time(fields)?;
        for name in ["host", time_field] {
            if !is_signed(name) {
                return Err(unsigned(name));
            }
        }
        for (name, _) in fields.iter().filter(|(name, _)| begins_with_amz(name)) {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            if !is_signed(&name) {
                return Err(unsigned(&name));
            }
        }
        if let Some(name) = signed_headers.split(';').find(|name| !fields.contain(name)) {
            return Err(ClientSignatureError::FieldMissing(ShownName::of(name)));
        }
        if fields.contain("x-amz-security-token") {
            return Err(ClientSignatureError::SessionToken);
        }
        if !basic(signed_at).as_bytes().starts_with(&scope.date) {
            return Err(ClientSignatureError::ScopeDate);
        }
        let (key_id, signed_headers) = (key_id.to_owned(), signed_headers.to_owned());
        Ok(Some(Self { key_id, scope, signed_headers, signed_at, body_hash: body_hash(fields)?, tag }))
    }

    /// The id of the key that is said to have signed.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The region of the scope.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.scope.region
    }

    /// The service of the scope.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.scope.service
    }

    /// Checks that the request was signed within the window.
    ///
    /// # Errors
    /// [`ClientSignatureError::HeadTime`].
    pub fn check_time(&self, now: Timestamp) -> Result<(), ClientSignatureError> {
        check_signed_at(self.signed_at, now).map_err(ClientSignatureError::HeadTime)
    }

    /// Verifies that the key signed what came. The time is checked by [`Self::check_time`].
    ///
    /// # Errors
    /// [`ClientSignatureError::BodyHash`] or [`ClientSignatureError::Mismatch`].
    pub fn verify(&self, came: &ReceivedParts<'_>, key: &SigningKey) -> Result<(), ClientSignatureError> {
        // the hash is no secret: whoever sends the body knows it
        if self.body_hash.as_ref().is_some_and(|hash| *hash != hex(&Sha256::digest(came.body))) {
            return Err(ClientSignatureError::BodyHash);
        }
        let request = canonical_request::write(came, &self.signed_headers);
        let string_to_sign = self.string_to_sign(&request);
        if key.verifies_in(&self.scope, string_to_sign.as_bytes(), &self.tag) {
            Ok(())
        } else {
            Err(ClientSignatureError::Mismatch)
        }
    }

    /// The canonical request that was expected, without the values that may hold a secret: for the log.
    #[must_use]
    pub fn describe(&self, came: &ReceivedParts<'_>) -> String {
        let KeyScope { date, region, service, .. } = &self.scope;
        let date = String::from_utf8_lossy(date);
        let request = canonical_request::describe(came, &self.signed_headers);
        format!("scope {date}/{region}/{service}, time {}, canonical request:\n{request}", basic(self.signed_at))
    }

    fn string_to_sign(&self, canonical_request: &[u8]) -> String {
        let KeyScope { derivation, date, region, service } = &self.scope;
        format!(
            "AWS4-HMAC-SHA256\n{}\n{}/{region}/{service}/{}\n{}",
            basic(self.signed_at),
            String::from_utf8_lossy(date),
            derivation.last_word(),
            hex(&Sha256::digest(canonical_request)),
        )
    }
}

/// Reads the time in a field.
type ReadTime = fn(&[u8]) -> Option<Timestamp>;

/// The name of the field with the time, and the time: `x-amz-date`, or without it `date`.
fn time(fields: &Fields) -> Result<(&'static str, Timestamp), ClientSignatureError> {
    let (name, read): (_, ReadTime) =
        if fields.contain("x-amz-date") { ("x-amz-date", parse_basic) } else { ("date", parse_date_field) };
    let time = fields.only(name).and_then(read);
    let fault = ClientSignatureError::Incomplete("it needs one x-amz-date such as 20260101T000000Z, or a Date");
    time.map(|time| (name, time)).ok_or(fault)
}

fn begins_with_amz(name: &[u8]) -> bool {
    name.get(..AMZ.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(AMZ))
}

/// What is not a hash, such as `UNSIGNED-PAYLOAD`, would leave the body open.
fn body_hash(fields: &Fields) -> Result<Option<String>, ClientSignatureError> {
    const NAME: &str = "x-amz-content-sha256";
    if !fields.contain(NAME) {
        return Ok(None);
    }
    let is_hash = |value: &&[u8]| {
        value.len() == 64 && value.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
    };
    let value = fields.only(NAME).filter(is_hash).and_then(|value| std::str::from_utf8(value).ok());
    value.map(|value| Some(value.to_owned())).ok_or(ClientSignatureError::BodyHash)
}

#[cfg(test)]
mod tests;
