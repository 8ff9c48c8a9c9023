//! How long a form may take to arrive.

use std::time::Duration;

/// How long a form may take to arrive.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(30);
