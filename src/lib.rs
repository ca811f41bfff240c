//! Redwheel: a Redis-faithful in-memory server.
//!
//! One thread, one event loop, one timer wheel. The modules below stand in layer order: a module
//! imports only what stands above it in this list (`tests/house.rs` checks that).

// Code below `tests/support` that the unit tests share names the crate from outside.
#[cfg(test)]
extern crate self as redwheel;

// L0: pure functions on bytes, and the operating system.
pub mod algo;
pub mod sys;
pub mod version;
// L1: data structures, the wire protocol.
pub mod net;
pub mod resp;
pub mod types;
// L2: the databases.
pub mod keyspace;
// L3: the model of a command; values as bytes.
pub mod command;
pub mod rdb;
// L4: data commands.
pub mod commands;
// The data commands as a library.
pub mod engine;
// L5: subsystems.
pub mod acl;
pub mod bio;
pub mod blocking;
pub mod config;
pub mod logging;
pub mod multi;
pub mod observe;
pub mod persist;
pub mod pubsub;
pub mod replication;
pub mod script;
pub mod tracking;
// L6: the server owns everything and decides everything.
pub mod server;
// L7: the loop, and how the process starts.
pub mod check;
pub mod cli;
pub mod reactor;
