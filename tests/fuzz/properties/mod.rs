//! What must hold for any bytes at all, one function per fuzz target. The main package's tests replay the seeds through
//! these.
//!
//! A property fails by panicking. What it compares with is written anew here, as plainly as can be, and shares no code
//! with what it judges.

mod canonical;
mod clouds;
mod configuration;
mod connection;
mod diagnosis;
mod dialects;
mod differential;
mod forms;
mod gateway;
mod heads;
mod keys;
mod load_balancers;
mod messages;
mod oracle;
mod policy;
mod reading;
mod recorder;
mod relay;
mod responses;
mod signed;
mod stored;
mod streams;
mod stricter;
mod written;

pub use clouds::{Arrived, Moment, verified};
pub use configuration::config;
pub use connection::{answers, head};
pub use diagnosis::diagnose;
pub use dialects::{dialects, signed_or_refused};
pub use differential::{differential, paused_everywhere, refusal, seeded};
pub use forms::{form, percent};
pub use load_balancers::proxy_header;
pub use policy::policy;
pub use relay::{relayed, response};
pub use signed::Case;
pub use stored::{document, sandbox_manifest};
pub use stricter::{STRICTER, STRICTER_BODIES, Stricter};
