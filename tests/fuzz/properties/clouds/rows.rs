//! What is known of each cloud, a row each.

use countersign::signing::Dialect;

use super::{Clock, Cloud, Compares, InForm, InHead, Mac, Own, Part, Paths, Piece, Place, Spelling};

const ANY: fn(&str) -> bool = |_| true;

const V2: InForm = InForm {
    own: &[
        ("AWSAccessKeyId", Own::KeyId),
        ("SecurityToken", Own::Token),
        ("SignatureMethod", Own::Method),
        ("SignatureVersion", Own::Always("2")),
        ("Timestamp", Own::Time),
    ],
    signature: "Signature",
    begins: &[Piece::Text("POST\n"), Piece::Host, Piece::Text("\n"), Piece::Path, Piece::Text("\n")],
    spelling: Spelling::Wire,
    mac: Mac::Named("SignatureMethod"),
};

const AWS: Cloud = Cloud {
    dialect: Dialect::AwsV2,
    operation: "Action",
    decisive: &["Action", "Version"],
    dropped: &[
        "AWSAccessKeyId",
        "Expires",
        "SecurityToken",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
    ],
    beginning: Some("X-Amz-"),
    refused: &["Operation", "Command"],
    names: ANY,
    compares: Compares::Exactly,
    clock: Clock::Milliseconds,
    place: Place::Form(V2),
    unsigned: &[],
    paths: Paths::Others,
};

const OPENSTACK: Cloud = Cloud {
    dialect: Dialect::OpenStack,
    place: Place::Form(InForm {
        own: &[
            ("AWSAccessKeyId", Own::KeyId),
            ("SignatureMethod", Own::Always("HmacSHA256")),
            ("SignatureVersion", Own::Always("2")),
            ("Timestamp", Own::Time),
        ],
        ..V2
    }),
    ..AWS
};

const NIFCLOUD: Cloud = Cloud {
    dialect: Dialect::Nifcloud,
    dropped: &[
        "AWSAccessKeyId",
        "AccessKeyId",
        "Expires",
        "SecurityToken",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
    ],
    clock: Clock::Seconds,
    place: Place::Form(InForm {
        own: &[
            ("AccessKeyId", Own::KeyId),
            ("SignatureMethod", Own::Always("HmacSHA256")),
            ("SignatureVersion", Own::Always("2")),
            ("Timestamp", Own::Time),
        ],
        mac: Mac::Sha256,
        ..V2
    }),
    ..AWS
};

const EUCALYPTUS: Cloud = Cloud {
    dialect: Dialect::Eucalyptus,
    // the server leaves a parameter with an empty name out
    names: |name| !name.is_empty(),
    ..AWS
};

const CLOUDSTACK: Cloud = Cloud {
    dialect: Dialect::CloudStack,
    operation: "command",
    decisive: &["command", "response"],
    dropped: &["apiKey", "apikey", "expires", "sessionkey", "signature", "signatureVersion", "signatureversion"],
    beginning: None,
    refused: &[],
    names: |name| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-[]:".contains(c);
        (1..=255).contains(&name.len()) && name.chars().all(is_allowed)
    },
    compares: Compares::WithoutCase,
    clock: Clock::Expiry,
    place: Place::Form(InForm {
        own: &[("apiKey", Own::KeyId), ("expires", Own::Time), ("signatureVersion", Own::Always("3"))],
        signature: "signature",
        begins: &[],
        spelling: Spelling::JavaLower,
        mac: Mac::Sha1,
    }),
    unsigned: &[Part::Host, Part::Port, Part::Path, Part::Letter],
    paths: Paths::Others,
};

const ALIBABA_RPC: Cloud = Cloud {
    dialect: Dialect::AlibabaRpc,
    operation: "Action",
    decisive: &["Action", "Version"],
    dropped: &[
        "AccessKeyId",
        "BearerToken",
        "SecurityToken",
        "Signature",
        "SignatureMethod",
        "SignatureNonce",
        "SignatureType",
        "SignatureVersion",
        "Timestamp",
    ],
    beginning: None,
    refused: &[],
    // its SDKs sort others in two ways
    names: str::is_ascii,
    compares: Compares::Exactly,
    clock: Clock::Seconds,
    place: Place::Form(InForm {
        own: &[
            ("AccessKeyId", Own::KeyId),
            ("SecurityToken", Own::Token),
            ("SignatureMethod", Own::Always("HMAC-SHA1")),
            ("SignatureNonce", Own::Nonce),
            ("SignatureVersion", Own::Always("1.0")),
            ("Timestamp", Own::Time),
        ],
        signature: "Signature",
        begins: &[Piece::Text("POST&"), Piece::EncodedPath, Piece::Text("&")],
        spelling: Spelling::Twice,
        mac: Mac::Sha1Ampersand,
    }),
    unsigned: &[Part::Host, Part::Port],
    paths: Paths::Root,
};

const QINGCLOUD: Cloud = Cloud {
    dialect: Dialect::QingCloud,
    operation: "action",
    decisive: &["action"],
    dropped: &["access_key_id", "signature", "signature_method", "signature_version", "time_stamp", "token", "version"],
    beginning: None,
    refused: &[],
    names: ANY,
    compares: Compares::Exactly,
    clock: Clock::Seconds,
    place: Place::Form(InForm {
        own: &[
            ("access_key_id", Own::KeyId),
            ("signature_method", Own::Always("HmacSHA256")),
            ("signature_version", Own::ByToken("1", "2")),
            ("time_stamp", Own::Time),
            ("token", Own::Token),
            ("version", Own::Always("1")),
        ],
        signature: "signature",
        begins: &[Piece::Text("POST\n"), Piece::Path, Piece::Text("\n")],
        spelling: Spelling::Wire,
        mac: Mac::Sha256,
    }),
    unsigned: &[Part::Host, Part::Port],
    paths: Paths::Others,
};

const TENCENT_V1: Cloud = Cloud {
    dialect: Dialect::TencentV1,
    operation: "Action",
    decisive: &["Action", "Version"],
    dropped: &["Nonce", "SecretId", "Signature", "SignatureMethod", "Timestamp", "Token"],
    beginning: None,
    refused: &[],
    names: |name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.'),
    compares: Compares::Exactly,
    clock: Clock::Unix,
    place: Place::Form(InForm {
        own: &[
            ("Nonce", Own::Nonce),
            ("SecretId", Own::KeyId),
            ("SignatureMethod", Own::Method),
            ("Timestamp", Own::Time),
            ("Token", Own::Token),
        ],
        signature: "Signature",
        begins: &[Piece::Text("POST"), Piece::HostName, Piece::Path, Piece::Text("?")],
        spelling: Spelling::Raw,
        mac: Mac::Named("SignatureMethod"),
    }),
    unsigned: &[Part::Port],
    paths: Paths::Others,
};

const AWS_V4: Cloud = Cloud {
    dialect: Dialect::AwsV4,
    clock: Clock::Basic,
    place: Place::Head(InHead {
        fields: &[
            ("content-type", Own::Always("application/x-www-form-urlencoded; charset=utf-8")),
            ("host", Own::Host),
            ("x-amz-date", Own::Time),
            ("x-amz-security-token", Own::Token),
            ("x-countersign-id", Own::OptionalNonce),
        ],
        algorithm: "AWS4-HMAC-SHA256",
        derived: Some(("AWS4", "aws4_request")),
        date: "x-amz-date",
        beginning: "x-amz-",
    }),
    // the server finds the secret by the id
    unsigned: &[Part::KeyId],
    ..AWS
};

const ALIBABA_ACS3: Cloud = Cloud {
    dialect: Dialect::AlibabaAcs3,
    place: Place::Head(InHead {
        fields: &[
            ("content-type", Own::Always("application/x-www-form-urlencoded; charset=utf-8")),
            ("host", Own::Host),
            ("x-acs-action", Own::Moved("Action")),
            ("x-acs-content-sha256", Own::BodyHash),
            ("x-acs-date", Own::Time),
            ("x-acs-security-token", Own::Token),
            ("x-acs-signature-nonce", Own::Nonce),
            ("x-acs-version", Own::Moved("Version")),
        ],
        algorithm: "ACS3-HMAC-SHA256",
        derived: None,
        date: "x-acs-date",
        beginning: "x-acs-",
    }),
    unsigned: &[Part::KeyId],
    ..ALIBABA_RPC
};

const VOLCENGINE: Cloud = Cloud {
    dialect: Dialect::Volcengine,
    operation: "Action",
    decisive: &["Action", "Version"],
    dropped: &[
        "X-Algorithm",
        "X-Content-Sha256",
        "X-Credential",
        "X-Date",
        "X-Expires",
        "X-NotSignBody",
        "X-Security-Token",
        "X-Signature",
        "X-SignedHeaders",
        "X-SignedQueries",
    ],
    beginning: None,
    refused: &[],
    names: ANY,
    compares: Compares::Exactly,
    clock: Clock::Basic,
    place: Place::Head(InHead {
        fields: &[
            ("host", Own::Host),
            ("x-content-sha256", Own::BodyHash),
            ("x-date", Own::Time),
            ("x-security-token", Own::Token),
        ],
        algorithm: "HMAC-SHA256",
        derived: Some(("", "request")),
        date: "x-date",
        beginning: "x-",
    }),
    unsigned: &[Part::KeyId],
    paths: Paths::Others,
};

pub(super) static ALL: [Cloud; 11] = [
    AWS,
    OPENSTACK,
    NIFCLOUD,
    EUCALYPTUS,
    CLOUDSTACK,
    ALIBABA_RPC,
    QINGCLOUD,
    TENCENT_V1,
    AWS_V4,
    ALIBABA_ACS3,
    VOLCENGINE,
];
