//! The `Timestamp` parameter: ISO 8601 in UTC with milliseconds when we write it, as given when a caller insists.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::TimeZone;

/// The text of a `Timestamp` parameter, known to be a point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTimestamp {
    text: String,
    instant: Timestamp,
}

impl RequestTimestamp {
    /// `now` as `2011-06-20T22:30:59.556Z`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
        Self { text: PRINTER.timestamp_to_string(&now), instant: now }
    }

    /// Keeps `text` as it is if it is an ISO 8601 date and time; `None` otherwise. Without an offset it is read as UTC, as
    /// AWS's guides of 2009 to 2011 write their examples.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let instant = text.parse().or_else(|_| utc(text)).ok()?;
        Some(Self { text: text.to_owned(), instant })
    }

    /// The text that is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The point in time.
    #[must_use]
    pub const fn instant(&self) -> Timestamp {
        self.instant
    }
}

fn utc(text: &str) -> Result<Timestamp, jiff::Error> {
    let civil: DateTime = text.parse()?;
    Ok(civil.to_zoned(TimeZone::UTC)?.timestamp())
}

impl fmt::Display for RequestTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
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
