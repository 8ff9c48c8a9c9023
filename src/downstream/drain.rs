//! The process's wish to end, as those who serve connections see it.

use tokio::sync::watch;

/// The process's wish to end, seen from a worker.
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

    /// Whether it may have begun since this was made: cheap, and never wrong when it says no.
    #[must_use]
    pub(super) fn is_news(&self) -> bool {
        self.signal.has_changed().unwrap_or(true)
    }

    /// Waits until the drain begins. A sender that is gone counts as the beginning.
    pub async fn begun(&self) {
        let mut signal = self.signal.clone();
        let _begun_or_gone = signal.wait_for(|begun| *begun).await;
    }
}
