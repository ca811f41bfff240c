//! A segment: a small index and the arena of the records it leads to.
//!
//! ```text
//!   index    bucket 0   bucket 1   ...        arena, at most 64 KiB
//!            +--------+ +--------+            +--------+--------+- - - -+--------+
//!            |        | |        |   ref ->   | record | record | waste | record | room
//!            +--------+ +--------+            +--------+--------+- - - -+--------+
//!
//!   bucket   0                 20      21..24   24                         64
//!            +----+----+- - - -+----+---------+------+------+- - - -+------+
//!            | tag| tag|       | tag| O       | ref  | ref  |       | ref  |
//!            +----+----+- - - -+----+---------+------+------+- - - -+------+
//!
//!   record   [fe deadline(6)] member            of a set
//!            [fe deadline(6)] field value       of a hash
//!            ff number(2) hash(8)               a long one, apart in `Boxed`
//! ```
//!
//! The home bucket of a record follows from the top 15 bits of its hash, the tag from eight others;
//! 0 marks an empty slot. `O` says that some record passed this bucket because it was full: a probe
//! goes on only then. The flag stays until the index is built anew, which growth and compaction do
//! often enough, so removing moves nothing.
//!
//! Only `super` calls this; it decides when a segment splits.

use super::atom::Atom;
use super::chunks::{Chunks, PAD};
use super::record::{BOXED, BOXED_SIZE, Draft, Record};
use crate::sys::pages::prefetch;
use crate::types::entries::KeyHasher;

pub const SLOTS: usize = 20;
/// The index of the overflow flag among the tags.
const OVERFLOW: usize = 20;
const PLACE_BITS: u32 = 15;
/// Sizes an index goes through: those of the allocator's blocks, so that none is wasted.
const STEPS: [usize; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32];
pub const BUCKETS_MAX: usize = 32;
pub const SLOTS_MAX: usize = BUCKETS_MAX * SLOTS;
/// A full arena with more waste than this is compacted rather than split.
const WORTH_MUCH: u32 = 8 << 10;
/// Longer records lie apart.
pub const INLINE_MAX: usize = 256;
/// Less waste than this is not worth a compaction.
const WASTE_MIN: usize = 96;

/// Records that an index of so many buckets takes: fuller ones overflow too often.
pub const fn room(buckets: usize) -> usize {
    buckets * SLOTS * 7 / 8
}

pub const ITEMS_MAX: usize = room(BUCKETS_MAX);

#[derive(Clone)]
#[repr(C)]
struct Bucket {
    tags: [u8; 24],
    refs: [u16; SLOTS],
}

const EMPTY: Bucket = Bucket {
    tags: [0; 24],
    refs: [0; SLOTS],
};

impl Bucket {
    /// Slots with this tag, a bit each. A slot behind a true one may be named wrongly, which a look
    /// at the record finds out; the first is right.
    #[inline(always)]
    fn hits(&self, tag: u8) -> u32 {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = 0x8080_8080_8080_8080;
        /// Brings the lowest bits of eight bytes together in the top byte.
        const GATHER: u64 = 0x0102_0408_1020_4080;
        let mut hits = 0;
        for (i, word) in self.tags.as_chunks::<8>().0.iter().enumerate() {
            let word = u64::from_le_bytes(*word) ^ (ONES * tag as u64);
            let zero = word.wrapping_sub(ONES) & !word & HIGH;
            hits |= ((zero >> 7).wrapping_mul(GATHER) >> 56) << (8 * i);
        }
        hits as u32 & ((1 << SLOTS) - 1)
    }
}

/// The part of a hash that orders the homes of a segment.
#[inline(always)]
pub fn place_of(hash: u64) -> u64 {
    hash >> (64 - PLACE_BITS)
}

pub const PLACES: u64 = 1 << PLACE_BITS;

#[inline(always)]
fn tag_of(hash: u64) -> u8 {
    ((hash >> (64 - PLACE_BITS - 8)) as u8).max(1)
}

/// The addresses of the parts of a segment that a lookup reads: a copy outside of it, so that all
/// of them can be loaded at once.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Ways {
    index: usize,
    buckets: u32,
    chunks: usize,
}

impl Ways {
    /// Starts loading the bucket where a probe for this hash begins, and where the chunks are.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        let home = (place_of(hash) as usize * self.buckets as usize) >> PLACE_BITS;
        prefetch((self.index + home * size_of::<Bucket>()) as *const u8);
        prefetch(self.chunks as *const u8);
        prefetch((self.chunks + 64) as *const u8);
    }
}

/// The keyed hash of what a record is found by.
#[inline(always)]
pub fn hash_atom(hasher: &KeyHasher, key: Atom) -> u64 {
    match key {
        Atom::Int(n) => hasher.hash(&n.to_le_bytes()),
        Atom::Text(text) => hasher.hash(text),
    }
}

/// Long records, by number.
#[derive(Clone, Default)]
struct Boxed {
    records: Vec<Option<Box<[u8]>>>,
    /// Numbers without a record.
    free: usize,
    /// Of all records together.
    bytes: usize,
}

impl Boxed {
    fn get(&self, number: u16) -> &[u8] {
        let record = self.records[number as usize].as_deref();
        record.expect("a number that a record in the arena names")
    }

    fn get_mut(&mut self, number: u16) -> &mut [u8] {
        let record = self.records[number as usize].as_deref_mut();
        record.expect("a number that a record in the arena names")
    }

    fn put(&mut self, record: Box<[u8]>) -> u16 {
        self.bytes += record.len();
        if self.free == 0 {
            self.records.push(Some(record));
            return (self.records.len() - 1) as u16;
        }
        self.free -= 1;
        let number = self.records.iter().position(Option::is_none);
        let number = number.expect("a number without a record");
        self.records[number] = Some(record);
        number as u16
    }

    fn take(&mut self, number: u16) -> Box<[u8]> {
        let record = self.records[number as usize].take();
        let record = record.expect("a number that a record in the arena names");
        self.bytes -= record.len();
        self.free += 1;
        record
    }
}

/// The number of the record that lies apart, if this is the head of one.
#[inline(always)]
fn number_of(bytes: &[u8]) -> Option<u16> {
    (bytes[0] == BOXED).then(|| u16::from_le_bytes([bytes[1], bytes[2]]))
}

/// The hash of the record stored apart whose head this is.
#[inline(always)]
fn hash_apart(bytes: &[u8]) -> u64 {
    let hash = bytes[3..BOXED_SIZE].try_into().expect("eight bytes");
    u64::from_le_bytes(hash)
}

/// The fate of a replaced record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replaced {
    InPlace,
    /// The segment was compacted: it is in another slot.
    Moved,
    /// The arena is full: the segment has to split, and nothing was changed.
    NoRoom,
}

/// A walk over the records of a segment: along the arena where nothing in it is waste, which reads
/// memory in order, and by the index where something is.
#[derive(Clone)]
pub enum Walk<'a> {
    Along { chunk: usize, rest: &'a [u8] },
    Slots { slot: usize },
}

/// One segment of a packed table: an index of buckets, and the arena of their records.
#[derive(Clone)]
pub struct Segment {
    buckets: Box<[Bucket]>,
    arena: Chunks,
    boxed: Option<Box<Boxed>>,
    /// The low bits of the hash that all records share, and how many.
    pub pattern: u32,
    pub depth: u8,
    /// Whether records have a value.
    paired: bool,
    count: u16,
    /// Bytes of the arena that belong to records, and those of records that are gone.
    live: u32,
    waste: u32,
}

impl Segment {
    /// An empty segment with room for so many records of so many bytes together.
    pub fn new(pattern: u32, depth: u8, paired: bool, items: usize, bytes: usize) -> Segment {
        let fits = |n: &&usize| room(**n) >= items;
        let buckets = *STEPS.iter().find(fits).unwrap_or(&BUCKETS_MAX);
        Segment {
            buckets: vec![EMPTY; buckets].into(),
            arena: Chunks::with_capacity(bytes),
            boxed: None,
            pattern,
            depth,
            paired,
            count: 0,
            live: 0,
            waste: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.count as usize
    }

    pub fn slots(&self) -> usize {
        self.buckets.len() * SLOTS
    }

    pub fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// Bytes of all records.
    pub fn live(&self) -> usize {
        self.live as usize
    }

    /// Bytes allocated, long records included.
    pub fn bytes(&self) -> usize {
        let boxed = self.boxed.as_ref().map_or(0, |boxed| {
            let slots = boxed.records.capacity() * size_of::<Box<[u8]>>();
            size_of::<Boxed>() + slots + boxed.bytes
        });
        size_of::<Segment>() + size_of_val(&*self.buckets) + self.arena.bytes() + boxed
    }

    /// The number of the bucket at which the probe for a hash starts.
    #[inline(always)]
    pub fn home_of(&self, hash: u64) -> usize {
        (place_of(hash) as usize * self.buckets.len()) >> PLACE_BITS
    }

    /// The addresses of its parts.
    #[inline(always)]
    pub fn ways(&self) -> Ways {
        Ways {
            index: self.buckets.as_ptr() as usize,
            buckets: self.buckets.len() as u32,
            chunks: self.arena.index() as usize,
        }
    }

    /// Starts loading what a lookup reads of the segment itself.
    #[inline(always)]
    pub fn prefetch_head(&self) {
        let head = (&raw const *self).cast::<u8>();
        prefetch(head);
        prefetch(head.wrapping_add(64));
    }

    /// The start of the first record whose tag fits.
    #[inline(always)]
    pub fn candidate(&self, hash: u64) -> Option<*const u8> {
        let bucket = &self.buckets[self.home_of(hash)];
        let hits = bucket.hits(tag_of(hash));
        let at = bucket.refs.get(hits.trailing_zeros() as usize)?;
        (hits != 0).then(|| self.arena.get(*at).as_ptr())
    }

    /// Starts loading the bucket of a slot.
    #[inline(always)]
    pub fn prefetch_bucket(&self, slot: usize) {
        if let Some(bucket) = self.buckets.get(slot / SLOTS) {
            prefetch((&raw const *bucket).cast());
            prefetch(self.arena.index());
        }
    }

    /// Starts loading the record in a slot.
    #[inline(always)]
    pub fn prefetch_slot(&self, slot: usize) {
        if let Some(bucket) = self.buckets.get(slot / SLOTS)
            && bucket.tags[slot % SLOTS] != 0
        {
            prefetch(self.arena.get(bucket.refs[slot % SLOTS]).as_ptr());
        }
    }

    /// The bytes from where a record begins, boxed or not.
    #[inline(always)]
    fn record_bytes(&self, at: u16) -> &[u8] {
        self.record_bytes_of(self.arena.get(at))
    }

    /// The same where it is known what lies in the arena.
    #[inline(always)]
    fn record_bytes_of<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        match number_of(bytes) {
            None => bytes,
            Some(number) => self.apart().get(number),
        }
    }

    fn apart(&self) -> &Boxed {
        let boxed = self.boxed.as_deref();
        boxed.expect("there are records apart if the arena names one")
    }

    fn apart_mut(&mut self) -> &mut Boxed {
        self.boxed.get_or_insert_default()
    }

    /// The slot of the record with this key.
    #[inline(always)]
    pub fn find(&self, hash: u64, key: Atom) -> Option<usize> {
        self.find_by(hash, |bytes| Record::key(bytes) == key)
    }

    /// The first record with this hash for which `is` returns true.
    #[inline(always)]
    pub fn find_by(&self, hash: u64, mut is: impl FnMut(&[u8]) -> bool) -> Option<usize> {
        let tag = tag_of(hash);
        let home = self.home_of(hash);
        let mut index = home;
        loop {
            let bucket = &self.buckets[index];
            let mut hits = bucket.hits(tag);
            while hits != 0 {
                let i = hits.trailing_zeros() as usize;
                hits &= hits - 1;
                if bucket.tags[i] == tag && is(self.record_bytes(bucket.refs[i])) {
                    return Some(index * SLOTS + i);
                }
            }
            if bucket.tags[OVERFLOW] == 0 {
                return None;
            }
            index = if index + 1 == self.buckets.len() {
                0
            } else {
                index + 1
            };
            if index == home {
                return None;
            }
        }
    }

    /// The record in a slot.
    #[inline]
    pub fn get(&self, slot: usize) -> Option<Record<'_>> {
        let bucket = self.buckets.get(slot / SLOTS)?;
        (bucket.tags[slot % SLOTS] != 0)
            .then(|| Record::read(self.record_bytes(bucket.refs[slot % SLOTS]), self.paired))
    }

    /// A walk over all records that begins.
    pub fn walk(&self) -> Walk<'_> {
        if self.waste == 0 {
            return Walk::Along {
                chunk: 0,
                rest: self.arena.chunk(0).unwrap_or_default(),
            };
        }
        Walk::Slots { slot: 0 }
    }

    /// The next record of a walk.
    #[inline]
    pub fn next<'a>(&'a self, walk: &mut Walk<'a>) -> Option<Record<'a>> {
        match walk {
            Walk::Along { chunk, rest } => {
                while matches!(rest.first(), None | Some(&PAD)) {
                    *chunk += 1;
                    *rest = self.arena.chunk(*chunk)?;
                }
                if rest[0] == BOXED {
                    let apart = self.record_bytes_of(rest);
                    *rest = &rest[BOXED_SIZE..];
                    return Some(Record::read(apart, self.paired));
                }
                let (record, size) = Record::read_sized(rest, self.paired);
                *rest = &rest[size..];
                Some(record)
            }
            Walk::Slots { slot } => {
                while *slot < self.slots() {
                    *slot += 1;
                    if let Some(record) = self.get(*slot - 1) {
                        return Some(record);
                    }
                }
                None
            }
        }
    }

    /// Shows every record to `visit`.
    #[inline(always)]
    pub fn each(&self, visit: &mut impl FnMut(Record)) {
        let mut walk = self.walk();
        if let Walk::Along { .. } = walk {
            for number in 0.. {
                let Some(mut rest) = self.arena.chunk(number) else {
                    return;
                };
                while let Some(&head) = rest.first()
                    && head != PAD
                {
                    if head == BOXED {
                        let apart = self.record_bytes_of(rest);
                        visit(Record::read(apart, self.paired));
                        rest = &rest[BOXED_SIZE..];
                        continue;
                    }
                    let (record, size) = Record::read_sized(rest, self.paired);
                    visit(record);
                    rest = &rest[size..];
                }
            }
        }
        while let Some(record) = self.next(&mut walk) {
            visit(record);
        }
    }

    /// Shows the hash of every record to `visit`, and what it takes of the arena.
    pub fn each_hash(&self, hasher: &KeyHasher, mut visit: impl FnMut(u64, usize)) {
        for bucket in &self.buckets {
            for i in (0..SLOTS).filter(|&i| bucket.tags[i] != 0) {
                let bytes = self.arena.get(bucket.refs[i]);
                if number_of(bytes).is_some() {
                    visit(hash_apart(bytes), BOXED_SIZE);
                } else {
                    let (record, size) = Record::read_sized(bytes, self.paired);
                    visit(hash_atom(hasher, record.key), size);
                }
            }
        }
    }

    /// Visits every record whose home is `home`, wherever it was displaced to.
    pub fn visit_home(&self, home: usize, hasher: &KeyHasher, visit: &mut impl FnMut(Record)) {
        let mut index = home;
        loop {
            let bucket = &self.buckets[index];
            for i in (0..SLOTS).filter(|&i| bucket.tags[i] != 0) {
                let bytes = self.record_bytes(bucket.refs[i]);
                if self.home_of(hash_atom(hasher, Record::key(bytes))) == home {
                    visit(Record::read(bytes, self.paired));
                }
            }
            if bucket.tags[OVERFLOW] == 0 {
                return;
            }
            index = (index + 1) % self.buckets.len();
            if index == home {
                return;
            }
        }
    }

    /// The number of records that the segment takes before it splits: half of its capacity, to
    /// all.
    ///
    /// It is another number for each segment. If all were the same, all segments of a table would
    /// have the same size and grow from one size of blocks to the next together, leaving pages
    /// full of holes behind; so one segment moves into the block that another has left.
    fn limit(&self) -> usize {
        let mixed = (self.pattern ^ (self.depth as u32) << 27).wrapping_mul(0x9e37_79b1);
        ITEMS_MAX * (16 + (mixed >> 28) as usize) / 31
    }

    /// Makes room for one more record of so many bytes; false if the segment has to split first.
    #[inline]
    pub fn make_room(&mut self, size: usize, hasher: &KeyHasher) -> bool {
        if self.len() >= self.limit() {
            return false;
        }
        if self.len() >= room(self.buckets.len()) {
            self.grow(hasher);
        }
        let size = stored_size(size);
        if !self.arena.fits(size) && self.waste > WORTH_MUCH {
            self.rebuild(self.buckets.len(), hasher);
        }
        self.arena.fits(size)
    }

    #[cold]
    fn grow(&mut self, hasher: &KeyHasher) {
        let wider = |n: &&usize| **n > self.buckets.len();
        let buckets = *STEPS.iter().find(wider).unwrap_or(&BUCKETS_MAX);
        self.rebuild(buckets, hasher);
    }

    /// Adds a record that is not there, in room that was made. Returns its slot.
    pub fn insert(&mut self, hash: u64, draft: &Draft) -> usize {
        let at = self.append(hash, draft);
        self.count += 1;
        self.place(hash, at)
    }

    /// Writes a record at the end of the arena.
    fn append(&mut self, hash: u64, draft: &Draft) -> u16 {
        let size = draft.size();
        if size <= INLINE_MAX {
            self.live += size as u32;
            let (at, out) = self.arena.place(size);
            draft.write(out);
            return at;
        }
        let mut apart = Vec::with_capacity(size);
        draft.write(&mut apart);
        let number = self.apart_mut().put(apart.into_boxed_slice());
        self.push_number(number, hash)
    }

    fn push_number(&mut self, number: u16, hash: u64) -> u16 {
        self.live += BOXED_SIZE as u32;
        let (at, out) = self.arena.place(BOXED_SIZE);
        out.push(BOXED);
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&hash.to_le_bytes());
        at
    }

    /// Puts a ref into the first free slot from its home on.
    fn place(&mut self, hash: u64, at: u16) -> usize {
        let mut index = self.home_of(hash);
        loop {
            let bucket = &mut self.buckets[index];
            let free = bucket.hits(0).trailing_zeros() as usize;
            if free < SLOTS {
                bucket.tags[free] = tag_of(hash);
                bucket.refs[free] = at;
                return index * SLOTS + free;
            }
            bucket.tags[OVERFLOW] = 1;
            index = if index + 1 == self.buckets.len() {
                0
            } else {
                index + 1
            };
        }
    }

    /// The size of the record at `at` in the arena, in bytes.
    fn size_at(&self, at: u16) -> usize {
        let bytes = self.arena.get(at);
        match bytes[0] {
            BOXED => BOXED_SIZE,
            _ => Draft(Record::read(bytes, self.paired)).size(),
        }
    }

    /// Takes a record out of the arena; its slot is the caller's business.
    fn discard(&mut self, at: u16) {
        let size = self.size_at(at);
        if let Some(number) = number_of(self.arena.get(at)) {
            self.apart_mut().take(number);
        }
        self.live -= size as u32;
        if !self.arena.take_back(at, size) {
            self.waste += size as u32;
        }
    }

    /// Takes out the record in a slot.
    pub fn remove(&mut self, slot: usize, hasher: &KeyHasher) {
        let bucket = &mut self.buckets[slot / SLOTS];
        bucket.tags[slot % SLOTS] = 0;
        let at = bucket.refs[slot % SLOTS];
        self.discard(at);
        self.count -= 1;
        self.tidy(hasher);
    }

    /// Puts another record with the same key in a slot.
    pub fn replace(
        &mut self,
        slot: usize,
        hash: u64,
        draft: &Draft,
        hasher: &KeyHasher,
    ) -> Replaced {
        let at = self.buckets[slot / SLOTS].refs[slot % SLOTS];
        let (old, new) = (self.size_at(at), draft.size());
        let inline = self.arena.get(at)[0] != BOXED && new <= INLINE_MAX;
        if inline && new <= old {
            draft.write(&mut self.arena.get_mut(at));
            self.live -= (old - new) as u32;
            self.waste += (old - new) as u32;
            return self.tidy(hasher);
        }
        if !self.arena.fits(stored_size(new)) {
            return Replaced::NoRoom;
        }
        self.discard(at);
        let at = self.append(hash, draft);
        self.buckets[slot / SLOTS].refs[slot % SLOTS] = at;
        self.tidy(hasher)
    }

    /// Sets the deadline of a record that has one.
    pub fn set_deadline(&mut self, slot: usize, deadline_ms: i64) {
        let at = self.buckets[slot / SLOTS].refs[slot % SLOTS];
        let bytes = match number_of(self.arena.get(at)) {
            Some(number) => self.apart_mut().get_mut(number),
            None => self.arena.get_mut(at),
        };
        Record::set_deadline(bytes, deadline_ms);
    }

    /// Compacts when a quarter of the arena is waste.
    fn tidy(&mut self, hasher: &KeyHasher) -> Replaced {
        let waste = self.waste as usize;
        if waste > WASTE_MIN && waste * 4 > self.arena.len() {
            let fits = |n: &&usize| room(**n) * 7 / 8 >= self.len();
            let buckets = *STEPS.iter().find(fits).unwrap_or(&BUCKETS_MAX);
            self.rebuild(buckets.min(self.buckets.len()), hasher);
            return Replaced::Moved;
        }
        Replaced::InPlace
    }

    /// Builds index and arena anew.
    fn rebuild(&mut self, buckets: usize, hasher: &KeyHasher) {
        let mut new = Segment::new(self.pattern, self.depth, self.paired, 0, self.live() + 16);
        new.buckets = vec![EMPTY; buckets].into();
        self.drain(hasher, |_| 0, &mut [&mut new]);
        *self = new;
    }

    /// Moves all records to the segments that `choose` names by number, where room was made.
    pub fn drain(
        &mut self,
        hasher: &KeyHasher,
        choose: impl Fn(u64) -> usize,
        to: &mut [&mut Segment],
    ) {
        for bucket in &self.buckets {
            for i in (0..SLOTS).filter(|&i| bucket.tags[i] != 0) {
                let bytes = self.arena.get(bucket.refs[i]);
                // What lies apart moves unread: it is hardly in the cache.
                if let Some(number) = number_of(bytes) {
                    let hash = hash_apart(bytes);
                    let target = &mut to[choose(hash)];
                    let apart = self.boxed.as_mut().map(|boxed| boxed.take(number));
                    let apart = apart.expect("there are records apart if the arena names one");
                    let number = target.apart_mut().put(apart);
                    let at = target.push_number(number, hash);
                    target.count += 1;
                    target.place(hash, at);
                    continue;
                }
                let (record, size) = Record::read_sized(bytes, self.paired);
                let hash = hash_atom(hasher, record.key);
                let target = &mut to[choose(hash)];
                target.live += size as u32;
                let (at, out) = target.arena.place(size);
                out.extend_from_slice(&bytes[..size]);
                target.count += 1;
                target.place(hash, at);
            }
        }
    }

    /// Whether everything is in order: (records, bytes of records) as counted.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self, hasher: &KeyHasher) {
        let (mut count, mut live) = (0, 0);
        for slot in 0..self.slots() {
            let Some(record) = self.get(slot) else {
                continue;
            };
            let hash = hash_atom(hasher, record.key);
            assert_eq!(self.find(hash, record.key), Some(slot), "a record is found");
            let head = self
                .arena
                .get(self.buckets[slot / SLOTS].refs[slot % SLOTS]);
            if head[0] == BOXED {
                assert_eq!(hash_apart(head), hash, "the hash beside the number");
            }
            let shared = (1u64 << self.depth) - 1;
            assert_eq!(hash & shared, self.pattern as u64, "in its segment");
            count += 1;
            live += self.size_at(self.buckets[slot / SLOTS].refs[slot % SLOTS]);
        }
        assert_eq!((count, live), (self.len(), self.live()), "as counted");
        let apart = |boxed: &Boxed| boxed.records.iter().flatten().count();
        let named = |at: &u16| number_of(self.arena.get(*at)).is_some();
        let refs = (0..self.slots()).filter_map(|slot| {
            let bucket = &self.buckets[slot / SLOTS];
            (bucket.tags[slot % SLOTS] != 0).then(|| bucket.refs[slot % SLOTS])
        });
        let boxed = self.boxed.as_deref().map_or(0, apart);
        assert_eq!(
            refs.filter(named).count(),
            boxed,
            "what lies apart is named"
        );
    }
}

/// The size in the arena of a record of `size` bytes.
fn stored_size(size: usize) -> usize {
    if size <= INLINE_MAX { size } else { BOXED_SIZE }
}
