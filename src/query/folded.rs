//! Names as the most lenient endpoint compares them: without regard to letter case, `_`, `-` and white space.

use std::cmp::Ordering;

/// A name or an Action of which only letters, without their case, digits and punctuation count. Endpoints differ in
/// what they ignore: OpenStack's ec2-api takes `terminateInstances` and `Instance_Id` for `TerminateInstances` and
/// `InstanceId`. A dot counts everywhere: it separates the parts of `Tag.1.Key`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Folded<'t>(&'t [u8]);

/// How a name relates to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kinship {
    /// Another name.
    Unrelated,
    /// The same name, in this or another spelling.
    Same,
    /// The same name, followed by a part of it: `UserData.value` and `UserData[0]`, but not `UserData2`.
    Part,
}

/// What each byte is folded to; 0 if it is ignored.
const COUNTED: [u8; 256] = counted_bytes();

#[allow(clippy::indexing_slicing)] // the index is in 0..256
const fn counted_bytes() -> [u8; 256] {
    let mut counted = [0; 256];
    let mut byte = 0;
    while byte <= u8::MAX as usize {
        #[allow(clippy::cast_possible_truncation)] // `byte` is at most 255
        let letter = byte as u8;
        let is_overlooked = matches!(letter, b'_' | b'-') || letter.is_ascii_whitespace();
        counted[byte] = if is_overlooked { 0 } else { letter.to_ascii_lowercase() };
        byte = byte.wrapping_add(1);
    }
    counted
}

fn counted(byte: u8) -> u8 {
    COUNTED.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Whether neither byte is ignored, and they differ after folding.
fn differ(one: u8, other: u8) -> bool {
    let (one, other) = (counted(one), counted(other));
    one != other && one != 0 && other != 0
}

impl<'t> Folded<'t> {
    pub(crate) const fn of(text: &'t [u8]) -> Self {
        Self(text)
    }

    fn bytes(self) -> impl Iterator<Item = u8> + 't {
        self.0.iter().map(|byte| counted(*byte)).filter(|byte| *byte != 0)
    }

    /// The first byte that counts.
    pub(crate) fn first(self) -> Option<u8> {
        self.bytes().next()
    }

    /// Whether these bytes, which count, are all that counts of the beginning of this name.
    pub(crate) fn starts_with(self, start: Folded<'_>) -> bool {
        self.behind(start).is_some()
    }

    /// How this name relates to `other`.
    pub(crate) fn kinship(self, other: Folded<'_>) -> Kinship {
        match self.behind(other) {
            None => Kinship::Unrelated,
            Some(None) => Kinship::Same,
            Some(Some(next)) if next.is_ascii_alphanumeric() => Kinship::Unrelated,
            Some(Some(_)) => Kinship::Part,
        }
    }

    /// The first byte that counts behind `start`, if this name begins with that.
    #[inline]
    fn behind(self, start: Folded<'_>) -> Option<Option<u8>> {
        match (self.0, start.0) {
            // nearly always
            ([byte, ..], [other, ..]) if differ(*byte, *other) => None,
            (_, _) => self.behind_by_bytes(start),
        }
    }

    #[inline(never)] // rare
    fn behind_by_bytes(self, start: Folded<'_>) -> Option<Option<u8>> {
        let (ours, wanted) = without_common_start(self.0, start.0);
        if let ([byte, ..], [other, ..]) = (ours, wanted)
            && differ(*byte, *other)
        {
            return None;
        }
        let (mut bytes, start) = (Folded(ours).bytes(), Folded(wanted));
        start.bytes().all(|byte| bytes.next() == Some(byte)).then(|| bytes.next())
    }

    #[inline(never)] // rare
    fn cmp_by_bytes(self, other: Self) -> Ordering {
        let (mut ours, mut theirs) = (self.0, other.0);
        // the names of one list have a long beginning in common
        while let (Some((eight, rest)), Some((other_eight, other_rest))) =
            (ours.split_first_chunk::<8>(), theirs.split_first_chunk())
            && eight == other_eight
        {
            (ours, theirs) = (rest, other_rest);
        }
        match without_common_start(ours, theirs) {
            ([ours, ..], [theirs, ..]) if differ(*ours, *theirs) => counted(*ours).cmp(&counted(*theirs)),
            (ours, theirs) => Folded(ours).bytes().cmp(Folded(theirs).bytes()),
        }
    }

    /// Appends the folded name.
    pub(super) fn append_to(self, out: &mut Vec<u8>) {
        out.extend(self.bytes());
    }
}

/// The rest of both names after the beginning that is equal byte by byte, which folds to the same.
#[inline]
fn without_common_start<'a, 'b>(mut one: &'a [u8], mut other: &'b [u8]) -> (&'a [u8], &'b [u8]) {
    while let ([byte, rest @ ..], [other_byte, other_rest @ ..]) = (one, other)
        && byte == other_byte
    {
        (one, other) = (rest, other_rest);
    }
    (one, other)
}

impl Ord for Folded<'_> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            // nearly always
            ([ours, ..], [theirs, ..]) if differ(*ours, *theirs) => counted(*ours).cmp(&counted(*theirs)),
            (_, _) => self.cmp_by_bytes(*other),
        }
    }
}

impl PartialOrd for Folded<'_> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Folded<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.behind(*other) == Some(None)
    }
}

impl Eq for Folded<'_> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same computed in another way: a text without the ignored bytes.
    fn plainly(text: &str) -> String {
        text.chars().filter(|c| !matches!(c, '_' | '-' | ' ' | '\t')).collect::<String>().to_ascii_lowercase()
    }

    fn folded(text: &str) -> Folded<'_> {
        Folded::of(text.as_bytes())
    }

    #[test]
    fn case_underscores_hyphens_and_white_space_do_not_count_and_dots_do() {
        for same in
            ["InstanceType", "instanceType", "instance_type", " InstanceType ", "INSTANCE-TYPE", "__instancetype"]
        {
            assert_eq!(folded("InstanceType").kinship(folded(same)), Kinship::Same, "{same}");
        }
        for other in ["InstanceTypes", "Instance.Type", "InstanceTyp", "", "İnstanceType"] {
            assert_eq!(folded(other).kinship(folded("InstanceType")), Kinship::Unrelated, "{other}");
        }
    }

    #[test]
    fn a_part_of_a_name_begins_with_punctuation() {
        for part in ["UserData.value", "user_data.Value", "UserData_.x", "UserData[0]", "UserData:a", "UserData."] {
            assert_eq!(folded(part).kinship(folded("UserData")), Kinship::Part, "{part}");
        }
        for other in ["UserData2", "UserDataX.value", "user.data.value", "User"] {
            assert_eq!(folded(other).kinship(folded("UserData")), Kinship::Unrelated, "{other}");
        }
        assert_eq!(folded("Tag.1.key").kinship(folded("Tag.1.Key")), Kinship::Same);
        assert_eq!(folded("Tag.1.Key").kinship(folded("Tag")), Kinship::Part);
        assert_eq!(folded("Tag.10.Key").kinship(folded("Tag.1")), Kinship::Unrelated);
    }

    proptest! {
        #[test]
        fn names_are_compared_by_what_counts(a in "[aAbB_. -]{0,6}", b in "[aAbB_. -]{0,6}") {
            prop_assert_eq!(folded(&a).cmp(&folded(&b)), plainly(&a).cmp(&plainly(&b)));
            prop_assert_eq!(folded(&a) == folded(&b), folded(&a).kinship(folded(&b)) == Kinship::Same);
            prop_assert_eq!(folded(&a).starts_with(folded(&b)), plainly(&a).starts_with(&plainly(&b)));
            prop_assert_eq!(folded(&a).first(), plainly(&a).bytes().next());
        }
    }
}
