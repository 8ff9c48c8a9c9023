//! One exchange, from a client's request to the endpoint's answer. Start reading at [`exchange`].

pub mod answer;
mod containment;
pub mod credential;
mod deliver;
pub mod endpoint_clock;
pub mod exchange;
pub mod fault;
pub mod head;
pub mod headers;
pub mod moment;
mod notice;
mod refused;
pub mod route;

pub use endpoint_clock::{DateEvidence, EndpointClock, Follow};
pub use exchange::Proxy;
pub use head::OwnNames;
pub use moment::Moment;
pub use route::{Route, Routes};
