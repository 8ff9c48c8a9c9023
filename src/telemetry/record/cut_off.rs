//! Whether the exchanges of this thread are being cut off: its worker ends, and drops them as they are.

use std::cell::Cell;

thread_local! {
    /// How many exchanges have been cut off; `None` while the worker serves.
    static CUT_OFF: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Held by a worker while it serves. Dropping it says that the worker ends, after a panic too: an exchange that this
/// thread drops from then on was cut off. It must be dropped before the exchanges are.
pub(crate) struct Serving(());

impl Serving {
    /// The exchanges of this thread are served.
    pub(crate) fn begin() -> Self {
        CUT_OFF.set(None);
        Self(())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        CUT_OFF.set(Some(0));
    }
}

/// How many exchanges this thread has cut off.
pub(crate) fn count() -> usize {
    CUT_OFF.get().unwrap_or_default()
}

/// Whether an exchange that ends now is cut off. Counts it.
pub(super) fn counts() -> bool {
    let Some(before) = CUT_OFF.get() else { return false };
    CUT_OFF.set(Some(before.saturating_add(1)));
    true
}
