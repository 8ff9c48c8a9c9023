//! Load balancers in front of a listener, which say in a header of the PROXY protocol (version 2) whose connection they
//! pass on.
//!
//! Only named peers are believed, and only for what log, audit and traces show: who a client is follows from the real
//! connection alone. `header` is the grammar; `receive` reads a header and not a byte more.

pub mod header;
mod network;
pub(super) mod receive;

use std::fmt;
use std::net::IpAddr;

pub use network::Network;

/// Whose connections begin with a header of the PROXY protocol. It is required from these, and from nobody else
/// understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relays {
    /// The networks of load balancers.
    pub networks: Vec<Network>,
    /// Whoever connects to the listener's Unix sockets.
    pub unix: UnixRelays,
}

/// Whether Unix sockets are for load balancers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnixRelays {
    /// They are not.
    None,
    /// Whoever connects there is one.
    All,
}

impl fmt::Display for Relays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(ToString::to_string);
        let unix = (self.unix == UnixRelays::All).then(|| "its Unix sockets".to_owned());
        f.write_str(&networks.chain(unix).collect::<Vec<_>>().join(", "))
    }
}

impl Relays {
    /// Whether connections from `address` come from a load balancer.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}
