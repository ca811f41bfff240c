//! Pure functions on bytes that no crate does exactly as Redis does.

pub mod grisu;
pub mod long_double;
pub mod number;
