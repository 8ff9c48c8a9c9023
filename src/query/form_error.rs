//! Why a form is refused.

use std::fmt;

use thiserror::Error;

use super::action::Action;

/// Why a form is refused. Messages name parameters, never their values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormError {
    /// A `%` that is not followed by two hexadecimal digits.
    #[error("the form has a `%` at byte {offset} that is not followed by two hexadecimal digits")]
    BadEscape {
        /// Offset of the `%` in the body, from 0.
        offset: usize,
    },
    /// A CR or LF that is not escaped.
    #[error(
        "the form has a line break at byte {offset}: write %0A if a value has one; if the form is a file, send it \
         without the end of its last line, as `curl -d @FILE` does and `curl --data-binary @FILE` or `wget \
         --post-file` do not"
    )]
    LineBreak {
        /// Offset of the line break in the body, from 0.
        offset: usize,
    },
    /// The `Content-Type` names a charset other than UTF-8, and the form has characters that are not in ASCII.
    #[error(
        "the Content-Type names a charset other than UTF-8, and the form has characters beyond ASCII: encode names and \
         values in UTF-8, and say charset=utf-8"
    )]
    OtherCharset,
    /// The decoded bytes are not UTF-8.
    #[error("the form is not valid UTF-8 once decoded")]
    NotUtf8,
    /// More parameters than [`super::FormLimits`] allow.
    #[error("the form has more than {limit} parameters, which is `limits.parameters` of the route")]
    TooMany {
        /// How many are allowed.
        limit: usize,
    },
    /// Two parameters have the same decoded name.
    #[error("parameter {0} appears more than once")]
    Duplicate(ShownName),
    /// Two names differ only by case, `_`, `-` or white space.
    #[error("parameters {first} and {second} differ only by case, `_`, `-` or white space")]
    Alike {
        /// One name.
        first: ShownName,
        /// The other name.
        second: ShownName,
    },
    /// A name has a character that no name of the dialect has.
    #[error(
        "the name of parameter {name} has at position {position} a character that no name of this dialect may have"
    )]
    OtherCharacter {
        /// The name.
        name: ShownName,
        /// Position of the first such character, from 1.
        position: usize,
    },
    /// A name is empty, in a dialect that has no such names.
    #[error("a parameter has no name: in this dialect every parameter has one")]
    EmptyName,
    /// A name is longer than names of the dialect are.
    #[error("the name of parameter {name} is longer than the {limit} characters that a name of this dialect may have")]
    LongName {
        /// The name.
        name: ShownName,
        /// How many characters it may have.
        limit: usize,
    },
    /// A value has a character that endpoints of the dialect refuse.
    #[error(
        "the value of parameter {0} has a control character, which endpoints of this dialect refuse: line feed and \
         carriage return alone may be in a value"
    )]
    ControlCharacter(ShownName),
    /// A name has a character that is not printable ASCII.
    #[error("the name of parameter {name} has at position {position} a character that is not printable ASCII")]
    UnprintableName {
        /// The name.
        name: ShownName,
        /// Position of the first such character, from 1.
        position: usize,
    },
    /// Another spelling or a part of a name that belongs to authentication or decides what is called.
    #[error("parameter {name} could be taken for the reserved parameter {reserved}{}", other_services(.name))]
    Disguised {
        /// The name.
        name: ShownName,
        /// The reserved name.
        reserved: &'static str,
    },
    /// No parameter that names the operation, or an empty one.
    #[error("the form has no {0}")]
    MissingAction(&'static str),
    /// The value of that parameter is not the name of an operation.
    #[error("the {0} is not the name of an operation (1 to 128 ASCII letters and digits)")]
    InvalidAction(&'static str),
    /// Endpoints answer this operation before they look at a signature. No key stands behind such a call: it acts as
    /// whoever its own parameters name, or for nobody.
    #[error(
        "endpoints of this dialect answer {0} without a look at the signature, so that it is not passed on, whatever \
         the rules allow"
    )]
    Unsigned(Action),
}

/// Some services name the call in `Operation`.
fn other_services(name: &ShownName) -> &'static str {
    if name.0 == "Operation" { "; services that name the call so, and have no Action, are not supported" } else { "" }
}

/// A parameter name in the form in which messages show it: at most 64 characters, control and non-ASCII characters
/// escaped.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownName(String);

impl ShownName {
    const MAX_CHARACTERS: usize = 64;

    pub(crate) fn of(name: &str) -> Self {
        let mut shown: String = name.chars().take(Self::MAX_CHARACTERS).flat_map(char::escape_default).collect();
        if name.chars().nth(Self::MAX_CHARACTERS).is_some() {
            shown.push_str("...");
        }
        Self(shown)
    }
}

impl fmt::Display for ShownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0)
    }
}

impl fmt::Debug for ShownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
