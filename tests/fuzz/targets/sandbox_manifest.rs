//! See `properties::sandbox_manifest`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| countersign_fuzz::sandbox_manifest(input));
