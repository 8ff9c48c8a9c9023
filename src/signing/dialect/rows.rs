//! The table of dialects: a row each. Every row was compared with independent implementations (`tests/vectors`).

use super::refusals;
use super::row::{
    Field, FormMac, InForm, InHead, Moved, NonceKind, Parameter, PathRule, Place, Prefix, Row, Spelling, Value,
};
use crate::credentials::{Derivation, SignatureMethod};
use crate::query::Vocabulary;
use crate::signing::timestamp::TimeFormat;

/// A parameter with its name as it is written.
macro_rules! parameter {
    ($name:literal, $value:expr) => {
        Parameter { name: $name, written: concat!("&", $name, "="), value: $value }
    };
}

/// A parameter that always has this value, which needs no escape.
macro_rules! constant {
    ($name:literal, $text:literal) => {
        Parameter { name: $name, written: concat!("&", $name, "=", $text), value: Value::Constant }
    };
}

const V2: InForm = InForm {
    parameters: &[
        parameter!("AWSAccessKeyId", Value::KeyId),
        parameter!("SecurityToken", Value::Token),
        parameter!("SignatureMethod", Value::Method),
        constant!("SignatureVersion", "2"),
        parameter!("Timestamp", Value::Time),
    ],
    signature: "Signature",
    prefix: Prefix::HostAndPathLines,
    spelling: Spelling::Same,
    mac: FormMac::Chosen,
};

/// AWS General Reference 1.0, "Signature Version 2 signing process".
pub(super) static AWS_V2: Row = Row {
    word: "aws-v2",
    refusals: &refusals::AWS,
    vocabulary: &Vocabulary::AWS,
    time: TimeFormat::Milliseconds,
    path: PathRule::Any,
    place: Place::Form(V2),
};

/// Keystone's verifier puts `HmacSHA256` into what it verifies, whatever the request says.
pub(super) static OPENSTACK: Row = Row {
    word: "openstack",
    refusals: &refusals::AWS,
    place: Place::Form(InForm {
        parameters: &[
            parameter!("AWSAccessKeyId", Value::KeyId),
            parameter!("SignatureMethod", Value::Method),
            constant!("SignatureVersion", "2"),
            parameter!("Timestamp", Value::Time),
        ],
        mac: FormMac::Fixed(SignatureMethod::HmacSha256),
        ..V2
    }),
    vocabulary: &Vocabulary::AWS,
    time: TimeFormat::Milliseconds,
    path: PathRule::Any,
};

/// NIFCLOUD's SDK for Python.
pub(super) static NIFCLOUD: Row = Row {
    word: "nifcloud",
    refusals: &refusals::EC2,
    place: Place::Form(InForm {
        parameters: &[
            parameter!("AccessKeyId", Value::KeyId),
            parameter!("SignatureMethod", Value::Method),
            constant!("SignatureVersion", "2"),
            parameter!("Timestamp", Value::Time),
        ],
        mac: FormMac::Fixed(SignatureMethod::HmacSha256),
        ..V2
    }),
    vocabulary: &Vocabulary::NIFCLOUD,
    time: TimeFormat::Seconds,
    path: PathRule::Any,
};

/// The server refuses a signature that it has seen before, so that milliseconds matter.
pub(super) static EUCALYPTUS: Row = Row {
    word: "eucalyptus",
    refusals: &refusals::EC2,
    place: Place::Form(InForm { mac: FormMac::Fixed(SignatureMethod::HmacSha256), ..V2 }),
    vocabulary: &Vocabulary::EUCALYPTUS,
    time: TimeFormat::Milliseconds,
    path: PathRule::Any,
};

/// CloudStack's `ApiServer.verifyRequest`. It says when the request expires instead of when it was made.
pub(super) static CLOUDSTACK: Row = Row {
    word: "cloudstack",
    refusals: &refusals::CLOUDSTACK,
    place: Place::Form(InForm {
        parameters: &[
            parameter!("apiKey", Value::KeyId),
            parameter!("expires", Value::Time),
            constant!("signatureVersion", "3"),
        ],
        signature: "signature",
        prefix: Prefix::Nothing,
        spelling: Spelling::JavaLower,
        mac: FormMac::Fixed(SignatureMethod::HmacSha1),
    }),
    vocabulary: &Vocabulary::CLOUDSTACK,
    time: TimeFormat::ExpiryWithOffset,
    path: PathRule::Any,
};

/// Alibaba Cloud, "Request syntax and signature method V2 for RPC APIs".
pub(super) static ALIBABA_RPC: Row = Row {
    word: "alibaba-rpc",
    refusals: &refusals::ALIBABA,
    place: Place::Form(InForm {
        parameters: &[
            parameter!("AccessKeyId", Value::KeyId),
            parameter!("SecurityToken", Value::Token),
            constant!("SignatureMethod", "HMAC-SHA1"),
            parameter!("SignatureNonce", Value::Nonce(NonceKind::Uuid)),
            constant!("SignatureVersion", "1.0"),
            parameter!("Timestamp", Value::Time),
        ],
        signature: "Signature",
        prefix: Prefix::Encoded,
        spelling: Spelling::Again,
        mac: FormMac::SecretAndAmpersand,
    }),
    vocabulary: &Vocabulary::ALIBABA,
    time: TimeFormat::Seconds,
    path: PathRule::Root,
};

/// QingCloud's API, "Signature".
pub(super) static QINGCLOUD: Row = Row {
    word: "qingcloud",
    refusals: &refusals::QINGCLOUD,
    place: Place::Form(InForm {
        parameters: &[
            parameter!("access_key_id", Value::KeyId),
            parameter!("signature_method", Value::Method),
            parameter!("signature_version", Value::ByToken { without: "1", with: "2" }),
            parameter!("time_stamp", Value::Time),
            parameter!("token", Value::Token),
            constant!("version", "1"),
        ],
        signature: "signature",
        prefix: Prefix::PathLine,
        spelling: Spelling::Same,
        mac: FormMac::Fixed(SignatureMethod::HmacSha256),
    }),
    vocabulary: &Vocabulary::QINGCLOUD,
    time: TimeFormat::Seconds,
    path: PathRule::Any,
};

/// Tencent Cloud's API 3.0, "Signature (HmacSHA1 and HmacSHA256)".
pub(super) static TENCENT_V1: Row = Row {
    word: "tencent-v1",
    refusals: &refusals::TENCENT,
    place: Place::Form(InForm {
        parameters: &[
            parameter!("Nonce", Value::Nonce(NonceKind::Number)),
            parameter!("SecretId", Value::KeyId),
            parameter!("SignatureMethod", Value::Method),
            parameter!("Timestamp", Value::Time),
            parameter!("Token", Value::Token),
        ],
        signature: "Signature",
        prefix: Prefix::Joined,
        spelling: Spelling::Decoded,
        mac: FormMac::Chosen,
    }),
    vocabulary: &Vocabulary::TENCENT,
    time: TimeFormat::Unix,
    path: PathRule::Any,
};

/// AWS IAM user guide, "AWS Signature Version 4 for API requests".
pub(super) static AWS_V4: Row = Row {
    word: "aws-v4",
    refusals: &refusals::AWS,
    place: Place::Head(InHead {
        algorithm: "AWS4-HMAC-SHA256",
        fields: &[
            ("content-type", Field::ContentType),
            ("host", Field::Host),
            ("x-amz-date", Field::Time),
            ("x-amz-security-token", Field::Token),
            // not `x-amz-`: AWS knows no such field
            ("x-countersign-id", Field::OptionalNonce),
        ],
        derivation: Some(Derivation::Aws4),
        separator: ", ",
        moved: Moved::Nothing,
    }),
    vocabulary: &Vocabulary::AWS,
    time: TimeFormat::Basic,
    path: PathRule::Plain,
};

/// Alibaba Cloud, "Request syntax and signature method V3".
pub(super) static ALIBABA_ACS3: Row = Row {
    word: "alibaba-acs3",
    refusals: &refusals::ALIBABA,
    place: Place::Head(InHead {
        algorithm: "ACS3-HMAC-SHA256",
        fields: &[
            ("content-type", Field::ContentType),
            ("host", Field::Host),
            ("x-acs-action", Field::Parameter("Action")),
            ("x-acs-content-sha256", Field::BodyHash),
            ("x-acs-date", Field::Time),
            ("x-acs-security-token", Field::Token),
            ("x-acs-signature-nonce", Field::Nonce),
            ("x-acs-version", Field::Parameter("Version")),
        ],
        derivation: None,
        separator: ",",
        moved: Moved::ToFields,
    }),
    vocabulary: &Vocabulary::ALIBABA,
    time: TimeFormat::Seconds,
    path: PathRule::Root,
};

/// Volcengine, "Signature method".
pub(super) static VOLCENGINE: Row = Row {
    word: "volcengine",
    refusals: &refusals::AWS,
    place: Place::Head(InHead {
        algorithm: "HMAC-SHA256",
        fields: &[
            ("host", Field::Host),
            ("x-content-sha256", Field::BodyHash),
            ("x-date", Field::Time),
            ("x-security-token", Field::Token),
        ],
        derivation: Some(Derivation::Volcengine),
        separator: ", ",
        moved: Moved::ToQuery,
    }),
    vocabulary: &Vocabulary::VOLCENGINE,
    time: TimeFormat::Basic,
    path: PathRule::Plain,
};
