//! Durations, sizes, rates and counts. All but counts have a unit.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::reading::value::Given;

/// A longer duration is more likely a typing error.
const LONGEST: Duration = Duration::from_secs(3600);

/// A duration: a whole number and `ms`, `s`, `m` or `h`; more than zero, at most an hour.
pub(crate) fn duration(given: &Given<'_>) -> Result<Duration, String> {
    let duration = duration_or_zero(given)?;
    if duration.is_zero() {
        return Err(format!("{} is no time at all: nothing would ever be in time", given.shown()));
    }
    Ok(duration)
}

/// The same where zero means that there is no wait.
pub(crate) fn duration_or_zero(given: &Given<'_>) -> Result<Duration, String> {
    let (number, unit) = split(given).ok_or_else(|| {
        format!(
            "{} is not a duration: write a number with a unit, e.g. \"{}\"",
            given.shown(),
            suggest(given, "s", "5s")
        )
    })?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" => {
            return Err(format!(
                "{} is not a duration: write a number with a unit, e.g. \"{}\"",
                given.shown(),
                suggest(given, "s", "5s")
            ));
        }
        _ => return Err(format!("{} is not a duration: the units are ms, s, m and h, e.g. \"5s\"", given.shown())),
    };
    let duration = number.checked_mul(milliseconds).map(Duration::from_millis);
    duration.filter(|d| *d <= LONGEST).ok_or_else(|| format!("{} is more than 1h", given.shown()))
}

/// The same for an option of the command line.
///
/// # Errors
/// The text is not a duration.
pub fn duration_of_text(text: &str) -> Result<Duration, String> {
    duration(&Given::Text(text))
}

/// A size in bytes: a whole number and `B`, `KiB` or `MiB`.
pub(crate) fn size(allowed: RangeInclusive<usize>) -> impl Fn(&Given<'_>) -> Result<usize, String> {
    move |given| {
        let what = || {
            let fix = suggest(given, " B", "256 KiB");
            format!("{} is not a size: write a number with B, KiB or MiB, e.g. \"{fix}\"", given.shown())
        };
        let (number, unit) = split(given).ok_or_else(what)?;
        let bytes = unit_of_size(unit).ok_or_else(what)?;
        let size = number.checked_mul(bytes).and_then(|size| usize::try_from(size).ok());
        size.filter(|size| allowed.contains(size)).ok_or_else(|| {
            format!("{} is not between {} and {}", given.shown(), print(*allowed.start()), print(*allowed.end()))
        })
    }
}

/// Bytes a second: a whole number and `B/s`, `KiB/s` or `MiB/s`; at most 1 MiB/s, because a client at that rate does
/// not hold others up.
pub(crate) fn rate(given: &Given<'_>) -> Result<NonZeroU32, String> {
    const MOST: u32 = 1 << 20;
    let what = || {
        let fix = suggest(given, " B/s", "1 KiB/s");
        format!("{} is not a rate: write a number with B/s, KiB/s or MiB/s, e.g. \"{fix}\"", given.shown())
    };
    let (number, unit) = split(given).ok_or_else(what)?;
    let bytes = unit.strip_suffix("/s").and_then(unit_of_size).ok_or_else(what)?;
    let rate = number.checked_mul(bytes).and_then(|rate| u32::try_from(rate).ok()).filter(|rate| *rate <= MOST);
    rate.and_then(NonZeroU32::new).ok_or_else(|| format!("{} is not between 1 B/s and 1 MiB/s", given.shown()))
}

/// How many bytes a unit has.
fn unit_of_size(unit: &str) -> Option<u64> {
    match unit {
        "B" => Some(1),
        "KiB" => Some(1024),
        "MiB" => Some(1_048_576),
        _ => None,
    }
}

/// A count: a whole number in the range.
pub(crate) fn count(allowed: RangeInclusive<usize>) -> impl Fn(&Given<'_>) -> Result<usize, String> {
    move |given| {
        let number = match given {
            Given::Integer(number) => Some(*number),
            // digits only: `parse` alone would take a `+`
            Given::Variable(text) if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() => {
                Some(text.parse().unwrap_or(i128::MAX))
            }
            Given::Text(text) if text.parse::<i128>().is_ok() => {
                return Err(format!("{} is a text: write {text} without quotes", given.shown()));
            }
            Given::Variable(_)
            | Given::Text(_)
            | Given::Flag(_)
            | Given::Fraction(_)
            | Given::List(_)
            | Given::Table(_) => None,
        };
        let number = number.ok_or_else(|| format!("{} is not a whole number", given.shown()))?;
        let count = usize::try_from(number).ok().filter(|count| allowed.contains(count));
        count.ok_or_else(|| format!("{} is not between {} and {}", given.shown(), allowed.start(), allowed.end()))
    }
}

/// A part of a whole, from 0 to 1, which `part` makes a value of.
pub(crate) fn share_of_one<T>(part: impl Fn(f64) -> Option<T>) -> impl Fn(&Given<'_>) -> Result<T, String> {
    move |given| {
        let number = match given {
            Given::Fraction(number) => Some(*number),
            Given::Integer(0) => Some(0.0),
            Given::Integer(1) => Some(1.0),
            Given::Variable(text) => text.parse().ok(),
            Given::Integer(_) | Given::Text(_) | Given::Flag(_) | Given::List(_) | Given::Table(_) => None,
        };
        let part = number.and_then(&part);
        part.ok_or_else(|| format!("{} is not a part from 0 to 1: write e.g. 0.1", given.shown()))
    }
}

/// Digits, at most one space, and the rest.
fn split<'v>(given: &Given<'v>) -> Option<(u64, &'v str)> {
    let text = given.as_text()?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = unit.strip_prefix(' ').filter(|unit| !unit.is_empty()).unwrap_or(unit);
    if number.is_empty() {
        return None;
    }
    // a number that does not fit into a u64 is beyond every limit
    Some((number.parse().unwrap_or(u64::MAX), unit))
}

/// The number given with a unit, when it is a plausible bare number, else an example.
fn suggest(given: &Given<'_>, unit: &str, example: &str) -> String {
    let number = match given {
        Given::Integer(number) => u64::try_from(*number).ok(),
        Given::Variable(text) | Given::Text(text) => text.parse().ok(),
        Given::Flag(_) | Given::Fraction(_) | Given::List(_) | Given::Table(_) => None,
    };
    number.filter(|number| (1..=3600).contains(number)).map_or_else(|| example.to_owned(), |n| format!("{n}{unit}"))
}

fn print(bytes: usize) -> String {
    const MIB: usize = 1 << 20;
    if bytes >= MIB { format!("{} MiB", bytes / MIB) } else { format!("{bytes} B") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        let read = |text| duration(&Given::Text(text));
        assert_eq!(read("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(read("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(read("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(read("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(duration(&Given::Variable("10 s")), Ok(Duration::from_secs(10)));
    }

    #[test]
    fn a_bare_number_is_not_a_duration_and_the_fix_is_named() {
        let expected = "`7` is not a duration: write a number with a unit, e.g. \"7s\"";
        assert_eq!(duration(&Given::Integer(7)).unwrap_err(), expected);
        assert_eq!(duration(&Given::Text("7")).unwrap_err(), expected);
        assert_eq!(duration(&Given::Variable("7")).unwrap_err(), expected);
    }

    #[test]
    fn odd_durations_are_refused() {
        for text in ["", "s", "1.5s", "-1s", "+1s", "5 seconds", "5S", "5  s", "5s ", "５s", "5d", "1h30m", "5 "] {
            assert!(duration(&Given::Text(text)).is_err(), "{text:?}");
        }
        assert!(duration(&Given::Fraction(1.5)).is_err());
    }

    #[test]
    fn zero_and_more_than_an_hour_are_refused() {
        assert!(duration(&Given::Text("0s")).unwrap_err().contains("no time at all"));
        assert_eq!(duration_or_zero(&Given::Text("0s")), Ok(Duration::ZERO));
        for text in ["3601s", "2h", "99999999999999999999999s", "18446744073709551615m"] {
            assert!(duration(&Given::Text(text)).unwrap_err().ends_with("is more than 1h"), "{text}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        let read = |text| size(1..=16 << 20)(&Given::Text(text));
        assert_eq!(read("64 B"), Ok(64));
        assert_eq!(read("256 KiB"), Ok(256 << 10));
        assert_eq!(read("16MiB"), Ok(16 << 20));
        for text in ["1 kB", "1 KB", "1 kib", "1 MB", "1 GiB", "64", "", "B", "1.5 MiB"] {
            assert!(read(text).unwrap_err().contains("is not a size"), "{text}");
        }
        assert!(size(1..=9)(&Given::Integer(64)).unwrap_err().ends_with("e.g. \"64 B\""));
    }

    #[test]
    fn sizes_have_bounds() {
        for text in ["0 B", "17 MiB", "99999999999999999999 MiB"] {
            let message = size(1..=16 << 20)(&Given::Text(text)).unwrap_err();
            assert!(message.ends_with("is not between 1 B and 16 MiB"), "{message}");
        }
    }

    #[test]
    fn counts_are_whole_decimal_numbers_in_bounds() {
        let read = count(1..=256);
        assert_eq!(read(&Given::Integer(256)), Ok(256));
        assert_eq!(read(&Given::Variable("256")), Ok(256));
        assert_eq!(read(&Given::Text("4")).unwrap_err(), "`4` is a text: write 4 without quotes");
        for wrong in ["+4", "0x4", "4.0", "", " 4", "four", "-1"] {
            assert!(read(&Given::Variable(wrong)).unwrap_err().ends_with("is not a whole number"), "{wrong}");
        }
        for wrong in
            [Given::Integer(0), Given::Integer(257), Given::Integer(-1), Given::Variable("9999999999999999999")]
        {
            assert!(read(&wrong).unwrap_err().ends_with("is not between 1 and 256"));
        }
        assert!(read(&Given::Fraction(4.0)).is_err());
        assert!(read(&Given::Flag(true)).is_err());
    }
}
