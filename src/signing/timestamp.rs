//! The time of a request, in the format of its dialect. Where that is ISO 8601 with milliseconds, a time that was given
//! as text keeps its text.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::{Offset, TimeZone};

use crate::query::percent;

/// How a dialect writes times, all of them in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeFormat {
    /// `2011-06-20T22:30:59.556Z`.
    Milliseconds,
    /// `2011-06-20T22:30:59Z`.
    Seconds,
    /// `2011-06-20T22:35:59+0000`: not the time of the request, but when it expires.
    ExpiryWithOffset,
    /// `1308609059`: seconds since 1970.
    Unix,
    /// `20110620T223059Z`.
    Basic,
}

/// The text of a `Timestamp` parameter, and the point in time that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTimestamp {
    text: Text,
    instant: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Text {
    /// Written by us: 24 bytes of ASCII.
    Ours([u8; 24]),
    Given(String),
}

impl RequestTimestamp {
    /// `now` as `2011-06-20T22:30:59.556Z`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
        // written by hand, since the library's printer takes more than twice as long
        let text = write_utc(now).map_or_else(|| Text::Given(PRINTER.timestamp_to_string(&now)), Text::Ours);
        Self { text, instant: now }
    }

    /// Keeps `text` unchanged if it is an ISO 8601 date and time; `None` otherwise. A time without an offset is taken
    /// for UTC, as in the examples of AWS's guides of 2009 to 2011.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let instant = text.parse().or_else(|_| parse_as_utc(text)).ok()?;
        Some(Self { text: Text::Given(text.to_owned()), instant })
    }

    /// The text that is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.text {
            Text::Ours(text) => std::str::from_utf8(text).unwrap_or_default(), // it is ASCII
            Text::Given(text) => text,
        }
    }

    /// The point in time.
    #[must_use]
    pub const fn instant(&self) -> Timestamp {
        self.instant
    }

    /// Appends the time in this format, percent-encoded.
    #[inline]
    pub(super) fn encode_as(&self, format: TimeFormat, lifetime: Duration, out: &mut Vec<u8>) {
        match format {
            TimeFormat::Milliseconds => self.encode_into(out),
            TimeFormat::Seconds => encode_seconds(&self.utc(), b"Z", out),
            TimeFormat::ExpiryWithOffset => encode_seconds(&utc_or_zero(self.expiry(lifetime)), b"%2B0000", out),
            TimeFormat::Unix | TimeFormat::Basic => self.append_as(format, lifetime, out),
        }
    }

    /// Appends the time in this format.
    pub(super) fn append_as(&self, format: TimeFormat, lifetime: Duration, out: &mut Vec<u8>) {
        match format {
            TimeFormat::Milliseconds => out.extend_from_slice(self.as_str().as_bytes()),
            TimeFormat::Seconds => {
                out.extend_from_slice(first_seconds(&self.utc()));
                out.push(b'Z');
            }
            TimeFormat::ExpiryWithOffset => {
                out.extend_from_slice(first_seconds(&utc_or_zero(self.expiry(lifetime))));
                out.extend_from_slice(b"+0000");
            }
            TimeFormat::Unix => out.extend_from_slice(itoa::Buffer::new().format(self.instant.as_second()).as_bytes()),
            TimeFormat::Basic => out.extend_from_slice(&self.basic()),
        }
    }

    /// The time in UTC, with milliseconds, however it was given.
    fn utc(&self) -> [u8; 24] {
        match &self.text {
            Text::Ours(text) => *text,
            Text::Given(_) => utc_or_zero(self.instant),
        }
    }

    fn expiry(&self, lifetime: Duration) -> Timestamp {
        self.instant.saturating_add(lifetime).unwrap_or(Timestamp::MAX)
    }

    /// The time as `20110620T223059Z`; its first eight bytes are the day.
    pub(super) fn basic(&self) -> [u8; 16] {
        let [y1, y2, y3, y4, _, m1, m2, _, d1, d2, t, h1, h2, _, n1, n2, _, s1, s2, ..] = self.utc();
        [y1, y2, y3, y4, m1, m2, d1, d2, t, h1, h2, n1, n2, s1, s2, b'Z']
    }

    /// Appends the text, percent-encoded.
    fn encode_into(&self, out: &mut Vec<u8>) {
        match &self.text {
            // in our own format only the colons need an escape
            Text::Ours(text)
                if let Some((date_and_hour, [b':', ten, one, b':', second @ ..])) = text.split_first_chunk::<13>() =>
            {
                out.extend_from_slice(date_and_hour);
                out.extend_from_slice(&[b'%', b'3', b'A', *ten, *one, b'%', b'3', b'A']);
                out.extend_from_slice(second);
            }
            Text::Ours(_) | Text::Given(_) => percent::encode_into(self.as_str(), out),
        }
    }
}

/// Writes what the library's printer writes. `None` for a year outside 0 to 9999, which has no four digits.
fn write_utc(now: Timestamp) -> Option<[u8; 24]> {
    let utc = Offset::UTC.to_datetime(now);
    let year = u16::try_from(utc.year()).ok()?;
    let millisecond = utc.millisecond().unsigned_abs();
    let numbers = [utc.month(), utc.day(), utc.hour(), utc.minute(), utc.second()];
    let [[m1, m2], [d1, d2], [h1, h2], [n1, n2], [s1, s2]] = numbers.map(|number| digits(number.unsigned_abs()));
    // each of these is less than 100, so `as u8` cuts nothing off
    let [[y1, y2], [y3, y4], [u1, u2]] = [year / 100, year % 100, millisecond / 10].map(|number| digits(number as u8));
    let [_, u3] = digits((millisecond % 10) as u8);
    Some([y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'.', u1, u2, u3, b'Z'])
}

/// The two digits of a number below 100.
const fn digits(number: u8) -> [u8; 2] {
    // the four low bits of `0` are clear
    [b'0' | (number / 10), b'0' | (number % 10)]
}

/// The same; zeros for a year that has no four digits, which no clock that is followed shows.
fn utc_or_zero(now: Timestamp) -> [u8; 24] {
    write_utc(now).unwrap_or(*b"0000-00-00T00:00:00.000Z")
}

/// Date and time up to the second.
fn first_seconds(utc: &[u8; 24]) -> &[u8] {
    const SECONDS: usize = "2011-06-20T22:30:59".len();
    utc.get(..SECONDS).unwrap_or_default()
}

/// Appends a time up to the second, percent-encoded, and then its zone.
fn encode_seconds(utc: &[u8; 24], zone: &[u8], out: &mut Vec<u8>) {
    if let Some((date_and_hour, [b':', ten, one, b':', high, low, ..])) = utc.split_first_chunk::<13>() {
        out.extend_from_slice(date_and_hour);
        out.extend_from_slice(&[b'%', b'3', b'A', *ten, *one, b'%', b'3', b'A', *high, *low]);
    }
    out.extend_from_slice(zone);
}

fn parse_as_utc(text: &str) -> Result<Timestamp, jiff::Error> {
    let civil: DateTime = text.parse()?;
    Ok(civil.to_zoned(TimeZone::UTC)?.timestamp())
}

impl fmt::Display for RequestTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_time_is_written_in_utc_with_three_digits_of_milliseconds() {
        for (nanoseconds, text) in [
            (1_308_609_059_556_000_000, "2011-06-20T22:30:59.556Z"),
            (1_308_609_059_000_000_000, "2011-06-20T22:30:59.000Z"),
            (1_308_609_059_999_999_999, "2011-06-20T22:30:59.999Z"),
        ] {
            let now = Timestamp::from_nanosecond(nanoseconds).unwrap();
            assert_eq!(RequestTimestamp::at(now).as_str(), text);
        }
    }

    proptest! {
        #[test]
        fn every_time_is_written_as_the_library_writes_it_and_encoded_as_any_text(
            seconds in -377_705_023_201..=253_402_207_200_i64, nanosecond in 0..1_000_000_000,
        ) {
            let now = Timestamp::new(seconds, nanosecond).unwrap();
            let time = RequestTimestamp::at(now);
            let by_the_library = DateTimePrinter::new().precision(Some(3)).timestamp_to_string(&now);
            prop_assert_eq!(time.as_str(), by_the_library);
            let mut encoded = Vec::new();
            time.encode_into(&mut encoded);
            prop_assert_eq!(encoded, percent::encode(time.as_str()).into_bytes());
        }
    }

    #[test]
    fn each_format_writes_the_same_instant() {
        let time = RequestTimestamp::parse("2026-10-03T15:19:30.556Z").unwrap();
        for (format, expected) in [
            (TimeFormat::Milliseconds, "2026-10-03T15:19:30.556Z"),
            (TimeFormat::Seconds, "2026-10-03T15:19:30Z"),
            (TimeFormat::ExpiryWithOffset, "2026-10-03T15:24:30+0000"),
            (TimeFormat::Unix, "1791040770"),
            (TimeFormat::Basic, "20261003T151930Z"),
        ] {
            let (mut appended, mut encoded) = (Vec::new(), Vec::new());
            time.append_as(format, Duration::from_secs(300), &mut appended);
            time.encode_as(format, Duration::from_secs(300), &mut encoded);
            assert_eq!(String::from_utf8(appended).unwrap(), expected);
            assert_eq!(String::from_utf8(encoded).unwrap(), percent::encode(expected));
        }
        let elsewhere = RequestTimestamp::parse("2026-12-31T23:30:00-01:00").unwrap();
        assert_eq!(&elsewhere.basic(), b"20270101T003000Z");
    }

    #[test]
    fn a_given_time_keeps_its_text() {
        let given = RequestTimestamp::parse("2010-01-25T15:01:28-07:00").unwrap();
        assert_eq!(given.as_str(), "2010-01-25T15:01:28-07:00");
        assert_eq!(given.instant(), "2010-01-25T22:01:28Z".parse().unwrap());
        let bare = RequestTimestamp::parse("2011-10-03T15:19:30").unwrap();
        assert_eq!(bare.instant(), "2011-10-03T15:19:30Z".parse().unwrap());
        assert_eq!(RequestTimestamp::parse("yesterday"), None);
    }
}
