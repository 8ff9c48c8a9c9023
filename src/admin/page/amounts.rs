//! Amounts as people read them: times, rates, bytes, counts.

const TWO_YEARS: u64 = 2 * 365 * 86_400;

/// A time in at most two units: `45 s`, `12 min`, `6 h 5 min`, `3 d 4 h`, `9 years`.
pub(super) fn lasting(seconds: u64) -> String {
    let parts = |large: u64, small: u64, names: [&str; 2]| {
        let count = seconds.checked_div(large).unwrap_or_default();
        let rest = seconds.checked_rem(large).and_then(|rest| rest.checked_div(small)).unwrap_or_default();
        let [large, small] = names;
        if rest == 0 { format!("{count} {large}") } else { format!("{count} {large} {rest} {small}") }
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => parts(3_600, 60, ["h", "min"]),
        86_400..TWO_YEARS => parts(86_400, 3_600, ["d", "h"]),
        _ => format!("{} years", seconds / (TWO_YEARS / 2)),
    }
}

/// The time until something ends, or since it has ended.
pub(super) fn until(seconds: i64) -> String {
    let time = lasting(seconds.unsigned_abs());
    if seconds < 0 { format!("{time} ago") } else { format!("in {time}") }
}

/// How long exchanges take: `0.8 ms`, `24 ms`, `1.2 s`.
pub(super) fn latency(seconds: f64) -> String {
    let millis = seconds * 1e3;
    match millis {
        ..1.0 => format!("{millis:.2} ms"),
        1.0..10.0 => format!("{millis:.1} ms"),
        10.0..1_000.0 => format!("{millis:.0} ms"),
        1_000.0..10_000.0 => format!("{seconds:.1} s"),
        _ => format!("{seconds:.0} s"),
    }
}

/// How many in a second.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        ..=0.0 => "0/s".to_owned(),
        ..0.1 => format!("{per_second:.2}/s"),
        ..100.0 => format!("{per_second:.1}/s"),
        _ => format!("{per_second:.0}/s"),
    }
}

/// With the largest unit of which there is one.
pub(super) fn bytes(bytes: u64) -> String {
    for (shift, unit) in [(30_u32, "GiB"), (20, "MiB"), (10, "KiB")] {
        let (whole, tenth) = (bytes >> shift, (bytes.saturating_mul(10) >> shift) % 10);
        if whole > 0 {
            return if tenth == 0 { format!("{whole} {unit}") } else { format!("{whole}.{tenth} {unit}") };
        }
    }
    format!("{bytes} B")
}

/// With a comma between thousands.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::with_capacity(digits.len().saturating_mul(2));
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// How full a limit is, in tenths of a percent. A limit of nothing is full.
pub(super) fn permille(used: u64, limit: u64) -> u64 {
    used.saturating_mul(1000).checked_div(limit).unwrap_or(1000).min(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_at_most_two_units() {
        let shown = [0, 59, 60, 3_599, 3_600, 3_660, 86_399, 86_400, 90_000, 8_640_000].map(lasting);
        assert_eq!(
            shown,
            ["0 s", "59 s", "1 min", "59 min", "1 h", "1 h 1 min", "23 h 59 min", "1 d", "1 d 1 h", "100 d"]
        );
        assert_eq!(lasting(2_275_000_000), "72 years");
        assert_eq!((until(61), until(-7_200)), ("in 1 min".to_owned(), "2 h ago".to_owned()));
    }

    #[test]
    fn latencies_and_rates_have_two_digits_or_so() {
        let shown = [0.000_25, 0.0021, 0.024, 0.9, 1.25, 59.6].map(latency);
        assert_eq!(shown, ["0.25 ms", "2.1 ms", "24 ms", "900 ms", "1.2 s", "60 s"]);
        assert_eq!([0.0, 0.017, 2.0, 1234.4].map(rate), ["0/s", "0.02/s", "2.0/s", "1234/s"]);
    }

    #[test]
    fn bytes_and_counts_are_short_and_exact_enough() {
        assert_eq!([0, 1023, 1024, 1536, 67_108_864].map(bytes), ["0 B", "1023 B", "1 KiB", "1.5 KiB", "64 MiB"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((permille(1, 3), permille(5, 0), permille(9, 3)), (333, 1000, 1000));
    }
}
