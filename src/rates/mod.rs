//! Rates and quotas that all replicas of a gateway share, through a store that speaks the protocol of Valkey and Redis.
//!
//! The store counts (`lease.lua`, by its own clock). A replica leases tokens from it, as many as its calls of the next
//! moment need (`forecast`), and gives back what it does not use. A call takes a leased token, which is one
//! compare-and-swap (`allowance`). Only a call that finds none, and of whose client it is not known that the store has
//! none either, waits for the store, at most 5 ms (`shared_client`). Decision 042 has the reasons, `tests` simulates
//! what comes of it with up to a thousand replicas.
//!
//! Whatever the store grants, each replica applies the client's rate by itself too (`authorize`), so that a store that
//! lies, or is away, lets each replica pass no more than the configured rate.

// without the feature nobody asks a store, and what asks for leases is there for the tests alone
#[cfg_attr(not(feature = "valkey"), expect(dead_code, reason = "read by the thread of the store"))]
mod allowance;
mod client_rates;
#[cfg_attr(not(feature = "valkey"), expect(dead_code, reason = "called by the thread of the store"))]
mod forecast;
mod hints;
mod limits;
mod location;
mod shared_client;
mod state;

#[cfg(not(feature = "valkey"))]
mod no_store;
#[cfg(feature = "valkey")]
mod store;
#[cfg(test)]
mod tests;

pub use client_rates::{ClientRates, Inbox, Sharing, SharingSettings};
pub use hints::{Endpoints, ReportedEndpoint, Reports};
pub use limits::{SharedLimits, SharedRate};
pub use location::{StoreAddress, StoreFault, StoreLocation, StoreServer, StoreTls};
#[cfg(not(feature = "valkey"))]
pub use no_store::{StoreThread, start, try_out};
pub use shared_client::{AtOnce, LONGEST_WAIT, NotNow, SharedClient};
pub use state::{Health, StoreCounts, StoreState, WhenUnavailable};
#[cfg(feature = "valkey")]
pub use store::{StoreThread, start, try_out};
