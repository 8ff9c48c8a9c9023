//! Connecting to the fastest of several addresses ("happy eyeballs", RFC 8305): attempts begin one after the other, a
//! little apart.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

/// RFC 8305 section 5, "Connection Attempt Delay".
const STAGGER: Duration = Duration::from_millis(250);
/// The most addresses tried for one connection. A name may have hundreds.
const MOST: usize = 8;

/// The result of a race.
pub(in crate::upstream) struct Won<T> {
    pub(in crate::upstream) stream: T,
    pub(in crate::upstream) address: SocketAddr,
    /// The addresses that were begun before the winner and had not answered when it did.
    pub(in crate::upstream) slower: Vec<SocketAddr>,
}

/// Connects to `addresses` in their order, IPv6 and IPv4 by turns. Dropping it gives up every attempt.
///
/// # Errors
/// The last error, when none accepts; or that there is no address at all.
pub(in crate::upstream) async fn race<T, F>(
    addresses: &[SocketAddr],
    connect: impl Fn(SocketAddr) -> F,
) -> Result<Won<T>, io::Error>
where
    T: 'static,
    F: Future<Output = io::Result<T>> + 'static,
{
    let mut waiting = by_turns(addresses);
    waiting.truncate(MOST);
    let (mut attempts, mut begun) = (JoinSet::new(), Vec::new());
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(address) = waiting.pop_front() {
            begun.push(address);
            let attempt = connect(address);
            attempts.spawn_local(async move { (address, attempt.await) });
        }
        let ended = tokio::select! {
            ended = attempts.join_next() => ended,
            () = sleep(STAGGER), if !waiting.is_empty() => continue,
        };
        match ended {
            Some(Ok((address, Ok(stream)))) => {
                begun.retain(|other| *other != address);
                return Ok(Won { stream, address, slower: begun });
            }
            Some(Ok((_, Err(error)))) => last = error,
            Some(Err(panicked)) => last = io::Error::other(panicked),
            None if waiting.is_empty() => return Err(last),
            None => {}
        }
    }
}

/// RFC 8305 section 4: the order is the resolver's (RFC 6724), but the families take turns, beginning with that of the
/// first.
fn by_turns(addresses: &[SocketAddr]) -> VecDeque<SocketAddr> {
    let first_family = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, other): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.iter().partition(|address| address.is_ipv6() == first_family);
    let (mut first, mut other) = (first.into_iter(), other.into_iter());
    let mut order = VecDeque::new();
    loop {
        let pair = [first.next(), other.next()];
        if pair == [None, None] {
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;
    use tokio::time::Instant;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    const A: &str = "[2001:db8::1]:443";
    const B: &str = "[2001:db8::2]:443";
    const C: &str = "192.0.2.1:443";
    const D: &str = "192.0.2.2:443";

    /// Races between addresses that accept or refuse after so many milliseconds, on a paused clock. Returns the winner,
    /// how long it took, and when each attempt began.
    fn raced(of: &[(&'static str, u64, bool)]) -> (Result<&'static str, String>, u128, Vec<(&'static str, u128)>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let began = Instant::now();
            let starts = Rc::new(RefCell::new(Vec::new()));
            let texts: Vec<&str> = of.iter().map(|(text, ..)| *text).collect();
            let won = race(&addresses(&texts), |address| {
                let (text, millis, accepts) = *of.iter().find(|(text, ..)| *text == address.to_string()).unwrap();
                starts.borrow_mut().push((text, began.elapsed().as_millis()));
                async move {
                    sleep(Duration::from_millis(millis)).await;
                    if accepts { Ok(text) } else { Err(io::Error::other(text)) }
                }
            })
            .await;
            let starts = starts.borrow().clone();
            (won.map(|won| won.stream).map_err(|error| error.to_string()), began.elapsed().as_millis(), starts)
        })
    }

    #[test]
    fn families_take_turns_in_the_resolvers_order() {
        assert_eq!(by_turns(&addresses(&[A, B, C, D])), addresses(&[A, C, B, D]));
        assert_eq!(by_turns(&addresses(&[C, A, B])), addresses(&[C, A, B]));
        assert_eq!(by_turns(&addresses(&[C, D])), addresses(&[C, D]));
        assert!(by_turns(&[]).is_empty());
    }

    #[test]
    fn an_address_that_answers_at_once_is_the_only_one_tried() {
        assert_eq!(raced(&[(A, 10, true), (C, 1, true)]), (Ok(A), 10, vec![(A, 0)]));
    }

    #[test]
    fn a_silent_address_costs_a_quarter_of_a_second() {
        assert_eq!(raced(&[(A, 60_000, true), (C, 10, true)]), (Ok(C), 260, vec![(A, 0), (C, 250)]));
    }

    #[test]
    fn a_refusal_starts_the_next_at_once() {
        assert_eq!(raced(&[(A, 10, false), (C, 10, true)]), (Ok(C), 20, vec![(A, 0), (C, 10)]));
    }

    #[test]
    fn a_slow_address_may_still_win() {
        assert_eq!(raced(&[(A, 300, true), (C, 60_000, true)]), (Ok(A), 300, vec![(A, 0), (C, 250)]));
    }

    #[test]
    fn when_all_refuse_the_last_says_why() {
        assert_eq!(raced(&[(A, 10, false), (C, 10, false)]), (Err(C.to_owned()), 20, vec![(A, 0), (C, 10)]));
        assert_eq!(raced(&[]).0, Err("the name has no address".to_owned()));
    }

    #[test]
    fn no_more_than_eight_addresses_are_tried() {
        let texts: Vec<&'static str> = (1..=20).map(|n| &*format!("192.0.2.{n}:443").leak()).collect();
        let all: Vec<_> = texts.iter().map(|text| (*text, 1, false)).collect();
        assert_eq!(raced(&all).2.len(), MOST);
    }
}
