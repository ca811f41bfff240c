//! The memory of the process: what the system reports, the peak, and the release of idle memory.
//!
//! The allocator keeps freed pages for the next burst, and has no clock of its own: a server
//! without traffic after a large reply would hold them for ever. So cron samples the resident
//! memory and the memory in use at intervals, and releases idle memory if much has been idle since
//! the previous sample. Where that has no effect, because the gaps lie between values, the interval
//! grows.

use crate::sys::memory::{self, Peak};
use crate::sys::process;
use std::cell::Cell;

/// The interval between two samples, in milliseconds.
const LOOK_MS: u64 = 2_000;
/// The longest interval between two samples, in milliseconds, where releasing has had no effect.
const RARELY_MS: u64 = 120_000;
/// Idle memory that is kept, in bytes: a reserve for the next burst, which includes the program
/// itself.
const KEEP: u64 = 24 << 20;
/// Idle memory that is kept, as a fraction (1/n) of the memory in use.
const KEEP_PART: u64 = 8;

/// The memory of the process, as far as it is sampled.
#[derive(Default)]
pub struct Memory {
    /// Bytes in use at the end of startup.
    startup_bytes: usize,
    /// The peak since.
    pub peak: Peak,
    /// The last figures of the system, for INFO.
    last: Cell<Resident>,
    /// Memory held by the allocator but not used.
    slack: Slack,
}

/// Memory figures of the system and the allocator in bytes, and the time they were read.
#[derive(Clone, Copy, Default)]
pub struct Resident {
    at_ms: i64,
    /// Resident set size.
    pub rss: usize,
    /// Committed by the allocator, used or not.
    pub committed: usize,
}

impl Memory {
    /// Notes the bytes in use at the end of startup.
    pub fn note_startup(&mut self, bytes: usize) {
        self.startup_bytes = bytes;
    }

    /// Returns the bytes in use at the end of startup.
    pub fn startup_bytes(&self) -> usize {
        self.startup_bytes
    }

    /// Returns the figures of the system, read anew if they are older than 100 ms: reading them is
    /// a slow system call.
    pub fn resident(&self, now_ms: i64) -> Resident {
        let known = self.last.get();
        if (0..100).contains(&(now_ms - known.at_ms)) {
            return known;
        }
        let fresh = Resident {
            at_ms: now_ms,
            rss: process::rss_bytes() as usize,
            committed: memory::committed_bytes(),
        };
        self.last.set(fresh);
        fresh
    }

    /// Releases unused memory to the system if there has been much of it for a while. `used`: the
    /// bytes of the keyspace.
    pub(in crate::server) fn give_back_slack(&mut self, used: u64, now_ms: u64) {
        if now_ms < self.slack.next_ms {
            return;
        }
        let before = process::rss_bytes();
        if self.slack.is_much(used, before) {
            memory::collect();
            let idle = process::rss_bytes().saturating_sub(used);
            self.slack.note(idle);
        }
        self.slack.next_ms = now_ms + self.slack.period_ms;
    }
}

/// The state of the sampling by cron.
#[derive(Debug)]
pub struct Slack {
    next_ms: u64,
    period_ms: u64,
    /// The idle memory at the last sample, in bytes.
    idle: u64,
}

impl Default for Slack {
    fn default() -> Slack {
        Slack {
            next_ms: 0,
            period_ms: LOOK_MS,
            idle: 0,
        }
    }
}

impl Slack {
    /// Returns true if idle memory should be released, given the bytes in use and the resident
    /// bytes.
    fn is_much(&mut self, used: u64, resident: u64) -> bool {
        let idle = resident.saturating_sub(used);
        let lasting = std::mem::replace(&mut self.idle, idle).min(idle);
        lasting > KEEP + used / KEEP_PART
    }

    /// Records the idle memory that is left after a release, in bytes.
    fn note(&mut self, idle: u64) {
        self.period_ms = match idle <= self.idle / 4 * 3 {
            true => LOOK_MS,
            false => (self.period_ms * 2).min(RARELY_MS),
        };
        self.idle = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_idle_is_given_back_and_what_cannot_be_is_tried_rarely() {
        const MB: u64 = 1 << 20;
        let mut slack = Slack::default();
        // A burst: over by the second sample.
        assert!(!slack.is_much(100 * MB, 300 * MB));
        assert!(!slack.is_much(100 * MB, 120 * MB));
        // Idle memory that stays.
        assert!(!slack.is_much(100 * MB, 300 * MB));
        assert!(slack.is_much(100 * MB, 300 * MB));
        slack.note(10 * MB);
        assert_eq!(slack.period_ms, LOOK_MS);
        for wait_ms in [4_000, 8_000, 16_000, 32_000, 64_000, 120_000, 120_000] {
            assert!(!slack.is_much(100 * MB, 300 * MB));
            assert!(slack.is_much(100 * MB, 300 * MB));
            slack.note(190 * MB);
            assert_eq!(slack.period_ms, wait_ms);
        }
    }
}
