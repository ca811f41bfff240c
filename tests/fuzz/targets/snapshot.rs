//! Snapshots and payloads of DUMP: bytes that any client can RESTORE.
#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::snapshot(data));
