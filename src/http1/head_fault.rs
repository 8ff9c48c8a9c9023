//! Why the head of a request is refused before it is a request.

use thiserror::Error;

/// The largest head of a request, in bytes, with its empty line. Clients of this protocol send a few hundred bytes.
pub(crate) const MAX_REQUEST_HEAD: usize = 16 * 1024;
/// The most fields in the head of a request. Clients of this protocol send a dozen.
pub(crate) const MAX_REQUEST_FIELDS: usize = 64;

/// Why a head is refused before it is a request. At that point neither the route nor the method is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeadFault {
    /// Not HTTP at all: TLS on a plain port, a PROXY protocol line, noise.
    #[error("the request line is not a method, a path and a version, with one space between them")]
    RequestLine,
    /// Another version; HTTP/2 is not spoken here.
    #[error("the only versions of HTTP spoken here are 1.1 and 1.0")]
    Version,
    /// Neither a path nor a URL of `http` or `https` with a plain authority: `*`, another scheme, user information.
    #[error("the request target must be a path, or an http or https URL without user information")]
    Target,
    /// A tunnel is asked for.
    #[error("countersign is not a forward proxy: set the SDK's endpoint URL to its address, not the SDK's HTTP proxy")]
    Connect,
    /// `#`, or anything else that RFC 3986 does not allow in a path.
    #[error("the path holds a character that must be escaped")]
    Path,
    /// A bare LF or CR, which some parsers take for the end of a line.
    #[error("a line of the head does not end in CRLF, or holds a CR or LF")]
    LineEnd,
    /// A line that continues the one before it (RFC 9112 section 5.2).
    #[error("a header field is folded over several lines")]
    Folded,
    /// Not a token, or not directly followed by the colon.
    #[error("a header field's name is not a token followed by a colon")]
    FieldName,
    /// A NUL or another control character.
    #[error("a header field's value holds a control character")]
    FieldValue,
    /// Larger than 16 KiB.
    #[error("the head is larger than {MAX_REQUEST_HEAD} bytes")]
    TooLarge,
    /// The request target alone is longer than a head may be.
    #[error(
        "the request target is too long: a head has at most {MAX_REQUEST_HEAD} bytes; send the parameters in the body \
         of a POST, which may be as long as `limits.body` of the route says"
    )]
    TargetTooLong,
    /// More than 64 fields.
    #[error("the head has more than {MAX_REQUEST_FIELDS} fields")]
    TooManyFields,
    /// Not complete within the listener's `limits.head_timeout`.
    #[error("the head did not arrive in time")]
    TooSlow,
    /// `Content-Length` and `Transfer-Encoding`.
    #[error("the request has both Content-Length and Transfer-Encoding")]
    TwoFramings,
    /// Not one number of ASCII digits.
    #[error("the Content-Length is not a number")]
    Length,
    /// `Content-Length` more than once, even if all agree.
    #[error("the request has more than one Content-Length")]
    DuplicateLength,
    /// A transfer coding other than `chunked`, once.
    #[error("the only Transfer-Encoding allowed is chunked")]
    TransferCoding,
    /// HTTP/1.0 has no transfer codings: another parser may ignore the field.
    #[error("a Transfer-Encoding is not allowed in HTTP/1.0")]
    CodingInHttp10,
    /// A field whose name another parser may read as one that frames the body.
    #[error("a header field imitates Content-Length or Transfer-Encoding")]
    DisguisedFraming,
}
