//! Deadlines of hash fields: the wheel that remembers hashes, and the removal of their fields.
//!
//! A hash knows its next deadline (`types::fields`); the wheel of the database holds an item of
//! eight bytes for it, as for a key (`expiry`). The hash remembers for when the wheel is set; an
//! item that surfaces at another moment is stale and forgotten. So a later deadline inserts
//! nothing, and an earlier one inserts one item.
//!
//! The wheel also holds an item for each stream that keeps ids of idempotent producers (`stream`).
//!
//! Both ways to remove an overdue field, a command that came across it and the wheel, note it in
//! `Shared::expired_fields`: the code that propagates and notifies finds it there, before the effects
//! stated by the command.

use super::db::{DbMut, Found, RemovalReason};
use super::expiry::{KeyTimer, Slice};
use super::hash::{HashRef, is_overdue};
use super::{DbIndex, Shared};
use crate::types::entries::ValueMut;
use crate::types::entry::EntryRef;
use crate::types::fields::Armed;
use crate::types::value::{Encoding, Heap, Kind, Value};
use crate::types::wheel::{Step, Wheel};

/// Fields that a hash loses before others have their turn.
const FIELDS_AT_ONCE: usize = 64;
/// Below this many items a wheel is not worth sorting out.
const MIN_STALE: usize = 1024;
/// Items sorted out with each one inserted.
const SORTED_PER_INSERT: usize = 4;

/// Fields of one hash that left because their time had come.
#[derive(Debug, PartialEq, Eq)]
pub struct ExpiredFields {
    /// Its place among the facts of the command (`Shared::fact`).
    pub seq: u32,
    pub db: DbIndex,
    pub key: Vec<u8>,
    pub fields: Vec<Vec<u8>>,
    /// They were the last ones, so the hash was removed with them.
    pub emptied: bool,
}

impl Shared {
    fn note_expired_field(&mut self, db: DbIndex, key: &[u8], field: &[u8]) {
        self.stats.expired_fields += 1;
        if let Some(last) = self.expired_fields.last_mut()
            && last.db == db
            && last.key == key
            && !last.emptied
        {
            return last.fields.push(field.to_vec());
        }
        self.stirred = true;
        let seq = self.fact();
        self.expired_fields.push(ExpiredFields {
            seq,
            db,
            key: key.to_vec(),
            fields: vec![field.to_vec()],
            emptied: false,
        });
    }
}

/// Whether a value may be a hash with deadlines, seen by its encoding.
#[inline(always)]
pub(super) fn may_have_deadlines(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::ListpackEx | Encoding::Hashtable)
}

/// Whether the wheel may have to know a value, seen by its encoding.
#[inline(always)]
pub(super) fn may_be_armed(encoding: Encoding) -> bool {
    may_have_deadlines(encoding) || encoding == Encoding::Stream
}

/// The deadline state of a hash; none of a type that cannot have any.
#[inline]
pub(super) fn armed(entry: EntryRef) -> Option<Armed> {
    match (entry.encoding(), entry.value()) {
        (Encoding::ListpackEx, Value::Compact(stored)) => Some(Armed::of_list(stored)),
        (_, Value::Rich(Heap::Hash(table))) => Some(table.armed),
        (_, Value::Rich(Heap::Stream(stream))) => stream.producers.as_ref().map(|it| Armed {
            armed_ms: it.armed_ms,
            counted: false,
        }),
        _ => None,
    }
}

/// Whether a value counts as a hash with deadlines.
#[inline(always)]
pub(super) fn is_counted(entry: EntryRef) -> bool {
    may_have_deadlines(entry.encoding()) && armed(entry).is_some_and(|armed| armed.counted)
}

impl DbMut<'_> {
    /// Makes the wheel surface a found hash no later than its next deadline, and counts it among
    /// the hashes that have one.
    #[inline]
    pub(super) fn arm_fields(&mut self, found: Found) {
        if !may_have_deadlines(self.get(found).encoding()) {
            return;
        }
        let Some(was) = armed(self.get(found)) else {
            return;
        };
        let due_ms = self.hash_at(found).ok().and_then(HashRef::next_due_ms);
        let late = due_ms.filter(|&ms| was.armed_ms == 0 || ms < was.armed_ms);
        let is = Armed {
            armed_ms: late.unwrap_or(was.armed_ms),
            counted: due_ms.is_some(),
        };
        if is == was {
            return;
        }
        self.set_armed(found, is);
        match (was.counted, is.counted) {
            (false, true) => self.db.volatile_hashes += 1,
            (true, false) => self.db.volatile_hashes -= 1,
            _ => {}
        }
        if let Some(due_ms) = late {
            self.insert_field_timer(found.hash, due_ms);
            self.sort_field_timers();
        }
    }

    fn set_armed(&mut self, found: Found, armed: Armed) {
        match self.db.entries.value_mut(found.at) {
            Some(ValueMut::Heap(Heap::Hash(table))) => table.armed = armed,
            Some(ValueMut::Heap(Heap::Stream(stream))) => {
                if let Some(producers) = &mut stream.producers {
                    producers.armed_ms = armed.armed_ms;
                }
            }
            Some(ValueMut::Heap(Heap::Compact(_, stored))) => armed.put_into_list(stored),
            Some(ValueMut::Inline(stored)) => armed.put_into_list(stored),
            _ => {}
        }
    }

    /// As `arm_fields`, for a hash that came from elsewhere.
    pub(super) fn adopt_fields(&mut self, found: Found) {
        if armed(self.get(found)).is_some() {
            self.set_armed(found, Armed::default());
            self.arm_fields(found);
            self.arm_producers(found);
        }
    }

    pub(super) fn insert_field_timer(&mut self, hash: u64, due_ms: i64) {
        let now_ms = self.shared.now_ms.max(0) as u64;
        let wheel = &mut self.db.field_wheel;
        let wheel = wheel.get_or_insert_with(|| Box::new(Wheel::new(now_ms)));
        wheel.insert(due_ms.max(0) as u64, KeyTimer::new(hash, due_ms));
    }

    /// Keeps stale items from piling up: when most are, all are taken out, and few at a time go back.
    fn sort_field_timers(&mut self) {
        for _ in 0..SORTED_PER_INSERT {
            let Some(item) = self.db.field_sorting.pop() else {
                break;
            };
            self.sort_out_field_timer(item);
        }
        let items = self.db.field_wheel.as_ref().map_or(0, |wheel| wheel.len());
        if self.db.field_sorting.is_empty()
            && items > 2 * self.db.volatile_hashes + MIN_STALE
            && let Some(wheel) = &mut self.db.field_wheel
        {
            self.db.field_sorting = wheel.take_all();
        }
    }

    fn sort_out_field_timer(&mut self, item: KeyTimer) {
        if let Some((found, armed_ms)) = self.armed_by(item) {
            self.insert_field_timer(found.hash, armed_ms);
        }
    }

    /// The hash whose wheel item this is, and its deadline.
    fn armed_by(&self, item: KeyTimer) -> Option<(Found, i64)> {
        let hash = item.hash();
        let mut armed_ms = 0;
        let at = self.db.entries.find_by(hash, |entry| {
            armed_ms = armed(entry).map_or(0, |armed| armed.armed_ms);
            armed_ms != 0 && KeyTimer::new(hash, armed_ms) == item
        })?;
        Some((Found { at, hash }, armed_ms))
    }

    /// Removes fields whose deadline has come, until `go_on` returns false; it is called every few
    /// items.
    pub fn expire_fields_due(&mut self, mut go_on: impl FnMut() -> bool) -> Slice {
        if !self.shared.expires_actively() {
            return Slice::Done;
        }
        loop {
            if let Some(item) = self.db.field_sorting.pop() {
                self.sort_out_field_timer(item);
                continue;
            }
            let now_ms = self.shared.now_ms;
            let Some(wheel) = &mut self.db.field_wheel else {
                return Slice::Done;
            };
            match wheel.step((now_ms - 1).max(0) as u64) {
                Step::Idle => return Slice::Done,
                Step::Moved => {}
                Step::Due(item) => {
                    self.surface_fields(item);
                    if !go_on() {
                        return Slice::More;
                    }
                }
            }
        }
    }

    /// Looks at the hash an item stands for: it loses fields, or is armed again.
    fn surface_fields(&mut self, item: KeyTimer) {
        let Some((found, armed_ms)) = self.armed_by(item) else {
            return;
        };
        // The item says the low bits only: the moment may lie further ahead.
        if armed_ms >= self.shared.now_ms {
            return self.insert_field_timer(found.hash, armed_ms);
        }
        if let Some(was) = armed(self.get(found)) {
            self.set_armed(found, Armed { armed_ms: 0, ..was });
        }
        if self.get(found).kind() == Kind::Stream {
            return self.sweep_producers(found);
        }
        let before = self.shared.stats.expired_fields;
        let stays = self.expire_due_fields(found, FIELDS_AT_ONCE);
        let stats = &mut self.shared.stats;
        stats.expired_fields_actively += stats.expired_fields - before;
        if stays {
            self.arm_fields(found);
        }
    }

    /// Removes up to `most` overdue fields of a found hash, and the hash with the last. Returns
    /// whether it is still there.
    pub fn expire_due_fields(&mut self, found: Found, most: usize) -> bool {
        let now_ms = self.shared.now_ms;
        for _ in 0..most {
            let name = match self.hash_at(found) {
                Ok(HashRef::List(list)) => list.first_due().filter(|f| is_overdue(f, now_ms)),
                Ok(HashRef::Table(table)) if table.first_due_ms().is_some_and(|ms| ms < now_ms) => {
                    table.first_due().and_then(|at| table.get(at))
                }
                _ => None,
            };
            let Some(name) = name.map(|field| field.name.to_vec()) else {
                break;
            };
            self.expire_field(found, &name);
        }
        self.keep_unless_empty(found)
    }

    /// Removes an overdue field. The hash may be empty then.
    pub fn expire_field(&mut self, found: Found, name: &[u8]) {
        self.remove_field(found, name);
        let key = self.db.entries.get(found.at).map(|entry| entry.key());
        let key = key.expect("found in this database, which has not changed since");
        self.shared.note_expired_field(self.index, key, name);
    }

    /// Removes a hash that lost its last field by `expire_field`. Returns whether it is still there.
    pub fn keep_unless_empty(&mut self, found: Found) -> bool {
        if self.hash_at(found).is_ok_and(|hash| !hash.is_empty()) {
            return true;
        }
        if let Some(last) = self.shared.expired_fields.last_mut() {
            last.emptied = true;
        }
        self.remove(found, RemovalReason::Deleted);
        false
    }

    /// Whether overdue fields are to stay.
    pub fn holds_expired(&self) -> bool {
        self.shared.hold_expired
    }
}

/// The time of the next step of the wheel of fields.
pub(super) fn wake_ms(db: &super::Db) -> Option<i64> {
    if !db.field_sorting.is_empty() {
        return Some(0);
    }
    db.field_wheel.as_ref()?.wake_ms().map(|ms| ms as i64)
}
