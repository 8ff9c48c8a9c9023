//! What a listener does with its connections now: one snapshot for each request, replaced as a whole by a reload.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::limits::Limits;
use crate::downstream::eviction::Connections;
use crate::downstream::listener::Security;
use crate::downstream::{Capacity, Drain, Permit, PlaceRequests, Relays, Resident};

/// Everything about a listener but its socket, in one worker.
pub struct Service<H> {
    /// Answers requests.
    pub handler: Rc<H>,
    /// Limits of connections that begin from now on.
    pub limits: Limits,
    /// Places for connections, shared by all workers.
    pub places: Capacity,
    /// What workers tell each other when there are no places left.
    pub requests: Arc<PlaceRequests>,
    /// What new connections speak before HTTP.
    pub security: Security,
    /// From whom they begin with a header of the PROXY protocol.
    pub relays: Option<Rc<Relays>>,
    /// Ends the connections that began under this service, because what their clients proved no longer counts.
    pub drain: Drain,
}

/// The current service. A connection reads it at the start of each request and keeps it to the request's end,
/// so that no request sees half of one configuration and half of another.
pub struct Current<H> {
    service: RefCell<Rc<Service<H>>>,
    /// The connections that are open; a reload leaves them alone.
    connections: Rc<Connections>,
}

impl<H> Current<H> {
    /// Begins with `service`.
    #[must_use]
    pub fn new(service: Service<H>) -> Rc<Self> {
        let connections = Connections::new(Arc::clone(&service.requests));
        Rc::new(Self { service: RefCell::new(Rc::new(service)), connections })
    }

    /// What is current now.
    #[must_use]
    pub fn load(&self) -> Rc<Service<H>> {
        Rc::clone(&self.service.borrow())
    }

    /// Admits a connection that has taken a place.
    #[must_use]
    pub fn admit(&self, place: Permit) -> Rc<Resident> {
        self.connections.admit(place)
    }

    /// The connections that are open.
    pub(in crate::downstream) const fn connections(&self) -> &Rc<Connections> {
        &self.connections
    }

    /// Makes `service` current for new connections, and for the next request of existing ones.
    pub fn replace(&self, service: Service<H>) {
        // the old service is dropped after the borrow, because dropping it may read the current one
        let _old = self.service.replace(Rc::new(service));
    }
}
