//! Redwheel: a Redis-faithful in-memory server.
//!
//! One thread, one event loop, one timer wheel. The modules below stand in layer order: a module
//! imports only what stands above it in this list (`tests/house.rs` checks that).

// L0: the operating system, and pure functions on bytes.
pub mod algo;
pub mod sys;
// L1: data structures, the wire protocol.
pub mod types;
// L5: subsystems.
pub mod config;
// L7: how the process starts.
pub mod cli;
