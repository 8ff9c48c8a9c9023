//! The clouds' side of each dialect: how a server reads a request that arrives, and what it computes to verify it.
//!
//! This is a second signer, written from the clouds' own documents and servers. It shares nothing with the program but
//! hash functions and base64: what differs between clouds is a row of [`rows::ALL`], and the rest is here.

mod in_form;
mod in_head;
mod primitives;
mod rows;
mod time;

use countersign::signing::Dialect;

use super::canonical::Pairs;

pub(super) use primitives::{sha256, wire};
pub(super) use time::Clock;
pub use time::Moment;

/// What is known of a cloud.
pub(super) struct Cloud {
    pub(super) dialect: Dialect,
    /// The parameter that names the operation, and others that decide what is called: exact, or refused.
    pub(super) operation: &'static str,
    pub(super) decisive: &'static [&'static str],
    /// Authentication: dropped when a client spells it so, refused in another spelling.
    pub(super) dropped: &'static [&'static str],
    /// All names that begin so are authentication.
    pub(super) beginning: Option<&'static str>,
    /// Refused in every spelling.
    pub(super) refused: &'static [&'static str],
    /// What a name may be.
    pub(super) names: fn(&str) -> bool,
    /// Whether the server compares names without regard to case.
    pub(super) compares: Compares,
    pub(super) clock: Clock,
    pub(super) place: Place,
    /// What TLS carries instead of the signature.
    pub(super) unsigned: &'static [Part],
    /// Whether an endpoint may have another path than `/`.
    pub(super) paths: Paths,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compares {
    Exactly,
    WithoutCase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Paths {
    Root,
    Others,
}

/// What of a request may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Host,
    Port,
    Path,
    KeyId,
    Secret,
    Token,
    Time,
    Nonce,
    Region,
    Service,
    Method,
    Value,
    Name,
    Another,
    Fewer,
    /// The case of a letter in a value.
    Letter,
}

pub(super) enum Place {
    Form(InForm),
    Head(InHead),
}

/// Authentication among the other parameters.
pub(super) struct InForm {
    pub(super) own: &'static [(&'static str, Own)],
    pub(super) signature: &'static str,
    begins: &'static [Piece],
    spelling: Spelling,
    mac: Mac,
}

/// What a parameter or a field of the signer says.
#[derive(Clone, Copy)]
pub(super) enum Own {
    KeyId,
    /// With temporary keys only.
    Token,
    Time,
    Nonce,
    /// Only when one is given.
    OptionalNonce,
    Method,
    Always(&'static str),
    /// Without a token, and with one.
    ByToken(&'static str, &'static str),
    /// Fields: the host as configured, the hash of the body, and a parameter of the client.
    Host,
    BodyHash,
    Moved(&'static str),
}

/// A piece of the string to sign, before the parameters.
#[derive(Clone, Copy)]
enum Piece {
    Text(&'static str),
    Host,
    /// Without a port.
    HostName,
    Path,
    EncodedPath,
}

#[derive(Clone, Copy)]
enum Spelling {
    /// `W`: names and values encoded, joined, sorted.
    Wire,
    /// `W` encoded again.
    Twice,
    /// Nothing encoded.
    Raw,
    /// Raw names, values by Java's `URLEncoder`, all in lower case.
    JavaLower,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mac {
    /// By the parameter of this name.
    Named(&'static str),
    Sha256,
    Sha1,
    /// With the secret and `&`.
    Sha1Ampersand,
}

/// Authentication in fields of the head.
pub(super) struct InHead {
    pub(super) fields: &'static [(&'static str, Own)],
    algorithm: &'static str,
    /// What stands before the secret, and the last word of the scope; `None` if the secret itself signs.
    derived: Option<(&'static str, &'static str)>,
    date: &'static str,
    /// No field of this beginning may come unsigned.
    beginning: &'static str,
}

/// Whether a server verifies a request, and what it says was signed: the canonical request, the string to sign, the
/// signature.
pub fn verified(dialect: Dialect, arrived: &Arrived, secret: &str) -> (Option<String>, String, Option<String>) {
    let Reading { canonical_request, string_to_sign, signature, is_verified, .. } =
        Cloud::of(dialect).read(arrived, secret);
    (canonical_request, String::from_utf8(string_to_sign).unwrap(), is_verified.then_some(signature))
}

/// A request as it arrives.
pub struct Arrived {
    pub host: String,
    pub path: String,
    pub query: Option<String>,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What a server made of it.
pub(super) struct Reading {
    /// What it carries out, sorted by name.
    pub(super) parameters: Pairs,
    /// What it took for authentication, sorted by name, without the signature.
    pub(super) own: Pairs,
    pub(super) canonical_request: Option<String>,
    pub(super) string_to_sign: Vec<u8>,
    /// The signature that came.
    pub(super) signature: String,
    /// Whether it is the right one.
    pub(super) is_verified: bool,
}

impl Cloud {
    pub(super) fn of(dialect: Dialect) -> &'static Self {
        rows::ALL.iter().find(|cloud| cloud.dialect == dialect).expect("every dialect has a row")
    }

    /// Reads and verifies a request with the secret that belongs to the key id which arrived.
    pub(super) fn read(&self, arrived: &Arrived, secret: &str) -> Reading {
        match &self.place {
            Place::Form(form) => in_form::read(self, form, arrived, secret),
            Place::Head(head) => in_head::read(head, arrived, secret),
        }
    }

    /// Whether the profile chooses the MAC.
    pub(super) fn has_methods(&self) -> bool {
        matches!(self.dialect, Dialect::AwsV2 | Dialect::TencentV1)
    }

    /// Whether keys are derived for a region and a service.
    pub(super) const fn has_realm(&self) -> bool {
        matches!(&self.place, Place::Head(InHead { derived: Some(_), .. }))
    }

    /// What the signer adds, in the form or in the head.
    pub(super) const fn own(&self) -> &'static [(&'static str, Own)] {
        match &self.place {
            Place::Form(form) => form.own,
            Place::Head(head) => head.fields,
        }
    }
}
