//! Times, amounts and bars as people read them.

/// The characters of a bar.
const BAR: u64 = 12;

/// A time that something took: `1.2 ms`.
pub(super) fn time(seconds: f64) -> String {
    if seconds < 0.0095 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.1} s")
    }
}

/// A number of times a second: `0.3`, `12`.
pub(super) fn per_second(rate: f64) -> String {
    if rate < 9.95 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

/// A time in the largest unit that leaves two units or more: `90 s`, `5 min`, `36 h`, `3 d`.
pub(super) fn seconds(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if minutes < 2 {
        format!("{seconds} s")
    } else if hours < 2 {
        format!("{minutes} min")
    } else if days < 2 {
        format!("{hours} h")
    } else {
        format!("{days} d")
    }
}

/// How long ago something was.
pub(super) fn ago(since: u64) -> String {
    if since == 0 { "now".to_owned() } else { format!("{} ago", seconds(since)) }
}

/// How far away an end is.
pub(super) fn until(left: i64) -> String {
    let time = seconds(left.unsigned_abs());
    if left > 0 { format!("in {time}") } else { format!("{time} AGO") }
}

/// An amount of memory.
pub(super) fn bytes(bytes: u64) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    if bytes < KIB {
        format!("{bytes} B")
    } else if bytes < 10 * MIB {
        format!("{} KiB", bytes / KIB)
    } else {
        format!("{} MiB", bytes / MIB)
    }
}

/// How much of a limit is used. What is used at all is 1 % at least.
pub(super) fn percent(used: u64, limit: u64) -> u64 {
    let exact = u128::from(used).saturating_mul(100).checked_div(u128::from(limit));
    // a limit of nothing is used up
    let whole = exact.and_then(|percent| u64::try_from(percent).ok()).unwrap_or(100);
    if used > 0 { whole.max(1) } else { whole }
}

/// How much of a limit is used, as a bar: `[###.........]  25%`.
pub(super) fn bar(used: u64, limit: u64) -> String {
    let percent = percent(used, limit);
    let full = percent.min(100).saturating_mul(BAR).div_ceil(100);
    let part = |of: u64, character: &str| character.repeat(usize::try_from(of).unwrap_or_default());
    format!("[{}{}] {percent:>3}%", part(full, "#"), part(BAR.saturating_sub(full), "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_unit_that_fits() {
        assert_eq!(
            [0.0, 0.0012, 0.0096, 0.35, 0.9999, 12.34].map(time),
            ["0.0 ms", "1.2 ms", "10 ms", "350 ms", "1.0 s", "12.3 s"]
        );
        assert_eq!(
            [0, 119, 120, 7199, 7200, 172_799, 172_800].map(seconds),
            ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"]
        );
        assert_eq!([0, 5].map(ago), ["now", "5 s ago"]);
        assert_eq!([300, 0, -7200].map(until), ["in 5 min", "0 s AGO", "2 h AGO"]);
    }

    #[test]
    fn rates_and_amounts_are_short() {
        assert_eq!([0.0, 0.04, 9.9, 9.96, 1234.5].map(per_second), ["0.0", "0.0", "9.9", "10", "1234"]);
        assert_eq!([0, 1023, 1024, 1 << 20, 64 << 20].map(bytes), ["0 B", "1023 B", "1 KiB", "1024 KiB", "64 MiB"]);
    }

    #[test]
    fn a_bar_shows_what_is_used_and_never_more_than_all() {
        assert_eq!(bar(0, 100), "[............]   0%");
        assert_eq!(bar(1, 100_000), "[#...........]   1%");
        assert_eq!(bar(50, 100), "[######......]  50%");
        assert_eq!(bar(100, 100), "[############] 100%");
        assert_eq!(bar(250, 100), "[############] 250%");
        assert_eq!(bar(0, 0), "[############] 100%");
    }
}
