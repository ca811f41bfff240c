//! Latency histograms with the buckets of HdrHistogram, as Redis configures it: 1 ns to 1 s, two
//! significant digits.
//!
//! Values below 256 are counted exactly; above, each power of two is cut into 128 equal buckets:
//!
//! ```text
//!   range       0..256   256..512   512..1024   …   2^29..2^30
//!   step           1         2          4       …      2^22
//!   buckets       256       128        128      …      128         3072 in all
//! ```
//!
//! So a value is known to within 0.8 %, and recording is a shift and an increment. Buckets are
//! allocated per power of two when first hit: commands that are never called cost nothing, others
//! a few KiB. Held by the command statistics; read by INFO latencystats and LATENCY HISTOGRAM.

/// Buckets in one row.
const HALF: usize = 128;
/// Rows: the two of the exact range and one for each power of two up to 2^30.
const ROWS: usize = 24;
/// The value that larger ones are clamped to: Redis tracks nothing above a second.
const MAX_NS: u64 = 1_000_000_000;
/// The first limit LATENCY HISTOGRAM prints.
const FIRST_LIMIT_NS: u64 = 1024;

type Row = Option<Box<[u64; HALF]>>;

/// Counts of latencies.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    rows: Option<Box<[Row; ROWS]>>,
    total: u64,
}

impl Histogram {
    /// Counts one latency, clamped to 1 ns … 1 s.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        let (row, column) = bucket(ns.clamp(1, MAX_NS));
        let rows = self.rows.get_or_insert_with(Default::default);
        match &mut rows[row] {
            Some(counts) => counts[column] += 1,
            empty => {
                let mut counts = Box::new([0; HALF]);
                counts[column] = 1;
                *empty = Some(counts);
            }
        }
        self.total += 1;
    }

    /// The number of latencies recorded.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The largest value (in ns) of the bucket that holds the given percentile; 0 when empty.
    pub fn percentile(&self, percentile: f64) -> u64 {
        let share = percentile.min(100.0) / 100.0;
        let wanted = ((share * self.total as f64 + 0.5) as u64).max(1);
        let mut seen = 0;
        for (row, column, count) in self.buckets() {
            seen += count;
            if seen >= wanted {
                let (lowest, highest) = bounds(row, column);
                return if percentile == 0.0 { lowest } else { highest };
            }
        }
        0
    }

    /// The rows of LATENCY HISTOGRAM: pairs of a limit in µs and the number of latencies at or
    /// below it, for limits of about 1, 2, 4 … µs, without those that add nothing.
    pub fn cumulative_log2(&self) -> Vec<(u64, u64)> {
        let mut pairs = Vec::new();
        let mut buckets = self.buckets().peekable();
        let (mut limit, mut seen, mut printed) = (FIRST_LIMIT_NS, 0, 0);
        while seen < self.total {
            // The bucket that the limit falls into belongs to this step as a whole.
            let last = if limit < 1 << 30 {
                bucket(limit)
            } else {
                (ROWS - 1, HALF - 1)
            };
            while let Some((.., count)) = buckets.next_if(|b| (b.0, b.1) <= last) {
                seen += count;
            }
            if seen > printed {
                pairs.push((bounds(last.0, last.1).1 / 1000, seen));
                printed = seen;
            }
            limit *= 2;
        }
        pairs
    }

    /// The buckets that are not empty, in order.
    fn buckets(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        let rows = self.rows.iter().flat_map(|rows| rows.iter().enumerate());
        rows.flat_map(|(row, counts)| {
            let columns = counts.iter().flat_map(|counts| counts.iter().enumerate());
            columns
                .filter(|(_, count)| **count > 0)
                .map(move |(column, count)| (row, column, *count))
        })
    }
}

/// Row and column of a value.
#[inline]
fn bucket(ns: u64) -> (usize, usize) {
    let row = (57 - (ns | 127).leading_zeros()) as usize;
    (row, (ns >> row.saturating_sub(1)) as usize & (HALF - 1))
}

/// The least and the greatest value of a bucket.
fn bounds(row: usize, column: usize) -> (u64, u64) {
    let shift = row.saturating_sub(1);
    let base = if row == 0 { 0 } else { HALF };
    let lowest = ((base + column) as u64) << shift;
    (lowest, lowest + (1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|&v| histogram.record(v));
        histogram
    }

    #[test]
    fn buckets_are_gapless() {
        let mut next = 0;
        for row in 0..ROWS {
            for column in 0..HALF {
                let (lowest, highest) = bounds(row, column);
                assert_eq!(lowest, next);
                assert_eq!(bucket(lowest), (row, column));
                assert_eq!(bucket(highest), (row, column));
                next = highest + 1;
            }
        }
        assert_eq!(next, 1 << 30);
    }

    #[test]
    fn percentiles() {
        let histogram = of(&[1000, 1000, 1000, 2000]);
        assert_eq!(histogram.percentile(50.0), 1003);
        assert_eq!(histogram.percentile(99.0), 2007);
        assert_eq!(histogram.percentile(0.0), 1000);
        assert_eq!(Histogram::default().percentile(50.0), 0);
        assert_eq!(of(&[0]).percentile(100.0), 1);
        assert_eq!(of(&[u64::MAX]).percentile(99.9), 1_002_438_655);
    }

    #[test]
    fn cumulative_counts() {
        assert_eq!(of(&[]).cumulative_log2(), []);
        assert_eq!(of(&[1]).cumulative_log2(), [(1, 1)]);
        assert_eq!(of(&[1030, 1032]).cumulative_log2(), [(1, 1), (2, 2)]);
        assert_eq!(
            of(&[500, 3000, 100_000]).cumulative_log2(),
            [(1, 1), (4, 2), (132, 3)]
        );
        assert_eq!(of(&[MAX_NS, 5]).cumulative_log2(), [(1, 1), (1_073_741, 2)]);
    }

    proptest::proptest! {
        #[test]
        fn a_percentile_is_near_the_sorted_value(mut values in proptest::collection::vec(1..MAX_NS, 1..200)) {
            let histogram = of(&values);
            values.sort_unstable();
            let median = values[((values.len() as f64 * 0.5 + 0.5) as usize).max(1) - 1];
            let found = histogram.percentile(50.0);
            proptest::prop_assert!(found >= median && found - median <= median / 128);
        }
    }
}
