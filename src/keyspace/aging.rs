//! The recency and frequency of accesses to a key, in 24 bits of its entry.
//!
//! ```text
//!   LRU   seconds of the server's clock, modulo 2^24 (194 days)
//!   LRM   the same, of the last change instead of the last use
//!   LFU   23        8 7       0
//!         +----------+---------+
//!         | minutes  | counter |     counter: logarithmic, Morris-style, decaying by the minute
//!         +----------+---------+
//! ```
//!
//! The counter's rules are those of Redis: it starts at 5, rises with probability
//! 1 / ((counter - 5) * lfu-log-factor + 1) and falls by one every lfu-decay-time minutes.

const BITS: u32 = (1 << 24) - 1;
/// A new key's LFU counter, so that it is not the first to go.
const LFU_START: u32 = 5;

/// What makes a key young.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// Its last use: LRU.
    #[default]
    Use,
    /// Its last change: LRM.
    Change,
    /// Its frequency of uses: LFU.
    Frequency,
}

/// Which of the meanings the bits have, and the LFU's parameters.
#[derive(Clone, Debug)]
pub struct Aging {
    pub measure: Measure,
    pub lfu_log_factor: u32,
    pub lfu_decay_minutes: u32,
    /// A small generator of its own: one step per hit, from a seed that is part of the server's.
    pub dice: u64,
}

impl Default for Aging {
    fn default() -> Self {
        Aging {
            measure: Measure::Use,
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
            dice: 0x9e37_79b9_7f4a_7c15,
        }
    }
}

impl Aging {
    /// The bits of a key that is made now.
    #[inline(always)]
    pub fn fresh(&self, now_ms: i64) -> u32 {
        if self.is_lfu() {
            minutes(now_ms) << 8 | LFU_START
        } else {
            seconds(now_ms)
        }
    }

    /// The bits of a key that is used now.
    #[inline(always)]
    pub fn touched(&mut self, bits: u32, now_ms: i64) -> u32 {
        match self.measure {
            Measure::Use => return seconds(now_ms),
            Measure::Change => return bits,
            Measure::Frequency => {}
        }
        let counter = self.frequency(bits, now_ms);
        minutes(now_ms) << 8 | self.raise(counter)
    }

    pub fn is_lfu(&self) -> bool {
        self.measure == Measure::Frequency
    }

    /// Whether changes make keys young.
    pub fn is_lrm(&self) -> bool {
        self.measure == Measure::Change
    }

    fn raise(&mut self, counter: u32) -> u32 {
        if counter >= 255 {
            return 255;
        }
        // xorshift64: quality is irrelevant, cost is not.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        let base = counter.saturating_sub(LFU_START) as f64;
        let chance = 1.0 / (base * self.lfu_log_factor as f64 + 1.0);
        let roll = (self.dice >> 11) as f64 / (1u64 << 53) as f64;
        counter + (roll < chance) as u32
    }

    /// The LFU counter after decay.
    pub fn frequency(&self, bits: u32, now_ms: i64) -> u32 {
        let counter = bits & 0xff;
        if self.lfu_decay_minutes == 0 {
            return counter;
        }
        let passed = minutes(now_ms).wrapping_sub(bits >> 8) & 0xffff;
        counter.saturating_sub(passed / self.lfu_decay_minutes)
    }

    /// The bits of a key from an age reported elsewhere (RESTORE, RDB), if it is of the kind kept
    /// here.
    pub fn told(&self, idle_seconds: Option<i64>, counter: Option<u8>, now_ms: i64) -> Option<u32> {
        match (self.is_lfu(), idle_seconds, counter) {
            (true, _, Some(counter)) => Some(minutes(now_ms) << 8 | counter as u32),
            (false, Some(idle), _) => {
                let idle_ms = idle.saturating_mul(1000);
                Some(seconds(now_ms.saturating_sub(idle_ms).max(0)))
            }
            _ => None,
        }
    }

    /// Seconds since the key was last used.
    pub fn idle_seconds(&self, bits: u32, now_ms: i64) -> i64 {
        (seconds(now_ms).wrapping_sub(bits) & BITS) as i64
    }
}

#[inline(always)]
fn seconds(now_ms: i64) -> u32 {
    (now_ms / 1000) as u32 & BITS
}

fn minutes(now_ms: i64) -> u32 {
    (now_ms / 60_000) as u32 & 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_survives_the_wrap_of_the_clock() {
        let aging = Aging::default();
        let bits = aging.fresh((BITS as i64 - 1) * 1000);
        assert_eq!(aging.idle_seconds(bits, (BITS as i64 + 9) * 1000), 10);
    }

    #[test]
    fn the_counter_rises_slowly_and_decays() {
        let mut aging = Aging {
            measure: Measure::Frequency,
            ..Aging::default()
        };
        let mut bits = aging.fresh(0);
        for _ in 0..1000 {
            bits = aging.touched(bits, 0);
        }
        let counter = aging.frequency(bits, 0);
        assert!((10..60).contains(&counter), "{counter}");
        assert_eq!(aging.frequency(bits, 3 * 60_000), counter - 3);
    }
}
