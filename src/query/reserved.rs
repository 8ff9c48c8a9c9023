//! The parameter names that have a meaning to the signer, which a client may send but does not decide.

use super::folded::{Folded, Kinship};

/// The parameter that names the operation, in every dialect that is signed today. A dialect that calls it otherwise
/// makes this a property of the route, and `Action` in [`reserved_names`] another name of it.
pub(crate) const OPERATION_PARAMETER: &str = "Action";

/// What a parameter's name means to the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reservation {
    /// An ordinary parameter. It is passed on.
    Free,
    /// An authentication parameter. It is dropped, because SDKs that are configured with placeholder keys send it.
    Authentication,
    /// A name that could be taken for this one, which the signer decides or which decides what is called. It is
    /// refused, because the endpoint may take it for the real one although we would not.
    Disguised(&'static str),
}

/// The prefix of Signature Version 4's query parameters.
const V4_PREFIX: &str = "X-Amz-";

/// The reserved names that begin with this letter, in their exact case, and what they mean: the parameters of Signature
/// Versions 0 to 2 ("Common Parameters" in every AWS Query API reference), the version of the API, and the names from
/// which dispatchers take the operation. Some dispatchers prefer `Operation` to `Action`, and would carry out an
/// operation that the policy did not see.
const fn reserved_names(initial: u8) -> &'static [(&'static str, Reservation)] {
    use Reservation::{Authentication, Disguised, Free};
    match initial {
        b'a' => &[(OPERATION_PARAMETER, Free), ("AWSAccessKeyId", Authentication)],
        b'c' => &[("Command", Disguised(OPERATION_PARAMETER))],
        b'e' => &[("Expires", Authentication)],
        b'o' => &[("Operation", Disguised(OPERATION_PARAMETER))],
        b's' => &[
            ("SecurityToken", Authentication),
            ("Signature", Authentication),
            ("SignatureMethod", Authentication),
            ("SignatureVersion", Authentication),
        ],
        b't' => &[("Timestamp", Authentication)],
        b'v' => &[("Version", Free)],
        _ => &[],
    }
}

/// Classifies a decoded parameter name.
#[must_use]
pub(crate) fn reservation(name: &[u8]) -> Reservation {
    let folded = Folded::of(name);
    let initial = folded.first().unwrap_or_default();
    if initial == b'x' && folded.starts_with(Folded::of(V4_PREFIX.as_bytes())) {
        let is_exact = name.starts_with(V4_PREFIX.as_bytes());
        return if is_exact { Reservation::Authentication } else { Reservation::Disguised(V4_PREFIX) };
    }
    let reserved = reserved_names(initial);
    if let Some((_, meaning)) = reserved.iter().find(|(reserved, _)| name == reserved.as_bytes()) {
        return *meaning;
    }
    let is_kin = |reserved: &str| folded.kinship(Folded::of(reserved.as_bytes())) != Kinship::Unrelated;
    match reserved.iter().find(|(reserved, _)| is_kin(reserved)) {
        None => Reservation::Free,
        Some((_, Reservation::Disguised(disguise))) => Reservation::Disguised(disguise),
        Some((reserved, Reservation::Free | Reservation::Authentication)) => Reservation::Disguised(reserved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_are_authentication_and_other_spellings_are_disguised() {
        let all = (b'a'..=b'z').flat_map(reserved_names);
        for (name, meaning) in all.filter(|(_, meaning)| !matches!(meaning, Reservation::Disguised(_))) {
            assert_eq!(reservation(name.as_bytes()), *meaning);
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
