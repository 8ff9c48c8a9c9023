//! How rules of the filter are written: conditions on the arguments of a call, which must all match.

use std::collections::BTreeMap;

use seccompiler::{Error, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

/// Calls by their numbers, each with its rules. A call matches when one of its rules does, or when it has none.
pub(super) type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// A condition: the number of the argument, how to compare it, and with what.
pub(super) type Condition = (u8, SeccompCmpOp, u64);

/// Matches when argument `index` is not among `values`.
pub(super) fn none_of(index: u8, values: impl IntoIterator<Item = u64>) -> Vec<Condition> {
    values.into_iter().map(|value| (index, SeccompCmpOp::Ne, value)).collect()
}

/// Matches when argument `index` is `value`.
pub(super) const fn is(index: u8, value: u64) -> Condition {
    (index, SeccompCmpOp::Eq, value)
}

/// Matches when argument `index` has every bit of `bits`.
pub(super) const fn has(index: u8, bits: u64) -> Condition {
    (index, SeccompCmpOp::MaskedEq(bits), bits)
}

/// Matches when argument `index` has no bit of `bits`.
pub(super) const fn lacks(index: u8, bits: u64) -> Condition {
    (index, SeccompCmpOp::MaskedEq(bits), 0)
}

/// Matches when all conditions match. The kernel uses 32 bits of each of these arguments, so the filter compares 32
/// bits.
pub(super) fn rule(conditions: impl IntoIterator<Item = Condition>) -> Result<SeccompRule, Error> {
    let conditions: Result<Vec<_>, _> = conditions
        .into_iter()
        .map(|(index, operator, value)| SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value))
        .collect();
    Ok(SeccompRule::new(conditions?)?)
}

pub(super) fn widened(number: libc::c_int) -> u64 {
    u64::from(number.unsigned_abs())
}
