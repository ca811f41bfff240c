//! Pure functions on bytes that no crate does exactly as Redis does.
