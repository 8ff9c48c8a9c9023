//! One worker's idle connections to one endpoint: the most recently used is taken first, and expired ones are closed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;
use super::idle_connections::PoolLevel;

/// A worker's idle connections to one endpoint. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    /// The one used last is at the back.
    idle: Rc<RefCell<VecDeque<Idle>>>,
    limit: usize,
    idle_timeout: Duration,
    /// How many are idle, for others to read.
    level: Arc<PoolLevel>,
}

struct Idle {
    connection: Box<Connection>,
    /// When it expires.
    until: Instant,
}

impl Pool {
    /// Keeps at most `limit` connections, each unused for at most `idle_timeout`.
    #[must_use]
    pub fn new(limit: usize, idle_timeout: Duration) -> Self {
        Self { idle: Rc::default(), limit, idle_timeout, level: Arc::default() }
    }

    /// Takes the connection used last, so that the others expire when load falls. A connection that has expired by
    /// `now`, that the endpoint has closed, or on which it has sent something unasked, is dropped, and the next one is
    /// tried.
    #[must_use]
    pub fn take(&self, now: Instant) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        let mut taken = None;
        while let Some(Idle { mut connection, until }) = idle.pop_back() {
            if now < until && connection.is_fit() {
                taken = Some(connection);
                break;
            }
        }
        self.level.set(idle.len());
        taken
    }

    /// Returns a connection to the pool `now`, after its response was read to the end. It expires after `keep`, or the
    /// pool's idle timeout if that is shorter. A connection that exceeds the limit is dropped.
    pub fn put(&self, mut connection: Box<Connection>, keep: Option<Duration>, now: Instant) {
        let keep = keep.unwrap_or(self.idle_timeout).min(self.idle_timeout);
        let mut idle = self.idle.borrow_mut();
        // the ones used longest ago; `close_expired` closes those that expire out of order
        while idle.front().is_some_and(|idle| idle.until <= now) {
            idle.pop_front();
        }
        let until = now.checked_add(keep).unwrap_or(now);
        if idle.len() < self.limit && now < until {
            connection.rest();
            idle.push_back(Idle { connection, until });
        }
        self.level.set(idle.len());
    }

    /// How many connections wait in it, for other threads to read.
    pub(super) const fn level(&self) -> &Arc<PoolLevel> {
        &self.level
    }

    /// Whether a connection waits in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty()
    }

    /// Drops the connections to other addresses than `addresses`, and returns how many they were.
    pub fn keep_only(&self, addresses: &[SocketAddr]) -> usize {
        let mut idle = self.idle.borrow_mut();
        let before = idle.len();
        idle.retain(|idle| idle.connection.address.is_none_or(|address| addresses.contains(&address)));
        self.level.set(idle.len());
        before.saturating_sub(idle.len())
    }

    /// Drops the connections that have expired, and those that the endpoint has closed. A timer of the worker calls it,
    /// so that an idle proxy holds no connection.
    pub fn close_expired(&self) {
        let now = Instant::now();
        let mut idle = self.idle.borrow_mut();
        idle.retain_mut(|idle| now < idle.until && idle.connection.is_fit());
        self.level.set(idle.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::socket::{Socket, Watched};
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use tokio::task::yield_now;

    const SECOND: Duration = Duration::from_secs(1);
    const PATIENCE: Duration = Duration::from_secs(10);

    /// A listening endpoint; what is accepted is told apart by its address.
    struct Endpoint(TcpListener);

    impl Endpoint {
        async fn connect(&self) -> (Box<Connection>, TcpStream) {
            let address = self.0.local_addr().unwrap();
            let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
            let (accepted, _) = self.0.accept().unwrap();
            (Connection::new(Socket::Plain(Watched::new(tcp)), Some(address)), accepted)
        }
    }

    fn with_endpoint<F: Future<Output = ()>>(test: impl FnOnce(Endpoint) -> F) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(test(Endpoint(TcpListener::bind("127.0.0.1:0").unwrap())));
    }

    /// Waits for the end of a connection.
    fn is_closed(mut accepted: TcpStream) -> bool {
        accepted.set_read_timeout(Some(PATIENCE)).unwrap();
        match accepted.read(&mut [0; 1]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    fn is_open(accepted: &TcpStream) -> bool {
        accepted.set_nonblocking(true).unwrap();
        accepted.peek(&mut [0; 1]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    #[test]
    fn the_connection_used_last_is_taken_first() {
        with_endpoint(|endpoint| async move {
            let pool = Pool::new(8, 60 * SECOND);
            let [(first, one), (second, two)] = [endpoint.connect().await, endpoint.connect().await];
            pool.put(first, None, Instant::now());
            pool.put(second, None, Instant::now());
            drop(pool.take(Instant::now()));
            assert!(is_closed(two));
            assert!(is_open(&one));
        });
    }

    #[test]
    fn one_that_the_endpoint_has_spoken_on_or_closed_is_passed_over() {
        with_endpoint(|endpoint| async move {
            let pool = Pool::new(8, 60 * SECOND);
            let [(first, one), (second, mut two), (third, three)] =
                [endpoint.connect().await, endpoint.connect().await, endpoint.connect().await];
            pool.put(first, None, Instant::now());
            pool.put(second, None, Instant::now());
            pool.put(third, None, Instant::now());
            two.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            three.shutdown(std::net::Shutdown::Write).unwrap();
            yield_now().await; // the runtime looks at all sockets
            let taken = pool.take(Instant::now());
            assert!(taken.is_some() && is_open(&one));
            assert!(pool.is_empty() && is_closed(two) && is_closed(three));
        });
    }

    #[test]
    fn those_whose_time_is_over_are_closed_when_another_comes_back() {
        with_endpoint(|endpoint| async move {
            let pool = Pool::new(8, 10 * SECOND);
            let [(old, one), (new, two)] = [endpoint.connect().await, endpoint.connect().await];
            pool.put(old, None, Instant::now());
            tokio::time::advance(10 * SECOND).await;
            pool.put(new, None, Instant::now());
            assert!(is_closed(one));
            assert!(is_open(&two));
            assert!(pool.take(Instant::now()).is_some());
        });
    }

    #[test]
    fn one_whose_time_is_over_is_never_taken_whatever_the_order_they_came_in() {
        with_endpoint(|endpoint| async move {
            let pool = Pool::new(8, 60 * SECOND);
            let [(long, one), (short, two)] = [endpoint.connect().await, endpoint.connect().await];
            pool.put(long, None, Instant::now());
            pool.put(short, Some(SECOND), Instant::now());
            tokio::time::advance(SECOND).await;
            let taken = pool.take(Instant::now());
            assert!(is_closed(two), "the endpoint said that it keeps it for no longer");
            assert!(taken.is_some() && is_open(&one) && pool.is_empty());
        });
    }

    #[test]
    fn a_look_at_all_closes_what_is_over_and_what_the_endpoint_has_closed() {
        with_endpoint(|endpoint| async move {
            let pool = Pool::new(8, 60 * SECOND);
            let [(kept, one), (closed, two), (over, three)] =
                [endpoint.connect().await, endpoint.connect().await, endpoint.connect().await];
            pool.put(kept, None, Instant::now());
            pool.put(closed, None, Instant::now());
            pool.put(over, Some(SECOND), Instant::now());
            two.shutdown(std::net::Shutdown::Write).unwrap();
            tokio::time::advance(SECOND).await;
            yield_now().await; // the runtime looks at all sockets
            pool.close_expired();
            assert!(is_closed(two) && is_closed(three));
            assert!(is_open(&one) && !pool.is_empty());
        });
    }

    #[test]
    fn one_too_many_is_closed() {
        with_endpoint(|endpoint| async move {
            let pool = Pool::new(1, 60 * SECOND);
            let [(first, one), (second, two)] = [endpoint.connect().await, endpoint.connect().await];
            pool.put(first, None, Instant::now());
            pool.put(second, None, Instant::now());
            assert!(is_closed(two));
            assert!(is_open(&one));
        });
    }
}
