//! The operating system as safe functions; FFI lives here and only here.
pub mod pages;

pub mod clock;
pub mod code_pages;
pub mod crash;
pub mod file;
pub mod fork;
pub mod huge_pages;
pub mod memory;
pub mod process;
pub mod schedule;
pub mod signal;
pub mod socket;
pub mod supervisor;
pub mod system_check;
pub mod title;
pub mod watchdog;

/// The text of a system error as Redis logs it: without the number that Rust adds.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
