//! Metrics of clients: how the exchanges of each ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::sharded::each_cell;
use super::totals::OutcomeTotals;
use crate::telemetry::outcome::Outcome;
use crate::telemetry::own_cells::OurCell;
use crate::telemetry::thread_slot::CacheLine;

/// How the exchanges of every client ended, by the client's number. Clients come from the configuration. Strangers have
/// no counts here: theirs are counted by route and by listener.
#[derive(Debug, Default)]
pub(crate) struct ClientExchanges(Box<[OfClient]>);

#[derive(Debug)]
struct OfClient {
    name: Box<str>,
    /// Made when the client is first heard of: by then it is known how many workers need cells.
    ended: Arc<OnceLock<Cells>>,
}

/// A cell for each worker. The counts of one client lie together, because few outcomes are counted at all.
type Cells = Box<[CacheLine<[AtomicU64; Outcome::ALL.len()]>]>;

impl ClientExchanges {
    /// Counters for clients with these names, in the order of their numbers. What was counted `before` of a client with
    /// the same name stays counted.
    pub(crate) fn of<'n>(names: impl IntoIterator<Item = &'n str>, before: Option<&Self>) -> Self {
        let known = |name: &str| {
            let known = before?.0.iter().find(|client| &*client.name == name)?;
            Some(Arc::clone(&known.ended))
        };
        let client = |name: &str| OfClient { name: name.into(), ended: known(name).unwrap_or_default() };
        Self(names.into_iter().map(client).collect())
    }

    /// Counts an exchange of the client with this number.
    pub(in crate::telemetry) fn count(&self, client: usize, outcome: Outcome) {
        let Some(client) = self.0.get(client) else { return };
        let Some(ours) = OurCell::of(client.ended.get_or_init(each_cell)) else { return };
        ours.add(
            |CacheLine(outcomes)| {
                let [first, ..] = outcomes;
                outcomes.get(outcome.index()).unwrap_or(first)
            },
            1,
        );
    }

    /// The number of a client.
    pub(in crate::telemetry) fn number(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|client| &*client.name == name)
    }

    /// The clients' names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|client| &*client.name)
    }

    /// How the exchanges of every client ended that was heard of.
    pub(crate) fn totals(&self) -> impl Iterator<Item = (&str, OutcomeTotals)> {
        self.0.iter().filter_map(|OfClient { name, ended }| {
            let mut totals = OutcomeTotals::default();
            for CacheLine(outcomes) in ended.get()? {
                for (outcome, count) in Outcome::ALL.into_iter().zip(outcomes) {
                    totals.add(outcome, count.load(Ordering::Relaxed));
                }
            }
            Some((&**name, totals))
        })
    }

    /// Every client, with how many of its exchanges had each outcome.
    pub(super) fn ended(&self) -> impl Iterator<Item = (&str, Outcome, u64)> {
        self.0.iter().flat_map(|OfClient { name, ended }| {
            let cells = ended.get().map(|cells| &**cells).unwrap_or_default();
            Outcome::ALL.into_iter().map(move |outcome| {
                let counts = cells.iter().filter_map(|CacheLine(outcomes)| outcomes.get(outcome.index()));
                let sum = counts.fold(0, |sum: u64, count| sum.wrapping_add(count.load(Ordering::Relaxed)));
                (&**name, outcome, sum)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(exchanges: &ClientExchanges) -> Vec<String> {
        let counted = exchanges.ended().filter(|(_, _, count)| *count > 0);
        counted.map(|(name, outcome, count)| format!("{name} {} {count}", outcome.as_str())).collect()
    }

    #[test]
    fn what_was_counted_of_a_client_stays_counted_when_others_come_and_go() {
        let first = ClientExchanges::of(["a", "b"], None);
        first.count(1, Outcome::Refused);
        first.count(1, Outcome::Answered2xx);
        first.count(7, Outcome::Refused);
        assert_eq!(first.ended().count(), 2 * Outcome::ALL.len(), "also those at 0");
        let second = ClientExchanges::of(["b", "c"], Some(&first));
        assert_eq!((second.number("b"), second.number("a")), (Some(0), None));
        second.count(0, Outcome::Refused);
        // an exchange that began under the first
        first.count(1, Outcome::Refused);
        assert_eq!(counted(&second), ["b answered_2xx 1", "b refused 3"]);
        let totals: Vec<_> = second.totals().map(|(name, totals)| (name, totals.of(Outcome::Refused))).collect();
        assert_eq!(totals, [("b", 3)]);
    }
}
