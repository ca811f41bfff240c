//! The model of a command: its declaration, arguments, replies and effects.

pub mod args;
pub mod blocking;
pub mod context;
pub mod effects;
pub mod error;
pub mod keys;
pub mod reply;
pub mod settle;
pub mod spec;
pub mod usage;

pub use args::Args;
pub use blocking::Wait;
pub use context::Cx;
pub use error::{CmdError, CmdResult};
pub use reply::Reply;
pub use spec::Entry;

/// The function of a data command: it can reach the keyspace, and nothing of the server.
pub type DataFn = for<'a> fn(&mut Cx<'_>, &mut Args<'a>, &mut Reply<'_>) -> CmdResult;
/// A data command as it is declared.
pub type DataCommand = Entry<DataFn>;

/// The function of a command with subcommands that is called without one. The arity requires one,
/// so this is unreachable unless that were wrong; the reply is the same.
pub fn container(_: &mut Cx, args: &mut Args, _: &mut Reply) -> CmdResult {
    let name = String::from_utf8_lossy(args.argv().at(0)).to_lowercase();
    Err(CmdError::Arity(name))
}
