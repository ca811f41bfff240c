//! Snapshots and payloads of DUMP: bytes that anybody can RESTORE.
#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::snapshot(data));
