//! See `properties::proxy_header`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| countersign_fuzz::proxy_header(input));
