//! The form a client sent, reduced to what may be signed: its parameters without those of the client's own
//! authentication.

use super::action::Action;
use super::form_error::{FormError, ShownName};
use super::limits::FormLimits;
use super::parameters::Parameters;
use super::reserved::{Reservation, is_plainly_free, reservation};
use super::vocabulary::{Uniqueness, Vocabulary};

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
    /// Those of [`Parameters::parse`], names and values that the dialect cannot sign or its endpoints refuse, reserved
    /// names in another spelling, a missing or invalid operation, and one that is answered without a signature.
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
        // most forms are unsigned, as they should be
        let is_free =
            |name: &[u8]| is_plainly_free(name, vocabulary) || reservation(name, vocabulary) == Reservation::Free;
        let is_to_be_passed_on_whole = !vocabulary.restricts_names() && parameters.names().all(is_free);
        let mut refused =
            if is_to_be_passed_on_whole { None } else { drop_authentication(&mut parameters, vocabulary) };
        let is_read_in_any_case = match reader {
            // its names differ in more than their case
            Reader::Policy => false,
            Reader::KeyHolder => vocabulary.unique == Uniqueness::AnyCase,
        };
        if is_read_in_any_case {
            refused = refused.or_else(|| parameters.find_same_in_any_case());
        }
        if let Some(error) = refused.or_else(|| vocabulary.fault_in_values_of(&parameters)) {
            return Err(error);
        }
        let operation = vocabulary.operation;
        let action = match parameters.get(operation) {
            None | Some("") => return Err(FormError::MissingAction(operation)),
            Some(name) => Action::parse(name).ok_or(FormError::InvalidAction(operation))?,
        };
        if vocabulary.leaves_unsigned(&action) {
            return Err(FormError::Unsigned(action));
        }
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

/// Drops the parameters of authentication. Returns what is wrong with the first name of another kind.
#[inline(never)] // rare
fn drop_authentication(parameters: &mut Parameters<'_>, vocabulary: &'static Vocabulary) -> Option<FormError> {
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
    refused
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

    fn parse_as<'a>(
        vocabulary: &'static Vocabulary,
        reader: Reader,
        body: &'a str,
    ) -> Result<QueryForm<'a>, FormError> {
        QueryForm::parse_as(vocabulary, reader, body.as_bytes(), LIMITS)
    }

    #[test]
    fn the_operation_stands_where_the_dialect_has_it_and_nowhere_else() {
        for (vocabulary, body, operation) in [
            (&Vocabulary::CLOUDSTACK, "command=listZones&Action=x", "listZones"),
            (&Vocabulary::QINGCLOUD, "action=DescribeInstances&zone=pek1", "DescribeInstances"),
            (&Vocabulary::NIFCLOUD, "Action=DescribeInstances", "DescribeInstances"),
            (&Vocabulary::TENCENT, "Action=DescribeInstances&Region=a", "DescribeInstances"),
        ] {
            assert_eq!(parse_as(vocabulary, Reader::Policy, body).unwrap().action().as_str(), operation);
        }
        for (vocabulary, body, error) in [
            (&Vocabulary::CLOUDSTACK, "Action=listZones", FormError::MissingAction("command")),
            (&Vocabulary::CLOUDSTACK, "command=list+Zones", FormError::InvalidAction("command")),
            (&Vocabulary::QINGCLOUD, "zone=pek1", FormError::MissingAction("action")),
        ] {
            assert_eq!(parse_as(vocabulary, Reader::Policy, body).unwrap_err(), error);
        }
        for (vocabulary, body) in [
            (&Vocabulary::CLOUDSTACK, "command=listZones&COMMAND=destroyVirtualMachine"),
            (&Vocabulary::QINGCLOUD, "action=DescribeInstances&Action=TerminateInstances"),
            (&Vocabulary::NIFCLOUD, "Action=DescribeInstances&Operation=TerminateInstances"),
            (&Vocabulary::ALIBABA, "Action=DescribeInstances&action=DeleteInstance"),
        ] {
            let refused = parse_as(vocabulary, Reader::Policy, body);
            assert!(matches!(refused, Err(FormError::Disguised { .. } | FormError::Alike { .. })), "{body}");
        }
    }

    #[test]
    fn two_names_that_are_one_to_the_server_are_refused_whoever_reads_them() {
        for reader in [Reader::Policy, Reader::KeyHolder] {
            let refused = parse_as(&Vocabulary::CLOUDSTACK, reader, "command=listZones&ID=1&a=2&id=3").unwrap_err();
            assert!(matches!(refused, FormError::Alike { .. }), "{refused}");
            assert!(refused.to_string().contains("'ID'") && refused.to_string().contains("'id'"), "{refused}");
        }
        let written = "command=listZones&Foo-1=1&Foo_1=2&Foo1=3";
        assert!(parse_as(&Vocabulary::CLOUDSTACK, Reader::KeyHolder, written).is_ok());
        assert!(parse_as(&Vocabulary::AWS, Reader::KeyHolder, "Action=A&ID=1&id=2").is_ok(), "two names to AWS");
    }

    #[test]
    fn an_operation_that_is_answered_without_a_signature_is_refused_whoever_reads_it() {
        for reader in [Reader::Policy, Reader::KeyHolder] {
            let refused = parse_as(&Vocabulary::CLOUDSTACK, reader, "command=LOGIN&username=a").unwrap_err();
            assert_eq!(
                refused.to_string(),
                "endpoints of this dialect answer LOGIN without a look at the signature, so that it is not passed on, \
                 whatever the rules allow"
            );
        }
        assert!(parse_as(&Vocabulary::AWS, Reader::Policy, "Action=login").is_ok());
    }

    const VOCABULARIES: [&Vocabulary; 8] = [
        &Vocabulary::AWS,
        &Vocabulary::EUCALYPTUS,
        &Vocabulary::NIFCLOUD,
        &Vocabulary::CLOUDSTACK,
        &Vocabulary::ALIBABA,
        &Vocabulary::QINGCLOUD,
        &Vocabulary::TENCENT,
        &Vocabulary::VOLCENGINE,
    ];

    /// A form of names that mean something to one of the dialects or are like one that does, and of ordinary ones.
    fn form_of_names() -> impl Strategy<Value = (&'static Vocabulary, String)> {
        let vocabulary = prop::sample::select(&VOCABULARIES);
        vocabulary.prop_flat_map(|vocabulary| {
            let reserved = VOCABULARIES.iter().flat_map(|vocabulary| vocabulary.reserved.iter().map(|(name, _)| *name));
            let ordinary =
                ["id", "ID", "a_b", "a-b", "ab", "Zone", "details[0].key", "X-Amz-Date", "%C3%BC", "", "a%26b"];
            let names: Vec<_> = reserved.chain(ordinary).collect();
            let spelled = (prop::sample::select(names), 0..6_u8).prop_map(|(name, how)| match how {
                0 => name.to_lowercase(),
                1 => name.to_uppercase(),
                _ => name.to_owned(),
            });
            let value = prop::sample::select(vec!["listZones", "login", "LogOut", "Describe", "a%09b", "1", ""]);
            let pair = (spelled, value.clone()).prop_map(|(name, value)| format!("{name}={value}"));
            (Just(vocabulary), value, prop::collection::vec(pair, 0..4)).prop_map(|(vocabulary, value, pairs)| {
                let operation = format!("{}={value}", vocabulary.operation);
                (vocabulary, [vec![operation], pairs].concat().join("&"))
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(4000)))]

        #[test]
        fn an_accepted_form_has_one_reading_in_its_dialect_and_nothing_that_is_reserved_there(
            (vocabulary, body) in form_of_names(),
            reader in prop::sample::select(vec![Reader::Policy, Reader::KeyHolder]),
        ) {
            let Ok(form) = parse_as(vocabulary, reader, &body) else { return Ok(()) };
            prop_assert_eq!(form.parameters().get(vocabulary.operation), Some(form.action().as_str()));
            prop_assert!(!vocabulary.leaves_unsigned(form.action()), "{}", body);
            let names: Vec<String> = form.parameters().iter().map(|(name, _)| name.to_owned()).collect();
            if reader == Reader::Policy || vocabulary.unique == Uniqueness::AnyCase {
                let as_the_server_reads: std::collections::BTreeSet<_> =
                    names.iter().map(|name| name.to_lowercase()).collect();
                prop_assert_eq!(as_the_server_reads.len(), names.len(), "{}", body);
            }
            for name in &names {
                let is = |reserved: &str| name.eq_ignore_ascii_case(reserved);
                let reserved = vocabulary.reserved.iter().find(|(reserved, _)| is(reserved));
                prop_assert!(reserved.is_none() || vocabulary.says_what_is_called(name), "{} in {}", name, body);
                prop_assert!(vocabulary.admits(name), "{} in {}", name, body);
                let begins = vocabulary.reserved_beginning.is_some_and(|with| {
                    name.to_lowercase().starts_with(&with.to_lowercase())
                });
                prop_assert!(!begins, "{} in {}", name, body);
            }
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
