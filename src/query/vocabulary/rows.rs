//! The vocabularies: a constant for each family of clouds.

use super::{LETTERS, Meaning, NameRule, Uniqueness, ValueRule, Vocabulary};

/// What CloudStack answers in `ApiServlet` before `ApiServer.verifyRequest`: every command that implements
/// `APIAuthenticator` (`APIAuthenticationManagerImpl.getCommands`, `SAML2AuthManagerImpl.getAuthCommands`,
/// `OAuth2AuthManagerImpl.getAuthCommands`, and those of passwords), which it looks up in lower case; and
/// `listGuiThemes`, for which `verifyRequest` asks no signature. Another author's plugin may have more.
const AUTHENTICATORS: &[&str] = &[
    "forgotPassword",
    "getSPMetadata",
    "listAndSwitchSamlAccount",
    "listGuiThemes",
    "listIdps",
    "listOauthProvider",
    "listUserTwoFactorAuthenticatorProviders",
    "login",
    "logout",
    "oauthlogin",
    "resetPassword",
    "samlSlo",
    "samlSso",
    "setupUserTwoFactorAuthentication",
    "validateUserTwoFactorAuthenticationCode",
    "verifyOAuthCodeAndGetUser",
];

/// Each call of these makes an entry of what is to be uploaded.
const UPLOADS: &[&str] = &["getUploadParamsForIso", "getUploadParamsForTemplate", "getUploadParamsForVolume"];

impl Vocabulary {
    /// AWS's query services, and the clouds that copied them: the parameters of Signature Versions 0 to 2 ("Common
    /// Parameters" in every AWS Query API reference), Signature Version 4's query parameters, the version of the API,
    /// and the names from which dispatchers take the operation.
    pub const AWS: Self = Self {
        operation: "Action",
        reads: &["Get*", "List*", "Describe*"],
        largest_form: None,
        more_than_reads: &[],
        unsigned: &[],
        reserved: &[
            ("AWSAccessKeyId", Meaning::Authentication),
            ("Action", Meaning::Decisive),
            ("Command", Meaning::OperationElsewhere),
            ("Expires", Meaning::Authentication),
            ("Operation", Meaning::OperationElsewhere),
            ("SecurityToken", Meaning::Authentication),
            ("Signature", Meaning::Authentication),
            ("SignatureMethod", Meaning::Authentication),
            ("SignatureVersion", Meaning::Authentication),
            ("Timestamp", Meaning::Authentication),
            ("Version", Meaning::Decisive),
        ],
        reserved_beginning: Some("X-Amz-"),
        names: NameRule::Any,
        unique: Uniqueness::Exact,
        values: ValueRule::Any,
        by_initial: [(0, 0); LETTERS],
        beginning_initial: 0,
    }
    .with_initials();

    /// Eucalyptus, which is AWS's but for empty names.
    pub const EUCALYPTUS: Self = Self { names: NameRule::NotEmpty, ..Self::AWS };

    /// NIFCLOUD's computing API, which names the key as well in `AccessKeyId` (its SDK for Python). No
    /// operation of that SDK has a parameter `Command` or `Operation`.
    pub const NIFCLOUD: Self = Self {
        reads: &["Describe*", "NiftyDescribe*"],
        reserved: &[
            ("AWSAccessKeyId", Meaning::Authentication),
            ("AccessKeyId", Meaning::Authentication),
            ("Action", Meaning::Decisive),
            ("Command", Meaning::OperationElsewhere),
            ("Expires", Meaning::Authentication),
            ("Operation", Meaning::OperationElsewhere),
            ("SecurityToken", Meaning::Authentication),
            ("Signature", Meaning::Authentication),
            ("SignatureMethod", Meaning::Authentication),
            ("SignatureVersion", Meaning::Authentication),
            ("Timestamp", Meaning::Authentication),
            ("Version", Meaning::Decisive),
        ],
        ..Self::AWS
    }
    .with_initials();

    /// Apache CloudStack's API (its server's `ApiServer.verifyRequest`). Clients write two of these in lower case.
    pub const CLOUDSTACK: Self = Self {
        operation: "command",
        reads: &["list*", "get*", "query*", "find*"],
        largest_form: None,
        more_than_reads: UPLOADS,
        unsigned: AUTHENTICATORS,
        reserved: &[
            ("apiKey", Meaning::Authentication),
            ("apikey", Meaning::Authentication),
            ("command", Meaning::Decisive),
            ("expires", Meaning::Authentication),
            ("response", Meaning::Decisive),
            ("sessionkey", Meaning::Authentication),
            ("signature", Meaning::Authentication),
            ("signatureVersion", Meaning::Authentication),
            ("signatureversion", Meaning::Authentication),
        ],
        reserved_beginning: None,
        names: NameRule::CloudStack,
        unique: Uniqueness::AnyCase,
        values: ValueRule::CloudStack,
        by_initial: [(0, 0); LETTERS],
        beginning_initial: 0,
    }
    .with_initials();

    /// Alibaba Cloud's RPC style. `BearerToken` and `SignatureType` would choose another way to authenticate.
    pub const ALIBABA: Self = Self {
        operation: "Action",
        reads: &["Describe*", "List*"],
        largest_form: None,
        more_than_reads: &["DescribeVerifyToken"],
        unsigned: &[],
        reserved: &[
            ("AccessKeyId", Meaning::Authentication),
            ("Action", Meaning::Decisive),
            ("BearerToken", Meaning::Authentication),
            ("SecurityToken", Meaning::Authentication),
            ("Signature", Meaning::Authentication),
            ("SignatureMethod", Meaning::Authentication),
            ("SignatureNonce", Meaning::Authentication),
            ("SignatureType", Meaning::Authentication),
            ("SignatureVersion", Meaning::Authentication),
            ("Timestamp", Meaning::Authentication),
            ("Version", Meaning::Decisive),
        ],
        reserved_beginning: None,
        names: NameRule::Ascii,
        unique: Uniqueness::Exact,
        values: ValueRule::Any,
        by_initial: [(0, 0); LETTERS],
        beginning_initial: 0,
    }
    .with_initials();

    /// QingCloud's API, whose version is the same for all of it and written by the signer.
    pub const QINGCLOUD: Self = Self {
        operation: "action",
        reads: &["Describe*"],
        largest_form: None,
        more_than_reads: &[],
        unsigned: &[],
        reserved: &[
            ("access_key_id", Meaning::Authentication),
            ("action", Meaning::Decisive),
            ("signature", Meaning::Authentication),
            ("signature_method", Meaning::Authentication),
            ("signature_version", Meaning::Authentication),
            ("time_stamp", Meaning::Authentication),
            ("token", Meaning::Authentication),
            ("version", Meaning::Authentication),
        ],
        reserved_beginning: None,
        names: NameRule::Any,
        unique: Uniqueness::Exact,
        values: ValueRule::Any,
        by_initial: [(0, 0); LETTERS],
        beginning_initial: 0,
    }
    .with_initials();

    /// Tencent Cloud's API 3.0, signature version 1, which takes at most 1 MB ("Request structure").
    pub const TENCENT: Self = Self {
        operation: "Action",
        reads: &["Describe*"],
        largest_form: Some(1 << 20),
        more_than_reads: &[],
        unsigned: &[],
        reserved: &[
            ("Action", Meaning::Decisive),
            ("Nonce", Meaning::Authentication),
            ("SecretId", Meaning::Authentication),
            ("Signature", Meaning::Authentication),
            ("SignatureMethod", Meaning::Authentication),
            ("Timestamp", Meaning::Authentication),
            ("Token", Meaning::Authentication),
            ("Version", Meaning::Decisive),
        ],
        reserved_beginning: None,
        names: NameRule::LettersDigitsDots,
        unique: Uniqueness::Exact,
        values: ValueRule::Any,
        by_initial: [(0, 0); LETTERS],
        beginning_initial: 0,
    }
    .with_initials();

    /// Volcengine, whose query strings may be signed by parameters.
    pub const VOLCENGINE: Self = Self {
        operation: "Action",
        reads: &["Describe*", "List*"],
        largest_form: None,
        more_than_reads: &[],
        unsigned: &[],
        reserved: &[
            ("Action", Meaning::Decisive),
            ("Version", Meaning::Decisive),
            ("X-Algorithm", Meaning::Authentication),
            ("X-Content-Sha256", Meaning::Authentication),
            ("X-Credential", Meaning::Authentication),
            ("X-Date", Meaning::Authentication),
            ("X-Expires", Meaning::Authentication),
            ("X-NotSignBody", Meaning::Authentication),
            ("X-Security-Token", Meaning::Authentication),
            ("X-Signature", Meaning::Authentication),
            ("X-SignedHeaders", Meaning::Authentication),
            ("X-SignedQueries", Meaning::Authentication),
        ],
        reserved_beginning: None,
        names: NameRule::Any,
        unique: Uniqueness::Exact,
        values: ValueRule::Any,
        by_initial: [(0, 0); LETTERS],
        beginning_initial: 0,
    }
    .with_initials();
}
