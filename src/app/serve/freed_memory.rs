//! Gives memory back to the system when a burst of connections, exchanges or bodies is over.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::sleep;

use crate::downstream::burst;

/// How long after a burst memory is given back, and how long after that once more: when a burst counts as over, a
/// quarter of it may still be under way.
const SOON: Duration = Duration::from_millis(100);
const LATER: Duration = Duration::from_secs(1);

/// How long no further burst is looked for. Giving memory back takes milliseconds, and so does getting it again. A load
/// that swings widely pays for both at most once in this time.
const PAUSE: Duration = Duration::from_secs(5);

/// Runs until it is dropped. It belongs on a thread without connections, which would wait meanwhile.
pub(crate) async fn give_back_after_bursts() -> Infallible {
    loop {
        burst::over().await;
        for rest in [SOON, LATER] {
            sleep(rest).await;
            secret_memory::give_back_freed();
        }
        sleep(PAUSE).await;
    }
}
