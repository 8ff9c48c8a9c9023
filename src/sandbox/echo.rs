//! The response to any Action: the parameters that were sent, in the frame of a response of the Query protocol, so that
//! SDKs read it as a success.

use super::xml::Elements;
use crate::query::reserved::{Reservation, reservation};
use crate::query::{Action, Parameters, Vocabulary};

/// The namespace of the document. No service has it, so that nobody mistakes an echo for a service's response.
pub(super) const NAMESPACE: &str = "urn:countersign:sandbox:echo";

/// Whether a response can be called after this Action: the name of an XML element begins with a letter.
#[must_use]
pub(super) fn can_name_a_response(action: &Action) -> bool {
    action.as_str().starts_with(|first: char| first.is_ascii_alphabetic())
}

/// The parameters in order of their names, without those that sign: neither a signature nor a session token goes back
/// to a client, or into what it logs.
#[must_use]
pub(super) fn elements(parameters: &Parameters<'_>) -> Elements {
    let echoed = parameters.iter().filter(|(name, _)| is_for_the_service(name));
    Elements::new().list(
        "EchoedParameters",
        echoed.map(|(name, value)| Elements::new().text("Name", name).text("Value", writable(value))),
    )
}

/// Whether a parameter says nothing of who signs, in any spelling.
fn is_for_the_service(name: &str) -> bool {
    match reservation(name.as_bytes(), &Vocabulary::AWS) {
        Reservation::Free => true,
        Reservation::Authentication | Reservation::Disguised(_) => false,
    }
}

/// The value with U+FFFD for each character that XML cannot carry.
fn writable(value: &str) -> String {
    value.chars().map(|c| if super::xml::is_xml_character(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::FormLimits;

    fn echo(form: &str) -> String {
        let parameters = Parameters::parse(form.as_bytes(), FormLimits::DEFAULT).unwrap();
        elements(&parameters).into_named_document("Select", NAMESPACE, "r-1")
    }

    #[test]
    fn the_parameters_come_back_in_order_and_escaped() {
        assert_eq!(
            echo("Version=2009-04-15&Action=Select&SelectExpression=a+%3C+%27b%27%0D%00"),
            "<SelectResponse xmlns=\"urn:countersign:sandbox:echo\"><SelectResult><EchoedParameters>\
             <member><Name>Action</Name><Value>Select</Value></member>\
             <member><Name>SelectExpression</Name><Value>a &lt; &apos;b&apos;&#13;\u{fffd}</Value></member>\
             <member><Name>Version</Name><Value>2009-04-15</Value></member></EchoedParameters></SelectResult>\
             <ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></SelectResponse>"
        );
    }

    #[test]
    fn what_signs_is_not_echoed_in_any_spelling() {
        let signs = [
            "AWSAccessKeyId",
            "Signature",
            "SignatureMethod",
            "SignatureVersion",
            "Timestamp",
            "Expires",
            "SecurityToken",
            "X-Amz-Signature",
            "X-Amz-Security-Token",
            "securitytoken",
            "Security_Token",
            "x-amz-security-token",
        ];
        for name in signs {
            let document = echo(&format!("Action=Select&{name}=MARKER"));
            assert!(!document.contains("MARKER") && !document.contains(name), "{document}");
        }
    }

    #[test]
    fn an_action_that_begins_with_a_digit_names_no_element() {
        for (action, can) in [("Select", true), ("select2", true), ("2Select", false)] {
            assert_eq!(can_name_a_response(&Action::parse(action).unwrap()), can, "{action}");
        }
    }
}
