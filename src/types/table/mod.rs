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
use segment::{SLOTS, Segment, home_of, tag_of};

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
    /// Buckets of every segment: fewer than `BUCKETS` only while there is one segment.
    buckets: usize,
    scratch: Vec<(u64, T)>,
}

impl<T: Slot> Table<T> {
    /// An empty table that has allocated nothing. `huge` segments come from huge pages.
    pub fn new(pool: Pool) -> Self {
        Table {
            directory: Directory::new(pool),
            len: 0,
            buckets: 0,
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
        self.directory.segments() * self.buckets * SLOTS
    }

    /// Bytes of segments and directory.
    pub fn bytes(&self) -> usize {
        self.directory.bytes(self.buckets)
    }

    /// Room for so many items in a table that is empty yet, as far as one segment goes.
    pub fn reserve(&mut self, count: usize) {
        if self.buckets > 0 || count == 0 {
            return;
        }
        let buckets = count.div_ceil(SLOTS).next_power_of_two();
        self.buckets = if buckets > BUCKETS / 2 {
            BUCKETS
        } else {
            buckets
        };
        self.directory.start(self.buckets);
    }

    /// Starts loading the bucket that `hash` leads to.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        if self.len > 0 {
            let segment = self.directory.segment(hash);
            prefetch(segment.bucket_address(home_of(tag_of(hash), self.buckets)));
        }
    }

    /// Starts loading what an insert with `hash` will write besides the bucket.
    #[inline(always)]
    pub fn prefetch_header(&self, hash: u64) {
        if self.len > 0 {
            prefetch(self.directory.segment(hash).memory().as_ptr());
        }
    }

    /// The first item whose tag fits: probably the requested one. For prefetching it.
    #[inline(always)]
    pub fn candidate(&self, hash: u64) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        let segment = self.directory.segment(hash);
        let mut found = None;
        segment.find(tag_of(hash), self.buckets, |item| {
            found = Some(item);
            true
        });
        found
    }

    /// The item with this hash for which `is` returns true, and its position.
    #[inline(always)]
    pub fn find(&self, hash: u64, is: impl FnMut(T) -> bool) -> Option<(Position, T)> {
        if self.len == 0 {
            return None;
        }
        let segment = self.directory.segment(hash);
        let slot = segment.find(tag_of(hash), self.buckets, is)?;
        let item = segment.get(slot)?;
        Some((
            Position {
                segment: hash,
                slot: slot as u32,
            },
            item,
        ))
    }

    pub fn get(&self, at: Position) -> Option<T> {
        let inside = self.len > 0 && (at.slot as usize) < self.buckets * SLOTS;
        inside
            .then(|| self.directory.segment(at.segment).get(at.slot as usize))
            .flatten()
    }

    /// Puts another pointer in the place of the item at `at`; same key, same hash.
    pub fn replace(&mut self, at: Position, item: T) {
        debug_assert!(self.get(at).is_some(), "an item is replaced where one is");
        self.directory
            .segment(at.segment)
            .set(at.slot as usize, item);
    }

    /// Adds an item that is not there yet.
    pub fn insert(&mut self, hash: u64, item: T, hasher: &impl HashItem<T>) -> Position {
        let segment = self.room_for(hash, hasher);
        self.len += 1;
        let slot = segment.insert(tag_of(hash), item, self.buckets);
        Position {
            segment: hash,
            slot: slot as u32,
        }
    }

    /// Takes out the item at `at`.
    pub fn remove(&mut self, at: Position) -> Option<T> {
        let item = self.get(at)?;
        let segment = self.directory.segment(at.segment);
        segment.remove(at.slot as usize, self.buckets);
        self.len -= 1;
        let count = segment.header().count;
        if self.len == 0 {
            self.directory.clear(self.buckets);
            self.buckets = 0;
        } else if count < MERGE_AT / 2 && (count.is_multiple_of(16) || count.is_power_of_two()) {
            self.merge(segment);
        }
        Some(item)
    }

    /// Forgets all items at once.
    pub fn clear(&mut self) {
        if self.buckets > 0 {
            self.directory.clear(self.buckets);
        }
        (self.buckets, self.len) = (0, 0);
    }

    /// All items, in no order that means anything.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter::new(self)
    }

    /// The segment for `hash`, grown or split until it has room for one more.
    #[inline]
    fn room_for(&mut self, hash: u64, hasher: &impl HashItem<T>) -> Segment<T> {
        if self.buckets == 0 {
            self.buckets = 1;
            self.directory.start(1);
        }
        loop {
            let segment = self.directory.segment(hash);
            let count = segment.header().count;
            if self.buckets == BUCKETS {
                if count < SPLIT_AT {
                    return segment;
                }
                self.split(segment, hasher);
            } else if (count as usize) < self.buckets * SLOTS {
                return segment;
            } else {
                self.grow_root(segment);
            }
        }
    }

    /// Gives the only segment twice the buckets.
    fn grow_root(&mut self, root: Segment<T>) {
        let twice = self.buckets * 2;
        // 64 buckets would double past the full size: take the step in one go.
        self.resize_root(root, if twice > BUCKETS / 2 { BUCKETS } else { twice });
    }

    /// Gives the only segment fewer buckets once an eighth of it is enough: what is left is at most
    /// half full.
    fn shrink_root(&mut self, root: Segment<T>) {
        let count = root.header().count as usize;
        if self.buckets > 1 && count * 8 <= self.buckets * SLOTS {
            self.resize_root(root, (2 * count).div_ceil(SLOTS).next_power_of_two());
        }
    }

    /// Moves the items of the only segment to one with other buckets. The tags say where everything
    /// goes.
    fn resize_root(&mut self, root: Segment<T>, buckets: usize) {
        let old = std::mem::replace(&mut self.buckets, buckets);
        let mut items = std::mem::take(&mut self.scratch);
        root.drain(old, &mut items);
        self.directory.clear(old);
        let root = self.directory.start(self.buckets);
        for (tag, item) in items.drain(..) {
            root.insert(tag, item, self.buckets);
        }
        self.scratch = items;
    }

    /// Moves the items whose next hash bit is set into a new segment.
    #[cold]
    fn split(&mut self, segment: Segment<T>, hasher: &impl HashItem<T>) {
        let depth = segment.header().depth;
        let pattern = segment.header().pattern;
        let mut items = std::mem::take(&mut self.scratch);
        segment.drain(BUCKETS, &mut items);
        segment.header().depth = depth + 1;
        let sibling = self.directory.add(pattern | 1 << depth, depth + 1);
        const AHEAD: usize = 16;
        for (_, item) in items.iter().take(AHEAD) {
            prefetch(item.to_bits() as *const u8);
        }
        for i in 0..items.len() {
            if let Some((_, item)) = items.get(i + AHEAD) {
                prefetch(item.to_bits() as *const u8);
            }
            let (tag, item) = items[i];
            let upper = hasher.hash_item(item) >> depth & 1 == 1;
            let home = if upper { sibling } else { segment };
            home.insert(tag, item, BUCKETS);
        }
        items.clear();
        self.scratch = items;
    }

    /// Joins a segment and its buddy if they fit well into one; the last one gets smaller itself.
    #[cold]
    fn merge(&mut self, segment: Segment<T>) {
        let depth = segment.header().depth;
        if depth == 0 {
            return self.shrink_root(segment);
        }
        let bit = 1 << (depth - 1);
        let pattern = segment.header().pattern;
        let buddy = self.directory.segment(pattern ^ bit);
        if buddy.header().depth != depth || buddy.header().count + segment.header().count > MERGE_AT
        {
            return;
        }
        let (lower, upper) = if pattern & bit == 0 {
            (segment, buddy)
        } else {
            (buddy, segment)
        };
        let mut items = std::mem::take(&mut self.scratch);
        upper.drain(BUCKETS, &mut items);
        self.directory.remove(pattern | bit);
        lower.header().depth = depth - 1;
        for (tag, item) in items.drain(..) {
            lower.insert(tag, item, BUCKETS);
        }
        self.scratch = items;
    }
}

impl<T: Slot> Drop for Table<T> {
    fn drop(&mut self) {
        self.clear();
    }
}

pub use directory::Pool as SegmentPool;

#[cfg(test)]
mod tests;
