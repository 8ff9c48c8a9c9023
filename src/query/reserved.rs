//! The parameter names that have a meaning to the signer, which a client may send but does not decide.

/// What a parameter's name means to the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reservation {
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

/// Classifies a decoded parameter name. Exact names come first: they are the frequent ones, and cheap to compare.
#[must_use]
pub(crate) fn reservation(name: &[u8]) -> Reservation {
    if let Some((_, meaning)) = RESERVED.iter().find(|(reserved, _)| name == reserved.as_bytes()) {
        return *meaning;
    }
    if name.starts_with(V4_PREFIX) {
        return Reservation::Authentication;
    }
    let has_prefix = name.get(..V4_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(V4_PREFIX));
    let is_in_other_case = |(reserved, _): &(&str, Reservation)| name.eq_ignore_ascii_case(reserved.as_bytes());
    if has_prefix || RESERVED.iter().any(is_in_other_case) { Reservation::Disguised } else { Reservation::Free }
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
        }
        assert_eq!(reservation(b"X-Amz-Date"), Reservation::Authentication);
        assert_eq!(reservation(b"x-amz-date"), Reservation::Disguised);
        assert_eq!(reservation(b"X-AMZ-Date"), Reservation::Disguised);
        for free in ["Action", "Version", "JobId", "Signatur", "SignatureX", "X-Am", "X-Amé", ""] {
            assert_eq!(reservation(free.as_bytes()), Reservation::Free, "{free}");
        }
    }
}
