//! Regular expressions of whole numbers in a range, and of the quantities that are made of one and a unit.

use std::ops::RangeInclusive;

/// An expression of the decimal numbers of `range`, without zeros in front.
pub(super) fn whole(range: RangeInclusive<u64>) -> String {
    let (mut start, end) = (*range.start(), *range.end());
    let mut alternatives = Vec::new();
    while start <= end {
        let size = largest_block(start, end);
        let blocks = start.checked_div(size).unwrap_or_default();
        let (digit, above) = (blocks % 10, blocks / 10);
        // as many blocks beside each other as differ in one digit only
        let left = end.saturating_sub(start).saturating_add(1).checked_div(size).unwrap_or_default();
        let count = left.min(10_u64.saturating_sub(digit));
        let last = digit.saturating_add(count).saturating_sub(1);
        let prefix = if above == 0 { String::new() } else { above.to_string() };
        let class = if digit == last { digit.to_string() } else { format!("[{digit}-{last}]") };
        alternatives.push(format!("{prefix}{class}{}", free_digits(size)));
        start = start.saturating_add(count.saturating_mul(size));
    }
    alternatives.join("|")
}

/// The largest power of ten that divides `start` and of which all following numbers are in the range. Not larger than
/// `start`, so that all of them have as many digits.
fn largest_block(start: u64, end: u64) -> u64 {
    let mut size = 1_u64;
    loop {
        let larger = size.saturating_mul(10);
        let fits =
            start >= larger && start.is_multiple_of(larger) && end.saturating_sub(start) >= larger.saturating_sub(1);
        if !fits {
            return size;
        }
        size = larger;
    }
}

fn free_digits(size: u64) -> String {
    match size.ilog10() {
        0 => String::new(),
        1 => "[0-9]".to_owned(),
        count => format!("[0-9]{{{count}}}"),
    }
}

/// A number with one of the units, each of which stands for so many of the smallest; in all within `range` of these.
pub(super) fn quantity(range: RangeInclusive<u64>, units: &[(&str, u64)]) -> String {
    let of_unit = |(unit, worth): &(&str, u64)| {
        let (low, high) = (range.start().div_ceil(*worth), range.end().checked_div(*worth)?);
        (low <= high).then(|| format!("(?:{}) ?{unit}", whole(low..=high)))
    };
    format!("^0*(?:{})$", units.iter().filter_map(of_unit).collect::<Vec<_>>().join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_an_alternative_for_each_shape_of_its_numbers() {
        assert_eq!(whole(1..=9), "[1-9]");
        assert_eq!(whole(0..=255), "[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]");
        assert_eq!(whole(1..=3600), "[1-9]|[1-9][0-9]|[1-9][0-9]{2}|[1-2][0-9]{3}|3[0-5][0-9]{2}|3600");
        assert_eq!(whole(256..=261), "25[6-9]|26[0-1]");
        assert_eq!(whole(0..=0), "0");
    }

    #[test]
    fn a_quantity_has_a_range_for_each_unit_that_has_a_number_in_it() {
        assert_eq!(
            quantity(1..=60_000, &[("s", 1000), ("m", 60_000), ("h", 3_600_000)]),
            "^0*(?:(?:[1-9]|[1-5][0-9]|60) ?s|(?:1) ?m)$"
        );
    }
}
