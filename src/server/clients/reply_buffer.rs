//! The reply buffer of a client: pending output that is exempt from its limits.
//!
//! Redis gives every client a reply buffer, and a list of blocks for what does not fit; only the
//! list counts towards `client-output-buffer-limit`. Here all pending output is contiguous, in
//! pooled memory. The division is kept because it is visible: in which clients are disconnected,
//! and in CLIENT LIST (`rbs`, `rbp`, `obl`, `oll`, `omem`).
//!
//! ```text
//!   owed   [ buffer: up to `size` bytes ][ list: blocks, each counted whole ]
//! ```
//!
//! Output that does not fit goes to the list, and so does all that follows until nothing is
//! pending. The size follows recent use, between 1 and 16 KiB: cron adjusts it
//! (`server::clients::buffers`).

/// The largest size, and that of a new client, in bytes.
const MOST: u16 = 16 << 10;
const LEAST: u16 = 1 << 10;
/// Payload of a block of the list as Redis allocates it, and the bytes counted for it.
const BLOCK: usize = 20_464;
const BLOCK_COUNTED: usize = BLOCK + 40;

/// The accounting of a client's reply buffer.
#[derive(Clone, Copy, Debug)]
pub struct ReplyBuffer {
    size: u16,
    /// The peak use since it was last reset.
    peak: u16,
    /// Bytes still in the buffer while there is a list.
    front: u16,
    has_list: bool,
    /// Time of the last reset of the peak, in monotonic milliseconds modulo 2^32; 0 for never.
    forgot_ms: u32,
    /// Pending bytes up to which no limit can be reached.
    alarm: u32,
}

impl Default for ReplyBuffer {
    fn default() -> Self {
        ReplyBuffer {
            size: MOST,
            peak: MOST,
            front: 0,
            has_list: false,
            forgot_ms: 0,
            alarm: u32::from(MOST),
        }
    }
}

/// The outcome of a resize by cron.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resized {
    No,
    Shrunk,
    Grown,
}

impl ReplyBuffer {
    /// Returns the current size in bytes.
    pub fn size(&self) -> usize {
        usize::from(self.size)
    }

    /// Returns the peak use in bytes.
    pub fn peak(&self) -> usize {
        usize::from(self.peak)
    }

    pub fn has_list(&self) -> bool {
        self.has_list
    }

    /// Returns whether all pending output fits in the buffer.
    #[inline(always)]
    pub fn holds(&self, owed: usize) -> bool {
        !self.has_list && owed <= usize::from(self.size)
    }

    /// Returns whether the pending output must be checked against the limits.
    #[inline(always)]
    pub fn alarms(&self, owed: usize) -> bool {
        owed > self.alarm as usize
    }

    /// Accounts the pending output before any of it is sent.
    #[inline(always)]
    pub fn note(&mut self, owed: usize) {
        if owed > usize::from(self.peak) && !self.has_list {
            self.grow(owed);
        }
    }

    fn grow(&mut self, owed: usize) {
        if owed > self.size() {
            self.has_list = true;
            self.front = self.size;
        }
        self.peak = owed.min(self.size()) as u16;
    }

    /// Accounts sent bytes; `owed` bytes are still pending.
    #[inline(always)]
    pub fn sent(&mut self, bytes: usize, owed: usize) {
        if owed == 0 {
            self.has_list = false;
            self.alarm = u32::from(self.size);
        } else {
            let left = usize::from(self.front).saturating_sub(bytes);
            self.front = left as u16;
        }
    }

    /// Returns how many of the pending bytes are in the list.
    pub fn listed(&self, owed: usize) -> usize {
        match self.has_list {
            true => owed.saturating_sub(usize::from(self.front)),
            false => owed.saturating_sub(self.size()),
        }
    }

    /// Returns the number of blocks in the list.
    pub fn blocks(&self, owed: usize) -> usize {
        self.listed(owed).div_ceil(BLOCK)
    }

    /// Returns the counted size of the list.
    pub fn counted(&self, owed: usize) -> usize {
        self.blocks(owed) * BLOCK_COUNTED
    }

    /// Records a check of the list: no further check is needed while the nearest limit is far.
    pub fn judged(&mut self, nearest: Option<u64>) {
        let limit = nearest.map_or(usize::MAX, |limit| limit as usize);
        // A list counts as at most one block and a little more than it holds.
        let quiet = limit.saturating_sub(BLOCK_COUNTED) / BLOCK_COUNTED * BLOCK;
        self.alarm = u32::try_from(quiet).unwrap_or(u32::MAX);
    }

    /// Forces a check after a change of limits.
    pub fn judge_anew(&mut self) {
        self.alarm = 0;
    }

    /// Adjusts the size to recent use; resets the peak after `forget_ms`.
    pub fn tend(&mut self, owed: usize, now_ms: u64, forget_ms: Option<u64>) -> Resized {
        self.note(owed);
        let (half, double) = (self.size / 2, self.size.saturating_mul(2));
        let mut resized = Resized::No;
        let mut size = self.size;
        if half >= LEAST && self.peak < half {
            size = LEAST.max(self.peak + 1);
            resized = Resized::Shrunk;
        } else if double < 2 * MOST && self.peak == self.size {
            size = MOST.min(double);
            resized = Resized::Grown;
        }
        let now_ms = now_ms as u32;
        let passed = u64::from(now_ms.wrapping_sub(self.forgot_ms));
        if forget_ms.is_some_and(|ms| self.forgot_ms == 0 || passed > ms) {
            self.peak = match self.has_list {
                true => self.front,
                false => owed.min(self.size()) as u16,
            };
            self.forgot_ms = now_ms.max(1);
        }
        self.size = size;
        if !self.has_list {
            self.alarm = u32::from(self.size);
        }
        resized
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a buffer of the minimum size.
    fn small() -> ReplyBuffer {
        let mut buffer = ReplyBuffer::default();
        assert_eq!(buffer.tend(0, 1, Some(5000)), Resized::No);
        assert_eq!(buffer.tend(0, 2, Some(5000)), Resized::Shrunk);
        assert_eq!((buffer.size(), buffer.peak()), (1024, 0));
        buffer
    }

    #[test]
    fn its_size_follows_its_use() {
        let mut buffer = small();
        for size in [2048, 4096, 8192, 16384] {
            buffer.note(40_000);
            buffer.sent(40_000, 0);
            assert_eq!(buffer.tend(0, 3, None), Resized::Grown);
            assert_eq!(buffer.size(), size);
        }
        buffer.note(40_000);
        assert_eq!(buffer.tend(40_000, 3, None), Resized::No);
        assert_eq!((buffer.size(), buffer.peak()), (16384, 16384));
        buffer.sent(40_000, 0);
        assert_eq!(buffer.tend(0, 4_000, Some(5_000)), Resized::No);
        assert_eq!(buffer.peak(), 16384);
        assert_eq!(buffer.tend(0, 6_000, Some(5_000)), Resized::No);
        buffer.note(2_000);
        assert_eq!(buffer.tend(0, 6_001, Some(5_000)), Resized::Shrunk);
        assert_eq!((buffer.size(), buffer.peak()), (2001, 2000));
    }

    #[test]
    fn what_does_not_fit_is_listed_until_all_is_sent() {
        let mut buffer = small();
        assert!(buffer.holds(1024) && !buffer.holds(1025));
        assert!(!buffer.alarms(1024) && buffer.alarms(1025));
        buffer.note(1_500);
        assert_eq!((buffer.listed(1_500), buffer.blocks(1_500)), (476, 1));
        assert_eq!(buffer.counted(1_500), 20_504);
        buffer.sent(1_000, 500);
        assert_eq!(buffer.listed(500), 476);
        // There is room again, but new output must not overtake the list.
        assert!(!buffer.holds(500));
        buffer.note(900);
        assert_eq!(buffer.listed(900), 876);
        buffer.sent(900, 0);
        assert!(buffer.holds(900));
        assert_eq!(buffer.listed(900), 0);
    }

    #[test]
    fn no_limit_is_reached_below_the_alarm() {
        for limit in [1u64, 20_504, 20_505, 100_000, 1 << 20, 32 << 20] {
            let mut buffer = small();
            buffer.note(1_025);
            buffer.judged(Some(limit));
            let quiet = (1_025..200_000).chain((32 << 20) - 100_000..(32 << 20) + 100_000);
            for owed in quiet.step_by(7) {
                assert!(buffer.alarms(owed) || (buffer.counted(owed) as u64) < limit);
            }
        }
        let mut buffer = small();
        buffer.judged(None);
        assert!(!buffer.alarms(u32::MAX as usize));
    }
}
