//! Self-observation: the command logs, the latency monitor, and the hottest keys.
//!
//! The path of a command pays one branch for all of it: its duration is compared with `noticed_ns`,
//! the least of the thresholds, and its reply with the threshold of large ones. After a command of half a millisecond the clock is read anew.

pub mod commandlog;
pub mod hotkeys;
pub mod latency;

use commandlog::CommandLogs;
use hotkeys::Hotkeys;
use latency::Latency;

/// After a command that took this long, what follows in the same turn must see that time went on.
const STALE_NS: u64 = 500_000;

/// The observers and their thresholds.
#[derive(Default)]
pub struct Observe {
    pub logs: CommandLogs,
    pub latency: Latency,
    /// The collection of HOTKEYS, until its results are forgotten.
    pub hotkeys: Option<Box<Hotkeys>>,
    /// A command that takes this long or longer is looked at.
    noticed_ns: u64,
    /// `latency-tracking`: durations of commands go into their histograms.
    tracking: bool,
    /// Time of the last log line about a connection that spoke HTTP, in monotonic milliseconds.
    cross_protocol_ms: Option<u64>,
}

impl Observe {
    /// Returns whether a command that took so many nanoseconds and replied so many bytes is looked
    /// at.
    #[inline(always)]
    pub fn is_noticed(&self, ns: u64, replied: usize) -> bool {
        (ns >= self.noticed_ns) | (replied >= self.logs.reply_bytes)
    }

    /// Returns whether durations of commands go into their histograms.
    #[inline(always)]
    pub fn tracks_latency(&self) -> bool {
        self.tracking
    }

    /// Returns whether a connection that speaks HTTP is logged: once in `quiet_ms` milliseconds.
    pub fn logs_cross_protocol(&mut self, now_ms: u64, quiet_ms: u64) -> bool {
        let last_ms = self.cross_protocol_ms;
        let logs = last_ms.is_none_or(|ms| now_ms.saturating_sub(ms) > quiet_ms);
        if logs {
            self.cross_protocol_ms = Some(now_ms);
        }
        logs
    }

    /// Whether the hottest keys are being collected; ends the collection when its time is over.
    pub fn is_collecting(&mut self, now_ms: u64) -> bool {
        let hotkeys = self.hotkeys.as_mut();
        hotkeys.is_some_and(|hotkeys| hotkeys.check_time(now_ms))
    }

    /// Records an event of so many microseconds that is not a command, at a time in Unix seconds.
    pub fn note(&mut self, event: &'static str, now_s: i64, us: u64) {
        self.latency.note(event, now_s, us / 1000);
    }

    /// Takes over the thresholds: microseconds for the slow log, negative for none; milliseconds for
    /// the latency monitor, 0 for none.
    pub fn configure(&mut self, slower_than_us: i64, latency_ms: u64, tracking: bool) {
        self.logs.slow_ns =
            u64::try_from(slower_than_us).map_or(u64::MAX, |us| us.saturating_mul(1000));
        self.latency.threshold_ms = latency_ms;
        self.tracking = tracking;
        let monitored_ns = match latency_ms {
            0 => u64::MAX,
            ms => ms.saturating_mul(1_000_000),
        };
        self.noticed_ns = self.logs.slow_ns.min(monitored_ns).min(STALE_NS);
    }

    /// Takes over the thresholds of large requests and replies in bytes, negative for none.
    pub fn configure_sizes(&mut self, request: i64, reply: i64) {
        let bytes = |threshold| usize::try_from(threshold).unwrap_or(usize::MAX);
        self.logs.request_bytes = bytes(request);
        self.logs.reply_bytes = bytes(reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_threshold_decides_what_is_timed() {
        let mut observe = Observe::default();
        for (slower_us, latency_ms, noticed) in [
            (-1, 0, STALE_NS),
            (0, 0, 0),
            (100, 0, 100_000),
            (10_000, 5, STALE_NS),
            (400, 5, 400_000),
        ] {
            observe.configure(slower_us, latency_ms, true);
            assert_eq!(observe.noticed_ns, noticed);
        }
    }
}
