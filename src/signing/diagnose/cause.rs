//! The mistakes that a diagnosis can find in a signature, each with a description and a remedy.

use std::fmt;

use super::encoding::Encoding;
use crate::credentials::SignatureMethod;
use crate::query::ShownName;

/// One difference between what was signed and what the verifier received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The string to sign begins with `GET`.
    MethodGet,
    /// It was signed for another host.
    Host {
        /// The host line of the string that was signed.
        signed_for: String,
        /// The kind of difference.
        difference: HostDifference,
    },
    /// It was signed for another path.
    Path {
        /// The path line of the string that was signed.
        signed_for: String,
        /// The kind of difference.
        difference: PathDifference,
    },
    /// `SignatureMethod` names one MAC, and the length of the signature shows that the other was computed.
    OtherMac {
        /// The MAC that was computed.
        used: SignatureMethod,
    },
    /// The parameters were signed in another order.
    Order(Order),
    /// The parameters were signed in another encoding.
    Encoding(Encoding),
    /// The signature matches without this parameter, so it was added or renamed after signing.
    Parameter {
        /// The parameter's name.
        name: ShownName,
    },
    /// `SecurityToken` was added after signing.
    SecurityTokenNotSigned,
    /// Parameters with an empty value were sent, but not signed.
    EmptyValuesNotSigned,
    /// An empty `Signature` parameter was part of what was signed.
    SignatureIncluded,
    /// `Timestamp` was signed in another notation of the same second.
    TimestampRewritten,
    /// `Signature` holds hexadecimal digits.
    SignatureInHex,
    /// No MAC of this signature version has the length of `Signature`: it is cut off, or it is not a MAC.
    SignatureLength {
        /// The decoded length.
        bytes: usize,
    },
    /// No common mistake explains the mismatch: the secret key is another one, or a value was changed after signing. A
    /// MAC cannot distinguish these two.
    WrongKeyOrValue,
}

/// How the host that was signed differs from the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostDifference {
    /// It has the scheme's default port, which the `Host` header leaves out.
    WithPort,
    /// It lacks the port that the `Host` header has.
    WithoutPort,
    /// It is not in lower case.
    Case,
    /// Only one of the two ends in a dot.
    TrailingDot,
    /// The label of the region is missing, or should not be there.
    Region,
    /// It is an unrelated host.
    Other,
}

/// How the path that was signed differs from the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathDifference {
    /// It is empty instead of `/`.
    Empty,
    /// Only one of the two ends in a slash.
    TrailingSlash,
    /// It is the same path, percent-encoded or decoded.
    Escaping,
    /// It is an unrelated path.
    Other,
}

/// An order of parameters other than by the bytes of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Upper and lower case were treated as equal, as in Signature Version 1.
    CaseInsensitive,
    /// The names were compared after encoding.
    EncodedNames,
    /// Each `name=value` was compared as one string, in which `=` comes after digits, `-` and `.`.
    WholePairs,
    /// They were not sorted, but left in the order in which they were sent.
    AsSent,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MethodGet => f.write_str("it was made for a GET request, and this is a POST"),
            Self::Host { signed_for, difference } => write_host(f, signed_for, *difference),
            Self::Path { signed_for, difference } => write_path(f, signed_for, *difference),
            Self::OtherMac { used } => {
                write!(f, "it is a {} MAC, and SignatureMethod names the other", used.as_str())
            }
            Self::Order(order) => f.write_str(match order {
                Order::CaseInsensitive => "the parameters were sorted without regard to case before signing",
                Order::EncodedNames => "the parameters were sorted by their encoded names before signing",
                Order::WholePairs => "the parameters were sorted as whole `name=value` strings before signing",
                Order::AsSent => "the parameters were signed in the order in which they were sent, unsorted",
            }),
            Self::Encoding(encoding) => f.write_str(encoding.sentence()),
            Self::Parameter { name } => write!(f, "parameter {name} was added after signing, or left out of it"),
            Self::SecurityTokenNotSigned => f.write_str("SecurityToken was added after signing, or left out of it"),
            Self::EmptyValuesNotSigned => f.write_str("parameters with an empty value were sent but not signed"),
            Self::SignatureIncluded => f.write_str("an empty Signature parameter was part of what was signed"),
            Self::TimestampRewritten => f.write_str("Timestamp was signed in another notation than it was sent in"),
            Self::SignatureInHex => f.write_str("the Signature is in hexadecimal"),
            Self::SignatureLength { bytes } => write!(
                f,
                "the Signature has {bytes} bytes once decoded, and a MAC has 32 (HmacSHA256) or 20 (HmacSHA1)"
            ),
            Self::WrongKeyOrValue => f.write_str(
                "no usual mistake explains it: the secret access key is another one, or a value was changed after \
                 signing",
            ),
        }
    }
}

fn write_host(f: &mut fmt::Formatter<'_>, host: &str, difference: HostDifference) -> fmt::Result {
    match difference {
        HostDifference::WithPort => write!(f, "it was made for host `{host}`, with the scheme's default port"),
        HostDifference::WithoutPort => write!(f, "it was made for host `{host}`, without the port"),
        HostDifference::Case => write!(f, "it was made for host `{host}`, not in lower case"),
        HostDifference::TrailingDot => write!(f, "it was made for host `{host}`, which differs by its trailing dot"),
        HostDifference::Region => write!(f, "it was made for host `{host}`, which differs by the region"),
        HostDifference::Other => write!(f, "it was made for another host, `{host}`"),
    }
}

fn write_path(f: &mut fmt::Formatter<'_>, path: &str, difference: PathDifference) -> fmt::Result {
    match difference {
        PathDifference::Empty => f.write_str("it was made with an empty path instead of `/`"),
        PathDifference::TrailingSlash => write!(f, "it was made for path `{path}`, which differs by its last slash"),
        PathDifference::Escaping => write!(f, "it was made for path `{path}`, which is escaped in another way"),
        PathDifference::Other => write!(f, "it was made for another path, `{path}`"),
    }
}

impl Cause {
    /// What the author of the signing program should change.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::MethodGet => "begin the string to sign with POST",
            Self::Host { difference, .. } => match difference {
                HostDifference::WithPort => "leave the scheme's default port out of the host line",
                HostDifference::WithoutPort => "sign the host as the Host header has it, with the port",
                HostDifference::Case => "lower-case the host before signing",
                HostDifference::TrailingDot | HostDifference::Region | HostDifference::Other => {
                    "sign the host to which the request is sent, as its Host header has it"
                }
            },
            Self::Path { difference, .. } => match difference {
                PathDifference::Empty => "sign `/` when the URL has no path",
                PathDifference::TrailingSlash | PathDifference::Escaping | PathDifference::Other => {
                    "sign the path exactly as the request line has it"
                }
            },
            Self::OtherMac { .. } => "make SignatureMethod name the MAC that is computed",
            Self::Order(_) => "sort the parameters by the bytes of their names, before encoding them",
            Self::Encoding(encoding) => encoding.remedy(),
            Self::Parameter { .. } => "sign every parameter that is sent, and add none afterwards",
            Self::SecurityTokenNotSigned => "add SecurityToken before signing",
            Self::EmptyValuesNotSigned => "sign `name=` for an empty value, or do not send it",
            Self::SignatureIncluded => "leave Signature out of the string to sign altogether",
            Self::TimestampRewritten => "sign the very text that is sent as Timestamp",
            Self::SignatureInHex => "write the MAC in base64",
            Self::SignatureLength { .. } => "send the whole MAC, in base64, percent-encoded",
            Self::WrongKeyOrValue => {
                "check that the secret access key belongs to the AWSAccessKeyId of the request, and compare the two \
                 strings to sign byte by byte"
            }
        }
    }
}
