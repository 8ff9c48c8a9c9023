//! What the store replies, held against what it was asked.

use std::collections::BTreeSet;

use redis::Value;

use crate::rates::forecast::{Question, Reply};
use crate::rates::hints::{MOST_REPORTS, NAME_LENGTH};
use crate::rates::limits::Terms;
use crate::rates::location::StoreFault;

/// No store has more replicas: a larger number is a lie.
const MOST_REPLICAS: i64 = 1_000_000;
const DAY_MILLIS: u64 = 86_400_000;

/// The arguments of `lease.lua`. Calls without a token count against the rate unless the store has been away.
pub(super) fn lease_arguments(terms: Terms, question: Question, rate_owes: bool) -> Vec<String> {
    let Question { wanted, returned, owed } = question;
    let Terms { interval, tolerance, quota } = terms;
    let owed_rate = if rate_owes { owed } else { 0 };
    vec![
        format!("{interval:.6}"),
        format!("{tolerance:.3}"),
        quota.to_string(),
        wanted.to_string(),
        returned.to_string(),
        owed_rate.to_string(),
        owed.to_string(),
    ]
}

/// The reply of `lease.lua`.
pub(super) fn lease(value: &Value, asked: Question) -> Result<Reply, StoreFault> {
    let Value::Array(items) = value else { return Err(StoreFault::Nonsense("a lease is no list")) };
    let numbers: Vec<u64> = items.iter().filter_map(number).collect();
    let [granted, left, wait, used, day_left] = numbers[..] else {
        return Err(StoreFault::Nonsense("a lease has not five numbers"));
    };
    let granted = u32::try_from(granted).ok().filter(|granted| *granted <= asked.wanted);
    let granted = granted.ok_or(StoreFault::Nonsense("more tokens than were asked for"))?;
    if day_left > DAY_MILLIS {
        return Err(StoreFault::Nonsense("a day is too long"));
    }
    Ok(Reply { granted, left, wait, used, day_left })
}

fn number(value: &Value) -> Option<u64> {
    let Value::Int(number) = value else { return None };
    u64::try_from(*number).ok()
}

/// The reply of `replicas.lua`.
pub(super) fn replicas(value: &Value) -> Result<u32, StoreFault> {
    let Value::Int(count @ 1..=MOST_REPLICAS) = value else {
        return Err(StoreFault::Nonsense("the number of replicas is none"));
    };
    u32::try_from(*count).map_err(|_| StoreFault::Nonsense("the number of replicas is none"))
}

/// The reply of `hints.lua`. Whatever cannot be a name is left out.
pub(super) fn reported(value: &Value) -> Result<BTreeSet<String>, StoreFault> {
    let Value::Array(items) = value else { return Err(StoreFault::Nonsense("the reports are no list")) };
    let name = |item: &Value| {
        let Value::BulkString(bytes) = item else { return None };
        let is_name = bytes.len() == NAME_LENGTH && bytes.iter().all(u8::is_ascii_hexdigit);
        String::from_utf8(bytes.clone()).ok().filter(|_| is_name)
    };
    Ok(items.iter().take(MOST_REPORTS).filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Question = Question { wanted: 5, returned: 2, owed: 3 };

    fn numbers(numbers: &[i64]) -> Value {
        Value::Array(numbers.iter().copied().map(Value::Int).collect())
    }

    #[test]
    fn a_lease_is_five_numbers_that_can_be_true() {
        let reply = lease(&numbers(&[3, 0, 1500, 7, 86_400_000]), ASKED).unwrap();
        assert_eq!(reply, Reply { granted: 3, left: 0, wait: 1500, used: 7, day_left: 86_400_000 });
        for nonsense in [
            Value::Nil,
            Value::Int(3),
            Value::Okay,
            numbers(&[]),
            numbers(&[3, 0, 0, 0]),
            numbers(&[3, 0, 0, 0, 0, 0]),
            numbers(&[6, 0, 0, 0, 0]),
            numbers(&[-1, 0, 0, 0, 0]),
            numbers(&[1, 0, -1, 0, 0]),
            numbers(&[1, 0, 0, 0, 86_400_001]),
            Value::Array(vec![Value::BulkString(b"3".to_vec()); 5]),
        ] {
            assert!(matches!(lease(&nonsense, ASKED), Err(StoreFault::Nonsense(_))), "{nonsense:?}");
        }
    }

    #[test]
    fn a_number_of_replicas_is_one_at_least() {
        assert_eq!(replicas(&Value::Int(4)).unwrap(), 4);
        for nonsense in [Value::Int(0), Value::Int(-1), Value::Int(i64::MAX), Value::Nil] {
            assert!(replicas(&nonsense).is_err(), "{nonsense:?}");
        }
    }

    #[test]
    fn reports_are_hashed_names_and_no_more_of_them_than_were_asked_for() {
        let name = |first: u8| Value::BulkString(format!("{first:032x}").into_bytes());
        let long: Vec<_> = (0..=u8::MAX).map(name).collect();
        assert_eq!(reported(&Value::Array(long)).unwrap().len(), MOST_REPORTS);
        let mixed = vec![name(1), name(1), Value::Int(1), Value::BulkString(b"https://ie.example/".to_vec())];
        assert_eq!(reported(&Value::Array(mixed)).unwrap(), BTreeSet::from([format!("{:032x}", 1)]));
        assert!(reported(&Value::Nil).is_err());
    }

    #[test]
    fn calls_during_an_outage_count_against_the_quota_alone() {
        let terms = Terms { interval: 33.333_333, tolerance: 100_000.0, quota: 9 };
        assert_eq!(lease_arguments(terms, ASKED, true), ["33.333333", "100000.000", "9", "5", "2", "3", "3"]);
        assert_eq!(lease_arguments(terms, ASKED, false)[5..], ["0", "3"]);
    }
}
