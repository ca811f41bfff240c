//! An intset from outside: refused, or as good as one of our own.
#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::intset(data));
