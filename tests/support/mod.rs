//! Support for every test with a real server: starting servers, speaking RESP, finding the
//! oracles.
//!
//! Included by each test binary with `#[path = "../support/mod.rs"] mod support;`.

// Each test binary takes the part it needs.
#![allow(dead_code)]

pub mod arguments;
pub mod ask;
pub mod client;
pub mod oracle;
pub mod server;
pub mod wait;
