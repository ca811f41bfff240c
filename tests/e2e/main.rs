//! End to end: the real binary, a real socket, what a client can see.
//!
//! One file per family. `REDWHEEL_BIN` names another binary, so that the tests themselves can be
//! tried on a real Redis.

#[path = "../support/mod.rs"]
mod support;

mod acl;
mod arrays;
mod backup;
mod blocking;
mod client;
mod command;
mod compat;
mod connection;
mod debugger;
mod eviction;
mod following;
mod footprint;
mod himport;
mod limits;
mod lines;
mod migrate;
mod monitor;
mod output;
mod pause;
mod protocol;
mod pubsub;
mod replicas;
mod scripts;
mod sockets;
mod time;
#[cfg(feature = "tls")]
mod tls;
mod tls_diskless;
mod tls_peers;
mod tracking;
mod transactions;
mod valkey;

use support::ask::{
    await_info, bulk, bulks, field, id, info, info_field, is_closed, number, pass_ms, pipeline,
    text, texts,
};
use support::client::{Client, Value};
use support::server::Server;
use support::wait::wait_until;

/// A server whose clock a test can move (`pass_ms`), and a client of it.
fn server_with_clock() -> (Server, Client) {
    let server = Server::ours()
        .with(&["--enable-debug-command", "yes"])
        .start();
    let client = server.client();
    (server, client)
}

/// A server and a client of it.
fn server_and_client() -> (Server, Client) {
    let server = Server::start();
    let client = server.client();
    (server, client)
}
