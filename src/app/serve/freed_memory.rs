//! Gives memory back to the system when a burst of connections, exchanges or bodies is over.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::sleep;

use crate::downstream::burst;

/// When memory is given back after a burst, of which a quarter may be under way still, and when once more.
const SOON: Duration = Duration::from_millis(100);
const LATER: Duration = Duration::from_secs(1);

/// How long a burst that follows waits. Giving back takes milliseconds, and so does getting the memory again: a load
/// that swings widely pays for both no more often than this.
const PAUSE: Duration = Duration::from_secs(5);

/// Runs until it is dropped, on a thread that serves nobody.
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
