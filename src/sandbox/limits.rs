//! The limits of a form: how long it may be, and how long it may take.

use std::time::Duration;

/// The longest form, in bytes.
pub(super) const BODY_LIMIT: usize = 1024 * 1024;

/// How long a form may take to arrive.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(30);
