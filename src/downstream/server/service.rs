//! What a listener does with its connections now: one snapshot for each request, replaced as a whole by a reload.

use std::cell::RefCell;
use std::rc::Rc;

use super::limits::Limits;
use crate::downstream::listener::Security;
use crate::downstream::{Capacity, Drain};

/// Everything about a listener but its socket, in one worker.
pub struct Service<H> {
    /// Answers requests.
    pub handler: Rc<H>,
    /// Limits of connections that begin from now on.
    pub limits: Limits,
    /// Places for connections, shared by all workers.
    pub places: Capacity,
    /// What new connections speak before HTTP.
    pub security: Security,
    /// Ends the connections that began under this service, because what their clients proved no longer counts.
    pub drain: Drain,
}

/// The current service. A connection reads it at the start of each request and keeps it to the request's end,
/// so that no request sees half of one configuration and half of another.
pub struct Current<H>(RefCell<Rc<Service<H>>>);

impl<H> Current<H> {
    /// Begins with `service`.
    #[must_use]
    pub fn new(service: Service<H>) -> Rc<Self> {
        Rc::new(Self(RefCell::new(Rc::new(service))))
    }

    /// What is current now.
    #[must_use]
    pub fn load(&self) -> Rc<Service<H>> {
        Rc::clone(&self.0.borrow())
    }

    /// Makes `service` current for new connections, and for the next request of existing ones.
    pub fn replace(&self, service: Service<H>) {
        // the old service is dropped after the borrow, because dropping it may read the current one
        let _old = self.0.replace(Rc::new(service));
    }
}
