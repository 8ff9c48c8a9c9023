//! What the names and values of a dialect's parameters mean: as data, one [`Vocabulary`] for each family of clouds.

mod rows;

use super::action::Action;
use super::folded::Folded;
use super::form_error::{FormError, ShownName};
use super::parameters::Parameters;

/// What the names of a dialect's parameters mean to its signer and to its endpoint.
#[derive(Debug)]
pub struct Vocabulary {
    /// The parameter that names the operation.
    pub operation: &'static str,
    /// Operations that only read, as patterns: what `safe_to_repeat` is where a route does not say it.
    pub reads: &'static [&'static str],
    /// The largest form that endpoints take, in bytes, where there is such a limit.
    pub largest_form: Option<usize>,
    /// Operations that are called like those that read, and do more: a pattern with `*` does not make them safe to
    /// repeat.
    pub(super) more_than_reads: &'static [&'static str],
    /// Operations that endpoints answer before they look at a signature: no key stands behind them.
    pub(super) unsigned: &'static [&'static str],
    /// The reserved names, and what they mean, in their exact spelling. Those of one first letter, in any case, stand
    /// together.
    pub(super) reserved: &'static [(&'static str, Meaning)],
    /// All names that begin so belong to authentication.
    pub(super) reserved_beginning: Option<&'static str>,
    /// Which names parameters may have.
    pub(super) names: NameRule,
    /// When two names are one to the endpoint.
    pub(super) unique: Uniqueness,
    /// Which characters values may have.
    pub(super) values: ValueRule,
    /// For each letter the reserved names that begin with it, as a range of their list: most names need no other look.
    by_initial: [(u8, u8); LETTERS],
    /// The first letter of the reserved beginning, in lower case; 0 without one.
    pub(super) beginning_initial: u8,
}

const LETTERS: usize = 26;

/// What a reserved name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It names the operation, or what else decides what is called: it is passed on in this spelling and no other.
    Decisive,
    /// Authentication: it is dropped, because SDKs that are configured with placeholder keys send it.
    Authentication,
    /// Another name of the operation, which some endpoints prefer: they would carry out an operation that the policy
    /// did not see.
    OperationElsewhere,
}

/// Which names the parameters of a dialect may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameRule {
    /// Any that a form may have.
    Any,
    /// Any but an empty one, which Eucalyptus leaves out of what it verifies and reads.
    NotEmpty,
    /// ASCII. Two of Alibaba's four SDKs sort other names by UTF-16 units, two by code points.
    Ascii,
    /// Letters, digits and dots. Tencent's SDKs differ in whether they sign `_` as it is or as `.`.
    LettersDigitsDots,
    /// 1 to 255 letters, digits and `._-[]:`. CloudStack signs names without encoding them, so that others could be
    /// read as another list of parameters.
    CloudStack,
}

/// When an endpoint takes two names for the same one, whatever it verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uniqueness {
    /// When they are equal, as far as is known.
    Exact,
    /// Without regard to case: CloudStack lower-cases names into a map after it has verified them, so that of `id` and
    /// `ID` an arbitrary one counts.
    AnyCase,
}

/// Which characters the values of a dialect may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueRule {
    /// Any.
    Any,
    /// No control characters of ASCII but line feed and carriage return (`ApiServer.CONTROL_CHARACTERS`), except in the
    /// one parameter that holds a script.
    CloudStack,
}

impl Vocabulary {
    /// The longest name in CloudStack, in bytes.
    const LONGEST_NAME: usize = 255;
    /// The parameter of CloudStack whose value is a script (`ApiConstants.ACTIVATION_RULE`).
    const SCRIPT: &str = "activationrule";

    /// Whether there are names that a form may not have.
    pub(super) fn restricts_names(&self) -> bool {
        self.names != NameRule::Any
    }

    /// What is wrong with a name that is not reserved.
    pub(super) fn fault_in(&self, name: &[u8]) -> Option<FormError> {
        let name = String::from_utf8_lossy(name);
        self.names.fault_in(&name)
    }

    /// Whether a parameter of this name and characters may be in a form.
    pub(crate) fn admits(&self, name: &str) -> bool {
        self.names.fault_in(name).is_none()
    }

    /// What is wrong with the values of parameters.
    pub(super) fn fault_in_values_of(&self, parameters: &Parameters<'_>) -> Option<FormError> {
        match self.values {
            ValueRule::Any => None,
            ValueRule::CloudStack => {
                let is_script = |name: &str| name.eq_ignore_ascii_case(Self::SCRIPT);
                let mut faulty = parameters.iter().filter(|(name, value)| has_control(value) && !is_script(name));
                faulty.next().map(|(name, _)| FormError::ControlCharacter(ShownName::of(name)))
            }
        }
    }

    /// Whether the endpoint answers this operation, in any spelling, without a look at its signature.
    pub(crate) fn leaves_unsigned(&self, operation: &Action) -> bool {
        is_among(self.unsigned, operation)
    }

    /// Whether this operation does more than its name says, so that only a pattern without `*` makes it safe to repeat.
    pub(crate) fn does_more_than_read(&self, operation: &Action) -> bool {
        is_among(self.more_than_reads, operation)
    }

    /// Whether a parameter of this name says what is called, as every call has one.
    pub(crate) fn says_what_is_called(&self, name: &str) -> bool {
        self.reserved.iter().any(|(reserved, meaning)| *reserved == name && *meaning == Meaning::Decisive)
    }

    /// The reserved names that begin with this letter, which is a lower-case one.
    pub(super) fn beginning_with(&self, letter: u8) -> &'static [(&'static str, Meaning)] {
        let index = usize::from(letter.wrapping_sub(b'a'));
        let (from, to) = self.by_initial.get(index).copied().unwrap_or_default();
        self.reserved.get(usize::from(from)..usize::from(to)).unwrap_or_default()
    }

    /// Whether reserved names begin with this letter, which is a lower-case one.
    #[inline]
    pub(super) fn has_initial(&self, letter: u8) -> bool {
        self.by_initial.get(usize::from(letter.wrapping_sub(b'a'))).is_some_and(|(_, to)| *to != 0)
    }

    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // evaluated and checked at compile time
    #[allow(clippy::cast_possible_truncation)] // there are not so many names
    const fn with_initials(mut self) -> Self {
        self.by_initial = [(0, 0); LETTERS];
        self.beginning_initial = match self.reserved_beginning {
            Some(beginning) => beginning.as_bytes()[0].to_ascii_lowercase(),
            None => 0,
        };
        let mut at = 0;
        while at < self.reserved.len() {
            let letter = self.reserved[at].0.as_bytes()[0].to_ascii_lowercase();
            let (from, to) = self.by_initial[(letter - b'a') as usize];
            assert!(to == 0 || to as usize == at, "the names of one first letter do not stand together");
            let from = if to == 0 { at as u8 } else { from };
            self.by_initial[(letter - b'a') as usize] = (from, at as u8 + 1);
            at += 1;
        }
        self
    }
}

/// Operations are compared as the most lenient endpoint compares them: CloudStack looks up those that it answers
/// without a signature in lower case, and all others exactly.
fn is_among(names: &[&str], operation: &Action) -> bool {
    let operation = Folded::of(operation.as_str().as_bytes());
    names.iter().any(|name| Folded::of(name.as_bytes()) == operation)
}

fn has_control(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\r'))
}

impl NameRule {
    fn fault_in(self, name: &str) -> Option<FormError> {
        let other = |at: usize| FormError::OtherCharacter { name: ShownName::of(name), position: at.saturating_add(1) };
        let position = match self {
            Self::Any => return None,
            Self::NotEmpty | Self::LettersDigitsDots | Self::CloudStack if name.is_empty() => {
                return Some(FormError::EmptyName);
            }
            Self::NotEmpty => None,
            Self::Ascii => name.chars().position(|c| !c.is_ascii()),
            Self::LettersDigitsDots => name.chars().position(|c| !(c.is_ascii_alphanumeric() || c == '.')),
            Self::CloudStack if name.len() > Vocabulary::LONGEST_NAME => {
                return Some(FormError::LongName { name: ShownName::of(name), limit: Vocabulary::LONGEST_NAME });
            }
            Self::CloudStack => name
                .chars()
                .position(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '[' | ']' | ':'))),
        };
        position.map(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::FormLimits;

    fn fault(vocabulary: &Vocabulary, name: &str) -> Option<String> {
        vocabulary.fault_in(name.as_bytes()).map(|error| error.to_string())
    }

    #[test]
    fn a_name_that_a_dialect_cannot_have_is_refused_with_the_reason() {
        let empty = "a parameter has no name: in this dialect every parameter has one";
        for vocabulary in [&Vocabulary::EUCALYPTUS, &Vocabulary::TENCENT, &Vocabulary::CLOUDSTACK] {
            assert_eq!(fault(vocabulary, "").as_deref(), Some(empty));
        }
        assert_eq!(fault(&Vocabulary::AWS, ""), None);
        let other = |name: &str, position: usize| {
            format!(
                "the name of parameter {name} has at position {position} a character that no name of this dialect may \
                 have"
            )
        };
        for (vocabulary, name, expected) in [
            (&Vocabulary::ALIBABA, "Ünit", other("'\\u{dc}nit'", 1)),
            (&Vocabulary::TENCENT, "a_b", other("'a_b'", 2)),
            (&Vocabulary::CLOUDSTACK, "a&b", other("'a&b'", 2)),
            (&Vocabulary::CLOUDSTACK, "a b", other("'a b'", 2)),
        ] {
            assert_eq!(fault(vocabulary, name), Some(expected));
        }
        let long = fault(&Vocabulary::CLOUDSTACK, &"a".repeat(256)).unwrap();
        assert!(long.ends_with("is longer than the 255 characters that a name of this dialect may have"), "{long}");
        for (vocabulary, name) in [
            (&Vocabulary::CLOUDSTACK, "details[0].key-1_:"),
            (&Vocabulary::CLOUDSTACK, &*"a".repeat(255)),
            (&Vocabulary::TENCENT, "Filters.0.Name"),
            (&Vocabulary::ALIBABA, "Tag.1.Key~ !"),
            (&Vocabulary::EUCALYPTUS, "über"),
            (&Vocabulary::QINGCLOUD, "vxnets.1"),
        ] {
            assert_eq!(fault(vocabulary, name), None, "{name}");
        }
    }

    #[test]
    fn control_characters_are_refused_where_the_server_refuses_them() {
        let among = |vocabulary: &Vocabulary, body: &str| {
            let parameters = Parameters::parse_any_names(body.as_bytes(), FormLimits::DEFAULT).unwrap();
            vocabulary.fault_in_values_of(&parameters).map(|error| error.to_string())
        };
        for escape in ["%00", "%09", "%0B", "%1F", "%7F"] {
            let told = among(&Vocabulary::CLOUDSTACK, &format!("a=1&name=x{escape}y&z=2")).unwrap();
            assert!(told.starts_with("the value of parameter 'name' has a control character"), "{told}");
            assert_eq!(among(&Vocabulary::CLOUDSTACK, &format!("activationRule=x{escape}y")), None);
            assert_eq!(among(&Vocabulary::AWS, &format!("name=x{escape}y")), None);
        }
        for passes in ["%0A", "%0D", "+", "%C2%85", "%E2%80%A8"] {
            assert_eq!(among(&Vocabulary::CLOUDSTACK, &format!("name=x{passes}y")), None, "{passes}");
        }
    }

    #[test]
    fn what_is_answered_without_a_signature_is_known_in_any_case() {
        let unsigned = |name: &str| Vocabulary::CLOUDSTACK.leaves_unsigned(&Action::parse(name).unwrap());
        for name in ["login", "LOGIN", "logOut", "samlSso", "forgotpassword", "resetPassword", "oauthlogin"] {
            assert!(unsigned(name), "{name}");
        }
        for name in ["listVirtualMachines", "loginx", "updateUser", "authorizeSamlSso", "registerOauthProvider"] {
            assert!(!unsigned(name), "{name}");
        }
        assert!(!Vocabulary::AWS.leaves_unsigned(&Action::parse("login").unwrap()));
    }
}
