//! Cursors that survive splits and merges, and fair random picks.
//!
//! A cursor is a place in the order (reversed hash bits of the segment, tag). Segments are ranges
//! of that order: a split cuts a range in two, a merge joins two, and neither moves an item out of
//! its range or to another home. So whatever is present from the first call to the last is
//! visited: behind the cursor everything was seen, ahead of it everything will be. A merge joins a
//! half-seen range with one that was not seen yet: the cursor carries the depth of its segment,
//! and where that has shrunk since, the joined range is walked from its start. So after a merge or
//! the growth of a root an item may be seen twice, as Redis's clients have to expect anyway. A
//! cursor names a tag, not a slot, and visits whole homes: items that displacement moves about are
//! seen with their home, whatever the number of buckets is by then.
//!
//! ```text
//!   cursor   61           21 20   15 14     0
//!            +---------------+-------+--------+
//!            | reversed bits | depth | tag    |
//!            +---------------+-------+--------+
//! ```

use super::Table;
use super::segment::{SLOTS, Slot, TAG_BITS, Tag};
use crate::sys::pages::prefetch;

/// Reversed hash bits in a cursor.
const BITS: u32 = 41;
const DEPTH_BITS: u32 = 6;
const TAGS: u64 = 1 << TAG_BITS;
/// The steps a random pick looks for an item before it walks on from where it is.
const TRIES: u32 = 64;

/// The hash bits a range starts at.
fn bits_at(place: u64) -> u64 {
    place.reverse_bits() >> (64 - BITS)
}

/// (reversed bits, depth, tag) of a cursor.
fn parts(cursor: u64) -> (u64, u32, u64) {
    let place = cursor >> (DEPTH_BITS + TAG_BITS) & ((1 << BITS) - 1);
    let depth = cursor >> TAG_BITS & ((1 << DEPTH_BITS) - 1);
    (place, depth as u32, cursor & (TAGS - 1))
}

impl<T: Slot> Table<T> {
    /// Visits at least one home bucket from `cursor` on and returns the next cursor, 0 at the end.
    ///
    /// Any `u64` is a valid cursor; one that no call returned finds some place to go on from.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(T)) -> u64 {
        let (place, depth, tag) = parts(cursor);
        let Some(segment) = self.segment(bits_at(place)) else {
            return 0;
        };
        let buckets = self.directory.buckets();
        let now = segment.header().depth;
        let tag = if now < depth { 0 } else { tag };
        let home = Tag::of_bits(tag).home(buckets);
        segment.visit_home(home, &mut visit);
        if home + 1 < buckets {
            let tag = (((home + 1) as u64) << TAG_BITS).div_ceil(buckets as u64);
            return (place << DEPTH_BITS | now as u64) << TAG_BITS | tag;
        }
        // The next range begins where this segment's ends.
        let span = 1u64 << (BITS - now);
        let next = (place & !(span - 1)) + span;
        if next >> BITS != 0 {
            0
        } else {
            next << (DEPTH_BITS + TAG_BITS)
        }
    }

    /// An item picked by `random`, a source of uniform 64-bit numbers; every item is about as
    /// likely as any other. `None` only if the table is empty.
    pub fn pick(&self, mut random: impl FnMut() -> u64) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        let slots = self.directory.buckets() * SLOTS;
        for _ in 0..TRIES {
            // A random directory index hits a segment in proportion to its share of hashes, which
            // is its share of items; a random slot of it then is empty or a fair pick.
            let segment = self.segment(random())?;
            let slot = (random() % slots as u64) as usize;
            if let Some(item) = segment.get(slot) {
                return Some(item);
            }
        }
        self.pick_sparse(&mut random)
    }

    /// Visits about `count` items that stand near each other in some place picked by `random`: hashes
    /// put them there, so they are as good as random ones, and cheaper to come by. At least one is
    /// visited unless the table is empty.
    pub fn sample(&self, count: usize, mut random: impl FnMut() -> u64, mut visit: impl FnMut(T)) {
        /// Slots looked at in one place, for each item wanted.
        const REACH: usize = 4;
        let slots = self.directory.buckets() * SLOTS;
        let mut seen = 0;
        for _ in 0..TRIES {
            if seen >= count || self.len == 0 {
                return;
            }
            let Some(segment) = self.segment(random()) else {
                return;
            };
            let start = (random() % slots as u64) as usize;
            for step in 0..slots.min(REACH * count) {
                if let Some(item) = segment.get((start + step) % slots) {
                    visit(item);
                    seen += 1;
                    if seen == count {
                        return;
                    }
                }
            }
        }
        if seen == 0 {
            self.pick_sparse(&mut random).map(visit);
        }
    }

    /// In a nearly empty table: a random one of the items after a random slot.
    fn pick_sparse(&self, random: &mut impl FnMut() -> u64) -> Option<T> {
        let slots = self.directory.buckets() * SLOTS;
        for _ in 0..TRIES {
            let segment = self.segment(random())?;
            let count = segment.header().count as u64;
            if count == 0 {
                continue;
            }
            let wanted = random() % count;
            return (0..slots)
                .filter_map(|slot| segment.get(slot))
                .nth(wanted as usize);
        }
        self.iter().next()
    }

    /// Starts loading what the items of the cursor's next home point to.
    pub fn prefetch_scan(&self, cursor: u64) {
        let (place, _, tag) = parts(cursor);
        if let Some(segment) = self.segment(bits_at(place)) {
            let home = Tag::of_bits(tag).home(self.directory.buckets());
            segment.visit_home(home, |item| prefetch(item.address()));
        }
    }
}
