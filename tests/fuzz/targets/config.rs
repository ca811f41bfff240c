//! The grammar of redis.conf: any text loads or is refused, and what loaded survives a rewrite.
#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::config(data));
