//! Eviction: frees memory while more than `maxmemory` is in use.
//!
//! Before each command keys are evicted until usage is below the limit, for at most the time that
//! `maxmemory-eviction-tenacity` allows; then the command runs regardless and the event loop
//! continues evicting between commands. Progress is measured by the memory of the evicted keys, not
//! by the usage afterwards: invalidations and AOF records of evicted keys use memory too, and must
//! not cause further evictions.

use crate::config::MaxmemoryPolicy;
use crate::keyspace::evict::{Among, Evicted, First};
use crate::server::Server;
use crate::server::clients::limits;
use crate::server::gates::Gates;
use crate::sys::clock;

/// Evictions between two clock checks.
const STRIDE: u32 = 16;

/// The result of an eviction attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    Enough,
    /// Not yet; memory is about to be freed.
    Coming,
    /// Not enough, and no key may be evicted.
    None,
}

/// The eviction state.
#[derive(Default)]
pub struct Eviction {
    /// Eviction continues in each iteration of the event loop.
    goes_on: bool,
    /// The last attempt freed too little.
    failed: bool,
    /// Since when the limit is exceeded, in monotonic microseconds.
    exceeded_since_us: Option<u64>,
    /// Earlier time over the limit, in microseconds.
    exceeded_us: u64,
}

impl Eviction {
    /// Returns how long the limit has been exceeded, in total and currently, in milliseconds
    /// (INFO).
    pub fn exceeded_ms(&self) -> (u64, u64) {
        let now = |since| clock::mono_us().saturating_sub(since);
        let current = self.exceeded_since_us.map_or(0, now);
        ((self.exceeded_us + current) / 1000, current / 1000)
    }

    /// Returns whether eviction continues in the next iteration.
    pub fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Lets eviction continue in the next iteration.
    pub fn go_on(&mut self) {
        self.goes_on = true;
    }

    /// Notes whether the latest attempt to make room failed.
    pub fn note_failure(&mut self, failed: bool) {
        self.failed = failed;
    }

    /// Returns whether the latest attempt to make room failed.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Resets the statistics (CONFIG RESETSTAT).
    pub fn reset_stats(&mut self) {
        (self.exceeded_since_us, self.exceeded_us) = (None, 0);
    }

    /// Accounts the time over the limit.
    pub(in crate::server) fn note(&mut self, room: Room) {
        match (room, self.exceeded_since_us) {
            (Room::Enough, Some(since_us)) => {
                self.exceeded_us += clock::mono_us().saturating_sub(since_us);
                self.exceeded_since_us = None;
            }
            (Room::Enough, None) | (_, Some(_)) => {}
            (_, None) => self.exceeded_since_us = Some(clock::mono_us()),
        }
    }
}

impl Server {
    /// Evicts until usage is within the limit, as far as the time limit allows.
    #[inline]
    pub(in crate::server) fn make_room(&mut self) -> Room {
        if self.gates.has(Gates::BUSY | Gates::LOADING | Gates::PAUSED) {
            return Room::Enough;
        }
        // A replica holds the same keys as its primary.
        if self.gates.has(Gates::REPLICA) && self.config.replica_ignore_maxmemory {
            return Room::Enough;
        }
        let mut excess = self.excess_memory();
        if excess > 0 && self.config.maxmemory_clients != 0 {
            limits::evict_clients(self);
            excess = self.excess_memory();
        }
        if excess == 0 && self.eviction.exceeded_since_us.is_none() {
            return Room::Enough;
        }
        let room = match excess {
            0 => Room::Enough,
            excess => self.evict(excess),
        };
        self.eviction.note(room);
        room
    }

    /// Continues evicting between commands.
    pub fn evict_slice(&mut self) {
        if self.eviction.goes_on {
            self.eviction.goes_on = self.make_room() == Room::Coming;
        }
    }

    /// Returns the bytes by which the counted memory exceeds the limit.
    #[inline]
    fn excess_memory(&self) -> usize {
        match self.config.maxmemory {
            0 => 0,
            limit => self.counted_memory().saturating_sub(limit as usize),
        }
    }

    /// Returns the bytes in use that `maxmemory` limits: without those queued for the helper thread
    /// to free, and without the buffers of the AOF and the replicas.
    pub(in crate::server) fn counted_memory(&self) -> usize {
        let not_counted = self.bio.held_bytes() + self.uncounted_memory();
        self.keyspace.used_memory().saturating_sub(not_counted)
    }

    /// Returns the bytes of buffers that grow through eviction, and therefore do not count.
    pub fn uncounted_memory(&self) -> usize {
        let log = match self.persist.aof.is_on() {
            true => self.persist.aof.buffer_bytes(),
            false => 0,
        };
        log + self
            .replication
            .memory(self.config.repl_backlog_size as usize)
            .replicas
    }

    /// Evicts keys until `wanted` bytes are free.
    #[cold]
    fn evict(&mut self, wanted: usize) -> Room {
        let Some((among, first)) = policy(self.config.maxmemory_policy) else {
            return Room::None;
        };
        let samples = self.config.maxmemory_samples as usize;
        let (lazily, watched) = (
            self.tuning.lazy_eviction,
            self.observe.latency.threshold_ms > 0,
        );
        let began_us = clock::mono_us();
        let limit_us = patience_us(self.config.maxmemory_eviction_tenacity);
        self.keyspace.set_now_ms(self.clock.now_ms());
        let mut freed = 0;
        let mut steps = 0u32;
        let room = loop {
            let before_us = if watched { clock::mono_us() } else { 0 };
            let evicted = self.keyspace.evict(among, first, samples, lazily);
            if watched {
                self.observe.note(
                    "eviction-del",
                    self.clock.now_s(),
                    clock::mono_us() - before_us,
                );
            }
            match evicted {
                Evicted::Freed(bytes) => freed += bytes,
                Evicted::NotYet => {}
                Evicted::NoKey => break self.await_room(limit_us),
            }
            self.settle_alone();
            if freed >= wanted {
                break Room::Enough;
            }
            steps += 1;
            let looks = steps.is_multiple_of(STRIDE) || evicted == Evicted::NotYet;
            if looks && clock::mono_us() - began_us > limit_us {
                self.eviction.goes_on = true;
                break Room::Coming;
            }
        };
        self.observe.note(
            "eviction-cycle",
            self.clock.now_s(),
            clock::mono_us() - began_us,
        );
        room
    }

    /// Handles the case that no key is left to evict, but the helper thread may be about to free
    /// memory.
    fn await_room(&mut self, limit_us: u64) -> Room {
        if !self.bio.is_idle() {
            let began_us = clock::mono_us();
            self.bio.await_idle(limit_us);
            self.observe.note(
                "eviction-lazyfree",
                self.clock.now_s(),
                clock::mono_us() - began_us,
            );
        }
        match self.excess_memory() {
            0 => Room::Enough,
            _ => Room::None,
        }
    }
}

/// Returns the candidates of a policy and its order; `None` if no key may be evicted.
fn policy(policy: MaxmemoryPolicy) -> Option<(Among, First)> {
    Some(match policy {
        MaxmemoryPolicy::NoEviction => return None,
        MaxmemoryPolicy::AllkeysLru | MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::AllkeysLrm => {
            (Among::All, First::Unused)
        }
        MaxmemoryPolicy::AllkeysRandom => (Among::All, First::Any),
        MaxmemoryPolicy::VolatileLru
        | MaxmemoryPolicy::VolatileLfu
        | MaxmemoryPolicy::VolatileLrm => (Among::Volatile, First::Unused),
        MaxmemoryPolicy::VolatileRandom => (Among::Volatile, First::Any),
        MaxmemoryPolicy::VolatileTtl => (Among::Volatile, First::Nearest),
    })
}

/// Returns the time limit of an attempt in microseconds, as in Redis: up to 500 us linear in the
/// tenacity, then 15 % more per point, and unlimited at 100.
fn patience_us(tenacity: u32) -> u64 {
    match tenacity {
        0..=10 => 50 * u64::from(tenacity),
        11..=99 => (500.0 * 1.15f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_tenacity() {
        let patience = [0, 1, 10, 11, 50, 99, 100].map(patience_us);
        assert_eq!(patience[..4], [0, 50, 500, 575]);
        assert!(patience.is_sorted());
        assert_eq!(patience[6], u64::MAX);
    }
}
