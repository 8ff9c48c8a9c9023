//! The addresses of a name, for the workers of a process: looked up when a connection is made, by one thread at a time,
//! whose result serves every call that waits and those that come after.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

pub(in crate::upstream) use super::lookups::LastKnown;
use super::lookups::{Begin, Change, KEPT, Known, Lookups};

/// How long a call waits for a lookup before it uses older addresses, if there are any. A resolver that answers does so
/// sooner.
const PATIENCE: Duration = Duration::from_millis(500);
/// For how long an address that failed, or was slower than another, is tried after the others.
const AVOIDED: Duration = Duration::from_secs(60);
/// The stack of the thread that looks a name up, in bytes. The C library keeps its messages there, of up to 64 KiB.
const STACK: usize = 512 * 1024;

/// Where connections to one host and port lead.
pub(in crate::upstream) struct Addresses {
    source: Source,
    avoided: Mutex<HashMap<SocketAddr, Instant>>,
}

enum Source {
    /// The host is an address.
    Address([SocketAddr; 1]),
    Name(Arc<Name>),
}

struct Name {
    /// Whose endpoint it is, for the log.
    route: String,
    host: String,
    port: u16,
    lookups: Mutex<Lookups>,
    /// Is told when a lookup ends.
    ended: watch::Sender<()>,
}

impl Addresses {
    /// The addresses of `host`, which may be an address itself, IPv6 without brackets. `route` is a name for the log.
    pub(in crate::upstream) fn of(route: &str, host: &str, port: u16, last_known: LastKnown) -> Self {
        let source = match host.parse::<IpAddr>() {
            Ok(address) => Source::Address([SocketAddr::new(address, port)]),
            Err(_) => Source::Name(Arc::new(Name {
                route: route.to_owned(),
                host: host.to_owned(),
                port,
                lookups: Mutex::new(Lookups::new(last_known)),
                ended: watch::Sender::new(()),
            })),
        };
        Self { source, avoided: Mutex::default() }
    }

    /// The addresses, those that lately failed behind the others. A lookup goes on when `deadline` has passed, or when
    /// nobody waits for it any more.
    ///
    /// # Errors
    /// The name has no address, or could not be looked up in time.
    pub(in crate::upstream) async fn get(&self, deadline: Instant) -> Result<Vec<SocketAddr>, Arc<io::Error>> {
        let mut addresses = match &self.source {
            Source::Address(address) => return Ok(address.to_vec()),
            Source::Name(name) => name.get(deadline).await?.to_vec(),
        };
        let now = Instant::now();
        let mut avoided = lock(&self.avoided);
        avoided.retain(|_, until| now < *until);
        addresses.sort_by_key(|address| avoided.contains_key(address));
        Ok(addresses)
    }

    /// The addresses as they were less than `age` ago, without waiting. If they are older, they are looked up for the
    /// next time.
    pub(in crate::upstream) fn confirmed(&self, age: Duration) -> Option<Arc<[SocketAddr]>> {
        match &self.source {
            Source::Address(address) => Some(Arc::new(*address)),
            Source::Name(name) => match name.ask(age) {
                Known::Fresh(addresses) => Some(addresses),
                Known::Last(_) | Known::Old(_) | Known::Nothing => None,
            },
        }
    }

    /// How old the addresses are that serve because the name cannot be looked up.
    pub(in crate::upstream) fn serves_last(&self) -> Option<Duration> {
        match &self.source {
            Source::Address(_) => None,
            Source::Name(name) => lock(&name.lookups).serves_last(Instant::now()),
        }
    }

    /// Has `address` tried after the others for a while.
    pub(in crate::upstream) fn avoid(&self, address: SocketAddr) {
        let now = Instant::now();
        lock(&self.avoided).insert(address, now.checked_add(AVOIDED).unwrap_or(now));
    }
}

impl Name {
    async fn get(self: &Arc<Self>, deadline: Instant) -> Result<Arc<[SocketAddr]>, Arc<io::Error>> {
        // before a lookup is begun, so that its end cannot be missed
        let mut ended = self.ended.subscribe();
        let (until, meanwhile) = match self.ask(KEPT) {
            Known::Fresh(addresses) | Known::Last(addresses) => return Ok(addresses),
            Known::Old(addresses) => (deadline.min(patience(deadline)), Some(addresses)),
            Known::Nothing => (deadline, None),
        };
        match (timeout_at(until, ended.changed()).await, meanwhile) {
            (Ok(_ended), _) => lock(&self.lookups).outcome(Instant::now()),
            (Err(_late), Some(addresses)) => Ok(addresses),
            (Err(_late), None) => {
                let why = "no name server has answered within the route's timeouts.connect";
                Err(Arc::new(io::Error::new(io::ErrorKind::TimedOut, why)))
            }
        }
    }

    fn ask(self: &Arc<Self>, age: Duration) -> Known {
        let (known, begin) = lock(&self.lookups).ask(Instant::now(), age);
        match begin {
            Begin::Yes => self.begin(),
            Begin::No => {}
        }
        known
    }

    /// A thread of its own: the C library blocks for as long as it likes, and the call that began it, or the runtime
    /// that a probe is made on, may end before.
    fn begin(self: &Arc<Self>) {
        let name = Arc::clone(self);
        let look = move || {
            let found = (name.host.as_str(), name.port).to_socket_addrs().map(Iterator::collect);
            name.take(found);
        };
        if let Err(error) = thread::Builder::new().name("lookup".to_owned()).stack_size(STACK).spawn(look) {
            self.take(Err(error));
        }
    }

    fn take(&self, found: io::Result<Vec<SocketAddr>>) {
        let cause = found.as_ref().err().map(ToString::to_string);
        let change = lock(&self.lookups).ended(Instant::now(), found);
        self.ended.send_replace(());
        let Self { route, host, .. } = self;
        match change {
            Change::None => {}
            Change::ServesLast => tracing::warn!(
                route,
                name = host,
                cause,
                "the name cannot be looked up: the addresses found last are used, for a day at most"
            ),
            Change::Recovered => tracing::info!(route, name = host, "the name can be looked up again"),
        }
    }
}

/// Half of the time that is left for the connection, if that is short.
fn patience(deadline: Instant) -> Instant {
    let now = Instant::now();
    let left = deadline.saturating_duration_since(now);
    now.checked_add(PATIENCE.min(left.checked_div(2).unwrap_or_default())).unwrap_or(now)
}

/// What the locks guard is whole after every statement: a panic of another thread leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
impl Addresses {
    /// As if the name had just been looked up.
    pub(in crate::upstream) fn found(&self, addresses: &[SocketAddr]) {
        let Source::Name(name) = &self.source else { panic!("it is no name") };
        lock(&name.lookups).ended(Instant::now(), Ok(addresses.to_vec()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now().checked_add(Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn an_address_needs_no_resolver_and_stands_for_itself() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for host in ["192.0.2.1", "2001:db8::1"] {
            let addresses = Addresses::of("importexport", host, 443, LastKnown::Refuse);
            let found = runtime.block_on(async { addresses.get(soon()).await }).unwrap();
            assert_eq!(found, [SocketAddr::new(host.parse().unwrap(), 443)]);
        }
    }

    #[test]
    fn an_address_that_failed_is_tried_last_for_a_minute() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let addresses = Addresses::of("importexport", "endpoint.example", 443, LastKnown::Serve);
            let [a, b, c] = [1, 2, 3].map(|n| SocketAddr::new(IpAddr::from([192, 0, 2, n]), 443));
            addresses.found(&[a, b, c]);
            addresses.avoid(a);
            assert_eq!(addresses.get(soon()).await.unwrap(), [b, c, a]);
            tokio::time::advance(AVOIDED).await;
            addresses.found(&[a, b, c]);
            assert_eq!(addresses.get(soon()).await.unwrap(), [a, b, c]);
        });
    }

    #[test]
    fn a_short_time_to_connect_is_not_used_up_by_waiting_for_a_lookup() {
        let now = Instant::now();
        assert!(patience(now + Duration::from_millis(300)) < now + Duration::from_millis(200));
        assert!(patience(now + Duration::from_secs(60)) < now + Duration::from_secs(30));
    }
}
