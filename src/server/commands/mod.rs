//! The server commands: those that reach beyond the keyspace.

pub mod config;
pub mod connection;
pub mod info;
pub mod latency;
pub mod shutdown;
pub mod slowlog;

use super::session::Session;
use super::{Server, ServerCommand};
use crate::command::{Args, CmdError, CmdResult, Reply};

/// All server commands.
pub const TABLES: &[&[ServerCommand]] = &[
    config::TABLE,
    connection::TABLE,
    info::TABLE,
    latency::TABLE,
    shutdown::TABLE,
    slowlog::TABLE,
];

/// A container without a subcommand.
pub fn container(_: &mut Server, _: &mut Session, args: &mut Args, _: &mut Reply) -> CmdResult {
    let name = args.argv().at(0).to_ascii_lowercase();
    Err(CmdError::Arity(String::from_utf8_lossy(&name).into_owned()))
}
