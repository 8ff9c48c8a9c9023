//! The library as other programs use it: published vectors, samples, seeds of the fuzz targets, sockets, memory,
//! rights.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout
)] // a test fails by panicking
#![allow(unreachable_pub)] // one program: everything in it is; and the properties are a library to the fuzz targets

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../fuzz/properties/mod.rs"]
mod properties;

mod config_samples;
mod confinement;
mod dialect_properties;
mod dialect_vectors;
mod dialect_verifiers;
mod fuzz_corpus;
mod key_memory;
mod listeners;
mod sandbox;
mod signature_vectors;
