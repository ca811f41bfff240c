//! The save points that make a snapshot due, and the results of the latest ones.

/// The delay after a failed background save before the save points count again, in seconds.
const RETRY_S: i64 = 5;

/// The save points, and the results of the latest snapshots. Times are Unix seconds.
#[derive(Clone, Debug, Default)]
pub struct Saves {
    /// The value of `Effects::dirty` when the data on disk was taken.
    clean_at: u64,
    /// BGSAVE SCHEDULE waits for another child to end.
    scheduled: bool,
    results: SaveResults,
}

/// The results of the latest snapshots, as INFO shows them. Times are Unix seconds.
#[derive(Clone, Debug)]
pub struct SaveResults {
    pub last_save_s: i64,
    pub last_try_s: i64,
    pub last_failed: bool,
    /// Background saves that failed since the last that succeeded.
    pub failures_in_a_row: u64,
    /// Seconds that the last background save took; -1 for none yet.
    pub last_took_s: i64,
    pub saves: u64,
    pub last_copied_bytes: u64,
}

impl Default for SaveResults {
    fn default() -> Self {
        SaveResults {
            last_save_s: 0,
            last_try_s: 0,
            last_failed: false,
            failures_in_a_row: 0,
            last_took_s: -1,
            saves: 0,
            last_copied_bytes: 0,
        }
    }
}

impl Saves {
    /// Returns the results of the latest snapshots.
    pub fn results(&self) -> &SaveResults {
        &self.results
    }

    /// Counts the start of the server as a save, as Redis does.
    pub fn start(&mut self, now_s: i64) {
        self.results.last_save_s = now_s;
    }

    /// Counts a save that begins.
    pub fn count(&mut self) {
        self.results.saves += 1;
    }

    /// Records that a background save begins.
    pub fn begin(&mut self, now_s: i64) {
        self.count();
        self.results.last_try_s = now_s;
    }

    /// Records how long a child took for a snapshot, in seconds.
    pub fn took(&mut self, seconds: i64) {
        self.results.last_took_s = seconds;
    }

    /// Records how much memory a child copied, if it reported that.
    pub fn copied(&mut self, bytes: Option<u64>) {
        self.results.last_copied_bytes = bytes.unwrap_or(self.results.last_copied_bytes);
    }

    /// Records that the data set is the one on disk: it was loaded from there.
    pub fn set_clean(&mut self, dirty: u64) {
        self.clean_at = dirty;
    }

    /// Forgets the failures in a row (CONFIG RESETSTAT).
    pub fn reset_failures(&mut self) {
        self.results.failures_in_a_row = 0;
    }

    /// Schedules a save for when no other child is running.
    pub fn schedule(&mut self) {
        self.scheduled = true;
    }

    /// Cancels the scheduled save. Returns whether there was one.
    pub fn unschedule(&mut self) -> bool {
        std::mem::take(&mut self.scheduled)
    }

    /// Returns whether a save is scheduled that may be tried now.
    pub fn is_scheduled(&self, now_s: i64) -> bool {
        self.scheduled && self.may_retry(now_s)
    }

    /// The save point (seconds, changes) that makes a snapshot due now.
    pub fn due(&self, points: &[(i64, i64)], dirty: u64, now_s: i64) -> Option<(i64, i64)> {
        let changes = self.changes(dirty);
        let reached = |&&(seconds, least): &&(i64, i64)| {
            changes >= least.max(0) as u64 && now_s - self.results.last_save_s > seconds
        };
        points
            .iter()
            .find(reached)
            .copied()
            .filter(|_| self.may_retry(now_s))
    }

    /// Whether a save that is scheduled may be tried again.
    fn may_retry(&self, now_s: i64) -> bool {
        !self.results.last_failed || now_s - self.results.last_try_s > RETRY_S
    }

    /// Changes since the data on disk was taken.
    pub fn changes(&self, dirty: u64) -> u64 {
        dirty.saturating_sub(self.clean_at)
    }

    /// Records that the data as of `clean_at` is on disk. It may be older than the save that
    /// FLUSHALL made while a finished child had not been reaped yet.
    pub fn done(&mut self, clean_at: u64, now_s: i64) {
        self.clean_at = self.clean_at.max(clean_at);
        self.results.last_save_s = now_s;
        self.results.last_failed = false;
        self.results.failures_in_a_row = 0;
    }

    /// Records that a background save failed.
    pub fn failed(&mut self) {
        self.results.last_failed = true;
        self.results.failures_in_a_row += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_save_reaped_later_makes_nothing_unsaved() {
        let mut saves = Saves::default();
        saves.done(7, 100);
        saves.done(5, 101);
        assert_eq!((saves.changes(7), saves.results.last_save_s), (0, 101));
    }

    #[test]
    fn a_point_is_due_after_its_time_and_changes() {
        let mut saves = Saves {
            clean_at: 5,
            ..Saves::default()
        };
        saves.start(100);
        let points = [(60, 10), (10, 100)];
        assert_eq!(saves.due(&points, 200, 105), None);
        assert_eq!(saves.due(&points, 105, 111), Some((10, 100)));
        assert_eq!(saves.due(&points, 104, 111), None);
        assert_eq!(saves.due(&points, 15, 161), Some((60, 10)));
        saves.begin(160);
        saves.failed();
        assert_eq!(saves.due(&points, 15, 161), None);
        assert_eq!(saves.due(&points, 15, 166), Some((60, 10)));
    }
}
