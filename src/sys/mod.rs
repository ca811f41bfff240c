//! The operating system as safe functions; FFI lives here and only here.

pub mod clock;
pub mod file;
pub mod memory;
pub mod signal;
