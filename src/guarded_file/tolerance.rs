//! Whether this process uses trusted files that others can write, because its operator said so.

use std::sync::atomic::{AtomicBool, Ordering};

/// Tells the process of a key store that it is to accept them as well.
pub const TOLERANCE: &str = "COUNTERSIGN_WRITABLE_FILES";

/// What happens to trusted files that others can write or replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WritableFiles {
    /// They are refused.
    Refused,
    /// `danger_writable_files = true`: they are used.
    DangerAccepted,
}

static ACCEPTED: AtomicBool = AtomicBool::new(false);

impl WritableFiles {
    /// What holds for this process.
    #[must_use]
    pub fn in_force() -> Self {
        if ACCEPTED.load(Ordering::Relaxed) { Self::DangerAccepted } else { Self::Refused }
    }

    /// Makes this hold for the process. Call it once, when the configuration is read at a start: it cannot be taken
    /// back, and a reload does not change it.
    pub fn enforce(self) {
        match self {
            Self::Refused => {}
            Self::DangerAccepted => ACCEPTED.store(true, Ordering::Relaxed),
        }
    }

    /// In the process of a key store: as [`TOLERANCE`] says.
    pub fn enforce_as_told() {
        if std::env::var_os(TOLERANCE).is_some() {
            Self::DangerAccepted.enforce();
        }
    }
}
