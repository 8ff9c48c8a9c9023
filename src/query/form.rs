//! The form a client sent, reduced to what may be signed: its parameters without those of the client's own
//! authentication.

use super::action::Action;
use super::form_error::{FormError, ShownName};
use super::limits::FormLimits;
use super::parameters::Parameters;
use super::reserved::{Reservation, reservation};
use super::vocabulary::Vocabulary;

/// For whom a form is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// For a policy, which judges by the operation. Names are printable ASCII, and those that endpoints could take for
    /// one another are refused, so that the policy and the endpoint cannot read different parameters.
    Policy,
    /// For whoever holds the key, and has no policy to be held to: names may be anything that can be
    /// signed.
    KeyHolder,
}

/// An unsigned request of the AWS Query protocol, or of another one that works alike.
#[derive(Debug)]
pub struct QueryForm<'a> {
    action: Action,
    parameters: Parameters<'a>,
}

impl<'a> QueryForm<'a> {
    /// Parses a form body of the AWS Query protocol, and drops the authentication parameters in it.
    ///
    /// # Errors
    /// As for [`Self::parse_as`].
    pub fn parse(body: &'a [u8], limits: FormLimits) -> Result<Self, FormError> {
        Self::parse_as(&Vocabulary::AWS, Reader::Policy, body, limits)
    }

    /// Parses a form body whose names mean what `vocabulary` says, and drops the authentication parameters in it.
    ///
    /// # Errors
    /// Those of [`Parameters::parse`], names that the dialect cannot sign, reserved names in another spelling, and a
    /// missing or invalid operation.
    pub fn parse_as(
        vocabulary: &'static Vocabulary,
        reader: Reader,
        body: &'a [u8],
        limits: FormLimits,
    ) -> Result<Self, FormError> {
        let mut parameters = match reader {
            Reader::Policy => Parameters::parse(body, limits)?,
            Reader::KeyHolder => Parameters::parse_any_names(body, limits)?,
        };
        let mut refused = None;
        parameters.retain(|name| match reservation(name, vocabulary) {
            Reservation::Free => {
                if vocabulary.restricts_names() && refused.is_none() {
                    refused = vocabulary.fault_in(name);
                }
                true
            }
            Reservation::Authentication => false,
            Reservation::Disguised(reserved) => {
                if refused.is_none() {
                    let name = ShownName::of(&String::from_utf8_lossy(name));
                    refused = Some(FormError::Disguised { name, reserved });
                }
                false
            }
        });
        if let Some(error) = refused {
            return Err(error);
        }
        let operation = vocabulary.operation;
        let action = match parameters.get(operation) {
            None | Some("") => return Err(FormError::MissingAction(operation)),
            Some(name) => Action::parse(name).ok_or(FormError::InvalidAction(operation))?,
        };
        Ok(Self { action, parameters })
    }

    /// The operation that is called.
    #[must_use]
    pub const fn action(&self) -> &Action {
        &self.action
    }

    /// Every parameter, the operation included, in canonical order.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters<'a> {
        &self.parameters
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::percent;

    const LIMITS: FormLimits = FormLimits::DEFAULT;

    #[test]
    fn the_clients_own_authentication_is_dropped() {
        let body =
            b"Action=ListJobs&AWSAccessKeyId=x&Signature=x&Timestamp=x&X-Amz-Date=x&Expires=1&SecurityToken=t&A=1";
        let form = QueryForm::parse(body, LIMITS).unwrap();
        let names: Vec<_> = form.parameters().iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["A", "Action"]);
        assert_eq!(form.action().as_str(), "ListJobs");
    }

    #[test]
    fn a_reserved_name_in_another_case_is_refused() {
        for name in ["awsaccesskeyid", "SIGNATURE", "x-amz-date", "%73ignature", "VERSION", "Action.1", "Operation"] {
            let body = format!("Action=ListJobs&{name}=1");
            let refused = QueryForm::parse(body.as_bytes(), LIMITS);
            assert!(matches!(refused, Err(FormError::Disguised { .. })), "{name}");
        }
        let refused = QueryForm::parse(b"Version=1&_action=ListJobs", LIMITS).unwrap_err();
        assert_eq!(refused.to_string(), "parameter '_action' could be taken for the reserved parameter Action");
    }

    #[test]
    fn a_form_without_an_action_is_refused() {
        for body in ["", "Version=1", "Action=", "Action"] {
            assert_eq!(
                QueryForm::parse(body.as_bytes(), LIMITS).unwrap_err(),
                FormError::MissingAction("Action"),
                "{body}"
            );
        }
    }

    #[test]
    fn an_action_that_names_no_operation_is_refused() {
        for action in ["List%20Jobs", "ListJobs%00", "ListJobs%0a", "%EF%BB%BFListJobs", "List*", &"A".repeat(129)] {
            let body = format!("Action={action}");
            assert_eq!(
                QueryForm::parse(body.as_bytes(), LIMITS).unwrap_err(),
                FormError::InvalidAction("Action"),
                "{action}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_accepted_form_reparses_to_itself(body in prop::collection::vec(
            prop_oneof![Just(b'&'), Just(b'='), Just(b'%'), Just(b'+'), Just(b'a'), Just(b'4'), any::<u8>()], 0..60)) {
            let body = [b"Action=A&".as_slice(), &body].concat();
            if let Ok(form) = QueryForm::parse(&body, LIMITS) {
                let written: Vec<String> = form.parameters().iter()
                    .map(|(n, v)| format!("{}={}", percent::encode(n), percent::encode(v))).collect();
                let written = written.join("&");
                let again = QueryForm::parse(written.as_bytes(), LIMITS).unwrap();
                prop_assert_eq!(form.parameters(), again.parameters());
            }
        }
    }
}
