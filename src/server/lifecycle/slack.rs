//! Memory that the allocator holds although nothing is in it.
//!
//! It keeps freed pages for the next burst, and has no clock of its own: a server that was left
//! alone after a large answer would hold them for ever. So cron looks now and then at what is
//! resident and at what is in use, and if much has been idle since the look before, gives it back.
//! Where that brings nothing, because the gaps lie between values, it is tried less and less often.

use crate::server::Server;
use crate::sys::{memory, process};

/// Between two looks.
const LOOK_MS: u64 = 2_000;
/// The most between two looks, where giving back has brought nothing.
const RARELY_MS: u64 = 120_000;
/// So much may be idle: it is for the next burst, and the program itself is in it.
const KEEP: u64 = 24 << 20;
/// The same as a part of what is in use.
const KEEP_PART: u64 = 8;

/// When and how cron looks.
#[derive(Debug)]
pub struct Slack {
    next_ms: u64,
    period_ms: u64,
    /// How much was idle at the last look.
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
    /// Whether to give back what is idle: so much in use, and so much resident.
    fn is_much(&mut self, used: u64, resident: u64) -> bool {
        let idle = resident.saturating_sub(used);
        let lasting = std::mem::replace(&mut self.idle, idle).min(idle);
        lasting > KEEP + used / KEEP_PART
    }

    /// Notes how much is idle after giving back.
    fn note(&mut self, idle: u64) {
        self.period_ms = match idle <= self.idle / 4 * 3 {
            true => LOOK_MS,
            false => (self.period_ms * 2).min(RARELY_MS),
        };
        self.idle = 0;
    }
}

/// Gives memory back in which nothing is, if there has been much of it for a while.
pub(in crate::server) fn give_back_slack(server: &mut Server, now_ms: u64) {
    if now_ms < server.life.slack.next_ms {
        return;
    }
    let used = server.keyspace.used_memory() as u64;
    let before = process::rss_bytes();
    if server.life.slack.is_much(used, before) {
        memory::collect();
        let idle = process::rss_bytes().saturating_sub(used);
        server.life.slack.note(idle);
    }
    server.life.slack.next_ms = now_ms + server.life.slack.period_ms;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_idle_is_given_back_and_what_cannot_be_is_tried_rarely() {
        const MB: u64 = 1 << 20;
        let mut slack = Slack::default();
        // A burst: at the second look it is over.
        assert!(!slack.is_much(100 * MB, 300 * MB));
        assert!(!slack.is_much(100 * MB, 120 * MB));
        // It stays.
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
