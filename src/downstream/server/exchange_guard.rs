//! What a connection is waiting for: shared by the connection and the exchange that is in progress on it.

use std::cell::Cell;
use std::rc::Rc;

use super::pace::TooSlow;
use crate::downstream::burst::Burst;
use crate::downstream::eviction::Resident;
use crate::downstream::{Capacity, Full};

/// What the connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// For the first byte of a request, and the clock has yet to be set: an exchange has just ended.
    Rest,
    /// For the first byte of a request: `idle_timeout` runs.
    Idle,
    /// For the rest of a head: `head_timeout` runs.
    Head,
    /// For countersign's response. The exchange has deadlines of its own.
    Exchange,
    /// For nothing: a response broke off midway.
    Cut(CutFor),
}

/// Why a response broke off midway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CutFor {
    /// Its source broke off.
    Source,
    /// The client read it too slowly.
    SlowReader(TooSlow),
}

/// The phase of one connection. Cheap to clone; stays on the connection's thread.
#[derive(Debug, Clone)]
pub(super) struct SharedPhase(Rc<Cell<Phase>>);

/// An exchange in progress; its drop makes the connection idle again.
#[derive(Debug)]
pub struct ExchangeGuard {
    phase: SharedPhase,
    resident: Rc<Resident>,
}

impl SharedPhase {
    /// Of a fresh connection.
    pub(super) fn new() -> Self {
        Self(Rc::new(Cell::new(Phase::Idle)))
    }

    pub(super) fn get(&self) -> Phase {
        self.0.get()
    }

    pub(super) fn set(&self, phase: Phase) {
        self.0.set(phase);
    }

    /// Begins an exchange: the clocks of the connection stop until the guard is dropped.
    pub(super) fn begin(&self, resident: &Rc<Resident>) -> ExchangeGuard {
        self.set(Phase::Exchange);
        Burst::Exchanges.rise(1);
        ExchangeGuard { phase: self.clone(), resident: Rc::clone(resident) }
    }

    /// The response broke off midway: the connection ends in a way that cannot be mistaken for the response's end.
    pub(super) fn cut(&self, reason: CutFor) {
        // the first reason stays
        if !self.is_cut() {
            self.set(Phase::Cut(reason));
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        matches!(self.get(), Phase::Cut(_))
    }

    /// Whether nothing of a request has arrived since the last response.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.get(), Phase::Rest | Phase::Idle)
    }
}

impl ExchangeGuard {
    /// The response broke off midway: the connection must end in a way that cannot be mistaken for the response's end.
    /// A client of HTTP/1.0 has no other sign of it.
    pub fn cut(&self) {
        self.phase.cut(CutFor::Source);
    }

    /// Who sends the request is not known before its body has been read: until [`Self::identified`], the connection may
    /// be closed for a new one, unless it is charged to a client already.
    pub fn await_identity(&self) {
        self.resident.await_identity();
    }

    /// Who sends the request is known now: the connection is not closed before the exchange has ended.
    pub fn identified(&self) {
        self.resident.work();
    }

    /// The client of the exchange is authenticated: charges the connection to its `share` of the listener's
    /// connections, unless it is already. Where the share is used up, an idle connection of the client is closed.
    ///
    /// # Errors
    /// The share is used up, and the client has no idle connection in this worker.
    pub fn charge(&self, share: &Capacity) -> Result<(), Full> {
        self.resident.charge(share)
    }

    /// Charges the connection after [`Self::charge`] has found the share used up: another worker closes an idle
    /// connection of the client.
    ///
    /// # Errors
    /// The share is used up, and no worker has an idle connection of the client.
    pub async fn charge_elsewhere(&self, share: &Capacity) -> Result<(), Full> {
        self.resident.charge_elsewhere(share).await
    }

    /// Notes that the response was cut off because the client read it too slowly.
    #[must_use]
    pub fn slow_reader(&self) -> Option<TooSlow> {
        match self.phase.get() {
            Phase::Cut(CutFor::SlowReader(slow)) => Some(slow),
            Phase::Cut(CutFor::Source) | Phase::Rest | Phase::Idle | Phase::Head | Phase::Exchange => None,
        }
    }
}

impl Drop for ExchangeGuard {
    fn drop(&mut self) {
        if !self.phase.is_cut() {
            self.phase.set(Phase::Rest);
        }
        Burst::Exchanges.fall(1);
    }
}
