//! The addresses of an endpoint's name: looked up when a connection is made, once for all who wait, and kept for a few
//! seconds.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{self, Arc, PoisonError};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a lookup is reused. The system's resolver does not tell the time to live, so this is short: long enough for
/// a burst of connections, shorter than anybody waits when a name has changed.
const KEPT: Duration = Duration::from_secs(5);
/// For how long an address that failed, or was slower than another, is tried after the others.
const AVOIDED: Duration = Duration::from_secs(60);

/// What all workers know of an endpoint's addresses.
pub(in crate::upstream) struct Addresses {
    host: String,
    port: u16,
    /// The task that holds the lock does the lookup; those that wait for the lock use its result.
    latest: Mutex<Option<Lookup>>,
    avoided: sync::Mutex<HashMap<SocketAddr, Instant>>,
}

struct Lookup {
    at: Instant,
    found: Result<Arc<[SocketAddr]>, Arc<io::Error>>,
}

impl Addresses {
    /// The addresses of `host`, which may be an address itself, IPv6 without brackets.
    pub(in crate::upstream) fn of(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port, latest: Mutex::default(), avoided: sync::Mutex::default() }
    }

    /// The addresses, those that lately failed behind the others.
    ///
    /// # Errors
    /// The name has none, or could not be looked up.
    pub(in crate::upstream) async fn get(&self) -> Result<Vec<SocketAddr>, Arc<io::Error>> {
        let mut addresses = self.lookup(KEPT).await?.to_vec();
        let now = Instant::now();
        let mut avoided = self.avoided();
        avoided.retain(|_, until| now < *until);
        addresses.sort_by_key(|address| avoided.contains_key(address));
        Ok(addresses)
    }

    /// The addresses as they are now, or were less than `age` ago.
    ///
    /// # Errors
    /// As for [`Self::get`].
    pub(in crate::upstream) async fn lookup(&self, age: Duration) -> Result<Arc<[SocketAddr]>, Arc<io::Error>> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(Arc::new([SocketAddr::new(address, self.port)]));
        }
        let asked = Instant::now();
        let mut latest = self.latest.lock().await;
        if let Some(lookup) = &*latest {
            // a failure is reported only to the tasks that waited for this lookup
            let fresh = lookup.found.is_ok() && asked.saturating_duration_since(lookup.at) < age;
            if fresh || lookup.at > asked {
                return lookup.found.clone();
            }
        }
        let found = match lookup_host((self.host.as_str(), self.port)).await {
            Ok(addresses) => Ok(addresses.collect()),
            Err(error) => Err(Arc::new(error)),
        };
        *latest = Some(Lookup { at: Instant::now(), found: found.clone() });
        found
    }

    /// The map is whole after every statement: a panic of another worker leaves nothing half done.
    fn avoided(&self) -> sync::MutexGuard<'_, HashMap<SocketAddr, Instant>> {
        self.avoided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `address` tried after the others for a while.
    pub(in crate::upstream) fn avoid(&self, address: SocketAddr) {
        let now = Instant::now();
        self.avoided().insert(address, now.checked_add(AVOIDED).unwrap_or(now));
    }
}

#[cfg(test)]
impl Addresses {
    /// As if the name had just been looked up.
    pub(in crate::upstream) async fn found(&self, addresses: &[SocketAddr]) {
        *self.latest.lock().await = Some(Lookup { at: Instant::now(), found: Ok(addresses.into()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn an_address_needs_no_resolver_and_stands_for_itself() {
        for host in ["192.0.2.1", "2001:db8::1"] {
            let found = block_on(Addresses::of(host, 443).get()).unwrap();
            assert_eq!(found, [SocketAddr::new(host.parse().unwrap(), 443)]);
        }
    }

    #[test]
    fn an_address_that_failed_is_tried_last_for_a_minute() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let addresses = Addresses::of("endpoint.example", 443);
            let [a, b, c] = [1, 2, 3].map(|n| SocketAddr::new(IpAddr::from([192, 0, 2, n]), 443));
            addresses.found(&[a, b, c]).await;
            addresses.avoid(a);
            assert_eq!(addresses.get().await.unwrap(), [b, c, a]);
            tokio::time::advance(AVOIDED).await;
            addresses.found(&[a, b, c]).await;
            assert_eq!(addresses.get().await.unwrap(), [a, b, c]);
        });
    }
}
