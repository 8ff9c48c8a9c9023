//! Times as clouds write them, by an own calendar.

/// A point in time after 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub seconds: i64,
    pub milliseconds: u16,
}

/// How a cloud writes it, always in UTC.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    Milliseconds,
    Seconds,
    /// Five minutes later, with `+0000`.
    Expiry,
    Unix,
    Basic,
}

impl Clock {
    pub(crate) fn write(self, Moment { seconds, milliseconds }: Moment) -> String {
        let at = if self == Self::Expiry { seconds + 300 } else { seconds };
        let ((year, month, day), second) = (date(at.div_euclid(86400)), at.rem_euclid(86400));
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        match self {
            Self::Milliseconds => {
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
            }
            Self::Seconds => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
            Self::Expiry => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+0000"),
            Self::Unix => at.to_string(),
            Self::Basic => format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"),
        }
    }
}

/// Year, month and day of the day after so many since 1970: year by year, month by month.
fn date(mut days: i64) -> (i64, i64, i64) {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, i64::try_from(month).unwrap() + 1, days + 1)
}
