//! The parameter names that have a meaning to the signer, which a client may send but does not decide.

use super::folded::{Folded, Kinship};
use super::vocabulary::{Meaning, Vocabulary};

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

/// Whether it takes no closer look at a name to see that it is an ordinary one.
#[inline]
pub(crate) fn is_plainly_free(name: &[u8], vocabulary: &'static Vocabulary) -> bool {
    let letter = name.first().map(u8::to_ascii_lowercase).filter(u8::is_ascii_lowercase);
    let is_initial = |letter| letter == vocabulary.beginning_initial || vocabulary.has_initial(letter);
    letter.is_some_and(|letter| !is_initial(letter))
}

/// Classifies a decoded parameter name.
#[must_use]
pub(crate) fn reservation(name: &[u8], vocabulary: &'static Vocabulary) -> Reservation {
    let folded = Folded::of(name);
    let first = match name.first() {
        // nearly always
        Some(letter) if letter.is_ascii_alphabetic() => letter.to_ascii_lowercase(),
        Some(_) | None => folded.first().unwrap_or_default(),
    };
    if first == vocabulary.beginning_initial
        && let Some(beginning) = vocabulary.reserved_beginning
        && folded.starts_with(Folded::of(beginning.as_bytes()))
    {
        let is_exact = name.starts_with(beginning.as_bytes());
        return if is_exact { Reservation::Authentication } else { Reservation::Disguised(beginning) };
    }
    let reserved = vocabulary.beginning_with(first);
    if let Some((_, meaning)) = reserved.iter().find(|(reserved, _)| name == reserved.as_bytes()) {
        return match meaning {
            Meaning::Decisive => Reservation::Free,
            Meaning::Authentication => Reservation::Authentication,
            Meaning::OperationElsewhere => Reservation::Disguised(vocabulary.operation),
        };
    }
    let is_kin = |reserved: &str| folded.kinship(Folded::of(reserved.as_bytes())) != Kinship::Unrelated;
    match reserved.iter().find(|(reserved, _)| is_kin(reserved)) {
        None => Reservation::Free,
        Some((_, Meaning::OperationElsewhere)) => Reservation::Disguised(vocabulary.operation),
        Some((reserved, Meaning::Decisive | Meaning::Authentication)) => Reservation::Disguised(reserved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reservation(name: &[u8]) -> Reservation {
        super::reservation(name, &Vocabulary::AWS)
    }

    #[test]
    fn exact_names_are_authentication_and_other_spellings_are_disguised() {
        for vocabulary in [&Vocabulary::AWS, &Vocabulary::NIFCLOUD, &Vocabulary::ALIBABA, &Vocabulary::TENCENT] {
            for (name, meaning) in vocabulary.reserved {
                let exact = match meaning {
                    Meaning::Decisive => Reservation::Free,
                    Meaning::Authentication => Reservation::Authentication,
                    Meaning::OperationElsewhere => continue,
                };
                assert_eq!(super::reservation(name.as_bytes(), vocabulary), exact);
                let spelled = [name.to_lowercase(), name.to_uppercase(), format!(" {name}"), format!("_{name}-")];
                for spelled in spelled.into_iter().chain([format!("{name}.1"), format!("{name}[]")]) {
                    let disguised = super::reservation(spelled.as_bytes(), vocabulary);
                    assert_eq!(disguised, Reservation::Disguised(name), "{spelled}");
                }
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
    fn what_is_reserved_is_a_matter_of_the_dialect() {
        for (vocabulary, name, expected) in [
            (&Vocabulary::AWS, "AccessKeyId", Reservation::Free),
            (&Vocabulary::NIFCLOUD, "AccessKeyId", Reservation::Authentication),
            (&Vocabulary::ALIBABA, "AccessKeyId", Reservation::Authentication),
            (&Vocabulary::ALIBABA, "AWSAccessKeyId", Reservation::Free),
            (&Vocabulary::CLOUDSTACK, "Action", Reservation::Free),
            (&Vocabulary::CLOUDSTACK, "apikey", Reservation::Authentication),
            (&Vocabulary::CLOUDSTACK, "APIKEY", Reservation::Disguised("apiKey")),
            (&Vocabulary::CLOUDSTACK, "Command", Reservation::Disguised("command")),
            (&Vocabulary::QINGCLOUD, "version", Reservation::Authentication),
            (&Vocabulary::TENCENT, "Token", Reservation::Authentication),
            (&Vocabulary::AWS, "Token", Reservation::Free),
        ] {
            assert_eq!(super::reservation(name.as_bytes(), vocabulary), expected, "{name}");
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
