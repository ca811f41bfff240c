//! The timers of the server: one wheel for everything that happens at a moment.

use crate::server::clients::session::ClientId;
use crate::types::wheel::{Timed, Wheel};

/// How often a verbose log describes the databases, in milliseconds.
pub const REPORT_MS: u64 = 5_000;

/// What a timer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    Cron,
    /// The start is over: its code need not stay in memory.
    StartOver,
    /// Look whether a client has been idle for too long.
    /// Only the latest round counts: a change of `timeout` begins another.
    ClientIdle(ClientId, u32),
    /// A client's time to wait for a key may be over.
    WaitOver(ClientId),
    /// A pause may be over.
    PauseEnd,
    /// What was flushed may be freed by now.
    Freed,
    /// A replica looks after its link; only its latest round counts.
    Follow(u64),
    /// Replicas are to be looked at.
    Replicas,
    /// The log may be safe further than it was.
    Synced,
    /// Handing over to a replica has taken its time.
    Failover,
    /// A client exceeded the soft limit of its output a while ago.
    SlowReader(ClientId),
}

/// A timer with its moment, in monotonic milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Armed {
    at_ms: u64,
    pub timer: Timer,
}

impl Timed for Armed {
    fn deadline_ms(&self, _: u64) -> u64 {
        self.at_ms
    }
}

/// The server's timers.
pub struct Timers {
    pub wheel: Wheel<Armed>,
    /// The round of idle timers that counts.
    pub idle_round: u32,
    /// The moment of the next log lines about the databases.
    pub report_ms: u64,
}

impl Timers {
    pub fn new(now_ms: u64) -> Self {
        Timers {
            wheel: Wheel::new(now_ms),
            idle_round: 0,
            report_ms: now_ms + REPORT_MS,
        }
    }

    pub fn arm(&mut self, at_ms: u64, timer: Timer) {
        self.wheel.insert(at_ms, Armed { at_ms, timer });
    }
}
