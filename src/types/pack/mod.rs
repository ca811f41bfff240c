//! The packed table: members of a set, or fields and values of a hash, a few bytes apart.
//!
//! Extendible hashing as in `types::table`, but a segment owns its records: a small index of two
//! bytes and a tag per slot, and chunks in which the records lie behind each other (`segment`).
//! A record has no pointer, no header and no allocation of its own; a member of 16 bytes takes 17
//! and about five of index and room to grow.
//!
//! ```text
//!   directory          levels; index i is in level bits(i), an empty place means "as without its
//!   ..00 -> segment A  top bit"
//!   ..01 -> segment B
//!   ..10    empty         segment  +-------+-----------------------------+
//!   ..11 -> segment C              | index | record record record ...    |
//!                                  +-------+-----------------------------+
//! ```
//!
//! A segment of some five hundred records splits alone, in some ten microseconds, and is compacted
//! alone; nothing is rehashed as a whole, and no reference leaves a segment. SCAN's cursor is a
//! place in the order of the hash, as in `types::table::scan`.
//!
//! Called by `keyspace::set` and `keyspace::hash`.

pub mod atom;
mod chunks;
mod record;
mod scan;
mod segment;

use crate::algo::rng::Rng;
use crate::sys::pages::prefetch;
use crate::types::entries::KeyHasher;
pub use atom::Atom;
use record::Draft;
pub use record::Record;
use segment::{ITEMS_MAX, Replaced, SLOTS_MAX, Segment, Walk, Ways, hash_atom};
use std::collections::VecDeque;

/// Buddies with fewer records together than this become one again.
const MERGE_BELOW: usize = ITEMS_MAX * 4 / 10;
/// Bytes that two segments may have together to become one: half of what one can hold.
const MERGE_BYTES: usize = 32 << 10;
/// Hash bits a directory may use; with five hundred records for each, memory ends before.
const DEPTH_MAX: u8 = 24;

/// The place of a record: valid until the table changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct At {
    hash: u64,
    slot: u32,
}

impl At {
    /// The hash that the record was found by.
    pub fn hash(self) -> u64 {
        self.hash
    }
}

/// A segment in its place. The place itself holds what a lookup needs next, so that loading a
/// segment's head and its bucket can begin at once, not one after the other.
#[derive(Clone)]
struct Held {
    segment: Box<Segment>,
    /// For prefetching only.
    ways: Ways,
}

impl Held {
    fn new(segment: Segment) -> Held {
        let mut held = Held {
            segment: Box::new(segment),
            ways: Ways::default(),
        };
        held.note_ways();
        held
    }

    /// The segment may have moved its parts.
    #[inline(always)]
    fn note_ways(&mut self) {
        self.ways = self.segment.ways();
    }
}

/// The directory's places whose highest bit is the same.
#[derive(Clone, Default)]
struct Level {
    places: Vec<Option<Held>>,
    used: usize,
}

impl Level {
    #[inline(always)]
    fn segment(&self, place: usize) -> Option<&Segment> {
        self.places[place].as_ref().map(|held| &*held.segment)
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.places.iter().flatten().map(|held| &*held.segment)
    }
}

/// A packed table: the members of a set, or the fields and values of a hash.
pub struct Pack {
    hasher: KeyHasher,
    levels: Vec<Level>,
    len: usize,
    bytes: usize,
    /// Whether records have a value.
    paired: bool,
}

impl std::fmt::Debug for Pack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pack of {} records in {} bytes", self.len, self.bytes)
    }
}

impl Clone for Pack {
    fn clone(&self) -> Pack {
        let mut levels = self.levels.clone();
        let places = levels.iter_mut().flat_map(|level| &mut level.places);
        places.flatten().for_each(Held::note_ways);
        let mut copy = Pack {
            hasher: self.hasher.clone(),
            levels,
            ..*self
        };
        // Buffers are copied without their room to grow.
        copy.bytes = copy.counted_bytes();
        copy
    }
}

/// The level of a directory index and its place there.
#[inline(always)]
fn place(index: u64) -> (usize, usize) {
    let level = (64 - index.leading_zeros()) as usize;
    (level, (index - ((1 << level) >> 1)) as usize)
}

impl Pack {
    /// An empty table of members alone.
    pub fn of_members(hasher: KeyHasher) -> Pack {
        Pack {
            hasher,
            levels: Vec::new(),
            len: 0,
            bytes: 0,
            paired: false,
        }
    }

    /// An empty table of fields with values.
    pub fn of_fields(hasher: KeyHasher) -> Pack {
        Pack {
            paired: true,
            ..Pack::of_members(hasher)
        }
    }

    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes allocated, as requested from the allocator.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// Slots for records, and segments; a walk over them.
    pub fn shape(&self) -> (usize, usize) {
        let segments = || self.segments();
        (segments().map(Segment::slots).sum(), segments().count())
    }

    #[inline(always)]
    pub fn hash(&self, key: Atom) -> u64 {
        hash_atom(&self.hasher, key)
    }

    fn mask(&self) -> u64 {
        (1 << (self.levels.len() - 1)) - 1
    }

    /// The place of the segment that `hash` belongs to. There is at least one.
    #[inline(always)]
    fn place_of(&self, hash: u64) -> (usize, usize) {
        let mut index = hash & self.mask();
        loop {
            let (level, place) = place(index);
            if level == 0 || self.levels[level].places[place].is_some() {
                return (level, place);
            }
            index &= !(1 << (level - 1));
        }
    }

    #[inline(always)]
    fn segment(&self, hash: u64) -> Option<&Segment> {
        if self.levels.is_empty() {
            return None;
        }
        let (level, place) = self.place_of(hash);
        self.levels[level].segment(place)
    }

    /// Lets `change` work on the segment of a hash, keeping count of its bytes.
    #[inline(always)]
    fn change<R>(
        &mut self,
        hash: u64,
        change: impl FnOnce(&mut Segment, &KeyHasher) -> R,
    ) -> Option<R> {
        if self.levels.is_empty() {
            return None;
        }
        let (level, place) = self.place_of(hash);
        let held = self.levels[level].places[place].as_mut()?;
        let before = held.segment.bytes();
        let result = change(&mut held.segment, &self.hasher);
        self.bytes = self.bytes + held.segment.bytes() - before;
        held.note_ways();
        Some(result)
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.levels.iter().flat_map(Level::segments)
    }

    /// Starts loading what a lookup of this hash reads first.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        if self.levels.is_empty() {
            return;
        }
        let (level, place) = self.place_of(hash);
        if let Some(held) = &self.levels[level].places[place] {
            held.ways.prefetch(hash);
            held.segment.prefetch_head();
        }
    }

    /// Starts loading the record itself; its bucket should have arrived by now.
    #[inline(always)]
    pub fn prefetch_record(&self, hash: u64) {
        if let Some(at) = self.segment(hash).and_then(|s| s.candidate(hash)) {
            prefetch(at);
        }
    }

    /// The place of a key's record.
    #[inline(always)]
    pub fn find(&self, key: Atom) -> Option<At> {
        self.find_hashed(self.hash(key), key)
    }

    /// As `find`, with the hash of the key already computed.
    #[inline(always)]
    pub fn find_hashed(&self, hash: u64, key: Atom) -> Option<At> {
        let slot = self.segment(hash)?.find(hash, key)? as u32;
        Some(At { hash, slot })
    }

    /// The first record with this hash for which `is` returns true.
    pub fn find_by(&self, hash: u64, mut is: impl FnMut(Record) -> bool) -> Option<At> {
        let segment = self.segment(hash)?;
        let paired = self.paired;
        let slot = segment.find_by(hash, |bytes| is(Record::read(bytes, paired)))? as u32;
        Some(At { hash, slot })
    }

    #[inline(always)]
    pub fn get(&self, at: At) -> Option<Record<'_>> {
        self.segment(at.hash)?.get(at.slot as usize)
    }

    pub fn contains(&self, key: Atom) -> bool {
        self.find(key).is_some()
    }

    /// Adds a member if it is not there; returns whether it did.
    #[inline]
    pub fn add(&mut self, key: Atom) -> bool {
        self.add_hashed(self.hash(key), key)
    }

    /// Adds members; returns how many were not there. What the next ones need is loaded meanwhile.
    /// The hash of the first one may be known already.
    #[inline]
    pub fn add_all<'i>(
        &mut self,
        keys: impl Iterator<Item = Atom<'i>>,
        first_hash: Option<u64>,
    ) -> usize {
        const AHEAD: usize = 8;
        let mut coming = VecDeque::with_capacity(AHEAD);
        let (mut keys, mut added) = (keys.fuse(), 0);
        let Some(first) = keys.next() else {
            return 0;
        };
        let Some(second) = keys.next() else {
            let hash = first_hash.unwrap_or_else(|| self.hash(first));
            debug_assert_eq!(hash, self.hash(first));
            return self.add_hashed(hash, first) as usize;
        };
        for key in [first, second].into_iter().chain(&mut keys) {
            let hash = self.hash(key);
            self.prefetch(hash);
            coming.push_back((hash, key));
            if coming.len() < AHEAD {
                continue;
            }
            if let Some((hash, _)) = coming.get(AHEAD / 2) {
                self.prefetch_record(*hash);
            }
            if let Some((hash, key)) = coming.pop_front() {
                added += self.add_hashed(hash, key) as usize;
            }
        }
        let rest = coming.into_iter();
        added
            + rest
                .filter(|&(hash, key)| self.add_hashed(hash, key))
                .count()
    }

    fn add_hashed(&mut self, hash: u64, key: Atom) -> bool {
        if self.find_hashed(hash, key).is_some() {
            return false;
        }
        self.insert(hash, key, None, None);
        true
    }

    /// Adds a record that is not there yet. In a hash it has a value.
    pub fn insert(
        &mut self,
        hash: u64,
        key: Atom,
        value: Option<Atom>,
        deadline_ms: Option<i64>,
    ) -> At {
        debug_assert_eq!(value.is_some(), self.paired, "fields have values");
        let draft = Draft(Record {
            key,
            value,
            deadline_ms,
        });
        let size = draft.size();
        self.make_room(hash, size);
        self.len += 1;
        let slot = self.change(hash, |segment, _| segment.insert(hash, &draft));
        let slot = slot.expect("room was made in a segment") as u32;
        At { hash, slot }
    }

    /// Gives a found record another value and deadline. The place stays good.
    pub fn replace(
        &mut self,
        at: At,
        key: Atom,
        value: Option<Atom>,
        deadline_ms: Option<i64>,
    ) -> At {
        let draft = Draft(Record {
            key,
            value,
            deadline_ms,
        });
        let slot = at.slot as usize;
        let slot = self.change(at.hash, |segment, hasher| {
            match segment.replace(slot, at.hash, &draft, hasher) {
                Replaced::InPlace => Some(slot),
                Replaced::Moved => segment.find(at.hash, key),
                Replaced::NoRoom => None,
            }
        });
        match slot.flatten() {
            Some(slot) => At {
                slot: slot as u32,
                ..at
            },
            None => {
                // The arena is full of long records: the record moves to a half of its segment.
                self.remove(at);
                self.insert(at.hash, key, value, deadline_ms)
            }
        }
    }

    /// Moves the deadline of a record that has one.
    pub fn move_deadline(&mut self, at: At, deadline_ms: i64) {
        self.change(at.hash, |segment, _| {
            segment.set_deadline(at.slot as usize, deadline_ms)
        });
    }

    /// Takes out a found record.
    pub fn remove(&mut self, at: At) {
        self.change(at.hash, |segment, hasher| {
            segment.remove(at.slot as usize, hasher)
        });
        self.len -= 1;
        if self.len == 0 {
            (self.levels, self.bytes) = (Vec::new(), 0);
            return;
        }
        let few =
            |s: &Segment| s.depth > 0 && s.len() < MERGE_BELOW / 2 && s.len().is_multiple_of(16);
        if self.segment(at.hash).is_some_and(few) {
            self.merge(at.hash);
        }
    }

    /// Removes a member; returns whether it was there.
    pub fn discard(&mut self, key: Atom) -> bool {
        let Some(at) = self.find(key) else {
            return false;
        };
        self.remove(at);
        true
    }

    /// All records, in no order that means anything.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            levels: self.levels.iter(),
            places: [].iter(),
            segment: None,
        }
    }

    /// Shows every record to `visit`: faster than `iter`, which hands each one over in memory.
    #[inline]
    pub fn each(&self, mut visit: impl FnMut(Record)) {
        for segment in self.segments() {
            segment.each(&mut visit);
        }
    }

    /// A record picked by `random`, a source of uniform 64-bit numbers; each is as likely as any
    /// other. `None` only if the table is empty.
    pub fn pick(&self, mut random: impl FnMut() -> u64) -> Option<At> {
        /// Misses in a row after which a walk is cheaper.
        const TRIES: u32 = 500;
        if self.len == 0 {
            return None;
        }
        for _ in 0..TRIES {
            let (segment, slot) = self.drawn(random());
            if let Some(record) = segment.and_then(|segment| segment.get(slot)) {
                return Some(At {
                    hash: self.hash(record.key),
                    slot: slot as u32,
                });
            }
        }
        let mut skip = (random() % self.len as u64) as usize;
        for segment in self.segments() {
            if skip >= segment.len() {
                skip -= segment.len();
                continue;
            }
            let record = |slot: usize| Some((slot as u32, segment.get(slot)?));
            let (slot, record) = (0..segment.slots()).filter_map(record).nth(skip)?;
            let hash = self.hash(record.key);
            return Some(At { hash, slot });
        }
        None
    }

    /// The slot that a random number selects: every segment has one place, and every slot is as
    /// likely as if all segments were of full size.
    #[inline(always)]
    fn drawn(&self, draw: u64) -> (Option<&Segment>, usize) {
        let (level, place) = place(draw & self.mask());
        let slot = ((draw >> 32) * SLOTS_MAX as u64) >> 32;
        (self.levels[level].segment(place), slot as usize)
    }

    /// Starts loading what the next picks will look at if they take their numbers from `coming`:
    /// the further away a number, the earlier on the way to its record. A pick takes some three.
    #[inline]
    pub fn foresee(&self, mut coming: Rng) {
        /// Below this many records all of it is in the cache anyway.
        const WORTH: usize = 1 << 14;
        /// Numbers whose record, bucket and segment are loaded.
        const RECORDS: usize = 3;
        const BUCKETS: usize = 7;
        const SEGMENTS: usize = 12;
        if self.len < WORTH {
            return;
        }
        for ahead in 0..SEGMENTS {
            let (Some(segment), slot) = self.drawn(coming.next_u64()) else {
                continue;
            };
            match ahead {
                ..RECORDS => segment.prefetch_slot(slot),
                RECORDS..BUCKETS => segment.prefetch_bucket(slot),
                _ => prefetch((&raw const *segment).cast()),
            }
        }
    }

    /// Splits or grows the segment of a hash until it takes one more record.
    fn make_room(&mut self, hash: u64, size: usize) {
        if self.levels.is_empty() {
            let first = Segment::new(0, 0, self.paired, 1, size);
            self.put(first);
        }
        loop {
            let fits = self.change(hash, |segment, hasher| segment.make_room(size, hasher));
            if fits == Some(true) {
                return;
            }
            self.split(hash);
        }
    }

    /// Puts a segment into its place.
    fn put(&mut self, segment: Segment) {
        let (level, place) = place(segment.pattern as u64);
        while self.levels.len() <= level.max(segment.depth as usize) {
            let places = (1usize << self.levels.len()).div_ceil(2);
            let mut fresh = Level::default();
            fresh.places.resize_with(places, || None);
            self.bytes += places * size_of::<Option<Held>>();
            self.levels.push(fresh);
        }
        self.bytes += segment.bytes();
        let level = &mut self.levels[level];
        debug_assert!(level.places[place].is_none());
        level.places[place] = Some(Held::new(segment));
        level.used += 1;
    }

    /// Takes the segment of a hash out of its place.
    fn take(&mut self, hash: u64) -> Segment {
        let (level, place) = self.place_of(hash);
        let level = &mut self.levels[level];
        let held = level.places[place].take().expect("places lead to segments");
        level.used -= 1;
        self.bytes -= held.segment.bytes();
        *held.segment
    }

    /// Parts a segment by its next hash bit.
    #[cold]
    fn split(&mut self, hash: u64) {
        let mut old = self.take(hash);
        let (depth, pattern) = (old.depth, old.pattern);
        assert!(depth < DEPTH_MAX, "a keyed hash spreads what it is given");
        let choose = |hash: u64| (hash >> depth & 1) as usize;
        // Records that come in the order of another table may all belong to one half.
        let (mut items, mut bytes) = ([0; 2], [0; 2]);
        old.each_hash(&self.hasher, |hash, size| {
            items[choose(hash)] += 1;
            bytes[choose(hash)] += size;
        });
        let half = |pattern, at: usize| {
            let (items, bytes) = (items[at] + 16, bytes[at]);
            Segment::new(pattern, depth + 1, self.paired, items, bytes)
        };
        let (mut lower, mut upper) = (half(pattern, 0), half(pattern | 1 << depth, 1));
        old.drain(&self.hasher, choose, &mut [&mut lower, &mut upper]);
        self.put(lower);
        self.put(upper);
    }

    /// Joins a segment and its buddy if they fit well into one.
    #[cold]
    fn merge(&mut self, hash: u64) {
        let Some(one) = self.segment(hash) else {
            return;
        };
        let (depth, pattern) = (one.depth, one.pattern as u64);
        let bit = 1 << (depth - 1);
        let Some(buddy) = self.segment(pattern ^ bit) else {
            return;
        };
        let (items, bytes) = (one.len() + buddy.len(), one.live() + buddy.live());
        if buddy.depth != depth || items > MERGE_BELOW || bytes > MERGE_BYTES {
            return;
        }
        // The upper one first: without it, its place leads to the lower one.
        let parts = [self.take(pattern | bit), self.take(pattern & !bit)];
        let lower = (pattern & !bit) as u32;
        let mut joined = Segment::new(lower, depth - 1, self.paired, items + 16, bytes);
        for mut part in parts {
            part.drain(&self.hasher, |_| 0, &mut [&mut joined]);
        }
        self.put(joined);
        while self.levels.last().is_some_and(|level| level.used == 0) {
            let places = self.levels.pop().map_or(0, |level| level.places.len());
            self.bytes -= places * size_of::<Option<Held>>();
        }
    }

    /// `bytes` by a walk over all segments.
    fn counted_bytes(&self) -> usize {
        let places = self.levels.iter().map(|level| level.places.len());
        places.sum::<usize>() * size_of::<Option<Held>>()
            + self.segments().map(Segment::bytes).sum::<usize>()
    }

    /// Walks everything and panics where something is not in order.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) {
        assert_eq!(self.bytes, self.counted_bytes());
        assert_eq!(self.len, self.segments().map(Segment::len).sum::<usize>());
        for (number, level) in self.levels.iter().enumerate() {
            assert_eq!(level.used, level.segments().count());
            for held in level.places.iter().flatten() {
                assert_eq!(held.ways, held.segment.ways());
            }
            for segment in level.segments() {
                let (level, at) = place(segment.pattern as u64);
                assert_eq!(level, number, "a segment is at its pattern's place");
                assert!(self.levels[level].places[at].is_some());
                assert!((segment.depth as usize) < self.levels.len());
                segment.check(&self.hasher);
            }
        }
    }
}

/// See `Pack::iter`.
#[derive(Clone)]
pub struct Iter<'a> {
    levels: std::slice::Iter<'a, Level>,
    places: std::slice::Iter<'a, Option<Held>>,
    segment: Option<(&'a Segment, Walk<'a>)>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        loop {
            if let Some((segment, walk)) = &mut self.segment
                && let Some(record) = segment.next(walk)
            {
                return Some(record);
            }
            self.segment = match self.places.next() {
                Some(place) => place
                    .as_ref()
                    .map(|held| (&*held.segment, held.segment.walk())),
                None => {
                    self.places = self.levels.next()?.places.iter();
                    None
                }
            };
        }
    }
}

const fn assert_send<T: Send>() {}
const _: () = assert_send::<Pack>();

#[cfg(test)]
mod tests;
