//! Persistence: snapshots (RDB) and the append-only file (AOF).
//!
//! ```text
//!   save    the keyspace into a file, here or in a forked child
//!   transfer  the same into the sockets of replicas
//!   load    a file into the keyspace, slice by slice, so that clients get replies meanwhile
//!   child   the one child that may be at work
//!   policy  when a snapshot is due, and how the last one went
//!   aof     the log: manifest, writing, syncing, reading
//! ```
//!
//! Nothing here knows clients or the server: `server::storage::jobs` decides, and runs the
//! commands that a log is made of.

pub mod aof;
pub mod child;
pub mod load;
pub mod policy;
pub mod save;
pub mod transfer;

use aof::Aof;
use child::ChildJob;
use load::Loading;
use policy::Saves;

/// The persistent state of the server on disk, and the jobs that write it.
#[derive(Default)]
pub struct Persist {
    pub saves: Saves,
    pub child: Option<ChildJob>,
    /// Data that is being read at the start.
    pub loading: Option<Box<Loading>>,
    pub aof: Aof,
    /// The data being loaded, or loaded at start-up, is the AOF.
    pub opens_log: bool,
    /// The totals of the last load.
    pub loaded: load::Tally,
    /// The replication fields of the last load.
    pub loaded_position: load::Position,
    /// Overdue keys that it had.
    pub dropped: Vec<(crate::keyspace::DbIndex, Vec<u8>)>,
    /// Bytes behind its end.
    pub left_over: usize,
    /// The snapshot on disk was made for replicas.
    pub for_replicas: bool,
}

/// The text of a system error as Redis logs it.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// The current directory, for messages.
pub fn here() -> String {
    let unknown = || "unknown".into();
    std::env::current_dir().map_or_else(|_| unknown(), |dir| dir.display().to_string())
}
