//! What each of our errors is called in the dialects whose codes are not AWS's: one table.
//!
//! Log, audit, metrics and the field `proxy-status` have our own code whatever the dialect.

use crate::query::ErrorDialect;

/// One of our codes, and what it is called in each dialect.
#[derive(Debug, Clone, Copy)]
pub struct Codes {
    /// AWS's code, or one that begins with `Proxy`.
    pub ours: &'static str,
    /// Alibaba Cloud's ("Common errors" of its API reference), or ours where it has none.
    pub alibaba: &'static str,
    /// Tencent Cloud's ("Common error codes" of API 3.0), or ours where it has none.
    pub tencent: &'static str,
    /// The number that Apache CloudStack's server gives (its `ApiErrorCode`).
    pub cloudstack: &'static str,
    /// QingCloud's number ("Common error codes" of its API), or 5900, which no SDK repeats, where it has none.
    pub qingcloud: &'static str,
}

/// A number that QingCloud does not use. Its SDK sends a request again that was answered with 5000 or 5100, whatever
/// the Action.
const NOT_REPEATED: &str = "5900";

const MALFORMED: Codes = Codes {
    ours: "ProxyMalformedRequest",
    alibaba: "ProxyMalformedRequest",
    tencent: "ProxyMalformedRequest",
    cloudstack: "430",
    qingcloud: "1100",
};

const INVALID_PARAMETER: Codes = Codes {
    ours: "InvalidQueryParameter",
    alibaba: "InvalidParameter",
    tencent: "InvalidParameter",
    cloudstack: "431",
    qingcloud: "1100",
};

const UNKNOWN_CLIENT: Codes = Codes {
    ours: "InvalidClientTokenId",
    alibaba: "InvalidAccessKeyId.NotFound",
    tencent: "AuthFailure.SecretIdNotFound",
    cloudstack: "401",
    qingcloud: "1200",
};

const REFUSED_SIGNATURE: Codes = Codes {
    ours: "SignatureDoesNotMatch",
    alibaba: "SignatureDoesNotMatch",
    tencent: "AuthFailure.SignatureFailure",
    cloudstack: "401",
    qingcloud: "1200",
};

/// Nothing was sent, and the next request may pass.
const UNAVAILABLE: Codes = Codes {
    ours: "ServiceUnavailable",
    alibaba: "ServiceUnavailable",
    tencent: "ServiceUnavailable",
    cloudstack: "503",
    qingcloud: "5100",
};

/// Every code of the rows.
pub const ALL: &[Codes] = &[
    MALFORMED,
    called_ours("ProxyMethodNotAllowed", "405", "1100"),
    called_ours("ProxyRouteNotFound", "430", "1100"),
    called_ours("ProxyUnsupportedMediaType", "430", "1100"),
    called_ours("ProxyExpectationFailed", "430", "1100"),
    called_ours("ProxyLoopDetected", "430", "1100"),
    called_ours("RequestTimeout", "430", "1100"),
    Codes { tencent: "RequestSizeLimitExceeded", ..called_ours("ProxyRequestTooLarge", "431", "1100") },
    INVALID_PARAMETER,
    Codes { ours: "MalformedQueryString", cloudstack: "430", ..INVALID_PARAMETER },
    Codes {
        ours: "MissingAction",
        alibaba: "MissingParameter",
        tencent: "MissingParameter",
        cloudstack: "432",
        ..INVALID_PARAMETER
    },
    Codes {
        ours: "InvalidAction",
        alibaba: "InvalidAction.NotFound",
        tencent: "InvalidAction",
        cloudstack: "432",
        ..INVALID_PARAMETER
    },
    UNKNOWN_CLIENT,
    Codes { ours: "MissingAuthenticationToken", ..UNKNOWN_CLIENT },
    Codes { ours: "IncompleteSignature", alibaba: "IncompleteSignature", ..REFUSED_SIGNATURE },
    REFUSED_SIGNATURE,
    Codes {
        ours: "RequestExpired",
        alibaba: "InvalidTimeStamp.Expired",
        tencent: "AuthFailure.SignatureExpire",
        cloudstack: "401",
        qingcloud: "1300",
    },
    Codes {
        ours: "AccessDenied",
        alibaba: "Forbidden.RAM",
        tencent: "UnauthorizedOperation",
        cloudstack: "531",
        qingcloud: "1400",
    },
    Codes {
        ours: "Throttling",
        alibaba: "Throttling",
        tencent: "RequestLimitExceeded",
        cloudstack: "429",
        qingcloud: "5100",
    },
    called_ours("ProxyQuotaExceeded", "429", "1400"),
    UNAVAILABLE,
    called_ours("ProxyUpstreamUnreachable", "503", "5100"),
    called_ours("ProxyEgressUnreachable", "503", "5100"),
    called_ours("ProxyEgressFailed", "503", "5100"),
    called_ours("ProxyUpstreamUntrusted", "530", NOT_REPEATED),
    called_ours("ProxyEgressUntrusted", "530", NOT_REPEATED),
    called_ours("ProxyEgressRefused", "530", NOT_REPEATED),
    // with it a panic is answered, of which nobody knows what was sent
    Codes {
        ours: "InternalFailure",
        alibaba: "InternalError",
        tencent: "InternalError",
        cloudstack: "530",
        qingcloud: NOT_REPEATED,
    },
    called_ours("ProxyOutcomeUnknown", "530", NOT_REPEATED),
];

/// A code that other clouds do not have.
const fn called_ours(ours: &'static str, cloudstack: &'static str, qingcloud: &'static str) -> Codes {
    Codes { ours, alibaba: ours, tencent: ours, cloudstack, qingcloud }
}

/// What our code is called in a dialect. Where codes are numbers, these are the digits.
#[must_use]
pub fn in_dialect(ours: &'static str, dialect: ErrorDialect) -> &'static str {
    let find = || ALL.iter().find(|codes| codes.ours == ours);
    match dialect {
        ErrorDialect::Query | ErrorDialect::Ec2 => ours,
        ErrorDialect::Alibaba => find().map_or(ours, |codes| codes.alibaba),
        ErrorDialect::Tencent => find().map_or(ours, |codes| codes.tencent),
        ErrorDialect::CloudStack => find().map_or(MALFORMED.cloudstack, |codes| codes.cloudstack),
        ErrorDialect::QingCloud => find().map_or(NOT_REPEATED, |codes| codes.qingcloud),
    }
}
