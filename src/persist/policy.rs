//! The save points that make a snapshot due, and the results of the latest ones.

/// The delay after a failed background save before the save points count again, in seconds.
const RETRY_S: i64 = 5;

/// The save points, and the results of the latest snapshots. Times are Unix seconds.
#[derive(Clone, Debug)]
pub struct Saves {
    /// The value of `Effects::dirty` when the data on disk was taken.
    pub clean_at: u64,
    pub last_save_s: i64,
    pub last_try_s: i64,
    pub last_failed: bool,
    /// Background saves that failed since the last that succeeded.
    pub failures_in_a_row: u64,
    /// Seconds that the last background save took; -1 for none yet.
    pub last_took_s: i64,
    pub saves: u64,
    pub last_copied_bytes: u64,
    /// BGSAVE SCHEDULE waits for another child to end.
    pub scheduled: bool,
}

impl Default for Saves {
    fn default() -> Self {
        Saves {
            clean_at: 0,
            last_save_s: 0,
            last_try_s: 0,
            last_failed: false,
            failures_in_a_row: 0,
            last_took_s: -1,
            saves: 0,
            last_copied_bytes: 0,
            scheduled: false,
        }
    }
}

impl Saves {
    /// The save point (seconds, changes) that makes a snapshot due now.
    pub fn due(&self, points: &[(i64, i64)], dirty: u64, now_s: i64) -> Option<(i64, i64)> {
        let changes = self.changes(dirty);
        let may = !self.last_failed || now_s - self.last_try_s > RETRY_S;
        let reached = |&&(seconds, least): &&(i64, i64)| {
            changes >= least.max(0) as u64 && now_s - self.last_save_s > seconds
        };
        points.iter().find(reached).copied().filter(|_| may)
    }

    /// Whether a save that is scheduled may be tried again.
    pub fn may_retry(&self, now_s: i64) -> bool {
        !self.last_failed || now_s - self.last_try_s > RETRY_S
    }

    /// Changes since the data on disk was taken.
    pub fn changes(&self, dirty: u64) -> u64 {
        dirty.saturating_sub(self.clean_at)
    }

    /// Records that the data as of `clean_at` is on disk. It may be older than the save that
    /// FLUSHALL made while a finished child had not been reaped yet.
    pub fn done(&mut self, clean_at: u64, now_s: i64) {
        self.clean_at = self.clean_at.max(clean_at);
        self.last_save_s = now_s;
        self.last_failed = false;
        self.failures_in_a_row = 0;
    }

    /// Records that a background save failed.
    pub fn failed(&mut self) {
        self.last_failed = true;
        self.failures_in_a_row += 1;
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
        assert_eq!((saves.changes(7), saves.last_save_s), (0, 101));
    }

    #[test]
    fn a_point_is_due_after_its_time_and_changes() {
        let mut saves = Saves {
            last_save_s: 100,
            clean_at: 5,
            ..Saves::default()
        };
        let points = [(60, 10), (10, 100)];
        assert_eq!(saves.due(&points, 200, 105), None);
        assert_eq!(saves.due(&points, 105, 111), Some((10, 100)));
        assert_eq!(saves.due(&points, 104, 111), None);
        assert_eq!(saves.due(&points, 15, 161), Some((60, 10)));
        (saves.last_failed, saves.last_try_s) = (true, 160);
        assert_eq!(saves.due(&points, 15, 161), None);
        assert_eq!(saves.due(&points, 15, 166), Some((60, 10)));
    }
}
