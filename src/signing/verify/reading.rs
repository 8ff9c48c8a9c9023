//! What an endpoint has read of a signed request, and what it makes of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::problem::{Problem, TimeProblem};
use super::verifying_key::{KeyForm, VerifyingKey};

/// A signed request as a server has read it.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The id of the access key.
    pub key_id: String,
    /// The request whose hash is signed, in the family of Signature Version 4.
    pub canonical_request: Option<String>,
    /// What has to be signed.
    pub string_to_sign: String,
    /// Another string that the server takes as well: some try the host without its port.
    pub(super) otherwise: Option<String>,
    /// What may not come twice.
    pub once: Option<Once>,
    /// The parameters, decoded, those of the signature among them.
    pub parameters: Vec<(String, String)>,
    pub(super) token: Option<String>,
    pub(super) token_name: &'static str,
    pub(super) tag: Vec<u8>,
    pub(super) form: KeyForm,
    pub(super) time: RequestTime,
}

/// A value that a server accepts once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Once {
    /// The parameter that has it.
    pub name: &'static str,
    /// The value.
    pub value: String,
}

/// When a request was made, and how far that may be off.
#[derive(Debug, Clone)]
pub(super) struct RequestTime {
    pub(super) name: &'static str,
    pub(super) at: Timestamp,
    pub(super) window: Window,
}

/// How far a request's time may be from the server's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) behind: SignedDuration,
    /// `None` if any time ahead is accepted.
    pub(super) ahead: Option<SignedDuration>,
}

impl Window {
    /// As far in both directions.
    pub(super) const fn minutes(minutes: i64) -> Self {
        let most = SignedDuration::from_mins(minutes);
        Self { behind: most, ahead: Some(most) }
    }
}

impl Reading {
    /// The session token that was sent.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The time of the request, or until when it is good.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time.at
    }

    /// Everything that is wrong for this key and at this time. A server reports the first.
    #[must_use]
    pub fn problems(&self, key: &VerifyingKey, now: Timestamp) -> Vec<Problem> {
        let token = (!key.has_token(self.token())).then_some(Problem::WrongToken(self.token_name));
        let mac = (!self.is_signed_by(key)).then_some(Problem::Mismatch);
        [token, self.time_problem(now), mac].into_iter().flatten().collect()
    }

    /// Whether the signature is that of this key.
    #[must_use]
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        let is_mac_of = |text: &String| key.verifies(&self.form, text.as_bytes(), &self.tag);
        is_mac_of(&self.string_to_sign) || self.otherwise.as_ref().is_some_and(is_mac_of)
    }

    /// Whether the signature is what this key makes of another string than the right one.
    pub(in crate::signing) fn is_mac_of(&self, text: &[u8], key: &VerifyingKey) -> bool {
        key.verifies(&self.form, text, &self.tag)
    }

    fn time_problem(&self, now: Timestamp) -> Option<Problem> {
        let RequestTime { name, at, window } = self.time;
        let behind = now.duration_since(at);
        let limit = if behind.is_negative() { window.ahead? } else { window.behind };
        (behind.abs() > limit).then_some(Problem::Time(TimeProblem { name, at, now, limit }))
    }
}

/// A signature in base64.
pub(super) fn base64(name: &'static str, text: &str) -> Result<Vec<u8>, Problem> {
    STANDARD.decode(text).map_err(|_| Problem::Wrong { name, expected: "base64".to_owned() })
}

/// A time in this format, in UTC unless the format has an offset.
pub(super) fn time(name: &'static str, text: &str, format: &str) -> Result<Timestamp, Problem> {
    let in_utc = || {
        let civil = jiff::civil::DateTime::strptime(format, text).ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
    };
    let read = if format.ends_with("%z") { Timestamp::strptime(format, text).ok() } else { in_utc() };
    read.ok_or_else(|| Problem::Wrong { name, expected: format!("a time like {format}") })
}
