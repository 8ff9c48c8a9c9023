//! The parameter names that have a meaning to the signer, which a client may send but does not decide.

use super::folded::{Folded, Kinship};

/// The parameter that names the operation, in every dialect that is signed today. A dialect that calls it otherwise
/// makes this a property of the route; [`OPERATION_NAMES`] has what it may be called.
pub(crate) const OPERATION_PARAMETER: &str = "Action";

/// What a parameter's name means to the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reservation {
    /// An ordinary parameter. It is passed on.
    Free,
    /// An authentication parameter. It is dropped, because SDKs that are configured with placeholder keys send it.
    Authentication,
    /// A name that could be taken for this one, which the signer decides or which decides what is called. It is refused,
    /// because the endpoint may take it for the real one although we would not.
    Disguised(&'static str),
}

/// What dispatchers take the operation from. All but [`OPERATION_PARAMETER`] are refused in every spelling: some
/// dispatchers prefer `Operation` to `Action`, and would carry out what the policy did not see.
const OPERATION_NAMES: [&str; 3] = ["Action", "Operation", "Command"];

/// The other reserved names, in their exact case, and what they mean: the parameters of Signature Versions 0 to 2
/// ("Common Parameters" in every AWS Query API reference), and the version of the API.
const RESERVED: [(&str, Reservation); 8] = [
    ("Version", Reservation::Free),
    ("AWSAccessKeyId", Reservation::Authentication),
    ("Expires", Reservation::Authentication),
    ("SecurityToken", Reservation::Authentication),
    ("Signature", Reservation::Authentication),
    ("SignatureMethod", Reservation::Authentication),
    ("SignatureVersion", Reservation::Authentication),
    ("Timestamp", Reservation::Authentication),
];

/// The prefix of Signature Version 4's query parameters.
const V4_PREFIX: &str = "X-Amz-";

/// Classifies a decoded parameter name. Exact names come first: they are the frequent ones, and cheap to compare.
#[must_use]
pub(crate) fn reservation(name: &[u8]) -> Reservation {
    if name == OPERATION_PARAMETER.as_bytes() {
        return Reservation::Free;
    }
    if let Some((_, meaning)) = RESERVED.iter().find(|(reserved, _)| name == reserved.as_bytes()) {
        return *meaning;
    }
    if name.starts_with(V4_PREFIX.as_bytes()) {
        return Reservation::Authentication;
    }
    disguised(name).map_or(Reservation::Free, Reservation::Disguised)
}

/// The reserved name that `name` could be taken for: it is another spelling of it, or a part.
fn disguised(name: &[u8]) -> Option<&'static str> {
    let folded = Folded::of(name);
    let reserved = OPERATION_NAMES.into_iter().chain(RESERVED.iter().map(|(reserved, _)| *reserved));
    // no reserved name begins with a byte that does not count
    let first = folded.first()?;
    let mut alike = reserved.filter(|reserved| reserved.as_bytes().first().map(u8::to_ascii_lowercase) == Some(first));
    let found = alike.find(|reserved| folded.kinship(Folded::of(reserved.as_bytes())) != Kinship::Unrelated);
    let found = found.map(|name| if OPERATION_NAMES.contains(&name) { OPERATION_PARAMETER } else { name });
    found.or_else(|| folded.starts_with(Folded::of(V4_PREFIX.as_bytes())).then_some(V4_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_are_authentication_and_other_spellings_are_disguised() {
        for (name, meaning) in RESERVED {
            assert_eq!(reservation(name.as_bytes()), meaning);
            let spelled = [name.to_lowercase(), name.to_uppercase(), format!(" {name}"), format!("_{name}-")];
            for spelled in spelled.into_iter().chain([format!("{name}.1"), format!("{name}[]")]) {
                assert_eq!(reservation(spelled.as_bytes()), Reservation::Disguised(name), "{spelled}");
            }
        }
        assert_eq!(reservation(b"X-Amz-Date"), Reservation::Authentication);
        for disguised in ["x-amz-date", "X-AMZ-Date", "X_Amz_Date", "XAmzDate"] {
            assert_eq!(reservation(disguised.as_bytes()), Reservation::Disguised("X-Amz-"), "{disguised}");
        }
        for free in ["Action", "Version", "JobId", "Signatur", "SignatureX", "X-Am", "X-Amé", "", "_", "-"] {
            assert_eq!(reservation(free.as_bytes()), Reservation::Free, "{free}");
        }
    }

    #[test]
    fn other_names_of_the_operation_are_disguised_actions() {
        for name in ["Operation", "operation", "Command", "command", "COMMAND", "Operation.1", "action", "Action.1"] {
            assert_eq!(reservation(name.as_bytes()), Reservation::Disguised("Action"), "{name}");
        }
        for free in ["OperationType", "ActionNames.member.1", "Actions.member.1", "CommandId", "ApplyAction"] {
            assert_eq!(reservation(free.as_bytes()), Reservation::Free, "{free}");
        }
    }
}
