//! The hash table without resize pauses: extendible hashing over small segments.
//!
//! A directory indexed by the low bits of the hash points to segments (`segment`). A full segment
//! splits alone: half of its items move to a new one, and the directory learns one more bit there.
//! Nothing is ever rehashed as a whole and nothing is held twice.
//!
//! ```text
//!   directory        canonical entries only: a null one means "as without its top bit"
//!   ..00  ->  segment A (depth 1, pattern 0)      hash ....0
//!   ..01  ->  segment B (depth 2, pattern 01)     hash ...01
//!   ..10      null -> look at ..0
//!   ..11  ->  segment C (depth 2, pattern 11)     hash ...11
//! ```
//!
//! The directory doubles by adding a zeroed level, so doubling copies nothing (`directory`). A
//! table that fits one segment uses a smaller root that grows and shrinks by the tags alone.
//!
//! SCAN walks segments in the order of their reversed patterns and, inside, home buckets in order
//! of the tag; `scan` explains why that survives splits and merges.
//!
//! Credits: extendible hashing (Fagin et al. 1979), buckets as cache lines with tags (Swiss tables,
//! Dash by Lu et al. 2020), reverse-binary cursors (Redis).

mod directory;
mod iter;
mod scan;
mod segment;

use crate::sys::pages::prefetch;
use directory::{Directory, Pool};
pub use iter::Iter;
pub use segment::Slot;
use segment::{Header, SLOTS, Segment, Tag};

/// Buckets of a full-size segment: 608 slots. A split at 97 % leaves two segments at 48 %, so the
/// load wanders between those, and a million items sit at 80 %.
const BUCKETS: usize = 76;
/// Items above which a full-size segment splits.
const SPLIT_AT: u32 = (BUCKETS * SLOTS * 97 / 100) as u32;
/// Two buddies with fewer items together than this become one again.
const MERGE_AT: u32 = (BUCKETS * SLOTS * 40 / 100) as u32;

/// The place of an item. Any change of the table makes it stale: using it then finds another item or
/// none, never a wrong address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    segment: u64,
    slot: u32,
}

/// The hash of an item in a table, computed again when a segment splits.
pub trait HashItem<T> {
    fn hash_item(&self, item: T) -> u64;
}

/// A hash table of thin pointers, which does not own what they point to.
pub struct Table<T: Slot> {
    directory: Directory<T>,
    len: usize,
    scratch: Vec<(Tag, T)>,
}

impl<T: Slot> Table<T> {
    /// An empty table that has allocated nothing. `huge` segments come from huge pages.
    pub fn new(pool: Pool) -> Self {
        Table {
            directory: Directory::new(pool),
            len: 0,
            scratch: Vec::new(),
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Slots allocated, for HTSTATS and MEMORY.
    pub fn capacity(&self) -> usize {
        self.directory.segments() * self.directory.buckets() * SLOTS
    }

    /// Bytes of segments and directory.
    pub fn bytes(&self) -> usize {
        self.directory.bytes()
    }

    /// Room for so many items in a table that is empty yet, as far as one segment goes.
    pub fn reserve(&mut self, count: usize) {
        if self.directory.segments() > 0 || count == 0 {
            return;
        }
        let buckets = count.div_ceil(SLOTS).next_power_of_two();
        self.directory.start(if buckets > BUCKETS / 2 {
            BUCKETS
        } else {
            buckets
        });
    }

    /// The segment that `hash` belongs to, unless the table is empty.
    #[inline(always)]
    fn segment(&self, hash: u64) -> Option<Segment<'_, T>> {
        self.directory.segment(hash)
    }

    /// Starts loading the bucket that `hash` leads to.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        if let Some(segment) = self.segment(hash) {
            let home = Tag::of_hash(hash).home(self.directory.buckets());
            prefetch(segment.bucket_address(home));
        }
    }

    /// Starts loading what an insert with `hash` will write besides the bucket.
    #[inline(always)]
    pub fn prefetch_header(&self, hash: u64) {
        if let Some(segment) = self.segment(hash) {
            prefetch(segment.memory().as_ptr());
        }
    }

    /// The first item whose tag fits: probably the requested one. For prefetching it.
    #[inline(always)]
    pub fn candidate(&self, hash: u64) -> Option<T> {
        let (_, item) = self.segment(hash)?.find(Tag::of_hash(hash), |_| true)?;
        Some(item)
    }

    /// The item with this hash for which `is` returns true, and its position.
    #[inline(always)]
    pub fn find(&self, hash: u64, is: impl FnMut(T) -> bool) -> Option<(Position, T)> {
        let (slot, item) = self.segment(hash)?.find(Tag::of_hash(hash), is)?;
        Some((
            Position {
                segment: hash,
                slot: slot as u32,
            },
            item,
        ))
    }

    #[inline]
    pub fn get(&self, at: Position) -> Option<T> {
        self.segment(at.segment)?.get(at.slot as usize)
    }

    /// Puts another pointer in the place of the item at `at`; same key, same hash.
    ///
    /// # Panics
    /// If the table has no such place.
    pub fn replace(&mut self, at: Position, item: T) {
        debug_assert!(self.get(at).is_some(), "an item is replaced where one is");
        self.directory
            .segment_mut(at.segment)
            .expect("an item is replaced where one is")
            .set(at.slot as usize, item);
    }

    /// Adds an item that is not there yet.
    pub fn insert(&mut self, hash: u64, item: T, hasher: &impl HashItem<T>) -> Position {
        self.len += 1;
        let buckets = self.directory.buckets();
        let slot = match self.directory.segment_mut(hash) {
            Some(mut segment) if segment.read().header().count < room(buckets) => {
                segment.insert(Tag::of_hash(hash), item)
            }
            _ => {
                self.make_room(hash, hasher);
                let mut segment = self.directory.segment_mut(hash).expect("room was made");
                segment.insert(Tag::of_hash(hash), item)
            }
        };
        Position {
            segment: hash,
            slot: slot as u32,
        }
    }

    /// Takes out the item at `at`.
    pub fn remove(&mut self, at: Position) -> Option<T> {
        let item = self.get(at)?;
        let mut segment = self.directory.segment_mut(at.segment)?;
        segment.remove(at.slot as usize);
        let count = segment.header().count;
        self.len -= 1;
        if self.len == 0 {
            self.directory.clear();
        } else if count < MERGE_AT / 2 && (count.is_multiple_of(16) || count.is_power_of_two()) {
            self.merge(at.segment);
        }
        Some(item)
    }

    /// Forgets all items at once.
    pub fn clear(&mut self) {
        self.directory.clear();
        self.len = 0;
    }

    /// All items, in no order that means anything.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter::new(self)
    }

    /// Makes room for one more item with `hash`: grows or splits segments until its own has some.
    #[cold]
    fn make_room(&mut self, hash: u64, hasher: &impl HashItem<T>) {
        loop {
            let Some(segment) = self.segment(hash) else {
                self.directory.start(1);
                return;
            };
            let count = segment.header().count;
            if count < room(self.directory.buckets()) {
                return;
            }
            if self.directory.buckets() == BUCKETS {
                self.split(hash, hasher);
            } else {
                self.grow_root();
            }
        }
    }

    /// Gives the only segment twice the buckets.
    fn grow_root(&mut self) {
        let twice = self.directory.buckets() * 2;
        // 64 buckets would double past the full size: take the step in one go.
        self.resize_root(if twice > BUCKETS / 2 { BUCKETS } else { twice });
    }

    /// Gives the only segment fewer buckets once an eighth of it is enough: what is left is at most
    /// half full.
    fn shrink_root(&mut self) {
        let buckets = self.directory.buckets();
        if buckets > 1 && self.len * 8 <= buckets * SLOTS {
            self.resize_root((2 * self.len).div_ceil(SLOTS).next_power_of_two());
        }
    }

    /// Moves the items of the only segment to one with other buckets. The tags say where everything
    /// goes.
    fn resize_root(&mut self, buckets: usize) {
        if let Some(mut root) = self.directory.segment_mut(0) {
            root.drain(&mut self.scratch);
        }
        self.directory.clear();
        let mut root = self.directory.start(buckets);
        for (tag, item) in self.scratch.drain(..) {
            root.insert(tag, item);
        }
    }

    /// Moves the items whose next hash bit is set into a new segment.
    #[cold]
    fn split(&mut self, hash: u64, hasher: &impl HashItem<T>) {
        const AHEAD: usize = 16;
        let items = &mut self.scratch;
        let [mut lower, mut upper] = self.directory.divide(hash);
        lower.drain(items);
        let bit = lower.header().depth - 1;
        for (_, item) in items.iter().take(AHEAD) {
            prefetch(item.address());
        }
        for i in 0..items.len() {
            if let Some((_, item)) = items.get(i + AHEAD) {
                prefetch(item.address());
            }
            let (tag, item) = items[i];
            let is_upper = hasher.hash_item(item) >> bit & 1 == 1;
            let home = if is_upper { &mut upper } else { &mut lower };
            home.insert(tag, item);
        }
        items.clear();
    }

    /// Joins a segment and its buddy if they fit well into one; the last one gets smaller itself.
    #[cold]
    fn merge(&mut self, hash: u64) {
        let Some(segment) = self.segment(hash) else {
            return;
        };
        let Header {
            count,
            depth,
            pattern,
        } = *segment.header();
        if depth == 0 {
            return self.shrink_root();
        }
        let bit = 1 << (depth - 1);
        let buddy = self.segment(pattern ^ bit).map(Segment::header);
        if buddy.is_none_or(|buddy| buddy.depth != depth || buddy.count + count > MERGE_AT) {
            return;
        }
        if let Some(mut upper) = self.directory.segment_mut(pattern | bit) {
            upper.drain(&mut self.scratch);
        }
        let mut lower = self.directory.unite(pattern | bit);
        for (tag, item) in self.scratch.drain(..) {
            lower.insert(tag, item);
        }
    }

    /// Walks over everything that must hold for the table and its items.
    ///
    /// # Panics
    /// Where something does not hold, with what it is.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self, hasher: &impl HashItem<T>) {
        let items = self.directory.check(|item| hasher.hash_item(item));
        assert_eq!(items, self.len, "items are counted");
        assert!(self.scratch.is_empty(), "nothing is on its way");
    }
}

/// The most items of a segment with so many buckets.
#[inline(always)]
fn room(buckets: usize) -> u32 {
    if buckets == BUCKETS {
        SPLIT_AT
    } else {
        (buckets * SLOTS) as u32
    }
}

pub use directory::Pool as SegmentPool;

#[cfg(test)]
mod tests;
