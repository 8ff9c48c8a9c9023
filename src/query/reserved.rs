//! The parameter names that have a meaning to the signer, which a client may send but does not decide.

/// What a parameter's name means to the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// An ordinary parameter. It is passed on.
    Free,
    /// An authentication parameter. It is dropped, because SDKs that are configured with placeholder keys send it.
    Authentication,
    /// An authentication parameter, `Action` or `Version` in another case. It is refused, because the endpoint may take
    /// it for the real one although we would not.
    Disguised,
}

/// The reserved names, in their exact case, and what they mean: the parameters of Signature Versions 0 to 2 ("Common
/// Parameters" in every AWS Query API reference), and the two that decide what is called.
const RESERVED: [(&str, Reservation); 9] = [
    ("Action", Reservation::Free),
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
const V4_PREFIX: &[u8] = b"X-Amz-";

/// Classifies a decoded parameter name.
#[must_use]
pub fn reservation(name: &[u8]) -> Reservation {
    let reserved = RESERVED.iter().find(|(reserved, _)| name.eq_ignore_ascii_case(reserved.as_bytes()));
    match (reserved, name.get(..V4_PREFIX.len())) {
        (Some((exact, meaning)), _) if name == exact.as_bytes() => *meaning,
        (None, Some(V4_PREFIX)) => Reservation::Authentication,
        (Some(_), _) => Reservation::Disguised,
        (None, Some(prefix)) if prefix.eq_ignore_ascii_case(V4_PREFIX) => Reservation::Disguised,
        (None, _) => Reservation::Free,
    }
}

/// Whether the name belongs to authentication, in any case. No form that is judged by a policy has such a parameter.
#[must_use]
pub fn is_authentication(name: &str) -> bool {
    let is_reserved = |(reserved, meaning): &(&str, Reservation)| {
        *meaning == Reservation::Authentication && name.eq_ignore_ascii_case(reserved)
    };
    let prefix = name.as_bytes().get(..V4_PREFIX.len());
    RESERVED.iter().any(is_reserved) || prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(V4_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_are_authentication_and_other_cases_are_disguised() {
        for (name, meaning) in RESERVED {
            assert_eq!(reservation(name.as_bytes()), meaning);
            assert_eq!(reservation(name.to_lowercase().as_bytes()), Reservation::Disguised, "{name}");
            assert_eq!(reservation(name.to_uppercase().as_bytes()), Reservation::Disguised, "{name}");
            for spelling in [name.to_owned(), name.to_lowercase()] {
                assert_eq!(is_authentication(&spelling), meaning == Reservation::Authentication, "{spelling}");
            }
        }
        assert_eq!(reservation(b"X-Amz-Date"), Reservation::Authentication);
        assert_eq!(reservation(b"x-amz-date"), Reservation::Disguised);
        assert_eq!(reservation(b"X-AMZ-Date"), Reservation::Disguised);
        assert!(is_authentication("X-Amz-Date") && is_authentication("x-amz-date"));
        for free in ["Action", "Version", "JobId", "Signatur", "SignatureX", "X-Am", "X-Amé", ""] {
            assert_eq!(reservation(free.as_bytes()), Reservation::Free, "{free}");
            assert!(!is_authentication(free), "{free}");
        }
    }
}
