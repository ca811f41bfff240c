//! Making room: what happens while more memory is in use than `maxmemory` allows.
//!
//! Before each command as many keys leave as it takes to be below the limit, for a while that
//! `maxmemory-eviction-tenacity` measures; then the command runs all the same and the loop goes on
//! evicting turn by turn. What counts is what the keys that leave took, not what is in use
//! afterwards: telling clients and the log of each takes memory too, and must not make further keys
//! leave.

use crate::config::MaxmemoryPolicy;
use crate::keyspace::evict::{Among, Evicted, First};
use crate::server::Server;
use crate::server::clients::limits;
use crate::server::gates::Gates;
use crate::sys::clock;

/// Keys that leave between two looks at the clock.
const STRIDE: u32 = 16;

/// What an attempt to make room came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    Enough,
    /// There will be soon.
    Coming,
    /// There is none, and no key that may leave.
    None,
}

/// What is known of the limit.
#[derive(Default)]
pub struct Eviction {
    /// Keys leave in each turn of the loop.
    pub goes_on: bool,
    /// The last command found no room.
    pub failed: bool,
    /// Since when there has been more in use than allowed, in monotonic microseconds.
    exceeded_since_us: Option<u64>,
    /// How long that was so before.
    exceeded_us: u64,
}

impl Eviction {
    /// For INFO, in milliseconds: how long the limit has been exceeded, in all and now.
    pub fn exceeded_ms(&self) -> (u64, u64) {
        let now = |since| clock::mono_us().saturating_sub(since);
        let current = self.exceeded_since_us.map_or(0, now);
        ((self.exceeded_us + current) / 1000, current / 1000)
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        (self.exceeded_since_us, self.exceeded_us) = (None, 0);
    }

    /// Keeps the account of how long the limit is exceeded.
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
    /// Sees to it that no more is in use than allowed, as far as that can be done now.
    #[inline]
    pub(in crate::server) fn make_room(&mut self) -> Room {
        if self.gates.0 & (Gates::BUSY | Gates::LOADING | Gates::PAUSED) != 0 {
            return Room::Enough;
        }
        // What a replica keeps is what its primary keeps.
        if self.gates.0 & Gates::REPLICA != 0 && self.config.replica_ignore_maxmemory {
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

    /// Goes on making room between commands.
    pub fn evict_slice(&mut self) {
        if self.eviction.goes_on {
            self.eviction.goes_on = self.make_room() == Room::Coming;
        }
    }

    /// Bytes in use that count and are more than allowed.
    #[inline]
    fn excess_memory(&self) -> usize {
        match self.config.maxmemory {
            0 => 0,
            limit => self.counted_memory().saturating_sub(limit as usize),
        }
    }

    /// Bytes in use that `maxmemory` limits: not those that are as good as freed, nor what waits to
    /// be written to the log.
    pub(in crate::server) fn counted_memory(&self) -> usize {
        let not_counted = self.bio.held_bytes() + self.uncounted_memory();
        self.keyspace.used_memory().saturating_sub(not_counted)
    }

    /// Bytes of buffers that grow because keys leave, and therefore do not count.
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

    /// Lets keys leave until so many bytes are free.
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
                self.note_latency("eviction-del", clock::mono_us() - before_us);
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
        self.note_latency("eviction-cycle", clock::mono_us() - began_us);
        room
    }

    /// There is nothing left to remove, but something may be about to be freed.
    fn await_room(&mut self, limit_us: u64) -> Room {
        if !self.bio.is_idle() {
            let began_us = clock::mono_us();
            self.bio.await_idle(limit_us);
            self.note_latency("eviction-lazyfree", clock::mono_us() - began_us);
        }
        match self.excess_memory() {
            0 => Room::Enough,
            _ => Room::None,
        }
    }
}

/// Which keys may go, and which first; `None` if none may.
fn policy(policy: MaxmemoryPolicy) -> Option<(Among, First)> {
    Some(match policy {
        MaxmemoryPolicy::NoEviction => return None,
        MaxmemoryPolicy::AllkeysLru | MaxmemoryPolicy::AllkeysLfu => (Among::All, First::Unused),
        MaxmemoryPolicy::AllkeysRandom => (Among::All, First::Any),
        MaxmemoryPolicy::VolatileLru | MaxmemoryPolicy::VolatileLfu => {
            (Among::Volatile, First::Unused)
        }
        MaxmemoryPolicy::VolatileRandom => (Among::Volatile, First::Any),
        MaxmemoryPolicy::VolatileTtl => (Among::Volatile, First::Nearest),
    })
}

/// How long an attempt may take, in microseconds: up to half a millisecond in even steps, from there
/// on 15 % more with each point of tenacity, and at 100 as long as it takes. As in Redis.
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
