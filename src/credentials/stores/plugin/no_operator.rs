//! The callbacks of a plugin when no operator is present.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use age::Callbacks;
use age::secrecy::SecretString;

use crate::credentials::program::redaction::redacted;

/// Answers no question, and remembers the first one.
#[derive(Clone, Default)]
pub(super) struct NoOperator {
    asked: Arc<Mutex<Option<String>>>,
}

impl NoOperator {
    /// The first question, redacted.
    pub(super) fn question(&self) -> Option<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, question: &str) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get_or_insert_with(|| redacted(question));
    }
}

impl Callbacks for NoOperator {
    fn display_message(&self, message: &str) {
        // for the operator of `keys seal`; the last line is also reported when a plugin is killed. A failed write is
        // ignored
        let _unseen = writeln!(std::io::stderr(), "{}", redacted(message));
    }

    fn confirm(&self, message: &str, _yes: &str, _no: Option<&str>) -> Option<bool> {
        self.note(message);
        None
    }

    fn request_public_string(&self, description: &str) -> Option<String> {
        self.note(description);
        None
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        self.note(description);
        None
    }
}
