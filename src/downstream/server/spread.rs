//! Places in a spread: connections that have to end in the same span of time do so one after the other.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};

/// 256 divided by the golden ratio, and odd: whatever number of connections follow each other, their places lie about
/// evenly between 0 and 255, and 256 of them have a place each.
const STEP: u8 = 159;

thread_local! {
    /// The place of the connection that came last. The first one is random: a worker of a replica with one connection
    /// has another place than those of the other workers and replicas.
    static LAST: Cell<u8> = Cell::new(RandomState::new().hash_one(()).to_le_bytes()[0]);
}

/// The place of the next connection of this worker.
pub(super) fn next() -> u8 {
    LAST.with(|last| {
        let place = last.get().wrapping_add(STEP);
        last.set(place);
        place
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_connections_there_are_they_are_spread_over_the_whole_time() {
        for connections in [4_usize, 10, 50, 256] {
            let mut places: Vec<_> = (0..connections).map(|_| next()).collect();
            places.sort_unstable();
            let wide = places.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
            // evenly would be 256 divided by their number
            assert!(usize::from(wide) <= 512 / connections + 1, "{connections}: {places:?}");
        }
    }
}
