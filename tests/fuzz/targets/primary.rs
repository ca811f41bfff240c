//! The bytes of a primary: the handshake, the snapshot, and the stream of commands.
#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::primary(data));
