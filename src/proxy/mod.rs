//! One exchange, from a client's request to the endpoint's response. Start reading at `exchange`.

mod attempt;
mod call_limits;
mod client_first;
mod clock_reading;
mod containment;
mod credential;
mod deliver;
mod endpoint_clock;
mod endpoint_refusal;
mod endpoint_request_id;
mod exchange;
mod fault;
mod head;
pub mod headers;
mod identification;
mod issued_keys;
mod noted;
mod over_share;
mod rate_limit_fields;
mod reception;
mod refused_client;
mod response;
mod route;
mod traced_call;
mod unrouted;
mod worker_endpoint;

pub(crate) use clock_reading::ClockReading;
pub use endpoint_clock::{DateEvidence, EndpointClock, WorkerClock};
pub use exchange::Proxy;
pub use head::OwnNames;
pub use issued_keys::IssuedKeys;
pub(crate) use over_share::SharedLimit;
pub use response::ResponseBody;
pub use route::{Route, Routes};
pub use worker_endpoint::{AmongOthers, WorkerEndpoint};
