//! countersign: a signing HTTP reverse proxy for the AWS Query protocol.
//!
//! (The architecture is described here once the house stands.)

pub mod admin;
pub mod app;
pub mod authorize;
pub mod cli;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod downstream;
pub mod proxy;
pub mod query;
pub mod sandbox;
pub mod signing;
pub mod telemetry;
pub mod upstream;
