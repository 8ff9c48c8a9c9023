//! Postal addresses: the manifest's returnAddress, and the sender of a shipping label.

use super::manifest_text::Fields;
use super::refusal::Refusal;

/// The parts that an address must have (developer guide, "returnAddress"; `company`, `street2` and `street3` are
/// optional).
const REQUIRED: [&str; 7] = ["name", "street1", "city", "stateOrProvince", "postalCode", "country", "phoneNumber"];

/// Every part, in the order a label prints them.
pub const PARTS: [&str; 10] = [
    "name",
    "company",
    "street1",
    "street2",
    "street3",
    "city",
    "stateOrProvince",
    "postalCode",
    "country",
    "phoneNumber",
];

/// An address with all parts that a label needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    parts: Vec<(&'static str, String)>,
}

impl Address {
    /// Takes the known parts of `fields`; unknown ones are ignored.
    ///
    /// # Errors
    /// `missing(part)` if a required part is missing or empty, [`Refusal::InvalidAddress`] if one cannot be right.
    pub fn from_fields(fields: &Fields, missing: impl Fn(&'static str) -> Refusal) -> Result<Self, Refusal> {
        Self::from_parts(|part| fields.iter().find(|(name, _)| name == part).map(|(_, value)| value.as_str()), missing)
    }

    /// Asks `part` for each of [`PARTS`].
    ///
    /// # Errors
    /// As [`Self::from_fields`].
    pub fn from_parts<'a>(
        part: impl Fn(&str) -> Option<&'a str>,
        missing: impl Fn(&'static str) -> Refusal,
    ) -> Result<Self, Refusal> {
        let mut parts = Vec::new();
        for name in PARTS {
            match part(name).map(str::trim).filter(|value| !value.is_empty()) {
                Some(value) => {
                    check(name, value)?;
                    parts.push((name, value.to_owned()));
                }
                None if REQUIRED.contains(&name) => return Err(missing(name)),
                None => {}
            }
        }
        Ok(Self { parts })
    }

    /// The value of one part.
    #[must_use]
    pub fn get(&self, part: &str) -> Option<&str> {
        self.parts.iter().find(|(name, _)| *name == part).map(|(_, value)| value.as_str())
    }
}

/// A rough check that finds exchanged fields. No carrier's database is asked.
fn check(part: &'static str, value: &str) -> Result<(), Refusal> {
    let invalid = |expected| Err(Refusal::InvalidAddress { field: part, expected });
    match part {
        "country" if value.chars().any(|c| c.is_ascii_digit()) => invalid("the name or code of a country"),
        "phoneNumber" if value.bytes().filter(u8::is_ascii_digit).count() < 5 => invalid("a telephone number"),
        _ if value.len() > 256 => invalid("at most 256 bytes long"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        [
            ("name", "Jane Roe"),
            ("street1", "123 Any Street"),
            ("city", "Anytown"),
            ("stateOrProvince", "WA"),
            ("postalCode", "91011-1111"),
            ("country", "USA"),
            ("phoneNumber", "206-555-1111"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    #[test]
    fn each_required_part_is_asked_for() {
        assert!(Address::from_fields(&fields(), Refusal::MissingManifestField).is_ok());
        for part in REQUIRED {
            let without = fields().into_iter().filter(|(name, _)| name != part).collect();
            let refused = Address::from_fields(&without, Refusal::MissingManifestField);
            assert_eq!(refused, Err(Refusal::MissingManifestField(part)));
        }
    }

    #[test]
    fn parts_that_cannot_be_right_are_refused() {
        for (part, value) in [("country", "91011"), ("phoneNumber", "none"), ("city", &"x".repeat(257))] {
            let changed = fields().into_iter().map(|(n, v)| if n == part { (n, value.to_owned()) } else { (n, v) });
            let refused = Address::from_fields(&changed.collect(), Refusal::MissingManifestField);
            assert_eq!(refused.unwrap_err().code(), "InvalidAddressException", "{part}");
        }
    }
}
