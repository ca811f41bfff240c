//! The server commands: those that reach beyond the keyspace.

pub mod connection;

use super::ServerCommand;

/// All server commands.
pub const TABLES: &[&[ServerCommand]] = &[connection::TABLE];
