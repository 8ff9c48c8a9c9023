//! What is known of an endpoint's failures, and whose calls are refused because of them. Time is an argument.

use tokio::time::Instant;

use super::gate::Gate;
use super::{BreakerLimits, Outage};

/// What has failed since the endpoint's last response.
#[derive(Default)]
pub(super) struct State {
    /// Calls that found no connection. The endpoint is the cause, whichever client made them.
    unreachable: usize,
    /// The clients with calls that were sent and not answered: perhaps only their calls are slow. There are at most as
    /// many as are configured.
    unanswered: Vec<Unanswered>,
    down: Option<Down>,
    pub(super) outages: u64,
}

/// The calls of one client that were not answered in time.
struct Unanswered {
    client: Box<str>,
    calls: usize,
    /// The client's own gate: slow probes of one client delay no other client.
    gate: Gate,
}

struct Down {
    outage: Outage,
    /// The number of failures that it took.
    limit: usize,
    /// For an unreachable endpoint, and for clients without unanswered calls.
    gate: Gate,
}

/// How a call was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ordinary,
    /// The endpoint is down, and this call, which began then, finds out whether it is back.
    Probe(Instant),
}

/// What a failure has changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It was counted.
    Counted,
    /// The endpoint is down from now on, for everybody or for the clients with unanswered calls.
    Down,
    /// The same, and only this one client has unanswered calls.
    DownForOne(Box<str>),
}

impl State {
    /// How the endpoint is down, for any client.
    pub(super) fn outage(&self) -> Option<Outage> {
        self.down.as_ref().map(|down| down.outage)
    }

    /// Lets a call of `client` pass, or says why it is refused.
    pub(super) fn admit(&mut self, client: &str, now: Instant, limits: &BreakerLimits) -> Result<Kind, Outage> {
        let failures = self.failures_for(client);
        match &self.down {
            Some(down) if failures >= down.limit => {
                let outage = down.outage;
                let passes = self.gate(client).is_none_or(|gate| gate.pass(now, limits.longest_pause));
                if passes { Ok(Kind::Probe(now)) } else { Err(outage) }
            }
            Some(_) | None => Ok(Kind::Ordinary),
        }
    }

    /// The same for a call that does not find out whether the endpoint is back.
    pub(super) fn admit_unless_down(&self, client: &str) -> Result<Kind, Outage> {
        let failures = self.failures_for(client);
        match &self.down {
            Some(down) if failures >= down.limit => Err(down.outage),
            Some(_) | None => Ok(Kind::Ordinary),
        }
    }

    /// How many failures count for `client`. All slow calls of another client count as one failure. For a client with
    /// an unanswered call of its own, every unanswered call counts, so that with one client the breaker opens after as
    /// many failures as configured.
    fn failures_for(&self, client: &str) -> usize {
        let has_own = self.unanswered.iter().any(|other| *other.client == *client);
        self.unreachable.saturating_add(if has_own { self.unanswered_calls() } else { self.unanswered.len() })
    }

    fn unanswered_calls(&self) -> usize {
        self.unanswered.iter().fold(0, |sum, client| sum.saturating_add(client.calls))
    }

    /// The gate that holds the calls of `client` back while the endpoint is down.
    fn gate(&mut self, client: &str) -> Option<&mut Gate> {
        let Self { unanswered, down, .. } = self;
        let down = down.as_mut()?;
        let own = match down.outage {
            Outage::Silent => unanswered.iter_mut().find(|other| *other.client == *client),
            Outage::Unreachable => None,
        };
        Some(own.map_or(&mut down.gate, |own| &mut own.gate))
    }

    /// Records the failure of a call of `client`.
    pub(super) fn fail(
        &mut self,
        outage: Outage,
        client: &str,
        kind: Kind,
        now: Instant,
        limits: &BreakerLimits,
    ) -> Failed {
        match outage {
            Outage::Unreachable => self.unreachable = self.unreachable.saturating_add(1),
            Outage::Silent => self.count_unanswered(client, now, limits),
        }
        match (&mut self.down, kind) {
            (Some(down), Kind::Probe(_)) => {
                down.outage = outage;
                if let Some(gate) = self.gate(client) {
                    gate.close_again(now, limits.longest_pause);
                }
                Failed::Counted
            }
            // it was sent before the endpoint went down, or is the first of its client
            (Some(_), Kind::Ordinary) => Failed::Counted,
            (None, Kind::Ordinary | Kind::Probe(_)) => self.open_at_limit(outage, now, limits),
        }
    }

    fn count_unanswered(&mut self, client: &str, now: Instant, limits: &BreakerLimits) {
        match self.unanswered.iter_mut().find(|other| *other.client == *client) {
            Some(known) => known.calls = known.calls.saturating_add(1),
            None => {
                let gate = Gate::closed(now, limits.longest_pause);
                self.unanswered.push(Unanswered { client: client.into(), calls: 1, gate });
            }
        }
    }

    fn open_at_limit(&mut self, outage: Outage, now: Instant, limits: &BreakerLimits) -> Failed {
        let failures = self.unreachable.saturating_add(self.unanswered_calls());
        if limits.never_opens() || failures < limits.failures {
            return Failed::Counted;
        }
        let gate = || Gate::closed(now, limits.longest_pause);
        for client in &mut self.unanswered {
            client.gate = gate();
        }
        self.down = Some(Down { outage, limit: limits.failures, gate: gate() });
        self.outages = self.outages.saturating_add(1);
        match &self.unanswered[..] {
            [only] if self.unreachable == 0 => Failed::DownForOne(only.client.clone()),
            _ => Failed::Down,
        }
    }

    /// Ends the turn of a probe that has no outcome.
    pub(super) fn give_up(&mut self, client: &str, began: Instant) {
        if let Some(gate) = self.gate(client) {
            gate.give_up(began);
        }
    }

    /// Forgets all failures, and ends the outage, if there is one.
    pub(super) fn recover(&mut self) -> Option<Outage> {
        self.unreachable = 0;
        self.unanswered.clear();
        self.down.take().map(|down| down.outage)
    }
}
