//! What the server notes about itself: slow commands and spikes of latency.
//!
//! The path of a command pays one comparison for all of it: its duration against `noticed_ns`, the
//! least that anything here wants to hear of.

pub mod latency;
pub mod slowlog;

use latency::Latency;
use slowlog::Slowlog;

/// The observers and their thresholds.
#[derive(Default)]
pub struct Observe {
    pub slowlog: Slowlog,
    pub latency: Latency,
    /// A command that takes this long or longer is noted somewhere.
    pub noticed_ns: u64,
    /// `latency-tracking`: durations of commands go into their histograms.
    pub tracking: bool,
}

impl Observe {
    /// Takes over the thresholds: microseconds for the slow log, negative for none; milliseconds for
    /// the latency monitor, 0 for none.
    pub fn configure(&mut self, slower_than_us: i64, latency_ms: u64, tracking: bool) {
        self.slowlog.threshold_ns =
            u64::try_from(slower_than_us).map_or(u64::MAX, |us| us.saturating_mul(1000));
        self.latency.threshold_ms = latency_ms;
        self.tracking = tracking;
        let monitored_ns = match latency_ms {
            0 => u64::MAX,
            ms => ms.saturating_mul(1_000_000),
        };
        self.noticed_ns = self.slowlog.threshold_ns.min(monitored_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_threshold_is_what_is_noticed() {
        let mut observe = Observe::default();
        for (slower_us, latency_ms, noticed) in [
            (-1, 0, u64::MAX),
            (0, 0, 0),
            (10_000, 0, 10_000_000),
            (10_000, 5, 5_000_000),
            (-1, 5, 5_000_000),
        ] {
            observe.configure(slower_us, latency_ms, true);
            assert_eq!(observe.noticed_ns, noticed);
        }
    }
}
