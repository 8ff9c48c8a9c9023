//! The configuration as the program uses it: every value parsed, every default filled in.
//!
//! Nothing here is live (no socket, no key, no signer): `app` builds the running graph from these values. The types are
//! strict, so that a [`Settings`] that exists can be served, as far as text alone can tell. Values that other rooms
//! know too (modes, patterns, methods, dialects) have the type of that room. `config/reference.toml` has every key with
//! its default; tests compare it with the readers in `tables`.

mod admin;
mod client;
mod conf_d;
mod egress;
mod endpoint;
mod fallback;
mod key;
mod listener;
mod name;
mod places;
mod process;
mod rates;
mod route;
mod route_endpoints;
mod trace;

pub use admin::{Admin, AdminAddress, StatusPage};
pub use client::{Client, Rate, Share};
pub use conf_d::{ConfDGrant, IdentityGrant, NameGrant};
pub use egress::{Direct, Egress, EgressOrigin, EgressProxy};
pub use endpoint::{Endpoint, Transport};
pub use fallback::Fallback;
pub use key::{Key, KeyStore, Pkcs11Store, ProcessStore};
pub use listener::{
    ClientAuthority, Exposure, ListenOn, Listener, ListenerLimits, ListenerTls, ServedRoutes, ServiceAccount, TokenKeys,
};
pub use name::Name;
pub use places::Places;
pub use process::{Audit, Confinement, Log, Process};
pub use rates::Rates;
pub use route::{Profile, Route, RouteLimits, RouteTimeouts};
pub use route_endpoints::{EndpointPlace, RouteEndpoint};
pub use trace::{Export, Trace};

/// The whole configuration. Lists are in order of name, names are unique within each list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `[listener.NAME]`: where clients connect. At least one.
    pub listeners: Vec<Listener>,
    /// `[client.NAME]`: who may call listeners that authenticate, and what.
    pub clients: Vec<Client>,
    /// `[route.NAME]`: the endpoints that may be called. At least one.
    pub routes: Vec<Route>,
    /// `[key.NAME]`: the access keys and where they are kept. At least one.
    pub keys: Vec<Key>,
    /// `[admin]`: health and metrics, on a listener of their own. `None` when the table is absent.
    pub admin: Option<Admin>,
    /// `[audit]`.
    pub audit: Audit,
    /// `[log]`.
    pub log: Log,
    /// `[rates]`. `None` when the table is absent.
    pub rates: Option<Rates>,
    /// `[trace]`. `None` when the table is absent.
    pub trace: Option<Trace>,
    /// `[process]`.
    pub process: Process,
    /// Where each table stands.
    pub places: Places,
}
