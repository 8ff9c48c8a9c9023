//! A verified form, read as the parameters of an operation.

use super::refusal::Refusal;
use crate::query::Parameters;

/// The API versions that are served: that of the API reference, and that of the SDKs' model. What is sent is the same.
pub(super) const VERSIONS: [&str; 2] = ["2010-06-03", "2010-06-01"];

/// What an operation was called with.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    parameters: &'a Parameters<'a>,
}

impl<'a> Call<'a> {
    /// Reads `parameters`, which must ask for a version that is served.
    ///
    /// # Errors
    /// [`Refusal::Version`].
    pub(super) fn new(parameters: &'a Parameters<'a>) -> Result<Self, Refusal> {
        match parameters.get("Version") {
            Some(version) if VERSIONS.contains(&version) => Ok(Self { parameters }),
            Some(_) | None => Err(Refusal::Version),
        }
    }

    /// A parameter. An empty one counts as absent, since SDKs send parameters that were set to an empty string.
    #[must_use]
    pub(super) fn optional(&self, name: &str) -> Option<&'a str> {
        self.parameters.get(name).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// [`Refusal::MissingParameter`].
    pub(super) fn required(&self, name: &'static str) -> Result<&'a str, Refusal> {
        self.optional(name).ok_or(Refusal::MissingParameter(name))
    }

    /// The values of `name.member.1`, `name.member.2` and so on, or of `name.1`, `name.2`, as the oldest clients write
    /// lists. Ends at the first number that is missing.
    #[must_use]
    pub(super) fn list(&self, name: &str) -> Vec<&'a str> {
        let numbered = |separator: &str| {
            (1_usize..).map_while(|number| self.optional(&format!("{name}{separator}{number}"))).collect::<Vec<_>>()
        };
        let members = numbered(".member.");
        if members.is_empty() { numbered(".") } else { members }
    }
}

/// What `ValidateOnly` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Check the manifest, change nothing.
    ValidateOnly,
    /// Check the manifest and act on it.
    Act,
}

impl Mode {
    /// Reads `ValidateOnly`.
    ///
    /// # Errors
    /// [`Refusal::MissingParameter`], or [`Refusal::InvalidParameter`] for anything but `true` and `false`.
    pub(super) fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        const NAME: &str = "ValidateOnly";
        let value = call.required(NAME)?;
        if value.eq_ignore_ascii_case("true") {
            Ok(Self::ValidateOnly)
        } else if value.eq_ignore_ascii_case("false") {
            Ok(Self::Act)
        } else {
            Err(Refusal::InvalidParameter { name: NAME, expected: "true or false" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::FormLimits;

    fn with<T>(body: &str, check: impl FnOnce(Result<Call<'_>, Refusal>) -> T) -> T {
        let parameters = Parameters::parse(body.as_bytes(), FormLimits::DEFAULT).unwrap();
        check(Call::new(&parameters))
    }

    #[test]
    fn both_api_versions_are_served_and_no_other() {
        for (version, served) in [("2010-06-03", true), ("2010-06-01", true), ("2010-06-02", false), ("", false)] {
            with(&format!("Version={version}"), |call| assert_eq!(call.is_ok(), served, "{version}"));
        }
        with("Action=ListJobs", |call| assert_eq!(call.err(), Some(Refusal::Version)));
    }

    #[test]
    fn lists_are_read_in_both_spellings_up_to_the_first_gap() {
        with("Version=2010-06-03&jobIds.member.1=A&jobIds.member.2=B&jobIds.member.4=D", |call| {
            assert_eq!(call.unwrap().list("jobIds"), ["A", "B"]);
        });
        with("Version=2010-06-03&jobIds.1=A&jobIds.2=B", |call| assert_eq!(call.unwrap().list("jobIds"), ["A", "B"]));
        with("Version=2010-06-03", |call| assert!(call.unwrap().list("jobIds").is_empty()));
    }

    #[test]
    fn validate_only_is_true_or_false() {
        for (text, mode) in [
            ("true", Ok(Mode::ValidateOnly)),
            ("False", Ok(Mode::Act)),
            ("1", Err("InvalidParameterException")),
            ("", Err("MissingParameterException")),
        ] {
            with(&format!("Version=2010-06-03&ValidateOnly={text}"), |call| {
                assert_eq!(Mode::read(&call.unwrap()).map_err(|refusal| refusal.code()), mode, "{text}");
            });
        }
    }
}
