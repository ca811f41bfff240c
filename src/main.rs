//! The binary: argv and config file in, a running server out.
fn main() {}
