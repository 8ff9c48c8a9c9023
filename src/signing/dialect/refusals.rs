//! How endpoints refuse requests for what a signer writes: codes and messages of each dialect, as data.
//!
//! All of them are checked before anything is carried out.

use crate::query::{EndpointError, ErrorDialect};

/// What a refusal says is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complaint {
    /// The time, and nothing else.
    Time,
    /// The signature, which some endpoints also say when the time is the reason.
    Signature,
    /// The access key ID or the session token: not known, not active or expired.
    Key,
    /// The nonce: it was used before.
    Nonce,
}

/// How the endpoints of a dialect refuse requests.
#[derive(Debug)]
pub(in crate::signing) struct Refusals {
    /// The shape of their documents.
    pub(in crate::signing) document: ErrorDialect,
    /// What they say; the first that fits counts.
    pub(in crate::signing) said: &'static [&'static [Said]],
}

/// A code, and perhaps a message, and what they mean.
#[derive(Debug)]
pub(in crate::signing) struct Said {
    code: &'static str,
    message: Message,
    means: Complaint,
}

/// Which messages fit.
#[derive(Debug)]
enum Message {
    Any,
    Is(&'static str),
    Begins(&'static str),
}

const fn said(code: &'static str, means: Complaint) -> Said {
    Said { code, message: Message::Any, means }
}

const fn beginning(code: &'static str, message: &'static str, means: Complaint) -> Said {
    Said { code, message: Message::Begins(message), means }
}

const EXPIRED: &str = "Signature expired: ";
const NOT_YET_CURRENT: &str = "Signature not yet current: ";

/// AWS's query services (Common Errors), EC2 and S3, and the clouds that copied them.
const AWS_SAYS: &[Said] = &[
    said("RequestExpired", Complaint::Time),
    said("RequestTimeTooSkewed", Complaint::Time),
    said("RequestInTheFuture", Complaint::Time),
    beginning("SignatureDoesNotMatch", EXPIRED, Complaint::Time),
    beginning("SignatureDoesNotMatch", NOT_YET_CURRENT, Complaint::Time),
    beginning("InvalidSignatureException", EXPIRED, Complaint::Time),
    beginning("InvalidSignatureException", NOT_YET_CURRENT, Complaint::Time),
    said("SignatureDoesNotMatch", Complaint::Signature),
    said("InvalidSignatureException", Complaint::Signature),
    // EC2 says the same of keys that it does not know
    said("AuthFailure", Complaint::Signature),
    said("InvalidClientTokenId", Complaint::Key),
    said("ExpiredToken", Complaint::Key),
    said("MissingAuthenticationToken", Complaint::Key),
];

/// OpenStack's heat-api-cfn, which takes version 2 and version 4. When a policy refuses, its message goes on.
const HEAT_SAYS: &[Said] = &[Said {
    code: "AccessDenied",
    message: Message::Is("User is not authorized to perform action"),
    means: Complaint::Signature,
}];

/// AWS, and what speaks as AWS does.
pub(in crate::signing) static AWS: Refusals = Refusals { document: ErrorDialect::Query, said: &[AWS_SAYS, HEAT_SAYS] };

/// Clouds that copied EC2.
pub(in crate::signing) static EC2: Refusals = Refusals { document: ErrorDialect::Ec2, said: &[AWS_SAYS] };

/// CloudStack's server says the same of a wrong signature, of one that has expired, and of a key that it does not know
/// (its `ApiServlet`).
pub(in crate::signing) static CLOUDSTACK: Refusals = Refusals {
    document: ErrorDialect::CloudStack,
    said: &[&[beginning("401", "unable to verify user credentials and/or request signature", Complaint::Signature)]],
};

/// Alibaba Cloud, "Common errors".
pub(in crate::signing) static ALIBABA: Refusals = Refusals {
    document: ErrorDialect::Alibaba,
    said: &[&[
        said("InvalidTimeStamp.Expired", Complaint::Time),
        said("SignatureDoesNotMatch", Complaint::Signature),
        said("SignatureNonceUsed", Complaint::Nonce),
        said("InvalidAccessKeyId.NotFound", Complaint::Key),
        said("InvalidAccessKeyId.Inactive", Complaint::Key),
        said("InvalidSecurityToken.Expired", Complaint::Key),
    ]],
};

/// QingCloud, "Common error codes". It says the same of a wrong signature and of a key that it does not know.
pub(in crate::signing) static QINGCLOUD: Refusals = Refusals {
    document: ErrorDialect::QingCloud,
    said: &[&[said("1300", Complaint::Time), said("1200", Complaint::Signature)]],
};

/// Tencent Cloud, "Common error codes" of API 3.0.
pub(in crate::signing) static TENCENT: Refusals = Refusals {
    document: ErrorDialect::Tencent,
    said: &[&[
        said("AuthFailure.SignatureExpire", Complaint::Time),
        said("AuthFailure.SignatureFailure", Complaint::Signature),
        said("AuthFailure.SecretIdNotFound", Complaint::Key),
        said("AuthFailure.InvalidSecretId", Complaint::Key),
        said("AuthFailure.TokenFailure", Complaint::Key),
    ]],
};

impl Refusals {
    /// What an error says is wrong; `None` if it is about something else.
    pub(in crate::signing) fn complaint(&self, error: &EndpointError) -> Option<Complaint> {
        let code = error.code.strip_prefix("Client.").unwrap_or(&error.code);
        let message = error.message.trim();
        let fits = |said: &&Said| {
            said.code == code
                && match said.message {
                    Message::Any => true,
                    Message::Is(whole) => message == whole,
                    Message::Begins(beginning) => message.starts_with(beginning),
                }
        };
        self.said.iter().copied().flatten().find(fits).map(|said| said.means)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Dialect;
    use super::*;

    #[test]
    fn a_refusal_is_understood_as_each_cloud_means_it() {
        use Complaint::{Key, Nonce, Signature, Time};
        const HEAT: &str = "User is not authorized to perform action";
        const CLOUDSTACK: &str = "unable to verify user credentials and/or request signature";
        let expired = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 \
                       min.)";
        let early = "Signature not yet current: 20260101T003000Z is still later than 20260101T002000Z \
                     (20260101T001500Z + 5 min.)";
        let mismatch = "The request signature we calculated does not match the signature you provided.";
        for (dialect, code, message, complaint) in [
            (Dialect::AwsV2, "RequestExpired", "", Some(Time)),
            (Dialect::AwsV2, "Client.RequestExpired", "", Some(Time)),
            (Dialect::AwsV4, "RequestExpired", "Request has expired.", Some(Time)),
            (Dialect::AwsV4, "SignatureDoesNotMatch", expired, Some(Time)),
            (Dialect::AwsV4, "SignatureDoesNotMatch", early, Some(Time)),
            (Dialect::AwsV4, "SignatureDoesNotMatch", mismatch, Some(Signature)),
            (Dialect::AwsV4, "AuthFailure", "AWS was not able to validate", Some(Signature)),
            (Dialect::AwsV4, "InvalidClientTokenId", "", Some(Key)),
            (Dialect::AwsV4, "ExpiredToken", "", Some(Key)),
            (Dialect::AwsV4, "MissingAuthenticationToken", "", Some(Key)),
            (Dialect::AwsV4, "AccessDenied", "User: arn:aws:iam::1:user/a is not authorized to perform: b", None),
            (Dialect::AwsV4, "requestexpired", "", None),
            (Dialect::AwsV4, "RequestLimitExceeded", "", None),
            (Dialect::AwsV4, "", "", None),
            (Dialect::OpenStack, "AccessDenied", HEAT, Some(Signature)),
            (Dialect::OpenStack, "AccessDenied", &format!("{HEAT}:Action ListStacks not allowed for user"), None),
            (Dialect::AwsV4, "AccessDenied", HEAT, Some(Signature)),
            (Dialect::CloudStack, "401", CLOUDSTACK, Some(Signature)),
            (Dialect::CloudStack, "401", "another", None),
            (Dialect::CloudStack, "431", CLOUDSTACK, None),
            (Dialect::AlibabaRpc, "InvalidTimeStamp.Expired", "", Some(Time)),
            (Dialect::AlibabaRpc, "SignatureDoesNotMatch", "server string to sign is:", Some(Signature)),
            (Dialect::AlibabaRpc, "SignatureNonceUsed", "", Some(Nonce)),
            (Dialect::AlibabaRpc, "InvalidAccessKeyId.NotFound", "", Some(Key)),
            (Dialect::AlibabaRpc, "InvalidAccessKeyId.Inactive", "", Some(Key)),
            (Dialect::AlibabaRpc, "InvalidSecurityToken.Expired", "", Some(Key)),
            (Dialect::AlibabaRpc, "Forbidden.RAM", "", None),
            (Dialect::QingCloud, "1300", "", Some(Time)),
            (Dialect::QingCloud, "1200", "", Some(Signature)),
            (Dialect::QingCloud, "1400", "", None),
            (Dialect::TencentV1, "AuthFailure.SignatureExpire", "", Some(Time)),
            (Dialect::TencentV1, "AuthFailure.SignatureFailure", "", Some(Signature)),
            (Dialect::TencentV1, "AuthFailure.SecretIdNotFound", "", Some(Key)),
            (Dialect::TencentV1, "AuthFailure.InvalidSecretId", "", Some(Key)),
            (Dialect::TencentV1, "AuthFailure.TokenFailure", "", Some(Key)),
            (Dialect::TencentV1, "AuthFailure.UnauthorizedOperation", "", None),
        ] {
            let error = EndpointError { code: code.to_owned(), message: message.to_owned(), string_to_sign: None };
            assert_eq!(dialect.complaint(&error), complaint, "{dialect:?} {code} {message}");
        }
    }
}
