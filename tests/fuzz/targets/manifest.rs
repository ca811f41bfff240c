//! The manifest of the AOF: any bytes are read or refused, and what was read survives a rewrite.
#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::manifest(data));
