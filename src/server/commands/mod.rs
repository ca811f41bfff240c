//! The server commands: those that reach beyond the keyspace.

pub mod client;
pub mod command;
pub mod connection;
pub mod monitor;

use super::session::Session;
use super::{Server, ServerCommand};
use crate::command::{Args, CmdError, CmdResult, Reply};

/// All server commands.
pub const TABLES: &[&[ServerCommand]] = &[
    client::TABLE,
    command::TABLE,
    connection::TABLE,
    monitor::TABLE,
];

/// A command that only its subcommands do something: without one, the arguments are too few.
pub(super) fn container(
    _: &mut Server,
    _: &mut Session,
    args: &mut Args,
    _: &mut Reply,
) -> CmdResult {
    let name = String::from_utf8_lossy(args.argv().at(0)).to_lowercase();
    Err(CmdError::Arity(name))
}
