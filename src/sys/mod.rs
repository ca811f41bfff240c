//! The operating system as safe functions; FFI lives here and only here.
pub mod pages;
