//! Which names of parameters mean something to a dialect: as data, one constant for each family of clouds.

use super::form_error::{FormError, ShownName};

/// What the names of a dialect's parameters mean to its signer and to its endpoint.
#[derive(Debug)]
pub struct Vocabulary {
    /// The parameter that names the operation.
    pub operation: &'static str,
    /// The reserved names, and what they mean, in their exact spelling. Those of one first letter, in any case, stand
    /// together.
    pub(super) reserved: &'static [(&'static str, Meaning)],
    /// All names that begin so belong to authentication.
    pub(super) reserved_beginning: Option<&'static str>,
    /// Which characters names may have.
    pub(super) names: NameCharacters,
    /// For each letter the reserved names that begin with it, as a range of their list: most names need no other look.
    by_initial: [(u8, u8); LETTERS],
    /// The first letter of the reserved beginning, in lower case; 0 without one.
    pub(super) beginning_initial: u8,
}

const LETTERS: usize = 26;

/// What a reserved name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It names the operation, or what else decides what is called: it is passed on in this spelling and no other.
    Decisive,
    /// Authentication: it is dropped, because SDKs that are configured with placeholder keys send it.
    Authentication,
    /// Another name of the operation, which some endpoints prefer: they would carry out an operation that the policy
    /// did not see.
    OperationElsewhere,
}

/// Which characters the names of a dialect's parameters may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameCharacters {
    /// Any that a form may have.
    Any,
    /// Letters, digits and dots. Tencent's SDKs differ in whether they sign `_` as it is or as `.`.
    LettersDigitsDots,
    /// 1 to 255 letters, digits and `._-[]:`. CloudStack signs names without encoding them, so that others could be
    /// read as another list of parameters.
    CloudStack,
}

impl Vocabulary {
    /// AWS's query services, and the clouds that copied them: the parameters of Signature Versions 0 to 2 ("Common
    /// Parameters" in every AWS Query API reference), Signature Version 4's query parameters, the version of the API,
    /// and the names from which dispatchers take the operation.
    pub const AWS: Self = Self {
        operation: "Action",
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
        names: NameCharacters::Any,
        by_initial: [(0, 0); LETTERS],
        beginning_initial: 0,
    }
    .with_initials();

    /// NIFCLOUD's computing API, which names the key as well in `AccessKeyId` (its SDK for Python).
    pub const NIFCLOUD: Self = Self {
        reserved: &[
            ("AWSAccessKeyId", Meaning::Authentication),
            ("AccessKeyId", Meaning::Authentication),
            ("Action", Meaning::Decisive),
            ("Expires", Meaning::Authentication),
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
        names: NameCharacters::CloudStack,
        by_initial: [(0, 0); LETTERS],
        beginning_initial: 0,
    }
    .with_initials();

    /// Alibaba Cloud's RPC style. `BearerToken` and `SignatureType` would choose another way to authenticate.
    pub const ALIBABA: Self = Self {
        operation: "Action",
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
        names: NameCharacters::Any,
        by_initial: [(0, 0); LETTERS],
        beginning_initial: 0,
    }
    .with_initials();

    /// QingCloud's API, whose version is the same for all of it and written by the signer.
    pub const QINGCLOUD: Self = Self {
        operation: "action",
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
        names: NameCharacters::Any,
        by_initial: [(0, 0); LETTERS],
        beginning_initial: 0,
    }
    .with_initials();

    /// Tencent Cloud's API 3.0, signature version 1.
    pub const TENCENT: Self = Self {
        operation: "Action",
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
        names: NameCharacters::LettersDigitsDots,
        by_initial: [(0, 0); LETTERS],
        beginning_initial: 0,
    }
    .with_initials();

    /// Volcengine, whose query strings may be signed by parameters.
    pub const VOLCENGINE: Self = Self {
        operation: "Action",
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
        names: NameCharacters::Any,
        by_initial: [(0, 0); LETTERS],
        beginning_initial: 0,
    }
    .with_initials();

    /// Whether there are names that a form may not have.
    pub(super) fn restricts_names(&self) -> bool {
        self.names != NameCharacters::Any
    }

    /// What is wrong with a name that is not reserved.
    pub(super) fn fault_in(&self, name: &[u8]) -> Option<FormError> {
        let name = String::from_utf8_lossy(name);
        let position = self.names.first_other(&name)?.saturating_add(1);
        Some(FormError::OtherCharacter { name: ShownName::of(&name), position })
    }

    /// The reserved names that begin with this letter, which is a lower-case one.
    pub(super) fn beginning_with(&self, letter: u8) -> &'static [(&'static str, Meaning)] {
        let index = usize::from(letter.wrapping_sub(b'a'));
        let (from, to) = self.by_initial.get(index).copied().unwrap_or_default();
        self.reserved.get(usize::from(from)..usize::from(to)).unwrap_or_default()
    }

    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // evaluated and checked at compile time
    #[allow(clippy::cast_possible_truncation)] // there are not so many names
    const fn with_initials(mut self) -> Self {
        self.by_initial = [(0, 0); LETTERS];
        self.beginning_initial = match self.reserved_beginning {
            Some(beginning) => beginning.as_bytes()[0].to_ascii_lowercase(),
            None => 0,
        };
        let mut at = 0;
        while at < self.reserved.len() {
            let letter = self.reserved[at].0.as_bytes()[0].to_ascii_lowercase();
            let (from, to) = self.by_initial[(letter - b'a') as usize];
            assert!(to == 0 || to as usize == at, "the names of one first letter do not stand together");
            let from = if to == 0 { at as u8 } else { from };
            self.by_initial[(letter - b'a') as usize] = (from, at as u8 + 1);
            at += 1;
        }
        self
    }
}

impl NameCharacters {
    /// Where the first character stands that names may not have, from 0.
    pub(super) fn first_other(self, name: &str) -> Option<usize> {
        const LONGEST: usize = 255;
        match self {
            Self::Any => None,
            Self::LettersDigitsDots => name.chars().position(|c| !(c.is_ascii_alphanumeric() || c == '.')),
            Self::CloudStack => name
                .chars()
                .position(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '[' | ']' | ':')))
                .or_else(|| (name.len() > LONGEST).then_some(LONGEST))
                .or_else(|| name.is_empty().then_some(0)),
        }
    }
}
