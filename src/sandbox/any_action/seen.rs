//! Signatures and nonces that were accepted: where a cloud refuses them the second time.

use std::collections::{HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::signing::verify::Once;

/// For how long they are remembered: twice the longest window, since a time may be ahead.
const MEMORY: SignedDuration = SignedDuration::from_mins(30);

/// How many are remembered at most. The oldest is forgotten first.
const MOST: usize = 65_536;

/// What has been accepted.
#[derive(Default)]
pub(super) struct Seen {
    values: HashSet<Once>,
    by_age: VecDeque<(Timestamp, Once)>,
}

impl Seen {
    /// Whether this is new; it is not from now on.
    pub(super) fn is_first(&mut self, once: Once, now: Timestamp) -> bool {
        let is_over = |(time, _): &(Timestamp, Once)| now.duration_since(*time) > MEMORY;
        while self.by_age.len() >= MOST || self.by_age.front().is_some_and(is_over) {
            let Some((_, forgotten)) = self.by_age.pop_front() else { break };
            self.values.remove(&forgotten);
        }
        let is_new = self.values.insert(once.clone());
        if is_new {
            self.by_age.push_back((now, once));
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_accepted_once_and_forgotten_after_half_an_hour() {
        let (mut seen, at) = (Seen::default(), |text: &str| text.parse::<Timestamp>().unwrap());
        let mut is_first =
            |value: &str, time: &str| seen.is_first(Once { name: "SignatureNonce", value: value.to_owned() }, at(time));
        assert!(is_first("a", "2026-10-03T15:00:00Z") && is_first("b", "2026-10-03T15:00:00Z"));
        assert!(!is_first("a", "2026-10-03T15:30:00Z"));
        assert!(is_first("a", "2026-10-03T15:30:01Z"));
    }
}
