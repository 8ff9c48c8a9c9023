//! The time that a client signed, read from a header field, and whether it is within the window.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::Offset;

use super::WINDOW;

/// A time that is outside the window, in AWS's words, by which SDKs correct their clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeFault {
    /// The time that was signed.
    signed: Timestamp,
    /// Our clock.
    now: Timestamp,
}

impl fmt::Display for TimeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signed, now } = self;
        let minutes = WINDOW.as_mins();
        if signed < now {
            let earliest = now.saturating_sub(WINDOW).unwrap_or(*now);
            write!(
                f,
                "Signature expired: {} is now earlier than {} ({} - {minutes} min.)",
                basic(*signed),
                basic(earliest),
                basic(*now)
            )
        } else {
            let latest = now.saturating_add(WINDOW).unwrap_or(*now);
            write!(
                f,
                "Signature not yet current: {} is still later than {} ({} + {minutes} min.)",
                basic(*signed),
                basic(latest),
                basic(*now)
            )
        }
    }
}

/// Checks that a time is at most [`WINDOW`] from our clock, either way.
pub(super) fn check_signed_at(signed: Timestamp, now: Timestamp) -> Result<(), TimeFault> {
    if now.duration_since(signed).abs() > WINDOW { Err(TimeFault { signed, now }) } else { Ok(()) }
}

/// Checks that a signature has not ended, and does not last longer than [`WINDOW`].
pub(super) fn check_until(until: Timestamp, now: Timestamp) -> Result<(), TimeFault> {
    let left = until.duration_since(now);
    if left.is_negative() || left > WINDOW { Err(TimeFault { signed: until, now }) } else { Ok(()) }
}

/// A time as `20260101T000000Z`.
pub(super) fn basic(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Reads `20260101T000000Z`, and nothing else.
pub(super) fn parse_basic(text: &[u8]) -> Option<Timestamp> {
    let [y1, y2, y3, y4, m1, m2, d1, d2, b'T', h1, h2, n1, n2, s1, s2, b'Z'] = *text else { return None };
    let number = |digits: &[u8]| -> Option<i16> {
        let all_digits = digits.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(digits).ok().filter(|_| all_digits)?.parse().ok()
    };
    let two = |first, second| number(&[first, second]).and_then(|number| i8::try_from(number).ok());
    let (year, month, day) = (number(&[y1, y2, y3, y4])?, two(m1, m2)?, two(d1, d2)?);
    let time = DateTime::new(year, month, day, two(h1, h2)?, two(n1, n2)?, two(s1, s2)?, 0).ok()?;
    Offset::UTC.to_timestamp(time).ok()
}

/// Reads a `Date` field: the time of HTTP, or the same form as `x-amz-date`.
pub(super) fn parse_date_field(text: &[u8]) -> Option<Timestamp> {
    const PARSER: DateTimeParser = DateTimeParser::new();
    parse_basic(text).or_else(|| PARSER.parse_timestamp(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_is_read_in_its_form_and_in_no_other() {
        assert_eq!(parse_basic(b"20260228T235959Z"), Some(at("2026-02-28T23:59:59Z")));
        for wrong in
            ["20260229T000000Z", "2026-02-28T00:00:00Z", "20260228T000000", "20260228T000000z", "+0260228T000000Z", ""]
        {
            assert_eq!(parse_basic(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(parse_date_field(b"Sat, 28 Feb 2026 23:59:59 GMT"), Some(at("2026-02-28T23:59:59Z")));
        assert_eq!(parse_date_field(b"20260228T235959Z"), Some(at("2026-02-28T23:59:59Z")));
    }

    #[test]
    fn a_time_may_be_five_minutes_away_either_way_and_not_a_second_more() {
        let now = at("2026-01-01T00:15:00Z");
        for near in ["2026-01-01T00:10:00Z", "2026-01-01T00:20:00Z"] {
            assert_eq!(check_signed_at(at(near), now), Ok(()));
        }
        let early = check_signed_at(at("2026-01-01T00:09:59Z"), now).unwrap_err();
        assert_eq!(
            early.to_string(),
            "Signature expired: 20260101T000959Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)"
        );
        let late = check_signed_at(at("2026-01-01T00:20:01Z"), now).unwrap_err();
        assert_eq!(
            late.to_string(),
            "Signature not yet current: 20260101T002001Z is still later than 20260101T002000Z (20260101T001500Z + 5 \
             min.)"
        );
    }

    #[test]
    fn an_end_is_in_the_next_five_minutes() {
        let now = at("2026-01-01T00:15:00Z");
        for good in ["2026-01-01T00:15:00Z", "2026-01-01T00:20:00Z"] {
            assert_eq!(check_until(at(good), now), Ok(()));
        }
        for bad in ["2026-01-01T00:14:59Z", "2026-01-01T00:20:01Z"] {
            assert!(check_until(at(bad), now).is_err(), "{bad}");
        }
    }
}
