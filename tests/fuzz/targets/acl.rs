//! Rules of ACL SETUSER and files of users: what was taken is written as a file that reads the same.
#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::acl(data));
