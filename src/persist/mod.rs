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

use crate::keyspace::DbIndex;
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
    opens_log: bool,
    /// The totals of the last load.
    tally: load::Tally,
    /// The replication fields of the last load.
    position: load::Position,
    /// Overdue keys that it had.
    dropped: Dropped,
    /// Bytes behind its end.
    left_over: usize,
    /// The snapshot on disk was made for replicas.
    for_replicas: bool,
}

/// Keys that a load dropped because they were overdue.
pub type Dropped = Vec<(DbIndex, Vec<u8>)>;

impl Persist {
    /// Returns whether the data being loaded, or loaded at start-up, is the AOF.
    pub fn opens_log(&self) -> bool {
        self.opens_log
    }

    /// Sets whether the start loads the AOF.
    pub fn set_opens_log(&mut self, opens_log: bool) {
        self.opens_log = opens_log;
    }

    /// Keeps the results of a load that has ended.
    pub fn loaded(&mut self, loading: Loading) {
        self.tally = loading.tally;
        self.left_over = loading.left_over;
        self.position = loading.position;
        self.dropped = loading.dropped;
    }

    /// Returns the totals of the last load.
    pub fn tally(&self) -> &load::Tally {
        &self.tally
    }

    /// Returns the replication fields of the last load.
    pub fn position(&self) -> &load::Position {
        &self.position
    }

    /// Takes the replication fields of the last load.
    pub fn take_position(&mut self) -> load::Position {
        std::mem::take(&mut self.position)
    }

    /// Takes the overdue keys of the last load.
    pub fn take_dropped(&mut self) -> Dropped {
        std::mem::take(&mut self.dropped)
    }

    /// Returns the bytes behind the end of the snapshot that was loaded last.
    pub fn left_over(&self) -> usize {
        self.left_over
    }

    /// Returns whether the snapshot on disk was made for replicas.
    pub fn is_for_replicas(&self) -> bool {
        self.for_replicas
    }

    /// Sets whether the snapshot on disk was made for replicas.
    pub fn set_for_replicas(&mut self, for_replicas: bool) {
        self.for_replicas = for_replicas;
    }

    /// The error of writes while the disk does not take them: a snapshot failed, which only counts
    /// where `save_failure_stops_writes`, or the log cannot be written.
    pub fn disk_error(&self, save_failure_stops_writes: bool) -> Option<String> {
        if save_failure_stops_writes && self.saves.results().last_failed {
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
