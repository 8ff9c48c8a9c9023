//! The signal that the process is about to end, as the code that serves connections sees it.

use tokio::sync::watch;

/// The signal that the process drains, as a worker sees it.
#[derive(Debug, Clone)]
pub struct Drain {
    signal: watch::Receiver<bool>,
}

impl Drain {
    /// A drain that begins when `true` is sent.
    #[must_use]
    pub const fn new(signal: watch::Receiver<bool>) -> Self {
        Self { signal }
    }

    /// Whether the drain may have begun since this was made. Cheap; `false` is always right.
    #[must_use]
    pub(super) fn is_news(&self) -> bool {
        self.signal.has_changed().unwrap_or(true)
    }

    /// Waits until the drain begins. A dropped sender counts as the beginning.
    pub async fn begun(&self) {
        let mut signal = self.signal.clone();
        let _begun_or_gone = signal.wait_for(|begun| *begun).await;
    }
}
