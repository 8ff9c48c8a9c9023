//! What can be wrong with a signature, as closed sets, each with a sentence for a person and what to do about it.

use std::fmt;

use super::encoding::Encoding;
use crate::credentials::SignatureMethod;
use crate::query::ShownName;

/// One way in which what was signed differs from what the verifier was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The string to sign begins with `GET`.
    MethodGet,
    /// Signed for another host.
    Host {
        /// The host line of what was signed.
        signed_for: String,
        /// What kind of difference it is.
        difference: HostDifference,
    },
    /// Signed for another path.
    Path {
        /// The path line of what was signed.
        signed_for: String,
        /// What kind of difference it is.
        difference: PathDifference,
    },
    /// `SignatureMethod` names one MAC, the other was computed. The length of the signature proves it.
    OtherMac {
        /// The MAC that was computed.
        used: SignatureMethod,
    },
    /// The parameters were signed in another order.
    Order(Order),
    /// The parameters were signed in another spelling.
    Encoding(Encoding),
    /// Verifies without this parameter: it was added, or its name changed, after signing.
    Parameter {
        /// Which one.
        name: ShownName,
    },
    /// `SecurityToken` was added after signing.
    SecurityTokenNotSigned,
    /// Parameters whose value is empty were sent, but not signed.
    EmptyValuesNotSigned,
    /// An empty `Signature` parameter was part of what was signed.
    SignatureIncluded,
    /// `Timestamp` was signed in another notation of the same second.
    TimestampRewritten,
    /// `Signature` holds hexadecimal digits.
    SignatureInHex,
    /// `Signature` is as long as no MAC of this version is: cut off, or not a MAC.
    SignatureLength {
        /// Its decoded length.
        bytes: usize,
    },
    /// Nothing (else) that usually goes wrong explains it: the secret key is another one, or a value was changed after
    /// signing. A MAC cannot tell these apart.
    WrongKeyOrValue,
}

/// How a host that was signed differs from the one that verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostDifference {
    /// It has the default port that the `Host` header leaves out.
    WithPort,
    /// It lacks the port that the `Host` header has.
    WithoutPort,
    /// Upper case.
    Case,
    /// Only one of the two ends in a dot.
    TrailingDot,
    /// The region's label is missing, or one too many.
    Region,
    /// Another host altogether.
    Other,
}

/// How a path that was signed differs from the one that verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathDifference {
    /// Nothing was signed where `/` belongs.
    Empty,
    /// Only one of the two ends in a slash.
    TrailingSlash,
    /// The same path, percent-encoded or decoded.
    Escaping,
    /// Another path altogether.
    Other,
}

/// An order of parameters that is not that of the names' bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Upper and lower case counted as equal, as Signature Version 1 did.
    CaseInsensitive,
    /// The names were compared after encoding.
    EncodedNames,
    /// `name=value` was compared as one string, in which `=` comes after digits, `-` and `.`.
    WholePairs,
    /// Not sorted: as they were sent.
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
                "no usual mistake explains it: the secret access key is another one, or a value was changed after signing",
            ),
        }
    }
}

fn write_host(f: &mut fmt::Formatter<'_>, host: &str, difference: HostDifference) -> fmt::Result {
    match difference {
        HostDifference::WithPort => write!(f, "it was made for host `{host}`, with the port that goes without saying"),
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
    /// What the author of the signing program should do.
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
                "check that the secret access key belongs to the AWSAccessKeyId of the request, and compare the two strings \
                 to sign byte by byte"
            }
        }
    }
}
