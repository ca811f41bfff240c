//! Server commands: those that need more than the keyspace.

pub mod acl;
pub mod backup;
pub mod client;
pub mod cluster;
pub mod command;
pub mod commandlog;
pub mod config;
pub mod connection;
pub mod debug;
pub mod functions;
pub mod himport;
pub mod hotkeys;
pub mod info;
pub mod latency;
pub mod lolwut;
pub mod memory;
pub mod migrate;
pub mod modules;
pub mod monitor;
pub mod persistence;
pub mod pubsub;
pub mod replicaof;
pub mod replication;
pub mod scripting;
pub mod shutdown;
pub mod slowlog;
pub mod time;
pub mod transactions;
pub mod vectors;

use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};

/// All server commands.
pub const TABLES: &[&[ServerCommand]] = &[
    acl::TABLE,
    backup::TABLE,
    client::TABLE,
    cluster::TABLE,
    command::TABLE,
    commandlog::TABLE,
    config::TABLE,
    connection::TABLE,
    debug::TABLE,
    info::TABLE,
    latency::TABLE,
    lolwut::TABLE,
    memory::TABLE,
    migrate::TABLE,
    functions::TABLE,
    himport::TABLE,
    hotkeys::TABLE,
    modules::TABLE,
    monitor::TABLE,
    pubsub::TABLE,
    replication::TABLE,
    persistence::TABLE,
    replicaof::TABLE,
    scripting::TABLE,
    shutdown::TABLE,
    slowlog::TABLE,
    time::TABLE,
    transactions::TABLE,
    vectors::TABLE,
];

/// The handler of a container without a subcommand: a wrong number of arguments.
pub fn container(_: &mut Server, _: &mut Session, args: &mut Args, _: &mut Reply) -> CmdResult {
    let name = String::from_utf8_lossy(args.argv().at(0)).to_lowercase();
    Err(CmdError::Arity(name))
}
