//! What hyper serves and we refuse, on purpose: for each fault a stream that shows it, and the reason.

use countersign::downstream::HeadFault;

/// A fault that hyper overlooks.
pub struct Stricter {
    pub fault: HeadFault,
    pub example: &'static str,
    pub reason: &'static str,
}

/// Heads. A head that is refused for another fault is one that hyper refuses too.
pub const STRICTER: &[Stricter] = &[
    Stricter {
        fault: HeadFault::LineEnd,
        example: "POST / HTTP/1.1\nHost: a\n\n",
        reason: "a bare LF ends a line for some parsers and not for others (RFC 9112 section 2.2 lets both be)",
    },
    Stricter {
        fault: HeadFault::Path,
        example: "POST /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        reason: "hyper drops what follows `#`, a front proxy may route by it (RFC 9112 section 3.2 has no fragment)",
    },
    Stricter {
        fault: HeadFault::Target,
        example: "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        reason: "the asterisk and the authority form name no route",
    },
    Stricter {
        fault: HeadFault::Connect,
        example: "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        reason: "this is no tunnel",
    },
    Stricter {
        fault: HeadFault::TwoFramings,
        example: "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        reason: "hyper drops the length; what stands before us may drop the coding (RFC 9112 section 6.3)",
    },
    Stricter {
        fault: HeadFault::DuplicateLength,
        example: "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        reason: "RFC 9112 section 6.3 lets a recipient refuse lengths that agree, and no client sends them",
    },
    Stricter {
        fault: HeadFault::Length,
        example: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n0\r\n\r\n",
        reason: "hyper looks at no length behind a coding, and what stands before us may",
    },
    Stricter {
        fault: HeadFault::TransferCoding,
        example: "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        reason: "no coding but chunked is decoded here, and a list of them is read in many ways",
    },
    Stricter {
        fault: HeadFault::DisguisedFraming,
        example: "POST / HTTP/1.1\r\nContent_Length: 1\r\n\r\n",
        reason: "servers that turn `-` into `_` take it for the real field",
    },
    Stricter {
        fault: HeadFault::RequestLine,
        example: "\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\n\r\n",
        reason: "one empty line before a request is borne (RFC 9112 section 2.2), no more",
    },
];

/// Chunked bodies that hyper takes and we do not, by the same rules.
pub const STRICTER_BODIES: &[(&str, &str)] = &[
    (
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n X-Sum: 1\r\n\r\n",
        "a trailer that begins with a blank continues the line before it for some parsers",
    ),
    (
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a\u{1}\r\na\r\n0\r\n\r\n",
        "an extension is text (RFC 9112 section 7.1.1)",
    ),
    (
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n",
        "blanks behind a size stand only before an extension (RFC 9112 section 7.1.1)",
    ),
    (
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;\r\na\r\n0\r\n\r\n",
        "an extension has a name (RFC 9112 section 7.1.1)",
    ),
];
