//! The latency monitor: for each kind of event, the worst of the latest seconds in which one took
//! longer than `latency-monitor-threshold` milliseconds.
//!
//! Written by the server after commands and slices of background work; read by LATENCY.

use std::collections::BTreeMap;

/// Samples an event keeps, as in Redis.
const SAMPLES: usize = 160;
/// Lines of a graph.
const GRAPH_LINES: usize = 4;

/// The worst latency of one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    pub unix_s: i64,
    pub latency_ms: u64,
}

/// The samples of one kind of event, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Series {
    pub samples: Vec<Sample>,
    /// The worst since the last reset.
    pub max_ms: u64,
}

/// The summary of an event's samples.
pub struct Summary {
    pub spikes: usize,
    pub average_ms: u64,
    pub mean_deviation_ms: u64,
    /// Seconds between two spikes, on average.
    pub period_s: f64,
}

/// The latency monitor.
#[derive(Debug, Default)]
pub struct Latency {
    events: BTreeMap<&'static str, Series>,
    /// 0 turns the monitor off.
    pub threshold_ms: u64,
}

impl Latency {
    /// Notes an event if it took long enough.
    pub fn note(&mut self, event: &'static str, unix_s: i64, latency_ms: u64) {
        if self.threshold_ms == 0 || latency_ms < self.threshold_ms {
            return;
        }
        let series = self.events.entry(event).or_default();
        series.max_ms = series.max_ms.max(latency_ms);
        match series.samples.last_mut() {
            Some(last) if last.unix_s == unix_s => {
                last.latency_ms = last.latency_ms.max(latency_ms);
            }
            _ => {
                if series.samples.len() == SAMPLES {
                    series.samples.remove(0);
                }
                series.samples.push(Sample { unix_s, latency_ms });
            }
        }
    }

    /// The events that were noted, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Series)> {
        self.events.iter().map(|(name, series)| (*name, series))
    }

    pub fn len(&self) -> usize {
        self.events.len()
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The samples of an event by its name, which is case-sensitive.
    pub fn get(&self, event: &[u8]) -> Option<(&'static str, &Series)> {
        self.iter().find(|(name, _)| name.as_bytes() == event)
    }

    /// Forgets an event; whether there was one.
    pub fn reset(&mut self, event: &[u8]) -> bool {
        let name = self.get(event).map(|(name, _)| name);
        name.is_some_and(|name| self.events.remove(name).is_some())
    }

    /// Forgets all events; how many there were.
    pub fn reset_all(&mut self) -> usize {
        std::mem::take(&mut self.events).len()
    }
}

impl Series {
    pub fn summary(&self) -> Summary {
        let count = self.samples.len().max(1) as u64;
        let sum: u64 = self.samples.iter().map(|s| s.latency_ms).sum();
        let average_ms = sum / count;
        let deviations: u64 = self
            .samples
            .iter()
            .map(|s| s.latency_ms.abs_diff(average_ms))
            .sum();
        let span_s = match (self.samples.first(), self.samples.last()) {
            (Some(first), Some(last)) => (last.unix_s - first.unix_s) as f64,
            _ => 0.0,
        };
        Summary {
            spikes: self.samples.len(),
            average_ms,
            mean_deviation_ms: deviations / count,
            period_s: span_s / (count.max(2) - 1) as f64,
        }
    }

    /// A graph of ASCII characters: a column per sample, its height the latency, under it how long
    /// ago it was.
    pub fn graph(&self, name: &str, now_s: i64) -> String {
        let latencies = || self.samples.iter().map(|s| s.latency_ms);
        let (low, high) = (
            latencies().min().unwrap_or(0),
            latencies().max().unwrap_or(0),
        );
        let mut text = format!(
            "{name} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n",
            self.max_ms,
            "-".repeat(80)
        );
        // The lowest sample lies on the ground, the highest reaches the last line.
        let height = |ms: u64| ((ms - low) * (GRAPH_LINES as u64 - 1)) / (high - low).max(1);
        for line in (0..GRAPH_LINES as u64).rev() {
            for ms in latencies() {
                let top = height(ms);
                text.push(match () {
                    () if line > top => ' ',
                    () if line < top => '|',
                    () if ms == high => '#',
                    () => '_',
                });
            }
            text.push('\n');
        }
        let labels: Vec<Vec<u8>> = self
            .samples
            .iter()
            .map(|s| age(now_s - s.unix_s).into_bytes())
            .collect();
        let longest = labels.iter().map(Vec::len).max().unwrap_or(0);
        text.push('\n');
        for line in 0..longest {
            for label in &labels {
                text.push(*label.get(line).unwrap_or(&b' ') as char);
            }
            text.push('\n');
        }
        text
    }
}

/// `5s`, `3m`, `2h`, `9d`.
fn age(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m", s / 60),
        s @ 3600..86400 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_a_second_counts() {
        let mut latency = Latency::default();
        latency.note("command", 1, 100);
        assert!(latency.is_empty(), "off by default");
        latency.threshold_ms = 10;
        latency.note("command", 1, 9);
        for (s, ms) in [(1, 10), (1, 30), (1, 20), (3, 50)] {
            latency.note("command", s, ms);
        }
        let (_, series) = latency.get(b"command").expect("it was noted");
        let pairs: Vec<(i64, u64)> = series
            .samples
            .iter()
            .map(|s| (s.unix_s, s.latency_ms))
            .collect();
        assert_eq!(pairs, [(1, 30), (3, 50)]);
        let summary = series.summary();
        assert_eq!((summary.average_ms, summary.mean_deviation_ms), (40, 10));
        assert_eq!(summary.period_s, 2.0);
        assert!(latency.reset(b"command") && !latency.reset(b"command"));
    }

    #[test]
    fn only_the_latest_are_kept() {
        let mut latency = Latency {
            threshold_ms: 1,
            ..Latency::default()
        };
        (0..200).for_each(|s| latency.note("fork", s, 1 + s as u64));
        let (_, series) = latency.get(b"fork").expect("it was noted");
        assert_eq!((series.samples.len(), series.samples[0].unix_s), (160, 40));
        assert_eq!(series.max_ms, 200);
        assert_eq!(latency.reset_all(), 1);
    }

    #[test]
    fn a_graph_has_a_column_per_sample() {
        let mut latency = Latency {
            threshold_ms: 1,
            ..Latency::default()
        };
        for (s, ms) in [(0, 50), (2, 100), (3, 30)] {
            latency.note("command", s, ms);
        }
        let (name, series) = latency.get(b"command").expect("it was noted");
        let graph = series.graph(name, 100);
        assert!(graph.starts_with("command - high 100 ms, low 30 ms (all time high 100 ms)\n---"));
        let lines: Vec<&str> = graph.lines().skip(2).collect();
        assert_eq!(lines, [" # ", " | ", " | ", "_|_", "", "111", "mmm"]);
    }
}
