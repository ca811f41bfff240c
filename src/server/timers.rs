//! The timers of the server: one timing wheel for all deadlines.

use crate::server::clients::session::ClientId;
use crate::types::wheel::{Step, Timed, Wheel};

/// Interval of the log lines about the databases at level verbose, in milliseconds.
const REPORT_MS: u64 = 5_000;

/// The purpose of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    Cron,
    /// Startup is over: its code need not stay in memory.
    StartOver,
    /// Check a client for `timeout`. Only the latest round counts: a change of `timeout` starts a
    /// new one.
    ClientIdle(ClientId, u32),
    /// A blocked client may have reached its timeout.
    WaitOver(ClientId),
    /// A pause may have ended.
    PauseEnd,
    /// Flushed data may have been freed by now.
    Freed,
    /// Replication cron of a replica; only the timer of the latest round counts.
    Follow(u64),
    /// Replication cron of a primary.
    Replicas,
    /// The AOF may have been fsynced further.
    Synced,
    /// A failover may have timed out.
    Failover,
    /// A TLS handshake may have taken too long.
    Handshake(ClientId),
    /// A client exceeded the soft limit of its output buffer.
    SlowReader(ClientId),
}

/// A timer with its deadline, in monotonic milliseconds.
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
    wheel: Wheel<Armed>,
    /// The current round of idle timers.
    idle_round: u32,
    /// Time of the next log lines about the databases, in monotonic milliseconds.
    report_ms: u64,
    /// Cron is disabled, for tests (DEBUG PAUSE-CRON).
    cron_paused: bool,
}

impl Timers {
    pub fn new(now_ms: u64) -> Self {
        Timers {
            wheel: Wheel::new(now_ms),
            idle_round: 0,
            cron_paused: false,
            report_ms: now_ms + REPORT_MS,
        }
    }

    /// Advances the wheel to a time; see `Wheel::step`.
    pub fn step(&mut self, now_ms: u64) -> Step<Armed> {
        self.wheel.step(now_ms)
    }

    /// Returns the time at which the next timer may be due, in monotonic milliseconds.
    pub fn wake_ms(&self) -> Option<u64> {
        self.wheel.wake_ms()
    }

    /// Returns whether idle timers of this round count.
    pub fn is_idle_round(&self, round: u32) -> bool {
        round == self.idle_round
    }

    /// Returns the current round of idle timers.
    pub fn idle_round(&self) -> u32 {
        self.idle_round
    }

    /// Begins a new round of idle timers; those of earlier rounds have no effect.
    pub fn next_idle_round(&mut self) {
        self.idle_round = self.idle_round.wrapping_add(1);
    }

    /// Returns whether the log lines about the databases are due, and sets the time of the next.
    pub fn is_report_due(&mut self, now_ms: u64) -> bool {
        let is_due = now_ms >= self.report_ms;
        if is_due {
            self.report_ms = now_ms + REPORT_MS;
        }
        is_due
    }

    /// Disables or enables cron, for tests (DEBUG PAUSE-CRON).
    pub fn pause_cron(&mut self, paused: bool) {
        self.cron_paused = paused;
    }

    /// Returns whether cron is disabled.
    pub fn is_cron_paused(&self) -> bool {
        self.cron_paused
    }

    pub fn arm(&mut self, at_ms: u64, timer: Timer) {
        self.wheel.insert(at_ms, Armed { at_ms, timer });
    }
}
