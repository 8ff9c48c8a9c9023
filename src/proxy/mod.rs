//! One exchange, from a client's request to the endpoint's answer. Start reading at [`exchange`].

pub mod answer;
mod attempt;
pub mod clock_reading;
mod containment;
pub mod credential;
mod deliver;
pub mod endpoint_clock;
mod endpoint_refusal;
pub mod exchange;
pub mod fault;
pub mod head;
pub mod headers;
mod notice;
pub mod route;

pub use clock_reading::ClockReading;
pub use endpoint_clock::{DateEvidence, EndpointClock};
pub use exchange::Proxy;
pub use head::OwnNames;
pub use route::{Route, Routes};
