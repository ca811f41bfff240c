//! Eviction: which key goes when there is no memory left.
//!
//! Among all keys a candidate is one of a few that stand near each other in the table; where only
//! those with a deadline may go and these are rare, one of a few items of the wheel. So nothing is
//! kept in order for the day when memory runs out. As in Redis (`maxmemory-samples`, its pool of
//! sixteen), the best of each sample go into a pool that outlasts the eviction, which brings a
//! sample of five close to the whole. Unlike there, a candidate that was used since it was seen is
//! judged anew before it goes, and `volatile-ttl` asks the wheel, which knows the nearest
//! deadlines.

use super::db::{Db, DbMut, Found, RemovalReason};
use super::{DbIndex, Keyspace};
use crate::keyspace::aging::Aging;
use crate::types::entry::EntryRef;
use crate::types::value::Heap;

/// Candidates that are remembered.
const POOL: usize = 16;
/// Looks in a row that may find nothing before others get their turn: the wheel may hold many items
/// that stand for no key.
const LOOKS: u32 = 8;
/// If one key in so many may be evicted, searching all keys is cheaper than searching the wheel.
const COMMON: usize = 4;
/// Items of the wheel that are looked at for each sample: no key has to be looked up for that.
const CHEAP: usize = 8;

/// Which keys may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Among {
    All,
    /// Those with a deadline.
    Volatile,
}

/// Which of them goes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum First {
    /// The key that is least recently or least frequently used, as the entries record.
    Unused,
    Any,
    /// The one with the nearest deadline.
    Nearest,
}

/// The result of an attempt to evict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evicted {
    /// A key left that took so many bytes.
    Freed(usize),
    /// No key may be evicted.
    NoKey,
    /// None was found yet.
    NotYet,
}

/// A key that is among those to go first. The hash stands for it: should another key have the same,
/// that one goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Candidate {
    /// The higher, the sooner it goes.
    score: u32,
    db: DbIndex,
    hash: u64,
}

/// The state that lasts from one eviction to the next.
#[derive(Default)]
pub struct Pool {
    /// Ascending by score.
    candidates: Vec<Candidate>,
    /// The database of the last eviction where any key may go.
    turn: u32,
}

impl Pool {
    /// Forgets the candidates: another policy judges otherwise.
    pub fn clear(&mut self) {
        self.candidates.clear();
    }

    fn offer(&mut self, candidate: Candidate) {
        let same = |other: &Candidate| (other.db, other.hash) == (candidate.db, candidate.hash);
        if let Some(at) = self.candidates.iter().position(same) {
            self.candidates.remove(at);
        }
        let at = self
            .candidates
            .partition_point(|other| other.score <= candidate.score);
        if self.candidates.len() < POOL {
            self.candidates.insert(at, candidate);
        } else if at > 0 {
            // The least of them makes room.
            self.candidates[..at].rotate_left(1);
            self.candidates[at - 1] = candidate;
        }
    }
}

impl Among {
    fn count(self, db: &Db) -> usize {
        match self {
            Among::All => db.len(),
            Among::Volatile => db.volatile(),
        }
    }

    fn has(self, entry: EntryRef) -> bool {
        self == Among::All || entry.deadline_ms().is_some()
    }

    /// Of how many keys one may go; 0 if none may.
    fn share(self, db: &Db) -> usize {
        match self.count(db) {
            0 => 0,
            count => db.len().div_ceil(count),
        }
    }

    /// Whether keys are looked for among all: that is cheaper, or the wheel knows of none, which
    /// happens to a key that shares its bits of the hash with another.
    fn asks_table(self, db: &Db) -> bool {
        self.share(db) <= COMMON || db.timers() == 0
    }
}

impl Keyspace {
    /// Removes one key, the best by a look at `samples` more. `lazily` is how UNLINK would do it.
    pub fn evict(&mut self, among: Among, first: First, samples: usize, lazily: bool) -> Evicted {
        if !self.dbs.iter().any(|db| among.count(db) > 0) {
            return Evicted::NoKey;
        }
        let found = match first {
            First::Unused => self.find_unused(among, samples),
            First::Any => self.find_any(among),
            First::Nearest => self.find_nearest(samples),
        };
        let Some((db, found)) = found else {
            return Evicted::NotYet;
        };
        Evicted::Freed(self.db(db).evict(found, lazily))
    }

    fn find_unused(&mut self, among: Among, samples: usize) -> Option<(DbIndex, Found)> {
        for _ in 0..LOOKS {
            for index in (0..self.databases()).map(DbIndex) {
                let db = self.view(index);
                match among.share(db) {
                    0 => {}
                    share if among.asks_table(db) => {
                        self.sample_table(index, among, samples.saturating_mul(share));
                    }
                    _ => self.sample_wheel(index, samples),
                }
            }
            while let Some(candidate) = self.pool.candidates.pop() {
                let db = self.view(candidate.db);
                let Some((found, score)) = find_again(db, candidate.hash, among, |entry| {
                    score(&self.shared.aging, entry, self.shared.now_ms)
                }) else {
                    continue;
                };
                if score >= candidate.score {
                    return Some((candidate.db, found));
                }
                self.pool.offer(Candidate { score, ..candidate });
            }
        }
        None
    }

    fn sample_table(&mut self, index: DbIndex, among: Among, count: usize) {
        let Keyspace {
            dbs,
            shared,
            rng,
            pool,
            hasher,
            ..
        } = self;
        let entries = dbs[index.0 as usize].entries();
        entries.sample(
            count,
            || rng.next_u64(),
            |entry| {
                if !among.has(entry) {
                    return;
                }
                pool.offer(Candidate {
                    score: score(&shared.aging, entry, shared.now_ms),
                    db: index,
                    hash: hasher.hash(entry.key()),
                });
            },
        );
    }

    fn sample_wheel(&mut self, index: DbIndex, samples: usize) {
        for _ in 0..samples {
            let random = self.rng.next_u64();
            let mut db = self.db(index);
            let Some(found) = db.any_volatile(random, true) else {
                continue;
            };
            let score = score(&db.shared.aging, db.get(found), db.shared.now_ms);
            self.pool.offer(Candidate {
                score,
                db: index,
                hash: found.hash,
            });
        }
    }

    /// Any key of the next database that has one.
    fn find_any(&mut self, among: Among) -> Option<(DbIndex, Found)> {
        let databases = self.databases();
        for _ in 0..databases {
            self.pool.turn = (self.pool.turn + 1) % databases;
            let index = DbIndex(self.pool.turn);
            if among.count(self.view(index)) == 0 {
                continue;
            }
            for _ in 0..LOOKS {
                let random = self.rng.next_u64();
                let found = match among.asks_table(self.view(index)) {
                    true => self.find_picked(index, among),
                    false => self.db(index).any_volatile(random, false),
                };
                if let Some(found) = found {
                    return Some((index, found));
                }
            }
        }
        None
    }

    fn find_picked(&mut self, index: DbIndex, among: Among) -> Option<Found> {
        let Keyspace {
            dbs, rng, hasher, ..
        } = self;
        let entries = dbs[index.0 as usize].entries();
        let picked = entries
            .pick(|| rng.next_u64())
            .filter(|&entry| among.has(entry));
        let key = picked?.key();
        let hash = hasher.hash(key);
        let (at, _) = entries.find(hash, key)?;
        Some(Found { at, hash })
    }

    /// The key with the nearest deadline, or one of the nearest.
    fn find_nearest(&mut self, samples: usize) -> Option<(DbIndex, Found)> {
        for _ in 0..LOOKS {
            let volatile = self.iter().filter(|(_, db)| db.volatile() > 0);
            let (index, _) = volatile.min_by_key(|(_, db)| db.first_volatile_ms())?;
            let found = match self.view(index).timers() {
                0 => self.find_picked(index, Among::Volatile),
                _ => self.find_by_wheel(index, samples * CHEAP),
            };
            if let Some(found) = found {
                return Some((index, found));
            }
        }
        None
    }

    fn find_by_wheel(&mut self, index: DbIndex, count: usize) -> Option<Found> {
        let Keyspace {
            dbs, shared, rng, ..
        } = self;
        let db = &mut dbs[index.0 as usize];
        DbMut { index, db, shared }.nearest_volatile(count, || rng.next_u64())
    }
}

/// A candidate once more, with what is thought of it now.
fn find_again(
    db: &Db,
    hash: u64,
    among: Among,
    score: impl FnOnce(EntryRef) -> u32,
) -> Option<(Found, u32)> {
    let hasher = db.entries().hasher();
    let may_go = |entry: EntryRef| among.has(entry) && hasher.hash(entry.key()) == hash;
    let at = db.entries().find_by(hash, may_go)?;
    let score = score(db.entries().get(at)?);
    Some((Found { at, hash }, score))
}

/// The priority of a key for eviction; the highest is evicted first.
fn score(aging: &Aging, entry: EntryRef, now_ms: i64) -> u32 {
    let bits = entry.aging();
    match aging.is_lfu() {
        true => 255 - aging.frequency(bits, now_ms),
        false => aging.idle_seconds(bits, now_ms) as u32,
    }
}

impl DbMut<'_> {
    /// Removes a key; how many bytes it took.
    fn evict(&mut self, found: Found, lazily: bool) -> usize {
        let before = self.entries().entry_bytes();
        let value = self.heap(found).map_or(0, Heap::bytes);
        match lazily {
            true => self.unlink_as(found, RemovalReason::Evicted),
            false => self.remove(found, RemovalReason::Evicted),
        }
        before - self.entries().entry_bytes() + value
    }
}

#[cfg(test)]
mod tests {
    use super::super::aging::Measure;
    use super::*;
    use crate::algo::rng::Rng;
    use crate::types::entry::NewValue;

    const START_MS: i64 = 1_000_000;

    fn keyspace() -> Keyspace {
        Keyspace::new(2, Rng::new(7), START_MS)
    }

    fn add(ks: &mut Keyspace, db: u32, n: u32, deadline_ms: Option<i64>) {
        let key = n.to_be_bytes();
        ks.db(DbIndex(db)).add(&key, NewValue::Int(1), deadline_ms);
    }

    fn holds(ks: &Keyspace, db: u32, n: u32) -> bool {
        ks.holds(DbIndex(db), &n.to_be_bytes())
    }

    #[test]
    fn every_key_can_be_evicted_and_bytes_are_returned() {
        for first in [First::Unused, First::Any] {
            let mut ks = keyspace();
            (0..3_000).for_each(|n| add(&mut ks, n % 2, n, None));
            let before: usize = ks.iter().map(|(_, db)| db.entries().entry_bytes()).sum();
            let mut freed = 0;
            for left in (0..3_000).rev() {
                match ks.evict(Among::All, first, 5, false) {
                    Evicted::Freed(bytes) => freed += bytes,
                    other => panic!("{other:?} with {left} left"),
                }
                assert_eq!(ks.len(), left);
            }
            assert_eq!(freed, before);
            assert_eq!(ks.evict(Among::All, first, 5, false), Evicted::NoKey);
            assert_eq!(ks.shared.stats.evicted, 3_000);
            assert_eq!(ks.shared.removed_keys.len(), 3_000);
        }
    }

    #[test]
    fn keys_without_a_deadline_stay_under_a_volatile_policy() {
        for first in [First::Unused, First::Any, First::Nearest] {
            let mut ks = keyspace();
            for n in 0..2_000 {
                let deadline_ms = START_MS + 1 + i64::from(n) * 7_919 % 100_000;
                add(&mut ks, n / 2 % 2, n, (n % 2 == 1).then_some(deadline_ms));
            }
            // Some lose their deadline again, and some get another: what the wheel holds is stale.
            for n in (1..400).step_by(2) {
                let mut db = ks.db(DbIndex(n / 2 % 2));
                let found = db.peek(&n.to_be_bytes()).expect("not due yet");
                if n < 200 {
                    db.clear_deadline(found);
                } else {
                    db.set_deadline(found, START_MS + 90_000_000 + i64::from(n));
                }
            }
            let mut looks = 0;
            loop {
                looks += 1;
                assert!(looks < 10_000, "{first:?} gets nowhere");
                if ks.evict(Among::Volatile, first, 5, true) == Evicted::NoKey {
                    break;
                }
            }
            assert_eq!(ks.len(), 1_000 + 100, "{first:?}");
            assert!((0..200).all(|n| holds(&ks, n / 2 % 2, n)), "{first:?}");
            assert!(ks.iter().all(|(_, db)| db.volatile() == 0));
        }
    }

    #[test]
    fn a_key_that_the_wheel_has_lost_is_found_all_the_same() {
        for first in [First::Unused, First::Any, First::Nearest] {
            let mut ks = keyspace();
            (0..200).for_each(|n| add(&mut ks, 0, n, (n == 77).then_some(START_MS + 500)));
            ks.dbs[0].wheel = None;
            let tries = 0..10_000;
            let evicted = tries.map(|_| ks.evict(Among::Volatile, first, 5, false));
            let done = evicted.into_iter().any(|evicted| evicted == Evicted::NoKey);
            assert!(done && ks.len() == 199, "{first:?}");
        }
    }

    #[test]
    fn recently_used_keys_stay_longer() {
        let mut ks = keyspace();
        (0..10_000).for_each(|n| add(&mut ks, 0, n, None));
        ks.set_now_ms(START_MS + 1_000_000);
        for n in 0..5_000u32 {
            ks.db(DbIndex(0)).read(&n.to_be_bytes());
        }
        (0..3_000).for_each(|_| {
            assert_ne!(
                ks.evict(Among::All, First::Unused, 5, false),
                Evicted::NoKey
            )
        });
        let used = (0..5_000).filter(|&n| holds(&ks, 0, n)).count();
        assert!(used > 4_900, "{used} of 5000 left that were used");
    }

    #[test]
    fn a_candidate_that_was_used_since_is_spared() {
        let mut ks = keyspace();
        (0..100).for_each(|n| add(&mut ks, 0, n, None));
        ks.set_now_ms(START_MS + 1_000_000);
        ks.evict(Among::All, First::Unused, 64, false);
        // All that are left are used, but for one.
        let unused = (0..100).find(|&n| holds(&ks, 0, n)).expect("99 are left");
        for n in (0..100).filter(|&n| n != unused) {
            ks.db(DbIndex(0)).read(&u32::to_be_bytes(n));
        }
        let mut left = 0;
        while holds(&ks, 0, unused) {
            ks.evict(Among::All, First::Unused, 64, false);
            left += 1;
        }
        assert!(left <= 3, "{left} went before the unused one");
    }

    #[test]
    fn the_least_recently_changed_keys_are_evicted_first() {
        let mut ks = keyspace();
        ks.shared.aging.measure = Measure::Change;
        (0..200).for_each(|n| add(&mut ks, 0, n, None));
        ks.set_now_ms(ks.now_ms() + 10_000);
        // Reads keep no key young, changes do.
        (0..100u32).for_each(|n| assert!(ks.db(DbIndex(0)).read(&n.to_be_bytes()).is_some()));
        (100..200u32).for_each(|n| ks.db(DbIndex(0)).note_change(&n.to_be_bytes()));
        for _ in 0..60 {
            ks.evict(Among::All, First::Unused, 64, false);
        }
        let left = (100..200).filter(|&n| holds(&ks, 0, n)).count();
        assert_eq!(left, 100);
    }

    #[test]
    fn the_least_frequently_used_keys_are_evicted_first() {
        let mut ks = keyspace();
        ks.shared.aging.measure = Measure::Frequency;
        (0..4_000).for_each(|n| add(&mut ks, 0, n, None));
        for _ in 0..100 {
            for n in 0..2_000u32 {
                ks.db(DbIndex(0)).read(&n.to_be_bytes());
            }
        }
        (0..1_500).for_each(|_| {
            assert_ne!(
                ks.evict(Among::All, First::Unused, 5, false),
                Evicted::NoKey
            )
        });
        let used = (0..2_000).filter(|&n| holds(&ks, 0, n)).count();
        assert!(used > 1_950, "{used} of 2000 left that were used");
    }

    #[test]
    fn the_nearest_deadlines_are_evicted_first() {
        let mut ks = keyspace();
        for n in 0..2_000 {
            let deadline_ms = START_MS + 1_000 * i64::from(1 + n * 7_919 % 2_000);
            add(&mut ks, n % 2, n, Some(deadline_ms));
        }
        (0..1_000).for_each(|_| {
            assert_ne!(
                ks.evict(Among::Volatile, First::Nearest, 5, false),
                Evicted::NoKey
            )
        });
        // Those that share a slot of the wheel may change places.
        let late = (0..2_000).filter(|n| n * 7_919 % 2_000 >= 1_100);
        let left = late.filter(|&n| holds(&ks, n % 2, n)).count();
        assert!(left > 850, "{left} of 900 late ones are left");
    }

    #[test]
    fn the_pool_keeps_the_best() {
        let mut pool = Pool::default();
        for n in 0..1_000u32 {
            let score = n * 7_919 % 1_000;
            pool.offer(Candidate {
                score,
                db: DbIndex(0),
                hash: u64::from(score),
            });
            pool.offer(Candidate {
                score,
                db: DbIndex(0),
                hash: u64::from(score),
            });
        }
        let scores: Vec<u32> = pool.candidates.iter().map(|c| c.score).collect();
        assert_eq!(scores, (984..1_000).collect::<Vec<u32>>());
    }
}
