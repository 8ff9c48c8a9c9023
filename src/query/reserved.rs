//! The parameter names that belong to authentication, which a client may send but never decides.

/// What a parameter's name means to the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// An ordinary parameter: passed on.
    Free,
    /// An authentication parameter in its exact spelling: dropped, since SDKs configured with placeholder keys send it.
    Authentication,
    /// An authentication parameter, `Action` or `Version` in another case: refused, since the endpoint may read it as the
    /// real one while we would not.
    Disguised,
}

/// The parameters of Signature Versions 0 to 2 ("Common Parameters" in every AWS Query API reference).
const AUTHENTICATION: [&str; 7] =
    ["AWSAccessKeyId", "Expires", "SecurityToken", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp"];

/// The prefix of Signature Version 4's query parameters.
const V4_PREFIX: &[u8] = b"X-Amz-";

/// Names that decide what is called; exact or not at all.
const DECISIVE: [&str; 2] = ["Action", "Version"];

/// Classifies a decoded parameter name.
#[must_use]
pub fn reservation(name: &[u8]) -> Reservation {
    // nearly every name is told by this: one of the two that every form has, or of another first letter than all of these
    let first = name.first();
    let may_be_reserved =
        matches!(first, Some(b'A' | b'E' | b'S' | b'T' | b'V' | b'X' | b'a' | b'e' | b's' | b't' | b'v' | b'x'));
    if !may_be_reserved || DECISIVE.iter().any(|decisive| name == decisive.as_bytes()) {
        return Reservation::Free;
    }
    let prefix = name.get(..V4_PREFIX.len()).filter(|start| start.eq_ignore_ascii_case(V4_PREFIX));
    if let Some(prefix) = prefix {
        return if prefix == V4_PREFIX { Reservation::Authentication } else { Reservation::Disguised };
    }
    let named =
        |names: &[&'static str]| names.iter().copied().find(|reserved| name.eq_ignore_ascii_case(reserved.as_bytes()));
    match named(&AUTHENTICATION).or_else(|| named(&DECISIVE)) {
        Some(reserved) if name == reserved.as_bytes() => Reservation::Authentication,
        Some(_) => Reservation::Disguised,
        None => Reservation::Free,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_are_authentication_and_other_cases_are_disguised() {
        for name in AUTHENTICATION {
            assert_eq!(reservation(name.as_bytes()), Reservation::Authentication);
            assert_eq!(reservation(name.to_lowercase().as_bytes()), Reservation::Disguised, "{name}");
            assert_eq!(reservation(name.to_uppercase().as_bytes()), Reservation::Disguised, "{name}");
        }
        for name in DECISIVE {
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
