//! The contents of a response to any operation: the parameters that were sent.

use crate::query::reserved::{Reservation, reservation};
use crate::query::{Action, Vocabulary};
use crate::sandbox::xml::is_xml_character;

/// The namespace of the document. No service has it, so that nobody mistakes an echo for a service's response.
pub(super) const NAMESPACE: &str = "urn:countersign:sandbox:echo";

/// Whether a response can be called after this operation: the name of an XML element begins with a letter.
#[must_use]
pub(super) fn can_name_a_response(operation: &Action) -> bool {
    operation.as_str().starts_with(|first: char| first.is_ascii_alphabetic())
}

/// The parameters in order of their names, without those that sign: neither a signature nor a session token goes back
/// to a client, or into what it logs.
#[must_use]
pub(super) fn echoed(parameters: &[(String, String)], vocabulary: &'static Vocabulary) -> Vec<(String, String)> {
    let free = parameters.iter().filter(|(name, _)| is_for_the_service(name, vocabulary));
    let mut echoed: Vec<_> = free.map(|(name, value)| (writable(name), writable(value))).collect();
    echoed.sort();
    echoed
}

/// Whether a parameter says nothing of who signs, in any spelling.
fn is_for_the_service(name: &str, vocabulary: &'static Vocabulary) -> bool {
    match reservation(name.as_bytes(), vocabulary) {
        Reservation::Free => true,
        Reservation::Authentication | Reservation::Disguised(_) => false,
    }
}

/// The text with U+FFFD for each character that XML cannot carry.
fn writable(text: &str) -> String {
    text.chars().map(|c| if is_xml_character(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(name: &str, vocabulary: &'static Vocabulary) -> Vec<(String, String)> {
        echoed(&[("Zone".to_owned(), "z".to_owned()), (name.to_owned(), "MARKER\0".to_owned())], vocabulary)
    }

    #[test]
    fn what_signs_is_not_echoed_in_any_spelling() {
        let aws = [
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
        let others = [
            ("apiKey", &Vocabulary::CLOUDSTACK),
            ("SIGNATURE", &Vocabulary::CLOUDSTACK),
            ("SignatureNonce", &Vocabulary::ALIBABA),
            ("SecurityToken", &Vocabulary::ALIBABA),
            ("token", &Vocabulary::QINGCLOUD),
            ("Token", &Vocabulary::TENCENT),
        ];
        for (name, vocabulary) in aws.map(|name| (name, &Vocabulary::AWS)).into_iter().chain(others) {
            assert_eq!(echo(name, vocabulary).len(), 1, "{name}");
        }
        let replaced = ("A".to_owned(), "MARKER\u{fffd}".to_owned());
        assert_eq!(echo("A", &Vocabulary::AWS).first(), Some(&replaced));
    }

    #[test]
    fn an_action_that_begins_with_a_digit_names_no_element() {
        for (action, can) in [("Select", true), ("select2", true), ("2Select", false)] {
            assert_eq!(can_name_a_response(&Action::parse(action).unwrap()), can, "{action}");
        }
    }
}
