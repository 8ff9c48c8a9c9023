//! When a key expires, as text and in a document.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// When a key expires, and whether it has.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Expiry {
    #[serde(serialize_with = "as_text")]
    expires: Option<Timestamp>,
    pub(super) expired: bool,
}

impl Expiry {
    pub(super) fn of(expires: Option<Timestamp>, now: Timestamp) -> Self {
        Self { expires, expired: expires.is_some_and(|time| time <= now) }
    }

    pub(super) fn text(&self) -> String {
        match self.expires {
            None => "never expires".to_owned(),
            Some(time) if self.expired => format!("expired {time}"),
            Some(time) => format!("expires {time}"),
        }
    }
}

/// RFC 3339, in UTC.
#[expect(clippy::ref_option, reason = "serde passes a reference to the member")]
fn as_text<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}
