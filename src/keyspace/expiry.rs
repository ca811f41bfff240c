//! Deadlines of keys: the wheel that remembers them, and their removal when they come.
//!
//! An entry holds its deadline; the wheel holds 8 bytes per volatile key: enough of the hash to
//! find it and the low bits of the deadline. What surfaces is looked up and checked, so a stale
//! item is harmless.
//!
//! ```text
//!   63                     24 23              0
//!   +------------------------+-----------------+
//!   | hash: top 15, low 25   | deadline, low   |
//!   +------------------------+-----------------+
//! ```
//!
//! `ARMED` in an entry says that the wheel holds an item that surfaces no later than the deadline.
//! Extending a deadline therefore inserts nothing: the item surfaces early and arms itself again.
//! Shortening inserts one. When more than half of the items are stale, all are taken out at once and
//! sorted out a slice at a time: what stands for a key goes back, once. `SIDE` tells whether a key
//! was seen already; its meaning turns over with each sorting-out, so no entry has to be reset.

use super::db::{DbMut, Found, RemovalReason};
use crate::types::entry::EntryRef;
use crate::types::wheel::{Step, Timed, Wheel};

const DEADLINE_BITS: u32 = 24;
const LOW_HASH_BITS: u32 = 25;
/// Below this many items a wheel is not worth sorting out.
const MIN_STALE: usize = 1024;

/// Items sorted out with each one inserted.
const SORTED_PER_INSERT: usize = 4;
/// The same with each look for a key to be evicted.
const SORTED_PER_LOOK: usize = 16;

/// The item in the wheel for a volatile key: its hash, and a part of its deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyTimer(u64);

impl KeyTimer {
    pub(super) fn new(hash: u64, deadline_ms: i64) -> Self {
        let low = hash & ((1 << LOW_HASH_BITS) - 1);
        let hash = hash >> 49 << LOW_HASH_BITS | low;
        KeyTimer(hash << DEADLINE_BITS | deadline_ms as u64 & ((1 << DEADLINE_BITS) - 1))
    }

    /// Whether this was made for such a deadline, as far as its bits go.
    fn tells(self, deadline_ms: i64) -> bool {
        (self.0 ^ deadline_ms as u64) & ((1 << DEADLINE_BITS) - 1) == 0
    }

    /// The bits of the hash that a table looks at, in their places.
    pub(super) fn hash(self) -> u64 {
        let hash = self.0 >> DEADLINE_BITS;
        hash >> LOW_HASH_BITS << 49 | hash & ((1 << LOW_HASH_BITS) - 1)
    }
}

impl Timed for KeyTimer {
    /// The first moment from `from_ms` on with these low bits: exact up to 4.6 hours ahead.
    fn deadline_ms(&self, from_ms: u64) -> u64 {
        let low = self.0 & ((1 << DEADLINE_BITS) - 1);
        from_ms + (low.wrapping_sub(from_ms) & ((1 << DEADLINE_BITS) - 1))
    }
}

/// Makes the wheel surface a key no later than its new deadline.
pub(super) fn arm(db: &mut DbMut, found: Found, old_ms: Option<i64>, deadline_ms: i64) {
    if db.shared.replica_expires.is_kept() {
        let key = db.get(found).key().to_vec();
        db.shared.replica_expires.note(db.index, &key);
    }
    let armed = db.get(found).is_armed();
    if armed && old_ms.is_some_and(|old_ms| old_ms <= deadline_ms) {
        return;
    }
    let side = db.db.side;
    db.entries_mut().arm(found.at, side);
    insert(db, found.hash, deadline_ms);
    // Sorting out goes on between turns; this keeps ahead of a client inserting without a pause.
    for _ in 0..SORTED_PER_INSERT {
        match db.db.sorting.pop() {
            Some(item) => db.sort_out(item),
            None => break,
        }
    }
    if db.db.sorting.is_empty() && db.db.timers() > 2 * db.db.volatile + MIN_STALE {
        db.db.side = !side;
        if let Some(wheel) = &mut db.db.wheel {
            db.db.sorting = wheel.take_all();
        }
    }
}

fn insert(db: &mut DbMut, hash: u64, deadline_ms: i64) {
    let now_ms = db.shared.now_ms.max(0) as u64;
    let wheel = db
        .db
        .wheel
        .get_or_insert_with(|| Box::new(Wheel::new(now_ms)));
    wheel.insert(deadline_ms.max(0) as u64, KeyTimer::new(hash, deadline_ms));
}

/// The result of a slice of expiry.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Slice {
    /// Nothing more is due now.
    Done,
    /// The budget ran out first.
    More,
}

impl DbMut<'_> {
    /// Removes keys whose deadline has come, until `go_on` returns false; it is called every few
    /// items. While overdue keys are to stay the wheel stands still and keeps every item.
    pub fn expire_due(&mut self, mut go_on: impl FnMut() -> bool) -> Slice {
        /// Items between two questions: about 10 µs of removals.
        const STRIDE: u32 = 64;
        if !self.shared.expires_actively() {
            return Slice::Done;
        }
        let mut steps = 0u32;
        loop {
            steps += 1;
            if steps.is_multiple_of(STRIDE) && !go_on() {
                return Slice::More;
            }
            if let Some(item) = self.db.sorting.pop() {
                self.sort_out(item);
                continue;
            }
            let now_ms = self.shared.now_ms;
            let Some(wheel) = &mut self.db.wheel else {
                return Slice::Done;
            };
            match wheel.step((now_ms - 1).max(0) as u64) {
                Step::Idle => return Slice::Done,
                Step::Moved => {}
                Step::Due(item) => self.surface(item),
            }
        }
    }

    /// Puts an item back if it is the first for a volatile key in this sorting-out.
    fn sort_out(&mut self, item: KeyTimer) {
        let (hash, side) = (item.hash(), self.db.side);
        let unseen = |entry: EntryRef| {
            entry.deadline_ms().is_some() && entry.is_armed() && entry.side() != side
        };
        let Some(at) = self.db.entries.find_by(hash, unseen) else {
            return;
        };
        let deadline_ms = self.db.entries.get(at).and_then(|e| e.deadline_ms());
        self.db.entries.arm(at, side);
        insert(self, hash, deadline_ms.expect("just seen"));
    }

    /// A random key with a deadline, of those for which the wheel holds an item. `None` may mean that
    /// it held one that stands for nothing: that one is gone then, so it pays to ask again.
    pub(super) fn any_volatile(&mut self, random: u64, stays: bool) -> Option<Found> {
        let item = self.sorted_wheel()?.take_any(random)?;
        let (found, deadline_ms) = self.armed_key(item)?;
        if stays {
            insert(self, found.hash, deadline_ms);
        }
        Some(found)
    }

    /// Of about `count` keys with the nearest deadlines, the one that is next: the victim of
    /// eviction by TTL. `None` as with `any_volatile`.
    pub(super) fn nearest_volatile(
        &mut self,
        count: usize,
        random: impl FnMut() -> u64,
    ) -> Option<Found> {
        let item = self.sorted_wheel()?.take_nearest(count, random)?;
        let (found, deadline_ms) = self.armed_key(item)?;
        if item.tells(deadline_ms) {
            return Some(found);
        }
        insert(self, found.hash, deadline_ms);
        None
    }

    /// The wheel, after some of what waits to be sorted out went back into it.
    fn sorted_wheel(&mut self) -> Option<&mut Wheel<KeyTimer>> {
        for _ in 0..SORTED_PER_LOOK {
            match self.db.sorting.pop() {
                Some(item) => self.sort_out(item),
                None => break,
            }
        }
        self.db.wheel.as_deref_mut()
    }

    /// The key an item stands for, if it still stands for one.
    fn armed_key(&self, item: KeyTimer) -> Option<(Found, i64)> {
        let entries = &self.db.entries;
        let is = |entry: EntryRef| entry.deadline_ms().is_some() && entry.is_armed();
        // Another key may have the same bits of the hash, and needs its own item.
        let is_meant =
            |entry: EntryRef| is(entry) && entry.deadline_ms().is_some_and(|ms| item.tells(ms));
        let meant = entries.find_by(item.hash(), is_meant);
        let at = meant.or_else(|| entries.find_by(item.hash(), is))?;
        let entry = entries.get(at)?;
        let hash = entries.hasher().hash(entry.key());
        Some((Found { at, hash }, entry.deadline_ms()?))
    }

    /// Looks at the key an item stands for: it leaves, or is armed again.
    fn surface(&mut self, item: KeyTimer) {
        let now_ms = self.shared.now_ms;
        let hash = item.hash();
        let due = |deadline_ms: Option<i64>| deadline_ms.is_some_and(|ms| ms < now_ms);
        if let Some(at) = self
            .db
            .entries
            .find_by(hash, |entry| due(entry.deadline_ms()))
        {
            self.shared.stats.expired_actively += 1;
            return self.remove(Found { at, hash }, RemovalReason::Expired);
        }
        // Not yet: the deadline was extended, or lies beyond what the item can say.
        let armed = self.db.entries.find_by(hash, |entry| {
            entry.deadline_ms().is_some() && entry.is_armed()
        });
        if let Some(at) = armed {
            let deadline_ms = self
                .db
                .entries
                .get(at)
                .and_then(|entry| entry.deadline_ms());
            insert(self, hash, deadline_ms.expect("just seen"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DbIndex, Keyspace};
    use super::*;
    use crate::algo::rng::Rng;
    use crate::types::entry::NewValue;

    fn keyspace() -> Keyspace {
        Keyspace::new(1, Rng::new(7), 1_000_000)
    }

    #[test]
    fn a_key_is_gone_after_its_deadline_and_not_before() {
        let mut ks = keyspace();
        for (n, ahead) in [1, 10, 1_000, 100_000_000, 40_000_000_000i64]
            .into_iter()
            .enumerate()
        {
            ks.db(DbIndex(0))
                .add(&[n as u8], NewValue::Int(1), Some(1_000_000 + ahead));
        }
        for (left, ahead) in [(5, 1), (4, 2), (3, 11), (2, 1_001), (1, 100_000_001)] {
            ks.set_now_ms(1_000_000 + ahead);
            assert_eq!(ks.db(DbIndex(0)).expire_due(|| true), Slice::Done);
            assert_eq!(ks.view(DbIndex(0)).len(), left, "after {ahead} ms");
        }
        ks.set_now_ms(1_000_001 + 40_000_000_000);
        ks.db(DbIndex(0)).expire_due(|| true);
        assert_eq!(
            (ks.view(DbIndex(0)).len(), ks.view(DbIndex(0)).volatile()),
            (0, 0)
        );
        assert_eq!(ks.shared.stats.expired, 5);
    }

    #[test]
    fn a_million_refreshes_leave_no_garbage() {
        let mut ks = keyspace();
        let mut db = ks.db(DbIndex(0));
        let found = db.add(b"key", NewValue::Int(1), Some(2_000_000));
        for n in 0..1_000_000 {
            // Up and down: extending and shortening in turn.
            let deadline_ms = 3_000_000 + if n % 2 == 0 { n } else { -n };
            db.set_deadline(found, deadline_ms);
        }
        assert!(
            db.db.timers() <= 2 * MIN_STALE,
            "{} items for one key",
            db.db.timers()
        );
    }

    #[test]
    fn sorting_out_loses_no_key_and_keeps_no_double() {
        let mut ks = keyspace();
        let key = |n: i64| format!("key:{n}").into_bytes();
        let mut db = ks.db(DbIndex(0));
        for n in 0..3_000 {
            db.add(&key(n), NewValue::Int(1), Some(2_000_000 + n));
        }
        // Shorter each time: every change inserts an item, until a sorting-out begins.
        for round in 1..5 {
            for n in 0..3_000 {
                let found = db.peek(&key(n)).expect("not due yet");
                db.set_deadline(found, 2_000_000 + n - 100_000 * round);
            }
        }
        assert!(db.db.timers() <= 2 * 3_000 + MIN_STALE + 1);
        for (now_ms, left) in [(1_601_000, 2_000), (1_603_000, 0)] {
            ks.set_now_ms(now_ms);
            while ks.db(DbIndex(0)).expire_due(|| true) == Slice::More {}
            assert_eq!(ks.view(DbIndex(0)).len(), left);
        }
        assert_eq!(ks.view(DbIndex(0)).timers(), 0);
    }

    #[test]
    fn names_are_kept_only_when_noted() {
        for (listens, noted) in [(true, 1), (false, 0)] {
            let mut ks = keyspace();
            ks.shared.note_removed_keys = listens;
            ks.db(DbIndex(0))
                .add(b"key", NewValue::Int(1), Some(1_000_500));
            ks.set_now_ms(1_000_501);
            assert_eq!(ks.db(DbIndex(0)).expire_due(|| true), Slice::Done);
            assert_eq!(
                (ks.shared.removed_keys.len(), ks.shared.stats.expired),
                (noted, 1)
            );
        }
    }

    #[test]
    fn a_budget_is_kept() {
        let mut ks = keyspace();
        for n in 0..10_000u32 {
            ks.db(DbIndex(0))
                .add(&n.to_le_bytes(), NewValue::Int(1), Some(1_000_500));
        }
        ks.set_now_ms(1_000_501);
        let mut asked = 0;
        let slice = ks.db(DbIndex(0)).expire_due(|| {
            asked += 1;
            asked < 10
        });
        assert_eq!(slice, Slice::More);
        assert!(ks.view(DbIndex(0)).len() > 9_000);
        // Items on their way down the wheel may ask for attention early, never late.
        assert!(ks.next_expiry_ms().is_some_and(|ms| ms <= 1_000_501));
    }

    #[test]
    fn a_wheel_that_stood_still_has_lost_nothing() {
        let mut ks = keyspace();
        for n in 0..1_000u32 {
            let ahead = 1 + i64::from(n) * 7_919 % 600_000;
            ks.db(DbIndex(0))
                .add(&n.to_le_bytes(), NewValue::Int(1), Some(1_000_000 + ahead));
        }
        ks.shared.active_expiry = false;
        ks.set_now_ms(1_300_000);
        assert_eq!(ks.next_expiry_ms(), None);
        assert_eq!(ks.db(DbIndex(0)).expire_due(|| true), Slice::Done);
        assert_eq!(ks.view(DbIndex(0)).len(), 1_000);
        // A lookup of an overdue key removes it all the same.
        assert!(ks.db(DbIndex(0)).read(&1u32.to_le_bytes()).is_none());
        assert_eq!(ks.view(DbIndex(0)).len(), 999);
        ks.db(DbIndex(0))
            .add(b"late", NewValue::Int(1), Some(1_300_001));
        // Held, they stay in spite of lookups.
        ks.shared.hold_expired = true;
        ks.shared.active_expiry = true;
        assert!(ks.db(DbIndex(0)).read(&2u32.to_le_bytes()).is_none());
        assert_eq!(ks.view(DbIndex(0)).len(), 1_000);
        ks.shared.hold_expired = false;
        ks.set_now_ms(1_000_000 + 600_001);
        assert_eq!(ks.db(DbIndex(0)).expire_due(|| true), Slice::Done);
        assert_eq!(
            (ks.view(DbIndex(0)).len(), ks.view(DbIndex(0)).volatile()),
            (0, 0)
        );
    }
}
