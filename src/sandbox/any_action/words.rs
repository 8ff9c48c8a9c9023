//! With which status, code and text each cloud refuses. From the clouds' documents of their errors and from their
//! servers' sources, as far as those are public.

use jiff::Timestamp;

use super::shape::{Shape, Words};
use crate::sandbox::refusal::Refusal;
use crate::signing::verify::problem::TimeProblem;
use crate::signing::verify::{Problem, Reading};

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is not a form, or its operation has no name.
    Request(Refusal),
    /// Its signature is refused.
    Signature(Problem),
}

const AWS_MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your \
    AWS Secret Access Key and signing method. Consult the service documentation for details.";

/// The words for a refusal. `reading` is what the server has read, where it came so far.
pub(super) fn words(shape: Shape, refused: &Refused, reading: Option<&Reading>) -> Words {
    let problem = match refused {
        Refused::Request(refusal) => return of_a_request(shape, refusal),
        Refused::Signature(problem) => problem,
    };
    let (status, code, message) = match shape {
        Shape::Query => query(problem, reading),
        Shape::Ec2 => ec2(problem),
        Shape::Heat => heat(problem),
        Shape::CloudStack => (401, "401", "unable to verify user credentials and/or request signature".to_owned()),
        Shape::Alibaba => alibaba(problem, reading),
        Shape::QingCloud => qingcloud(problem),
        Shape::Tencent => tencent(problem),
    };
    Words { status, code, message }
}

/// What is no matter of signatures.
fn of_a_request(shape: Shape, refusal: &Refusal) -> Words {
    let message = refusal.to_string();
    let (status, code) = match shape {
        Shape::Query | Shape::Ec2 | Shape::Heat => (refusal.status(), refusal.code()),
        Shape::CloudStack => (431, "431"),
        Shape::Alibaba => (400, "InvalidParameter"),
        Shape::QingCloud => (200, "1100"),
        Shape::Tencent => (200, "InvalidParameter"),
    };
    // what concerns the connection is no matter of a cloud
    let status = if matches!(refusal.status(), 405 | 408 | 413 | 415) { refusal.status() } else { status };
    Words { status, code, message }
}

type Said = (u16, &'static str, String);

/// AWS, "Common Errors" of every query API, and what its services say of times and credentials.
fn query(problem: &Problem, reading: Option<&Reading>) -> Said {
    let canonical_request = reading.and_then(|reading| reading.canonical_request.as_deref());
    match problem {
        Problem::NotSigned(_) => (403, "MissingAuthenticationToken", problem.to_string()),
        Problem::Twice(_) | Problem::QueryString | Problem::TooMany(_) => {
            (400, "InvalidQueryParameter", problem.to_string())
        }
        Problem::Malformed => (400, "MalformedQueryString", problem.to_string()),
        Problem::Missing(_) | Problem::Wrong { .. } | Problem::NoSuchField(_) | Problem::Unsigned(_) => {
            (400, "IncompleteSignature", problem.to_string())
        }
        Problem::Scope { part, .. } => {
            (403, "SignatureDoesNotMatch", format!("Credential should be scoped to a valid {part}."))
        }
        Problem::UnknownKey | Problem::WrongToken(_) => {
            (403, "InvalidClientTokenId", "The security token included in the request is invalid.".to_owned())
        }
        Problem::Time(time) if canonical_request.is_some() => (403, "SignatureDoesNotMatch", aws_time(time)),
        Problem::Time(_) => (400, "RequestExpired", problem.to_string()),
        Problem::Replayed(_) => (403, "SignatureDoesNotMatch", problem.to_string()),
        Problem::Mismatch => {
            let echo = canonical_request.zip(reading).map(|(request, reading)| {
                format!(
                    "\n\nThe Canonical String for this request should have been\n'{request}'\n\n\
                     The String-to-Sign should have been\n'{}'\n",
                    reading.string_to_sign
                )
            });
            (403, "SignatureDoesNotMatch", format!("{AWS_MISMATCH}{}", echo.unwrap_or_default()))
        }
    }
}

/// What AWS says of a time in Signature Version 4.
fn aws_time(time: &TimeProblem) -> String {
    let basic = |time: Timestamp| time.strftime("%Y%m%dT%H%M%SZ").to_string();
    let minutes = time.limit.as_mins();
    let (at, now) = (basic(time.at), basic(time.now));
    let edge = |sum: Result<Timestamp, jiff::Error>| sum.map_or_else(|_| String::new(), basic);
    if time.behind().is_negative() {
        let edge = edge(time.now.checked_add(time.limit));
        format!("Signature not yet current: {at} is still later than {edge} ({now} + {minutes} min.)")
    } else {
        let edge = edge(time.now.checked_sub(time.limit));
        format!("Signature expired: {at} is now earlier than {edge} ({now} - {minutes} min.)")
    }
}

/// EC2, "Error codes for the Amazon EC2 API".
fn ec2(problem: &Problem) -> Said {
    match problem {
        Problem::Time(_) => (400, "RequestExpired", "Request has expired.".to_owned()),
        Problem::NotSigned(_) | Problem::Missing(_) | Problem::Wrong { .. } => {
            (401, "AuthFailure", problem.to_string())
        }
        Problem::Twice(_) | Problem::QueryString | Problem::TooMany(_) | Problem::Malformed => {
            (400, "InvalidParameterValue", problem.to_string())
        }
        Problem::Scope { .. }
        | Problem::NoSuchField(_)
        | Problem::Unsigned(_)
        | Problem::UnknownKey
        | Problem::WrongToken(_)
        | Problem::Replayed(_)
        | Problem::Mismatch => {
            (401, "AuthFailure", "AWS was not able to validate the provided access credentials".to_owned())
        }
    }
}

/// heat-api-cfn before keystone: `heat.api.aws.ec2token`.
fn heat(problem: &Problem) -> Said {
    match problem {
        Problem::NotSigned(_) => {
            (400, "MissingAuthenticationToken", "Does not contain a valid AWS Access Key or certificate".to_owned())
        }
        Problem::Missing(_)
        | Problem::Wrong { .. }
        | Problem::Malformed
        | Problem::Twice(_)
        | Problem::TooMany(_)
        | Problem::QueryString => {
            (400, "IncompleteSignature", "The request signature does not conform to AWS standards".to_owned())
        }
        // heat does not expect keystone's 404
        Problem::UnknownKey => (500, "InternalFailure", "Internal Server Error".to_owned()),
        Problem::Scope { .. }
        | Problem::NoSuchField(_)
        | Problem::Unsigned(_)
        | Problem::WrongToken(_)
        | Problem::Replayed(_)
        | Problem::Time(_)
        | Problem::Mismatch => (403, "AccessDenied", "User is not authorized to perform action".to_owned()),
    }
}

/// Alibaba Cloud, "Common errors" of the RPC APIs.
fn alibaba(problem: &Problem, reading: Option<&Reading>) -> Said {
    let text = |text: &str| text.to_owned();
    match problem {
        Problem::NotSigned(_) | Problem::Missing("AccessKeyId") => {
            (400, "MissingAccessKeyId", text("AccessKeyId is mandatory for this action."))
        }
        Problem::Missing(_)
        | Problem::Wrong { .. }
        | Problem::Scope { .. }
        | Problem::NoSuchField(_)
        | Problem::Unsigned(_) => {
            (400, "IncompleteSignature", text("The request signature does not conform to Aliyun standards."))
        }
        Problem::Twice(_) | Problem::TooMany(_) | Problem::Malformed | Problem::QueryString => {
            (400, "InvalidParameter", problem.to_string())
        }
        Problem::UnknownKey => (404, "InvalidAccessKeyId.NotFound", text("Specified access key is not found.")),
        Problem::WrongToken(_) => {
            (400, "InvalidSecurityToken.Malformed", text("Specified SecurityToken is malformed."))
        }
        Problem::Time(_) => (400, "InvalidTimeStamp.Expired", text("Specified time stamp or date value is expired.")),
        Problem::Replayed(_) => (400, "SignatureNonceUsed", text("Specified signature nonce was used already.")),
        Problem::Mismatch => {
            let expected = reading.map(|reading| reading.string_to_sign.as_str()).unwrap_or_default();
            let message = text("Specified signature is not matched with our calculation. server string to sign is:");
            (400, "SignatureDoesNotMatch", message + expected)
        }
    }
}

/// QingCloud's API, "Error codes". The status is always 200.
fn qingcloud(problem: &Problem) -> Said {
    match problem {
        Problem::Time(_) => (200, "1300", "RequestHasExpired, the request has expired".to_owned()),
        Problem::Twice(_)
        | Problem::TooMany(_)
        | Problem::Malformed
        | Problem::QueryString
        | Problem::Missing(_)
        | Problem::Wrong { .. } => (200, "1100", format!("MessageFormatError, {problem}")),
        Problem::NotSigned(_)
        | Problem::Scope { .. }
        | Problem::NoSuchField(_)
        | Problem::Unsigned(_)
        | Problem::UnknownKey
        | Problem::WrongToken(_)
        | Problem::Replayed(_)
        | Problem::Mismatch => (200, "1200", "AuthFailure, signature not matched".to_owned()),
    }
}

/// Tencent Cloud's API 3.0, "Common error codes". The status is always 200.
fn tencent(problem: &Problem) -> Said {
    let text = |text: &str| text.to_owned();
    match problem {
        Problem::NotSigned(_) | Problem::Missing(_) => (200, "MissingParameter", problem.to_string()),
        Problem::Wrong { .. } | Problem::Twice(_) | Problem::TooMany(_) | Problem::Malformed | Problem::QueryString => {
            (200, "InvalidParameterValue", problem.to_string())
        }
        Problem::UnknownKey => (
            200,
            "AuthFailure.SecretIdNotFound",
            text("The SecretId is not found, please ensure that your SecretId is correct."),
        ),
        Problem::WrongToken(_) => (
            200,
            "AuthFailure.TokenFailure",
            text("The provided credentials could not be validated because of exception."),
        ),
        Problem::Time(_) => (
            200,
            "AuthFailure.SignatureExpire",
            text("The provided credentials could not be validated because of the expired timestamp."),
        ),
        Problem::Scope { .. }
        | Problem::NoSuchField(_)
        | Problem::Unsigned(_)
        | Problem::Replayed(_)
        | Problem::Mismatch => (
            200,
            "AuthFailure.SignatureFailure",
            text("The provided credentials could not be validated. Please check your signature is correct."),
        ),
    }
}
