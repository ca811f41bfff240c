//! Persistence: snapshots (RDB) and the append-only file (AOF).
//!
//! ```text
//!   save    the keyspace into a file, here or in a forked child
//!   transfer  the same into the sockets of replicas
//!   load    a file into the keyspace, slice by slice, so that clients get replies meanwhile
//!   child   the one child that may be at work
//!   policy  when a snapshot is due, and how the last one went
//!   aof     the log: manifest, writing, syncing, reading
//!   backup  copies of the log for keeping
//! ```
//!
//! Nothing here knows clients or the server: `server::storage::jobs` decides, and runs the
//! commands that a log is made of.

pub mod aof;
pub mod backup;
pub mod child;
pub mod load;
pub mod policy;
pub mod save;
pub mod transfer;

pub use crate::sys::reason;
use aof::Aof;
use backup::Backup;
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
    pub backup: Backup,
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

impl Persist {
    /// The error of writes while the disk does not take them: a snapshot failed, which only counts
    /// where `save_failure_stops_writes`, or the log cannot be written.
    pub fn disk_error(&self, save_failure_stops_writes: bool) -> Option<String> {
        if save_failure_stops_writes && self.saves.last_failed {
            return Some(
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to \
                 persist to disk. Commands that may modify the data set are disabled, because \
                 this instance is configured to report errors during writes if RDB snapshotting \
                 fails (stop-writes-on-bgsave-error option). Please check the Redis logs for \
                 details about the RDB error."
                    .into(),
            );
        }
        let why = self.aof.is_on().then(|| self.aof.failure())??;
        Some(format!("MISCONF Errors writing to the AOF file: {why}"))
    }
}

/// The current directory, for messages.
pub fn here() -> String {
    let unknown = || "unknown".into();
    std::env::current_dir().map_or_else(|_| unknown(), |dir| dir.display().to_string())
}
