//! The entries of one database: the table that finds them and the arena that holds them.
//!
//! All entries are created, moved and freed here, so every pointer in the table is live: that is
//! what makes the handles of `types::entry` safe to hand out. A change of size moves an entry to
//! another block and puts the new pointer into its slot.
//!
//! Called by `keyspace::db` only, which knows about time, events and why a key leaves.
#![allow(unsafe_code)]

use crate::sys::pages::{Reserve, prefetch};
use crate::types::arena::{Arena, BLOCK_MAX, block_size};
use crate::types::entry::{EntryPtr, EntryRef, NewValue, Shape};
use crate::types::table::{HashItem, Position, SegmentPool, Slot, Table};
use crate::types::value::{Encoding, Heap, Value};
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroU64;
use std::ptr::NonNull;

impl Slot for EntryPtr {
    #[inline(always)]
    fn to_bits(self) -> NonZeroU64 {
        // SAFETY: the address is not null.
        unsafe { NonZeroU64::new_unchecked(self.0.as_ptr().expose_provenance() as u64) }
    }
    #[inline(always)]
    fn from_bits(bits: NonZeroU64) -> Self {
        // SAFETY: the bits are not zero.
        EntryPtr(unsafe { NonNull::new_unchecked(bits.get() as *mut u8) })
    }
}

/// The keyed hash of key names; one seed per process.
#[derive(Clone)]
pub struct KeyHasher(ahash::RandomState);

impl KeyHasher {
    pub fn new(seed: [u64; 4]) -> Self {
        KeyHasher(ahash::RandomState::with_seeds(
            seed[0], seed[1], seed[2], seed[3],
        ))
    }

    #[inline(always)]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}

impl HashItem<EntryPtr> for KeyHasher {
    fn hash_item(&self, item: EntryPtr) -> u64 {
        // SAFETY: the table holds live entries only (head of this file).
        self.hash(unsafe { item.as_ref() }.key())
    }
}

/// The heap value left behind by an overwritten or removed entry, to be dropped.
pub type OldValue = Option<Box<Heap>>;

/// A value as it can be changed where it lies.
pub enum ValueMut<'a> {
    Int(i64),
    Inline(&'a mut [u8]),
    Heap(&'a mut Heap),
}

/// The entries of one database: a hash table of pointers, and the arena they point into.
pub struct Entries {
    table: Table<EntryPtr>,
    arena: Arena,
    hasher: KeyHasher,
    /// Entries that were announced and are in no table yet, with their hashes.
    coming: VecDeque<(u64, EntryPtr)>,
}

impl Entries {
    /// An empty store that takes its chunks from `reserve`.
    pub fn new(hasher: KeyHasher, reserve: Reserve) -> Self {
        Entries {
            table: Table::new(SegmentPool::Huge(reserve.clone())),
            arena: Arena::new(reserve),
            hasher,
            coming: VecDeque::new(),
        }
    }

    pub fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Whether nothing is held, memory included.
    pub fn is_blank(&self) -> bool {
        self.is_empty() && self.coming.is_empty() && self.arena.mapped_bytes() == 0
    }

    /// Removes all entries. The arena keeps one chunk.
    pub fn clear(&mut self) {
        while let Some((_, entry)) = self.coming.pop_front() {
            self.discard(entry);
        }
        let entries: Vec<EntryPtr> = self.table.iter().collect();
        self.table.clear();
        entries.into_iter().for_each(|entry| self.discard(entry));
    }

    /// Slots the table has allocated.
    pub fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// Bytes of the table itself.
    pub fn table_bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Bytes of entries; what their heap values take is with the general allocator.
    pub fn entry_bytes(&self) -> usize {
        self.arena.used_bytes()
    }

    /// Starts loading the bucket of a key about to be looked up.
    #[inline(always)]
    pub fn prefetch_bucket(&self, hash: u64) {
        self.table.prefetch(hash);
    }

    /// Starts loading what an insertion of a new key writes to.
    #[inline(always)]
    pub fn prefetch_insert(&self, hash: u64) {
        self.table.prefetch_header(hash);
    }

    /// Starts loading the entry itself; its bucket should have arrived by now.
    #[inline(always)]
    pub fn prefetch_entry(&self, hash: u64) {
        if let Some(entry) = self.table.candidate(hash) {
            prefetch(entry.address());
            prefetch(entry.address().wrapping_add(56));
        }
    }

    /// The first entry whose tag fits, probably the requested one. A prefetch starts with it.
    #[inline(always)]
    pub fn candidate(&self, hash: u64) -> Option<EntryRef<'_>> {
        // SAFETY: the table holds live entries, and `self` is borrowed as long as the result.
        self.table
            .candidate(hash)
            .map(|entry| unsafe { entry.as_ref() })
    }

    /// The entry of a key, by its hash and its bytes.
    #[inline(always)]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<(Position, EntryRef<'_>)> {
        // SAFETY: the table holds live entries, and `self` is borrowed as long as the result.
        let (at, entry) = self
            .table
            .find(hash, |entry| unsafe { entry.as_ref() }.key() == key)?;
        // SAFETY: as above.
        Some((at, unsafe { entry.as_ref() }))
    }

    /// The first entry with this hash for which `is` returns true: a lookup by hash when the key
    /// is unknown. Only the tag and the low bits of the hash need to be right.
    pub fn find_by(&self, hash: u64, mut is: impl FnMut(EntryRef) -> bool) -> Option<Position> {
        // SAFETY: the table holds live entries.
        self.table
            .find(hash, |entry| is(unsafe { entry.as_ref() }))
            .map(|(at, _)| at)
    }

    #[inline]
    pub fn get(&self, at: Position) -> Option<EntryRef<'_>> {
        // SAFETY: the table holds live entries, and `self` is borrowed as long as the result.
        self.table.get(at).map(|entry| unsafe { entry.as_ref() })
    }

    fn at(&self, at: Position) -> EntryPtr {
        self.table
            .get(at)
            .expect("a position is used before the table changes")
    }

    /// Adds a key that is not there.
    pub fn insert(
        &mut self,
        hash: u64,
        key: &[u8],
        value: NewValue,
        deadline_ms: Option<i64>,
        aging: u32,
    ) -> Position {
        let entry = self.build(key, value, deadline_ms, aging);
        self.table.insert(hash, entry, &self.hasher)
    }

    /// Makes an entry that `admit` will put into the table, and prefetches its bucket. For bulk
    /// inserts that need not know at once whether a key exists.
    pub fn announce(
        &mut self,
        hash: u64,
        key: &[u8],
        value: NewValue,
        deadline_ms: Option<i64>,
        aging: u32,
    ) {
        self.prefetch_bucket(hash);
        self.prefetch_insert(hash);
        let entry = self.build(key, value, deadline_ms, aging);
        self.coming.push_back((hash, entry));
    }

    /// Entries announced and not admitted yet.
    pub fn coming(&self) -> usize {
        self.coming.len()
    }

    /// Adds the entry that was announced first: its place and hash, or the key if it is there
    /// already. None if no entry was announced.
    pub fn admit(&mut self) -> Option<Result<(Position, u64), Vec<u8>>> {
        let (hash, entry) = self.coming.pop_front()?;
        // SAFETY: the entry is whole, and there is no other reference to it.
        let key = unsafe { entry.as_ref() }.key();
        if self.find(hash, key).is_none() {
            return Some(Ok((self.table.insert(hash, entry, &self.hasher), hash)));
        }
        let key = key.to_vec();
        self.discard(entry);
        Some(Err(key))
    }

    /// Frees an entry that is in no table.
    fn discard(&mut self, entry: EntryPtr) {
        let size = entry.shape().size();
        // SAFETY: the caller hands over the only handle to a whole entry of this arena.
        unsafe {
            drop(entry.take_heap());
            self.arena.free(entry.0, size);
        }
    }

    fn build(
        &mut self,
        key: &[u8],
        value: NewValue,
        deadline_ms: Option<i64>,
        aging: u32,
    ) -> EntryPtr {
        let shape = Shape {
            deadline: deadline_ms.is_some(),
            key_len: key.len(),
            value_size: value.inner_size(),
        };
        let entry = EntryPtr(self.arena.alloc(shape.size()));
        // SAFETY: a fresh block of the shape's size; head, then value.
        unsafe {
            entry.write_head(key, deadline_ms, aging);
            entry.write_value(key, value);
        }
        entry
    }

    /// Overwrites the value at `at`, keeping key, deadline and aging. A position stays good.
    pub fn set_value(&mut self, at: Position, value: NewValue) -> OldValue {
        let entry = self.at(at);
        if let NewValue::Int(n) = value
            && self.replace_int(at, n).is_some()
        {
            return None;
        }
        // SAFETY: `&mut self`: there is no other reference to the value.
        let old_value = unsafe { entry.take_heap() };
        let old = entry.shape();
        let new = Shape {
            value_size: value.inner_size(),
            ..old
        };
        // SAFETY: entries of this table are live; the key stays readable until it is rewritten.
        let reader = unsafe { entry.as_ref() };
        if block_size(old.size()) == block_size(new.size()) && old.size() <= BLOCK_MAX {
            // SAFETY: the block has room for the new shape and `&mut self` is exclusive.
            unsafe { entry.write_value(entry.raw_key(), value) };
            return old_value;
        }
        let timer = entry.timer_bits();
        let moved = self.build(reader.key(), value, reader.deadline_ms(), reader.aging());
        moved.set_timer_bits(timer);
        self.table.replace(at, moved);
        // SAFETY: the old block is out of the table.
        unsafe { self.arena.free(entry.0, old.size()) };
        old_value
    }

    /// Sets or clears the deadline. A position stays good.
    pub fn set_deadline(&mut self, at: Position, deadline_ms: Option<i64>) {
        let entry = self.at(at);
        let old = entry.shape();
        match deadline_ms {
            Some(deadline_ms) if old.deadline => return entry.set_deadline(deadline_ms),
            None if !old.deadline => return,
            _ => {}
        }
        let encoding = entry_encoding(entry);
        // SAFETY: live until freed below.
        let reader = unsafe { entry.as_ref() };
        let template = reader.template();
        // SAFETY: `&mut self` is exclusive.
        let heap = unsafe { entry.take_heap() };
        let value = match (heap, reader.value()) {
            (Some(heap), _) => NewValue::Heap(heap, encoding),
            (None, Value::Int(n)) => NewValue::Int(n),
            (None, Value::Text(text)) => NewValue::Inline(text, encoding),
            (None, Value::Compact(bytes)) => NewValue::Compact(reader.kind(), bytes, encoding),
            // What is on the heap or has a template was taken above.
            (None, Value::Rich(_) | Value::Template(_)) => NewValue::Int(0),
        };
        let value = match template {
            Some((tie, bytes)) => NewValue::Template(tie, bytes),
            None => value,
        };
        let moved = self.build(reader.key(), value, deadline_ms, reader.aging());
        if deadline_ms.is_some() {
            moved.set_timer_bits(entry.timer_bits());
        }
        self.table.replace(at, moved);
        // SAFETY: the old block is out of the table, its value taken or copied.
        unsafe { self.arena.free(entry.0, old.size()) };
    }

    /// Removes the entry at `at`.
    pub fn remove(&mut self, at: Position) -> OldValue {
        let entry = self.table.remove(at)?;
        let size = entry.shape().size();
        // SAFETY: the entry is out of the table and `&mut self` exclusive.
        unsafe {
            let old_value = entry.take_heap();
            self.arena.free(entry.0, size);
            old_value
        }
    }

    /// The value, for changing it in place; `None` for an integer.
    pub fn value_mut(&mut self, at: Position) -> Option<ValueMut<'_>> {
        let entry = self.table.get(at)?;
        // SAFETY: `&mut self` is exclusive for as long as the result lives.
        unsafe {
            if let Some(heap) = entry.heap_mut() {
                return Some(ValueMut::Heap(heap));
            }
            if let Some(bytes) = entry.inline_mut() {
                return Some(ValueMut::Inline(bytes));
            }
            match entry.as_ref().value() {
                Value::Int(n) => Some(ValueMut::Int(n)),
                Value::Text(_) | Value::Compact(_) | Value::Rich(_) | Value::Template(_) => None,
            }
        }
    }

    /// Overwrites an integer where it stands and returns it; nothing happens if there is none.
    #[inline]
    pub fn replace_int(&mut self, at: Position, value: i64) -> Option<i64> {
        let entry = self.at(at);
        // SAFETY: the table holds live entries.
        match unsafe { entry.as_ref() }.value() {
            Value::Int(old) => {
                entry.set_int(value);
                Some(old)
            }
            Value::Text(_) | Value::Compact(_) | Value::Rich(_) | Value::Template(_) => None,
        }
    }

    /// Changes only the reported encoding; the bytes stay.
    pub fn set_encoding(&mut self, at: Position, encoding: Encoding) {
        self.at(at).set_encoding(encoding);
    }

    #[inline]
    pub fn set_aging(&mut self, at: Position, aging: u32) {
        self.at(at).set_aging(aging);
    }

    /// Notes that the wheel holds an item for the entry, put there on this side.
    pub fn arm(&mut self, at: Position, side: bool) {
        self.at(at).arm(side);
    }

    /// Visits some entries from `cursor` on; see `Table::scan`.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(EntryRef)) -> u64 {
        self.table.prefetch_scan(cursor);
        // SAFETY: the table holds live entries.
        self.table
            .scan(cursor, |entry| visit(unsafe { entry.as_ref() }))
    }

    /// A fair random entry.
    pub fn pick(&self, random: impl FnMut() -> u64) -> Option<EntryRef<'_>> {
        // SAFETY: the table holds live entries, and `self` is borrowed as long as the result.
        self.table
            .pick(random)
            .map(|entry| unsafe { entry.as_ref() })
    }

    /// Visits about `count` random entries, at least one unless there is none.
    pub fn sample(
        &self,
        count: usize,
        random: impl FnMut() -> u64,
        mut visit: impl FnMut(EntryRef),
    ) {
        /// Entries that are loaded at once.
        const ROOM: usize = 64;
        let mut found = [None::<EntryPtr>; ROOM];
        let mut len = 0;
        self.table.sample(count.min(ROOM), random, |entry| {
            prefetch(entry.address());
            found[len] = Some(entry);
            len += 1;
        });
        for entry in found.into_iter().flatten() {
            // SAFETY: the table holds live entries, and nothing changes it meanwhile.
            visit(unsafe { entry.as_ref() });
        }
    }

    /// As `iter`, for walks that read the values of all entries: entries are loaded ahead.
    pub fn iter_ahead(&self) -> impl Iterator<Item = EntryRef<'_>> {
        const AHEAD: usize = 16;
        let mut items = self.table.iter();
        let mut ring = [None::<EntryPtr>; AHEAD];
        let mut at = 0;
        let mut next = move |ring: &mut [Option<EntryPtr>; AHEAD]| {
            let item = items.next();
            if let Some(entry) = item {
                prefetch(entry.address());
                prefetch(entry.address().wrapping_add(64));
            }
            at = (at + 1) % AHEAD;
            std::mem::replace(&mut ring[at], item)
        };
        for _ in 0..AHEAD {
            next(&mut ring);
        }
        // SAFETY: as in `pick`.
        std::iter::from_fn(move || next(&mut ring).map(|entry| unsafe { entry.as_ref() }))
    }

    pub fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        // SAFETY: as in `pick`.
        self.table.iter().map(|entry| unsafe { entry.as_ref() })
    }
}

#[cfg(any(test, debug_assertions, feature = "testing"))]
impl Entries {
    /// Walks over the table, the entries and the arena, but not into values.
    ///
    /// # Panics
    /// Where something does not hold, with what it is.
    pub fn check(&self) {
        self.table.check(&self.hasher);
        let (mut small, mut large) = (0, 0);
        let coming = self.coming.iter().map(|&(_, entry)| entry);
        for entry in self.table.iter().chain(coming) {
            let size = entry.shape().size();
            match size > BLOCK_MAX {
                true => large += size,
                false => small += block_size(size),
            }
            // SAFETY: entries of the table and those that are coming are live.
            let reader = unsafe { entry.as_ref() };
            let kind = reader.heap().map_or(reader.kind(), Heap::kind);
            assert_eq!(kind, reader.kind(), "an entry knows the type of its value");
        }
        self.arena.check(small, large);
        for entry in self.iter() {
            let found = self.find(self.hasher.hash(entry.key()), entry.key());
            let at = found.map(|(_, found)| found.at);
            assert_eq!(at, Some(entry.at), "a key is there once");
        }
    }

    /// Whether this is little enough to be checked on the way.
    pub fn is_quickly_checked(&self, keys: usize) -> bool {
        self.len() <= keys && self.arena.mapped_bytes() <= 4 * crate::sys::pages::CHUNK
    }
}

fn entry_encoding(entry: EntryPtr) -> Encoding {
    // SAFETY: called with a live entry of this table.
    unsafe { entry.as_ref() }.encoding()
}

impl Drop for Entries {
    /// Drops the values behind pointers; the arena takes all small blocks with it.
    fn drop(&mut self) {
        while let Some((_, entry)) = self.coming.pop_front() {
            self.discard(entry);
        }
        for entry in self.table.iter() {
            let size = entry.shape().size();
            // SAFETY: the table is going away; every entry is visited once.
            unsafe {
                drop(entry.take_heap());
                if size > BLOCK_MAX {
                    self.arena.free(entry.0, size);
                }
            }
        }
    }
}

const fn assert_send<T: Send>() {}
const _: () = assert_send::<Entries>();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::value::Text;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn entries() -> Entries {
        Entries::new(KeyHasher::new([1, 2, 3, 4]), Reserve::default())
    }

    fn new_value(bytes: &[u8], as_int: bool) -> NewValue<'_> {
        match bytes.len() {
            len if as_int => NewValue::Int(len as i64),
            0..=512 => NewValue::Inline(bytes, Encoding::Embstr),
            _ => NewValue::Heap(
                Box::new(Heap::Text(Text::Owned(bytes.to_vec()))),
                Encoding::Raw,
            ),
        }
    }

    fn text(value: Value) -> Vec<u8> {
        match value {
            Value::Int(n) => n.to_string().into_bytes(),
            Value::Text(text) => text.to_vec(),
            Value::Compact(_) | Value::Rich(_) | Value::Template(_) => {
                unreachable!("only strings are put in")
            }
        }
    }

    #[test]
    fn sizes_are_those_of_the_drawing() {
        let mut e = entries();
        let key = b"0123456789abcdef";
        let at = e.insert(1, key, NewValue::Int(12345678), None, 0);
        assert_eq!(e.get(at).expect("inserted").size(), 32);
        e.set_value(at, NewValue::Inline(&[7; 32], Encoding::Embstr));
        assert_eq!(e.get(at).expect("inserted").size(), 56);
        e.set_deadline(at, Some(99));
        assert_eq!(e.get(at).expect("inserted").size(), 64);
        assert_eq!(e.entry_bytes(), 64);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.min(64)))]
        #[test]
        fn behaves_like_a_map(ops in prop::collection::vec(
            (0usize..40, 0u8..8, 0usize..700, any::<i64>()), 1..600
        )) {
            let mut e = entries();
            let mut model: HashMap<Vec<u8>, (Vec<u8>, Option<i64>, u32)> = HashMap::new();
            for (n, op, len, number) in ops {
                // Keys of every width, past the one-byte length too.
                let key = vec![b'a' + (n % 26) as u8; n * n];
                let hash = e.hasher().hash(&key);
                let found = e.find(hash, &key).map(|(at, _)| at);
                let bytes = vec![op; len];
                let aging = number as u32 & 0xff_ffff;
                let printed = if op == 1 { len.to_string().into_bytes() } else { bytes.clone() };
                match (found, op) {
                    (None, _) => {
                        let deadline = (op == 2).then_some(number);
                        e.insert(hash, &key, new_value(&bytes, op == 1), deadline, aging);
                        model.insert(key, (printed, deadline, aging));
                    }
                    (Some(at), 0..=2) => {
                        e.set_value(at, new_value(&bytes, op == 1));
                        model.get_mut(&key).expect("found").0 = printed;
                    }
                    (Some(at), 3) => {
                        e.set_deadline(at, Some(number));
                        model.get_mut(&key).expect("found").1 = Some(number);
                    }
                    (Some(at), 4) => {
                        e.set_deadline(at, None);
                        model.get_mut(&key).expect("found").1 = None;
                    }
                    (Some(at), 5) => {
                        e.set_aging(at, aging);
                        model.get_mut(&key).expect("found").2 = aging;
                    }
                    (Some(at), _) => {
                        e.remove(at);
                        model.remove(&key);
                    }
                }
                if e.len().is_multiple_of(8) {
                    e.check();
                }
            }
            e.check();
            prop_assert_eq!(e.len(), model.len());
            for (key, (value, deadline, aging)) in &model {
                let (_, entry) = e.find(e.hasher().hash(key), key).expect("in the model");
                prop_assert_eq!(&text(entry.value()), value);
                prop_assert_eq!(entry.deadline_ms(), *deadline);
                prop_assert_eq!(entry.aging(), *aging);
                prop_assert_eq!(entry.key(), &key[..]);
            }
        }
    }
}
