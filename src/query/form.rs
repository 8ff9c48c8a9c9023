//! The form a client sent, reduced to what may be signed: its parameters without those of the client's own
//! authentication.

use super::action::Action;
use super::form_error::{FormError, ShownName};
use super::limits::FormLimits;
use super::parameters::Parameters;
use super::reserved::{OPERATION_PARAMETER, Reservation, reservation};

/// An unsigned request of the AWS Query protocol.
#[derive(Debug)]
pub struct QueryForm<'a> {
    action: Action,
    parameters: Parameters<'a>,
}

impl<'a> QueryForm<'a> {
    /// Parses a form body, and drops the authentication parameters in it.
    ///
    /// # Errors
    /// Those of [`Parameters::parse`], reserved names in another spelling, and a missing or invalid Action.
    pub fn parse(body: &'a [u8], limits: FormLimits) -> Result<Self, FormError> {
        let mut parameters = Parameters::parse(body, limits)?;
        let mut disguised = None;
        parameters.retain(|name| {
            let reservation = reservation(name);
            if let Reservation::Disguised(reserved) = reservation
                && disguised.is_none()
            {
                let name = ShownName::of(&String::from_utf8_lossy(name));
                disguised = Some(FormError::Disguised { name, reserved });
            }
            reservation == Reservation::Free
        });
        if let Some(error) = disguised {
            return Err(error);
        }
        let action = match parameters.get(OPERATION_PARAMETER) {
            None | Some("") => return Err(FormError::MissingAction),
            Some(name) => Action::parse(name).ok_or(FormError::InvalidAction)?,
        };
        Ok(Self { action, parameters })
    }

    /// The operation that is called.
    #[must_use]
    pub const fn action(&self) -> &Action {
        &self.action
    }

    /// Every parameter, `Action` included, in canonical order.
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
            assert_eq!(QueryForm::parse(body.as_bytes(), LIMITS).unwrap_err(), FormError::MissingAction, "{body}");
        }
    }

    #[test]
    fn an_action_that_names_no_operation_is_refused() {
        for action in ["List%20Jobs", "ListJobs%00", "ListJobs%0a", "%EF%BB%BFListJobs", "List*", &"A".repeat(129)] {
            let body = format!("Action={action}");
            assert_eq!(QueryForm::parse(body.as_bytes(), LIMITS).unwrap_err(), FormError::InvalidAction, "{action}");
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
