//! The one child that may be running: a snapshot, or a new base of the log.

use crate::sys::fork::{Child, Report};

/// The task of the child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    Snapshot,
    Rewrite,
    /// A snapshot into the sockets of replicas.
    Transfer,
}

impl Purpose {
    /// Whether a snapshot is made, wherever it goes.
    pub fn is_snapshot(self) -> bool {
        self != Purpose::Rewrite
    }
}

/// The one child that may be running: a snapshot, or a new base of the AOF.
#[derive(Debug)]
pub struct ChildJob {
    pub purpose: Purpose,
    pub process: Child,
    /// Unix seconds.
    pub started_s: i64,
    /// The value of `Effects::dirty` at the fork.
    pub dirty: u64,
    /// Keys there were at the fork.
    pub keys: u64,
    pub report: Report,
    pub peak_copied_bytes: u64,
    pub reported_ms: u64,
}

impl ChildJob {
    /// The bytes copied for it, if it lived long enough to report them.
    pub fn copied_bytes(&self) -> Option<u64> {
        (self.reported_ms > 0).then_some(self.report.copied_bytes)
    }

    /// Reads the child's latest report.
    pub fn note_progress(&mut self, now_ms: u64) {
        if let Some(report) = self.process.latest_report() {
            self.report = report;
            self.peak_copied_bytes = self.peak_copied_bytes.max(report.copied_bytes);
            self.reported_ms = now_ms;
        }
    }
}
