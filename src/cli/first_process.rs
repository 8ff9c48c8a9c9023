//! Signals for process 1, which countersign is in a container: the kernel drops SIGTERM and SIGINT there unless they
//! are handled. Without this, a container that waits for keys could only be killed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_shutdown;

/// Whether these signals end the process.
static ENDED_BY_SIGNALS: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Has SIGTERM and SIGINT end process 1 as they end any other, until a command handles them itself. The exit code is
/// the one that shells show for such an end: 128 and the number of the signal.
pub(crate) fn end_by_signals() {
    if std::process::id() != 1 {
        return;
    }
    let ended = ENDED_BY_SIGNALS.get_or_init(|| Arc::new(AtomicBool::new(true)));
    for signal in [SIGTERM, SIGINT] {
        // if this fails, the signal is ignored, as before
        let _registered = register_conditional_shutdown(signal, 128 | signal, Arc::clone(ended));
    }
}

/// The command handles these signals itself from here on.
pub(crate) fn leave_signals_to_command() {
    if let Some(ended) = ENDED_BY_SIGNALS.get() {
        ended.store(false, Ordering::SeqCst);
    }
}
