//! The name of an operation, which policies, metrics and logs refer to.

use std::fmt;

use smol_str::SmolStr;

use super::percent;

/// The value of `Action`, or of the parameter that stands for it in another dialect: 1 to 128 ASCII letters and digits,
/// as every API that takes forms names its operations.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Action(SmolStr);

impl Action {
    /// Longest name, in bytes.
    pub const MAX_LENGTH: usize = 128;

    /// Parses a name; `None` when it has another character, or is empty or too long. Lookalikes (with a space, a NUL,
    /// full-width letters) are refused here, so that no two readers can disagree about which operation is meant.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_plain && !text.is_empty() && text.len() <= Self::MAX_LENGTH).then(|| Self(text.into()))
    }

    /// The operation that a refused form asks for in the parameter called `operation`, so that the log can name it.
    /// Nothing may be decided by it. `None` unless exactly one parameter has this name, and its value is the name of an
    /// operation: any other value is a text like those of other parameters, and may be a secret.
    #[must_use]
    pub(crate) fn of_refused_form(operation: &str, body: &[u8]) -> Option<Self> {
        let mut values = body.split(|byte| *byte == b'&').filter_map(|parameter| {
            let (name, value) = split_at_equals(parameter);
            is_called(operation, name).then_some(value)
        });
        let (value, None) = (values.next()?, values.next()) else { return None };
        let value = value.get(..percent::ESCAPE_LENGTH.saturating_mul(Self::MAX_LENGTH).min(value.len()))?;
        Self::parse(&percent::decode_ascii(std::str::from_utf8(value).ok()?))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name and the value of a parameter as it was sent.
pub(super) fn split_at_equals(parameter: &[u8]) -> (&[u8], &[u8]) {
    let at = parameter.iter().position(|byte| *byte == b'=').unwrap_or(parameter.len());
    let (name, rest) = parameter.split_at_checked(at).unwrap_or_default();
    (name, rest.strip_prefix(b"=").unwrap_or_default())
}

/// Whether a name is this one once it is decoded.
pub(super) fn is_called(wanted: &str, name: &[u8]) -> bool {
    if memchr::memchr(b'%', name).is_none() {
        return name == wanted.as_bytes();
    }
    let may_be = name.len() <= percent::ESCAPE_LENGTH.saturating_mul(wanted.len());
    may_be && std::str::from_utf8(name).is_ok_and(|name| percent::decode_ascii(name) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_action_of_a_refused_form_is_named_if_there_is_one_and_only_one() {
        let found = |form: &str| Action::of_refused_form("Action", form.as_bytes()).map(|action| action.to_string());
        for form in [
            "Action=ListJobs",
            "A=1&A=2&Action=ListJobs",
            "Action=ListJobs&A=%",
            "%41ction=List%4aobs&A=1&A=1",
            "&&Action=ListJobs&",
        ] {
            assert_eq!(found(form).as_deref(), Some("ListJobs"), "{form}");
        }
        let longest = "A".repeat(Action::MAX_LENGTH);
        assert_eq!(found(&format!("Action={longest}")), Some(longest.clone()));
        for form in [
            "",
            "A=1",
            "Action",
            "Action=",
            "Action=List%20Jobs",
            "Action=List+Jobs",
            "Action=ListJobs\n",
            "Action=%E2%84%AAeys",
            "Action=a=b",
            "Action=ListJobs&Action=CancelJob",
            "Action=ListJobs&%41ction=CancelJob",
            "action=ListJobs",
            &format!("Action={longest}A"),
            &format!("Action={longest}{longest}{longest}{longest}"),
        ] {
            assert_eq!(found(form), None, "{form}");
        }
        assert_eq!(Action::of_refused_form("Action", b"\xff&Action=\xff"), None);
        assert!(Action::of_refused_form("Action", b"\xff&Action=A").is_some());
    }

    #[test]
    fn the_operation_of_a_refused_form_is_found_where_the_dialect_has_it_and_nowhere_else() {
        let found = |operation, form: &str| {
            Action::of_refused_form(operation, form.as_bytes()).map(|action| action.to_string())
        };
        assert_eq!(found("command", "command=listZones&a=%").as_deref(), Some("listZones"));
        assert_eq!(found("action", "action=DescribeInstances&a&a").as_deref(), Some("DescribeInstances"));
        for (operation, form) in [
            ("command", "Action=pencil&a=%"),
            ("command", "Command=listZones"),
            ("action", "Action=DescribeInstances"),
            ("command", "command=a%20b"),
        ] {
            assert_eq!(found(operation, form), None, "{operation} {form}");
        }
    }
}
