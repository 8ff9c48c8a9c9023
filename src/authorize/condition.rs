//! Conditions on the parameters of a call.

use std::fmt;

use crate::query::Parameters;

/// A test of one parameter. Names are compared exactly, and [`super::judge`] refuses a call with another spelling of
/// the name. Each member of a list (`JobIds.member.1`) is a parameter of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The parameter's decoded name.
    pub parameter: String,
    /// What is tested.
    pub test: Test,
}

/// What a condition tests. A parameter that is absent has no value: it equals nothing, not even the empty text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// The parameter has this value.
    Equals(String),
    /// The value begins with this text.
    Prefix(String),
    /// The parameter has one of these values.
    OneOf(Vec<String>),
    /// The parameter is absent.
    Absent,
    /// The parameter is present, with any value.
    Present,
}

impl Condition {
    /// Whether the parameters that will be sent satisfy the condition.
    #[must_use]
    pub fn holds(&self, parameters: &Parameters<'_>) -> bool {
        let value = parameters.get(&self.parameter);
        match &self.test {
            Test::Equals(wanted) => value == Some(wanted.as_str()),
            Test::Prefix(start) => value.is_some_and(|value| value.starts_with(start.as_str())),
            Test::OneOf(wanted) => value.is_some_and(|value| wanted.iter().any(|wanted| wanted == value)),
            Test::Absent => value.is_none(),
            Test::Present => value.is_some(),
        }
    }
}

impl fmt::Display for Condition {
    /// Shows values from the configuration, never a client's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.parameter;
        match &self.test {
            Test::Equals(value) => write!(f, "{name} equals {value:?}"),
            Test::Prefix(start) => write!(f, "{name} begins with {start:?}"),
            Test::OneOf(values) => write!(f, "{name} is one of {values:?}"),
            Test::Absent => write!(f, "{name} is absent"),
            Test::Present => write!(f, "{name} is present"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::FormLimits;

    fn holds(test: Test, body: &str) -> bool {
        let parameters = Parameters::parse(body.as_bytes(), FormLimits::DEFAULT).unwrap();
        Condition { parameter: "P".to_owned(), test }.holds(&parameters)
    }

    #[test]
    fn conditions_are_asked_of_decoded_values() {
        assert!(holds(Test::Equals("a b".to_owned()), "P=a%20b"));
        assert!(!holds(Test::Equals("true".to_owned()), "P=True"));
        assert!(holds(Test::Prefix("a".to_owned()), "P=abc"));
        assert!(!holds(Test::Prefix("a".to_owned()), "P=ba"));
        let one_of = || Test::OneOf(vec!["Import".to_owned(), "Export".to_owned()]);
        assert!(holds(one_of(), "P=Export"));
        assert!(!holds(one_of(), "P=Expor"));
    }

    #[test]
    fn what_is_absent_equals_nothing() {
        for test in [Test::Equals(String::new()), Test::Prefix(String::new()), Test::OneOf(vec![String::new()])] {
            assert!(!holds(test.clone(), "p=&Q="), "names are exact");
            assert!(holds(test, "P="));
        }
        assert!(holds(Test::Absent, "p=1") && !holds(Test::Absent, "P"));
        assert!(holds(Test::Present, "P") && !holds(Test::Present, "p=1"));
    }
}
