//! One database: lookups, writes, and the one door through which every key leaves.
//!
//! A deadline in the past hides a key from every lookup and, unless expired keys are held, removes
//! it on the way. The wheel (`expiry`) removes it within milliseconds anyway; the check here is
//! the authority.

use super::expiry::{self, KeyTimer};
use super::fields;
use super::sizes::{Size, Sizes};
use super::{DbIndex, Garbage, LazyFree, Missed, RdbVersions, RemovedKey, Shared};
use crate::sys::pages::Reserve;
use crate::types::entries::{Entries, KeyHasher, OldValue, ValueMut};
use crate::types::entry::{EntryRef, INLINE_MAX, NewValue};
use crate::types::stream::Needs;
use crate::types::table::Position;
use crate::types::template::{Tie, Values};
use crate::types::value::{Encoding, Heap, Kind, Value};
use crate::types::wheel::{Bag, Wheel};

/// Values with more bytes than this are dropped by the helper thread: returning a quarter of a
/// megabyte to the system already costs tens of microseconds.
const SLOW_TO_DROP: usize = 256 << 10;
/// A database with more entries than this is dropped by the helper thread; with fewer, its memory
/// serves what comes next.
const SLOW_TO_FLUSH: usize = 64;

/// A key and a short string up to this many bytes together count as `embstr`, longer ones as `raw`:
/// what fits one cache line beside the headers in Redis 8.2. A deadline takes eight of them.
const EMBSTR_MAX: usize = 41;

/// A value of more parts than this counts as freed in the background when UNLINK removes it: the
/// figure that INFO's lazyfreed_objects goes by.
const LAZY_FREE_PARTS: usize = 64;

/// The reason for the removal of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RemovalReason {
    Expired,
    Deleted,
    Overwritten,
    Evicted,
}

/// The effect of a write on the key's deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deadline {
    Clear,
    Keep,
    /// Unix milliseconds.
    At(i64),
}

/// A key that a lookup found: good until the database changes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Found {
    pub(super) at: Position,
    pub(super) hash: u64,
}

/// A database's state; `DbMut` works on it.
pub struct Db {
    pub(super) entries: Entries,
    pub(super) wheel: Option<Box<Wheel<KeyTimer>>>,
    /// Items taken out of the wheel to be sorted out, and on which side the sorted ones are.
    pub(super) sorting: Bag<KeyTimer>,
    pub(super) side: bool,
    /// Keys with a deadline.
    pub(super) volatile: usize,
    /// The wheel of hashes whose fields have deadlines, the items taken out of it to be sorted
    /// out, and the number of such hashes.
    pub(super) field_wheel: Option<Box<Wheel<KeyTimer>>>,
    pub(super) field_sorting: Bag<KeyTimer>,
    pub(super) volatile_hashes: usize,
    pub(super) sizes: Sizes,
}

impl Db {
    pub fn new(hasher: KeyHasher, reserve: Reserve) -> Self {
        Db {
            entries: Entries::new(hasher, reserve),
            wheel: None,
            sorting: Bag::new(),
            side: false,
            volatile: 0,
            field_wheel: None,
            field_sorting: Bag::new(),
            volatile_hashes: 0,
            sizes: Sizes::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Keys with a deadline.
    pub fn volatile(&self) -> usize {
        self.volatile
    }

    /// Hashes with fields that have a deadline.
    pub fn volatile_hashes(&self) -> usize {
        self.volatile_hashes
    }

    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    pub(super) fn into_entries(self) -> Entries {
        self.entries
    }

    /// Whether the database is as a new one: it has no keys and holds no memory.
    pub(super) fn is_blank(&self) -> bool {
        let has_wheel = self.wheel.is_some() || self.field_wheel.is_some();
        self.entries.is_blank() && !has_wheel && self.timers() == 0 && self.field_timers() == 0
    }

    /// Takes over memory that another database no longer needs, if this one has none.
    pub(super) fn reuse(&mut self, mut entries: Entries) {
        if self.entries.is_blank() {
            entries.clear();
            self.entries = entries;
        }
    }

    /// Items the wheel holds, stale ones included.
    pub fn timers(&self) -> usize {
        self.wheel.as_ref().map_or(0, |wheel| wheel.len()) + self.sorting.len()
    }

    /// The same for the wheel of hashes whose fields have deadlines.
    pub fn field_timers(&self) -> usize {
        self.field_wheel.as_ref().map_or(0, |wheel| wheel.len()) + self.field_sorting.len()
    }

    /// The earliest time at which the wheel could surface an item: a lower bound of the nearest
    /// deadline. Items still to be sorted out could have any deadline.
    pub(super) fn first_volatile_ms(&self) -> u64 {
        let wheel = self.wheel.as_ref().and_then(|wheel| wheel.next_ms());
        match self.sorting.is_empty() {
            true => wheel.unwrap_or(u64::MAX),
            false => 0,
        }
    }

    /// The time of the wheel's next step: the deadline itself where few keys share its slot.
    pub(super) fn next_expiry_ms(&self) -> Option<i64> {
        // Items that wait to be sorted out may be overdue.
        if !self.sorting.is_empty() {
            return Some(0);
        }
        self.wheel.as_ref()?.wake_ms().map(|ms| ms as i64)
    }
}

/// A database in use, together with the state that all databases share.
pub struct DbMut<'k> {
    pub(super) index: DbIndex,
    pub(super) db: &'k mut Db,
    pub(super) shared: &'k mut Shared,
}

impl<'k> DbMut<'k> {
    /// The state that all databases share.
    pub fn shared(&mut self) -> &mut Shared {
        self.shared
    }

    pub fn len(&self) -> usize {
        self.db.len()
    }

    #[inline(always)]
    fn hash(&self, key: &[u8]) -> u64 {
        let (address, len, hash) = self.shared.hint;
        if address == key.as_ptr() as usize && len == key.len() {
            return hash;
        }
        self.db.entries.hasher().hash(key)
    }

    /// Whether a deadline has passed. The millisecond that it names is the key's last: a deadline
    /// is counted from the start of the millisecond in which it was set, and never comes early.
    #[inline(always)]
    fn is_past(&self, deadline_ms: i64) -> bool {
        deadline_ms < self.shared.now_ms
    }

    /// The place of a key, overdue or not, without expiring it. For DEBUG.
    pub fn locate(&self, key: &[u8]) -> Option<Found> {
        let hash = self.hash(key);
        let (at, _) = self.db.entries.find(hash, key)?;
        Some(Found { at, hash })
    }

    /// Finds a live key without counting it as used. An expired one leaves on the way.
    #[inline(always)]
    pub fn peek(&mut self, key: &[u8]) -> Option<Found> {
        #[cfg(test)]
        self.shared.touched.push((self.index, key.to_vec()));
        let hash = self.hash(key);
        let (at, entry) = self.db.entries.find(hash, key)?;
        match entry.deadline_ms() {
            Some(deadline_ms) if self.is_past(deadline_ms) && !self.shared.none_overdue => {
                self.expire(Found { at, hash });
                None
            }
            _ => Some(Found { at, hash }),
        }
    }

    #[cold]
    fn expire(&mut self, found: Found) {
        if !self.shared.hold_expired {
            self.remove(found, RemovalReason::Expired);
        }
    }

    #[inline(always)]
    fn touch(&mut self, found: Found) {
        if self.shared.no_touch {
            return;
        }
        let bits = self.get(found).aging();
        let touched = self.shared.aging.touched(bits, self.shared.now_ms);
        if touched != bits {
            self.db.entries.set_aging(found.at, touched);
        }
    }

    /// A key was changed, which makes it young under LRM.
    pub fn note_change(&mut self, key: &[u8]) {
        if let Some(found) = self.locate(key) {
            let fresh = self.shared.aging.fresh(self.shared.now_ms);
            self.db.entries.set_aging(found.at, fresh);
        }
    }

    /// Counts a lookup for reading as a hit or a miss, and a hit as a use of the key.
    #[inline(always)]
    pub fn read(&mut self, key: &[u8]) -> Option<Found> {
        let found = self.peek(key);
        match found {
            Some(found) => {
                self.shared.stats.hits += 1;
                self.touch(found);
            }
            None => self.miss(key),
        }
        found
    }

    fn miss(&mut self, key: &[u8]) {
        self.shared.stats.misses += 1;
        if self.shared.note_misses {
            self.shared.stirred = true;
            let seq = self.shared.fact();
            self.shared.missed.push(Missed {
                seq,
                db: self.index,
                key: key.to_vec(),
            });
        }
    }

    /// Counts a hit or a miss like `read`, but asking for a key this way is no use of it.
    pub fn inspect(&mut self, key: &[u8]) -> Option<Found> {
        let found = self.peek(key);
        match found {
            Some(_) => self.shared.stats.hits += 1,
            None => self.miss(key),
        }
        found
    }

    /// Counts a second lookup of a key that was found before as a hit.
    pub fn count_hit(&mut self) {
        self.shared.stats.hits += 1;
    }

    /// As `inspect`, without recording a miss: for internal lookups behind a value.
    pub fn examine(&mut self, key: &[u8]) -> Option<Found> {
        let found = self.peek(key);
        match found {
            Some(_) => self.shared.stats.hits += 1,
            None => self.shared.stats.misses += 1,
        }
        found
    }

    /// Finds a key for changing it: a use, but neither hit nor miss.
    #[inline(always)]
    pub fn write(&mut self, key: &[u8]) -> Option<Found> {
        let found = self.peek(key)?;
        self.touch(found);
        Some(found)
    }

    /// The entry that was found.
    #[inline(always)]
    pub fn get(&self, found: Found) -> EntryRef<'_> {
        self.db
            .entries
            .get(found.at)
            .expect("found in this database, which has not changed since")
    }

    pub fn entries(&self) -> &Entries {
        &self.db.entries
    }

    pub(super) fn entries_mut(&mut self) -> &mut Entries {
        &mut self.db.entries
    }

    /// Adds a key that is not there.
    pub fn add(&mut self, key: &[u8], value: NewValue, deadline_ms: Option<i64>) -> Found {
        #[cfg(test)]
        self.shared.touched.push((self.index, key.to_vec()));
        // It may be held though overdue: the write makes it anew.
        if self.shared.hold_expired {
            self.drop_held(key);
        }
        self.signal(value.kind(), key);
        let value = self.shared.templates.share_value(value);
        if let NewValue::Heap(heap, _) = &value {
            self.shared.raise_rdb_bound(needed_version(heap));
        }
        let hash = self.hash(key);
        let aging = self.shared.aging.fresh(self.shared.now_ms);
        self.db.sizes.enter(Size::of_new(&value));
        let value = named(value, key.len(), deadline_ms.is_some());
        let adopted = fields::may_be_armed(value.encoding());
        let at = self.db.entries.insert(hash, key, value, deadline_ms, aging);
        let found = Found { at, hash };
        if adopted {
            self.adopt_fields(found);
        }
        if let Some(deadline_ms) = deadline_ms {
            self.db.volatile += 1;
            expiry::arm(self, found, None, deadline_ms);
        }
        found
    }

    /// Wakes clients blocked on a value of type `kind` at `key`: it was created, or grew.
    #[inline(always)]
    pub fn signal(&mut self, kind: Kind, key: &[u8]) {
        if self.shared.awaited & kind.bit() != 0 {
            self.shared.stirred = true;
            self.shared.ready.push((self.index, key.to_vec()));
        }
    }

    /// Wakes clients blocked until a found list grows.
    #[inline(always)]
    pub fn signal_growth(&mut self, found: Found) {
        if self.shared.awaits_growth {
            let key = self.get(found).key().to_vec();
            self.signal(Kind::List, &key);
        }
    }

    /// Wakes clients blocked on the end of a found key, which is removed or gets another value.
    #[inline(always)]
    fn signal_gone(&mut self, found: Found) {
        if self.shared.awaited & Kind::GONE != 0 {
            let key = self.get(found).key().to_vec();
            self.shared.stirred = true;
            self.shared.ready.push((self.index, key));
        }
    }

    /// Overwrites the value of a found key; its deadline stays.
    pub fn replace(&mut self, found: Found, value: NewValue) {
        let (old, new) = (Size::of(self.get(found)), Size::of_new(&value));
        self.db.sizes.change(old, new);
        self.exchange(found, value);
    }

    /// As `replace`, with a value of the same length, or by a caller that counts lengths itself.
    pub(super) fn exchange(&mut self, found: Found, value: NewValue) {
        let entry = self.get(found);
        let value = named(value, entry.key().len(), entry.deadline_ms().is_some());
        self.db.volatile_hashes -= fields::is_counted(entry) as usize;
        let old_value = self.db.entries.set_value(found.at, value);
        self.defer_free(old_value, 0);
    }

    /// Writes a key, whether it is there or not. Returns whether it was.
    #[inline]
    pub fn set(&mut self, key: &[u8], value: NewValue, deadline: Deadline) -> bool {
        self.overwrite(key, value, deadline).is_some()
    }

    /// Writes a key, whether it is there or not. Returns the type of what was there.
    #[inline]
    pub fn overwrite(&mut self, key: &[u8], value: NewValue, deadline: Deadline) -> Option<Kind> {
        match self.peek(key) {
            Some(found) => {
                let old = self.get(found).kind();
                self.signal_gone(found);
                self.signal(value.kind(), key);
                if deadline == Deadline::Clear {
                    self.clear_deadline(found);
                }
                self.replace(found, value);
                let aging = self.shared.aging.fresh(self.shared.now_ms);
                if !self.shared.aging.is_lfu() {
                    self.db.entries.set_aging(found.at, aging);
                }
                if let Deadline::At(deadline_ms) = deadline {
                    self.set_deadline(found, deadline_ms);
                }
                Some(old)
            }
            None => {
                let deadline_ms = match deadline {
                    Deadline::At(deadline_ms) => Some(deadline_ms),
                    Deadline::Clear | Deadline::Keep => None,
                };
                self.add(key, value, deadline_ms);
                None
            }
        }
    }

    #[cold]
    fn drop_held(&mut self, key: &[u8]) {
        let hash = self.hash(key);
        if let Some((at, _)) = self.db.entries.find(hash, key) {
            self.remove(Found { at, hash }, RemovalReason::Overwritten);
        }
    }

    /// The listpack or intset of a small collection that was found.
    #[inline(always)]
    pub fn compact(&self, found: Found) -> Option<&[u8]> {
        match self.get(found).value() {
            Value::Compact(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Lets `edit` change the listpack or intset of a small collection that was found, and puts
    /// it back where it fits: inside the entry while it is short.
    ///
    /// # Panics
    /// If the value is not compact.
    pub fn edit_compact<R>(
        &mut self,
        found: Found,
        encoding: Encoding,
        edit: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> R {
        let entry = self.get(found);
        let kind = entry.kind();
        if let Some(ValueMut::Heap(Heap::Compact(_, bytes))) = self.db.entries.value_mut(found.at) {
            let result = edit(bytes);
            // Half the limit, so that one element going to and fro does not move it each time.
            if bytes.len() <= INLINE_MAX / 2 {
                let bytes = std::mem::take(bytes);
                let value = NewValue::Compact(kind, &bytes, encoding);
                self.db.entries.set_value(found.at, value);
            } else {
                if bytes.capacity() > bytes.len() * 2 {
                    bytes.shrink_to(bytes.len() + bytes.len() / 8);
                }
                self.db.entries.set_encoding(found.at, encoding);
            }
            return result;
        }
        let mut bytes = std::mem::take(&mut self.shared.scratch);
        bytes.clear();
        bytes.extend_from_slice(self.compact(found).expect("the caller saw a compact value"));
        let result = edit(&mut bytes);
        if bytes.len() <= INLINE_MAX {
            let value = NewValue::Compact(kind, &bytes, encoding);
            self.db.entries.set_value(found.at, value);
            self.shared.scratch = bytes;
        } else {
            let heap = Box::new(Heap::Compact(kind, bytes));
            self.db
                .entries
                .set_value(found.at, NewValue::Heap(heap, encoding));
        }
        result
    }

    /// Room for bytes on their way into an entry, to be given back.
    pub(super) fn take_scratch(&mut self) -> Vec<u8> {
        let mut scratch = std::mem::take(&mut self.shared.scratch);
        scratch.clear();
        scratch
    }

    pub(super) fn give_scratch(&mut self, scratch: Vec<u8>) {
        debug_assert_eq!(
            self.shared.scratch.capacity(),
            0,
            "it is taken once at a time"
        );
        self.shared.scratch = scratch;
    }

    /// The structure of a rich collection that was found.
    pub fn heap(&self, found: Found) -> Option<&Heap> {
        self.get(found).heap()
    }

    /// The structure of a rich collection that was found, for changing it.
    #[inline]
    pub fn heap_mut(&mut self, found: Found) -> Option<&mut Heap> {
        match self.db.entries.value_mut(found.at) {
            Some(ValueMut::Heap(heap)) => Some(heap),
            _ => None,
        }
    }

    /// A value for `add` and `replace` out of a compact encoding's bytes: inside the entry if it
    /// is short.
    pub fn compact_value(kind: Kind, bytes: &[u8], encoding: Encoding) -> NewValue<'_> {
        if bytes.len() <= INLINE_MAX {
            NewValue::Compact(kind, bytes, encoding)
        } else {
            NewValue::Heap(Box::new(Heap::Compact(kind, bytes.to_vec())), encoding)
        }
    }

    /// Gives a found key a deadline, in Unix milliseconds.
    pub fn set_deadline(&mut self, found: Found, deadline_ms: i64) {
        let entry = self.get(found);
        let old = entry.deadline_ms();
        if old.is_none() && entry.encoding() == Encoding::Embstr && !is_embstr(entry) {
            self.db.entries.set_encoding(found.at, Encoding::Raw);
        }
        self.db.volatile += old.is_none() as usize;
        self.db.entries.set_deadline(found.at, Some(deadline_ms));
        expiry::arm(self, found, old, deadline_ms);
    }

    /// Makes a found key permanent. Returns whether it was volatile.
    #[inline]
    pub fn clear_deadline(&mut self, found: Found) -> bool {
        if self.get(found).deadline_ms().is_none() {
            return false;
        }
        self.db.entries.set_deadline(found.at, None);
        self.db.volatile -= 1;
        true
    }

    /// Removes a found key: the one door through which keys leave one by one.
    pub fn remove(&mut self, found: Found, why: RemovalReason) {
        self.remove_as(found, why, 0);
    }

    /// As `leave`; what is left counts for so many objects freed in the background.
    fn remove_as(&mut self, found: Found, why: RemovalReason, objects: u64) {
        self.signal_gone(found);
        let entry = self.get(found);
        let volatile = entry.deadline_ms().is_some();
        if matches!(why, RemovalReason::Expired | RemovalReason::Evicted) {
            if self.shared.note_removed_keys {
                let key = entry.key().to_vec();
                self.shared.stirred = true;
                let seq = self.shared.fact();
                self.shared.removed_keys.push(RemovedKey {
                    seq,
                    db: self.index,
                    key,
                    why,
                });
            }
            match why {
                RemovalReason::Expired => self.shared.stats.expired += 1,
                _ => self.shared.stats.evicted += 1,
            }
        }
        self.db.volatile -= volatile as usize;
        self.db.sizes.leave(Size::of(self.get(found)));
        self.db.volatile_hashes -= fields::is_counted(self.get(found)) as usize;
        let old_value = self.db.entries.remove(found.at);
        if self.db.volatile == 0 && self.db.entries.is_empty() {
            self.db.wheel = None;
            self.db.sorting = Bag::new();
        }
        self.defer_free(old_value, objects);
    }

    /// Removes a found key as UNLINK does: a value of many parts counts as freed in the background.
    pub fn unlink(&mut self, found: Found) {
        self.unlink_as(found, RemovalReason::Deleted);
    }

    pub(super) fn unlink_as(&mut self, found: Found, why: RemovalReason) {
        let parts = self.get(found).heap().map_or(1, parts);
        self.remove_as(found, why, (parts > LAZY_FREE_PARTS) as u64);
    }

    /// A random key. It may be overdue if such keys are held, as RANDOMKEY allows for.
    pub fn random_key(&mut self, mut random: impl FnMut() -> u64) -> Option<Vec<u8>> {
        /// Overdue keys in a row after which one is taken as it is.
        const TRIES: u32 = 100;
        let mut last = None;
        for _ in 0..TRIES {
            let key = self.db.entries.pick(&mut random)?.key().to_vec();
            if self.peek(&key).is_some() {
                return Some(key);
            }
            last = Some(key);
        }
        last
    }

    /// Removes a key by name. Returns whether it was there.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        match self.peek(key) {
            Some(found) => {
                self.remove(found, RemovalReason::Deleted);
                true
            }
            None => false,
        }
    }

    /// Moves a key with its value and deadline to another name. The new name must be free.
    pub fn rename(&mut self, found: Found, to: &[u8]) {
        let (value, deadline_ms) = self.take(found);
        self.add_taken(to, value, deadline_ms);
    }

    /// Puts a value that was taken or copied under a key that is not there.
    pub fn add_taken(&mut self, key: &[u8], value: Taken, deadline_ms: Option<i64>) -> Found {
        match value {
            Taken::Int(n) => self.add(key, NewValue::Int(n), deadline_ms),
            Taken::Inline(bytes, encoding) => {
                self.add(key, NewValue::Inline(&bytes, encoding), deadline_ms)
            }
            Taken::Compact(kind, bytes, encoding) => {
                self.add(key, NewValue::Compact(kind, &bytes, encoding), deadline_ms)
            }
            Taken::Heap(heap, encoding) => {
                self.add(key, NewValue::Heap(heap, encoding), deadline_ms)
            }
            Taken::Template(tie, values) => {
                self.add(key, NewValue::Template(tie, &values), deadline_ms)
            }
        }
    }

    /// Takes a key out with its value and deadline, to be put elsewhere.
    pub fn take(&mut self, found: Found) -> (Taken, Option<i64>) {
        self.signal_gone(found);
        let entry = self.get(found);
        let deadline_ms = entry.deadline_ms();
        let encoding = entry.encoding();
        let taken = entry.heap().is_none().then(|| inner(entry));
        self.db.volatile -= deadline_ms.is_some() as usize;
        self.db.sizes.leave(Size::of(self.get(found)));
        self.db.volatile_hashes -= fields::is_counted(self.get(found)) as usize;
        let old_value = self.db.entries.remove(found.at);
        let taken = match (taken, old_value) {
            (Some(taken), _) => taken,
            (None, Some(heap)) => Taken::Heap(heap, encoding),
            (None, None) => Taken::Int(0),
        };
        (taken, deadline_ms)
    }

    /// A copy of a key's value.
    pub fn copy(&self, found: Found) -> (Taken, Option<i64>) {
        let entry = self.get(found);
        let encoding = entry.encoding();
        let taken = match entry.heap() {
            Some(heap) => Taken::Heap(Box::new(heap.clone()), encoding),
            None => inner(entry),
        };
        (taken, entry.deadline_ms())
    }

    /// Drops what a key left, here if that is quick.
    #[inline(always)]
    fn defer_free(&mut self, old_value: OldValue, objects: u64) {
        if let Some(heap) = old_value {
            self.bury_heap(heap, objects);
        }
    }

    fn bury_heap(&mut self, heap: Box<Heap>, objects: u64) {
        if objects > 0 || heap.bytes() > SLOW_TO_DROP {
            let garbage = Garbage::Value(heap);
            self.shared.stirred = true;
            self.shared.to_free.push(LazyFree { garbage, objects });
        }
    }
}

/// A value between two keys.
pub enum Taken {
    Int(i64),
    Inline(Vec<u8>, Encoding),
    Compact(Kind, Vec<u8>, Encoding),
    Heap(Box<Heap>, Encoding),
    /// A hash that lies inside its entry beside its template.
    Template(Tie, Vec<u8>),
}

/// A copy of a value that lies inside its entry.
fn inner(entry: EntryRef) -> Taken {
    match entry.value() {
        Value::Int(n) => Taken::Int(n),
        Value::Text(text) => Taken::Inline(text.to_vec(), entry.encoding()),
        Value::Compact(bytes) => Taken::Compact(entry.kind(), bytes.to_vec(), entry.encoding()),
        Value::Rich(heap) => Taken::Heap(Box::new(heap.clone()), entry.encoding()),
        Value::Template(_) => match entry.template() {
            Some((tie, values)) => Taken::Template(tie, values.to_vec()),
            // Its values are on the heap, which the callers have looked at before.
            None => Taken::Int(0),
        },
    }
}

/// The value with the encoding that it has beside a key of this length.
#[inline(always)]
pub(super) fn named(value: NewValue, key_len: usize, volatile: bool) -> NewValue {
    match value {
        NewValue::Inline(bytes, Encoding::Embstr)
            if key_len + bytes.len() + 8 * volatile as usize > EMBSTR_MAX =>
        {
            NewValue::Inline(bytes, Encoding::Raw)
        }
        value => value,
    }
}

/// Whether an entry that gets a deadline stays short enough for `embstr`.
fn is_embstr(entry: EntryRef) -> bool {
    let len = match entry.value() {
        Value::Text(text) => text.len(),
        Value::Int(_) | Value::Compact(_) | Value::Rich(_) | Value::Template(_) => 0,
    };
    entry.key().len() + len + 8 <= EMBSTR_MAX
}

/// Of how many parts a value consists, each freed on its own.
fn parts(heap: &Heap) -> usize {
    match heap {
        // As in Redis: a compact encoding is one block however much it holds.
        Heap::Text(_) | Heap::Compact(..) => 1,
        Heap::List(list) => list.nodes(),
        Heap::Zset(set) => set.len(),
        Heap::Set(pack) => pack.len(),
        Heap::Hash(table) => table.len(),
        Heap::Template(hash) => match &hash.values {
            Values::Packed(_) => 1,
            Values::Spread(values) => values.len(),
        },
        Heap::Stream(stream) => super::stream::parts(stream),
        Heap::Array(array) => array.slices(),
    }
}

/// Whether garbage is dropped by the helper thread.
pub fn is_slow_to_drop(garbage: &Garbage) -> bool {
    match garbage {
        Garbage::Value(_) | Garbage::Foreign(_) => true,
        Garbage::Entries(_, entries) => {
            let heaps = || entries.iter().filter_map(EntryRef::heap);
            entries.len() > SLOW_TO_FLUSH || heaps().map(Heap::bytes).sum::<usize>() > SLOW_TO_DROP
        }
    }
}

/// The RDB version that a value needs, hashes aside; 0 where any will do.
fn needed_version(heap: &Heap) -> u32 {
    match heap {
        Heap::Array(_) => RdbVersions::ARRAYS,
        Heap::Stream(stream) => match stream.needs() {
            Needs::Groups => 0,
            Needs::Producers => RdbVersions::PRODUCERS,
            Needs::Released => RdbVersions::RELEASED,
        },
        _ => 0,
    }
}
