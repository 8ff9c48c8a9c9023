//! Who sits before a plugin that has something to say or to ask: nobody.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use age::Callbacks;
use age::secrecy::SecretString;

use crate::credentials::program::redaction::redacted;

/// Answers no question, and remembers the first.
#[derive(Clone, Default)]
pub(super) struct Nobody {
    asked: Arc<Mutex<Option<String>>>,
}

impl Nobody {
    /// What was asked for, fit to be seen.
    pub(super) fn question(&self) -> Option<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, question: &str) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get_or_insert_with(|| redacted(question));
    }
}

impl Callbacks for Nobody {
    fn display_message(&self, message: &str) {
        // for a person at `keys seal`; of a plugin that is killed the last line is told. Nothing to do where it cannot be written
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
