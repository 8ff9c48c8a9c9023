//! When a key expires, as text.

use jiff::Timestamp;

pub(super) fn expiry(expiration: Option<Timestamp>, now: Timestamp) -> String {
    match expiration {
        None => "never expires".to_owned(),
        Some(time) if time <= now => format!("expired {time}"),
        Some(time) => format!("expires {time}"),
    }
}
