//! What a row of the table of dialects says.

use super::refusals::Refusals;
use crate::credentials::{Derivation, SignatureMethod};
use crate::query::Vocabulary;
use crate::signing::timestamp::TimeFormat;

/// How one dialect is signed.
#[derive(Debug)]
pub(in crate::signing) struct Row {
    /// Its name in the configuration.
    pub(in crate::signing) word: &'static str,
    /// The names of its parameters.
    pub(in crate::signing) vocabulary: &'static Vocabulary,
    /// How its time is written.
    pub(in crate::signing) time: TimeFormat,
    /// Which paths an endpoint may have.
    pub(in crate::signing) path: PathRule,
    /// How its endpoints refuse requests.
    pub(in crate::signing) refusals: &'static Refusals,
    /// Where the authentication stands.
    pub(in crate::signing) place: Place,
}

/// Where the authentication of a request stands.
#[derive(Debug)]
pub(in crate::signing) enum Place {
    /// In the form, among the other parameters.
    Form(InForm),
    /// In the head: the family of Signature Version 4.
    Head(InHead),
}

/// Authentication in the form.
#[derive(Debug)]
pub(in crate::signing) struct InForm {
    /// The parameters that the signer adds before it signs, in the order of their names.
    pub(in crate::signing) parameters: &'static [Parameter],
    /// The parameter that it adds after that.
    pub(in crate::signing) signature: &'static str,
    /// How the string to sign begins.
    pub(in crate::signing) prefix: Prefix,
    /// How it goes on.
    pub(in crate::signing) spelling: Spelling,
    /// The MAC.
    pub(in crate::signing) mac: FormMac,
}

/// The MAC of a form, and what of the secret it is computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signing) enum FormMac {
    /// The profile chooses among HMAC-SHA256 and HMAC-SHA1.
    Chosen,
    /// This one, with the secret.
    Fixed(SignatureMethod),
    /// HMAC-SHA1, with the secret and `&`.
    SecretAndAmpersand,
}

/// A parameter that the signer adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signing) struct Parameter {
    /// The name, which needs no escape.
    pub(in crate::signing) name: &'static str,
    /// What stands before its value: `&`, the name, `=`. With a constant, the value too. It is one text, because that
    /// is written faster than three.
    pub(in crate::signing) written: &'static str,
    /// The value.
    pub(in crate::signing) value: Value,
}

/// The value of a parameter that the signer adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signing) enum Value {
    /// The id of the access key.
    KeyId,
    /// The session token. The parameter is left out with a key that has none.
    Token,
    /// The name of the MAC.
    Method,
    /// The time.
    Time,
    /// What differs from request to request.
    Nonce(NonceKind),
    /// Always the same: it is written with the name.
    Constant,
    /// One value, and another one with a session token.
    ByToken {
        /// Without a token.
        without: &'static str,
        /// With one.
        with: &'static str,
    },
}

/// The shape of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signing) enum NonceKind {
    /// Any text: a UUID.
    Uuid,
    /// A positive integer of 31 bits.
    Number,
}

/// How a string to sign begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signing) enum Prefix {
    /// `POST`, the host, the path, each with a line feed.
    HostAndPathLines,
    /// `POST` and the path, each with a line feed.
    PathLine,
    /// `POST`, the host without its port, the path, and `?`, without anything between them.
    Joined,
    /// `POST&`, the encoded path, and `&`.
    Encoded,
    /// Nothing.
    Nothing,
}

/// How the form is written in a string to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signing) enum Spelling {
    /// As it is sent: the same bytes of the same buffer.
    Same,
    /// Encoded once more.
    Again,
    /// Not encoded at all.
    Decoded,
    /// As Java's `URLEncoder` writes values, with names as they are, in lower case.
    JavaLower,
}

/// Which paths an endpoint may have, where the signer and the endpoint could read one differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signing) enum PathRule {
    /// Any.
    Any,
    /// `/` alone.
    Root,
    /// One that is the same when it is encoded or its dots are resolved.
    Plain,
}

/// Authentication in the head.
#[derive(Debug)]
pub(in crate::signing) struct InHead {
    /// The name of the algorithm.
    pub(in crate::signing) algorithm: &'static str,
    /// The fields that are signed, in the order of their names.
    pub(in crate::signing) fields: &'static [(&'static str, Field)],
    /// How the key is derived; `None` if the secret itself signs, and no scope is written.
    pub(in crate::signing) derivation: Option<Derivation>,
    /// What stands between the parts of the `authorization` field.
    pub(in crate::signing) separator: &'static str,
    /// Where operation and version stand.
    pub(in crate::signing) moved: Moved,
}

/// The value of a field that is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signing) enum Field {
    /// The type of the form.
    ContentType,
    /// The host.
    Host,
    /// The time.
    Time,
    /// The session token. The field is left out with a key that has none.
    Token,
    /// The hash of the body, in hexadecimal digits.
    BodyHash,
    /// What differs from request to request.
    Nonce,
    /// The same where it is given; otherwise the field is left out.
    OptionalNonce,
    /// A parameter that leaves the form.
    Parameter(&'static str),
}

/// Where the parameters stand that name operation and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::signing) enum Moved {
    /// In the form, as all others.
    Nothing,
    /// In fields of the head ([`Field::Parameter`]).
    ToFields,
    /// In the query of the request target.
    ToQuery,
}

impl InHead {
    /// Whether a parameter of this name leaves the form, where some do.
    pub(in crate::signing) const fn moves(name: &str) -> bool {
        matches!(name.as_bytes(), b"Action" | b"Version")
    }
}
