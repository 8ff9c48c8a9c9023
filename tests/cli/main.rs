//! The commands that do one thing and end, as a shell uses them: input, environment, output, exit code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)] // a test fails by panicking
#![allow(unreachable_pub)] // one program: everything in it is

#[path = "../harness/mod.rs"]
mod harness;

mod exit_codes;
mod explain;
mod keys;
mod output;
mod policy;
mod policy_by_use;
mod sign_dialects;
mod sign_verify;
mod verify_dialects;
