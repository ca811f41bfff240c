//! One segment of a table: a fixed number of cache-line buckets, probed linearly.
//!
//! ```text
//!   segment                         bucket, 64 bytes = 8 slots
//!   +--------+--------+--------+    +------+------+-- --+------+
//!   | header | bucket | bucket |    | slot | slot |  …  | slot |
//!   +--------+--------+--------+    +------+------+-- --+------+
//!
//!   slot     63         49  48  47                          0
//!            +------------+---+-----------------------------+
//!            | tag (15)   | o | pointer, 0 = empty          |
//!            +------------+---+-----------------------------+
//! ```
//!
//! The tag is the top 15 bits of the hash. It also names the home bucket, `tag * buckets >> 15`, so
//! a slot can be placed anew without reading the key behind it. `o` on a bucket's first slot says
//! that some item of this bucket, or of one before it, was displaced further: a probe that does
//! not see it stops. Removing pulls displaced items back, so there are no tombstones.
//!
//! `Segment` reads, `SegmentMut` changes: each borrows the directory that owns the memory, shared or
//! exclusively. This file is the only one that touches the raw buckets; `super` decides when to grow
//! and split.
#![allow(unsafe_code)]

use std::alloc::Layout;
use std::marker::PhantomData;
use std::num::NonZeroU64;
use std::ptr::NonNull;

pub const SLOTS: usize = 8;
pub const TAG_BITS: u32 = 15;
const TAG_SHIFT: u32 = 64 - TAG_BITS;
const OVERFLOW: u64 = 1 << 48;
const POINTER: u64 = OVERFLOW - 1;

/// A thin pointer that a slot can hold.
pub trait Slot: Copy {
    /// The address: below 2^48.
    fn to_bits(self) -> NonZeroU64;
    /// The pointer whose `to_bits` these are.
    fn from_bits(bits: NonZeroU64) -> Self;

    /// The address, for prefetching what is there.
    #[inline(always)]
    fn address(self) -> *const u8 {
        std::ptr::without_provenance(self.to_bits().get() as usize)
    }
}

/// The record at the head of a segment.
#[repr(C, align(64))]
pub struct Header {
    pub count: u32,
    /// The number of low hash bits that all items of this segment share.
    pub depth: u32,
    /// Those bits: the canonical index in the directory.
    pub pattern: u64,
}

type Bucket = [u64; SLOTS];

const _: () = assert!(size_of::<Bucket>() == 64, "a bucket is one cache line");
const _: () = assert!(size_of::<Header>() == 64, "buckets start at a cache line");

/// The tag of a hash: its top 15 bits, and no number beyond them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag(u64);

impl Tag {
    #[inline(always)]
    pub fn of_hash(hash: u64) -> Tag {
        Tag(hash >> TAG_SHIFT)
    }

    /// A tag of these bits: the lowest 15 count.
    pub fn of_bits(bits: u64) -> Tag {
        Tag(bits & ((1 << TAG_BITS) - 1))
    }

    #[inline(always)]
    fn of_slot(slot: u64) -> Tag {
        Tag(slot >> TAG_SHIFT)
    }

    /// The number of the bucket at which the probe for this tag starts: below `buckets`, of which
    /// there is at least one.
    #[inline(always)]
    pub fn home(self, buckets: usize) -> usize {
        (self.0 as usize * buckets) >> TAG_BITS
    }
}

/// The item in a slot, unless the slot is empty.
#[inline(always)]
fn item_of<T: Slot>(slot: u64) -> Option<T> {
    NonZeroU64::new(slot & POINTER).map(T::from_bits)
}

#[inline(always)]
fn pack(tag: Tag, bits: NonZeroU64) -> u64 {
    debug_assert!(bits.get() & !POINTER == 0, "slots hold 48-bit addresses");
    tag.0 << TAG_SHIFT | bits.get()
}

/// The bucket after this one, around the end.
#[inline(always)]
fn after(index: usize, buckets: usize) -> usize {
    if index + 1 == buckets { 0 } else { index + 1 }
}

/// The memory of a segment of so many buckets: the header, then the buckets.
pub fn layout(buckets: usize) -> Layout {
    let size = size_of::<Header>() + buckets * size_of::<Bucket>();
    Layout::from_size_align(size, 64).expect("a segment is a few kilobytes")
}

/// A segment for reading: good while the directory is borrowed.
pub struct Segment<'t, T> {
    at: NonNull<Header>,
    buckets: usize,
    life: PhantomData<(&'t Header, T)>,
}

impl<T> Clone for Segment<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Segment<'_, T> {}

/// A segment for changing: the only handle to it while it lives.
pub struct SegmentMut<'t, T> {
    at: NonNull<Header>,
    buckets: usize,
    life: PhantomData<(&'t mut Header, T)>,
}

/// Initialises zeroed memory of `layout(buckets)` as an empty segment.
///
/// # Safety
/// The memory is as large as the layout, zeroed, and exclusively the caller's.
pub(super) unsafe fn init(memory: NonNull<u8>, depth: u32, pattern: u64) {
    let header = Header {
        count: 0,
        depth,
        pattern,
    };
    // SAFETY: the caller's promise; the layout is aligned for the header.
    unsafe { memory.cast::<Header>().write(header) };
}

impl<'t, T: Slot> Segment<'t, T> {
    /// The segment that `init` made in this memory.
    ///
    /// # Safety
    /// The memory holds a segment of so many buckets, more than none, that is neither freed nor
    /// changed during `'t`.
    #[inline(always)]
    pub(super) unsafe fn new(memory: NonNull<u8>, buckets: usize) -> Self {
        debug_assert!(buckets > 0, "a segment has buckets");
        Segment {
            at: memory.cast(),
            buckets,
            life: PhantomData,
        }
    }

    pub(super) fn memory(self) -> NonNull<u8> {
        self.at.cast()
    }

    #[inline(always)]
    pub(super) fn header(self) -> &'t Header {
        // SAFETY: `new` was promised a segment that does not change during `'t`.
        unsafe { self.at.as_ref() }
    }

    #[inline(always)]
    fn buckets(self) -> &'t [Bucket] {
        // SAFETY: as in `header`; the buckets stand behind the header, as many as promised.
        unsafe { std::slice::from_raw_parts(self.at.add(1).cast().as_ptr(), self.buckets) }
    }

    #[inline(always)]
    pub(super) fn bucket_address(self, index: usize) -> *const u8 {
        self.at.as_ptr().wrapping_add(1 + index).cast()
    }

    /// The position of the item with this tag for which `is` returns true, and the item.
    #[inline(always)]
    pub(super) fn find(self, tag: Tag, mut is: impl FnMut(T) -> bool) -> Option<(usize, T)> {
        let home = tag.home(self.buckets);
        let mut index = home;
        loop {
            // SAFETY: the home of a tag is below the number of buckets, and so is what follows it.
            let bucket = unsafe { self.buckets().get_unchecked(index) };
            let mut hits = 0u32;
            for (i, slot) in bucket.iter().enumerate() {
                hits |= ((Tag::of_slot(*slot) == tag) as u32) << i;
            }
            while hits != 0 {
                let i = hits.trailing_zeros() as usize;
                hits &= hits - 1;
                if let Some(item) = item_of(bucket[i])
                    && is(item)
                {
                    return Some((index * SLOTS + i, item));
                }
            }
            if bucket[0] & OVERFLOW == 0 {
                return None;
            }
            index = after(index, self.buckets);
            if index == home {
                return None;
            }
        }
    }

    /// The item at a position, if the segment is that long and the slot is taken.
    #[inline(always)]
    pub(super) fn get(self, position: usize) -> Option<T> {
        let bucket = self.buckets().get(position / SLOTS)?;
        item_of(bucket[position % SLOTS])
    }

    /// An item that lives behind bucket `index` though its probe passes through it.
    fn displaced_over(self, index: usize) -> Option<(usize, usize)> {
        let buckets = self.buckets();
        let len = buckets.len();
        let mut at = index;
        loop {
            at = after(at, len);
            if at == index {
                return None;
            }
            let span = (at + len - index) % len;
            for (i, &slot) in buckets[at].iter().enumerate() {
                if slot & POINTER == 0 {
                    continue;
                }
                let home = Tag::of_slot(slot).home(len);
                if (at + len - home) % len >= span {
                    return Some((at, i));
                }
            }
            if buckets[at][0] & OVERFLOW == 0 {
                return None;
            }
        }
    }

    /// Visits every item whose home is `home`, wherever it was displaced to.
    pub(super) fn visit_home(self, home: usize, mut visit: impl FnMut(T)) {
        let buckets = self.buckets();
        let mut index = home;
        loop {
            let bucket = &buckets[index];
            for &slot in bucket {
                if let Some(item) = item_of(slot)
                    && Tag::of_slot(slot).home(buckets.len()) == home
                {
                    visit(item);
                }
            }
            if bucket[0] & OVERFLOW == 0 {
                return;
            }
            index = after(index, buckets.len());
            if index == home {
                return;
            }
        }
    }

    /// Walks over the segment; `hash` computes the hash of an item.
    ///
    /// # Panics
    /// Where something does not hold, with what it is.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub(super) fn check(self, hash: impl Fn(T) -> u64) {
        let buckets = self.buckets();
        let Header {
            count,
            depth,
            pattern,
        } = *self.header();
        let mut found = 0;
        for (at, bucket) in buckets.iter().enumerate() {
            let flags = bucket[1..].iter().fold(0, |flags, slot| flags | slot) & OVERFLOW;
            assert_eq!(flags, 0, "only a bucket's first slot has the overflow bit");
            for &slot in bucket {
                let Some(item) = item_of(slot) else {
                    assert_eq!(slot & !OVERFLOW, 0, "an empty slot has no tag");
                    continue;
                };
                found += 1;
                let (tag, hash) = (Tag::of_slot(slot), hash(item));
                assert_eq!(tag, Tag::of_hash(hash), "the tag is that of the hash");
                let low = hash & ((1 << depth) - 1);
                assert_eq!(low, pattern, "an item is in the segment of its hash");
                let mut index = tag.home(buckets.len());
                while index != at {
                    let passed = &buckets[index];
                    assert!(passed[0] & OVERFLOW != 0, "a probe goes on to the item");
                    assert!(
                        passed.iter().all(|slot| slot & POINTER != 0),
                        "an item is displaced by full buckets only"
                    );
                    index = after(index, buckets.len());
                }
            }
        }
        assert_eq!(found, count, "items are counted");
    }
}

impl<'t, T: Slot> SegmentMut<'t, T> {
    /// As `Segment::new`, for changing.
    ///
    /// # Safety
    /// The memory holds a segment of so many buckets, more than none, that is not freed during `'t`
    /// and to which there is no other reference.
    #[inline(always)]
    pub(super) unsafe fn new(memory: NonNull<u8>, buckets: usize) -> Self {
        debug_assert!(buckets > 0, "a segment has buckets");
        SegmentMut {
            at: memory.cast(),
            buckets,
            life: PhantomData,
        }
    }

    /// The same segment for reading.
    #[inline(always)]
    pub(super) fn read(&self) -> Segment<'_, T> {
        // SAFETY: promised to `new`; `self` is borrowed as long as the result.
        unsafe { Segment::new(self.at.cast(), self.buckets) }
    }

    #[inline(always)]
    pub(super) fn header(&mut self) -> &mut Header {
        // SAFETY: `new` was promised the only reference.
        unsafe { self.at.as_mut() }
    }

    #[inline(always)]
    fn buckets(&mut self) -> &mut [Bucket] {
        // SAFETY: as in `header`; the buckets stand behind the header, as many as promised.
        unsafe { std::slice::from_raw_parts_mut(self.at.add(1).cast().as_ptr(), self.buckets) }
    }

    /// Puts another item in the place of one.
    ///
    /// # Panics
    /// If the segment is not that long.
    #[inline(always)]
    pub(super) fn set(&mut self, position: usize, item: T) {
        let slot = &mut self.buckets()[position / SLOTS][position % SLOTS];
        *slot = *slot & !POINTER | item.to_bits().get();
    }

    /// Puts an item into the first free slot from its home on and returns its position. There is
    /// one: the caller checked.
    #[inline]
    pub(super) fn insert(&mut self, tag: Tag, item: T) -> usize {
        self.header().count += 1;
        let buckets = self.buckets();
        let mut index = tag.home(buckets.len());
        loop {
            let bucket = &mut buckets[index];
            if let Some(i) = bucket.iter().position(|slot| slot & POINTER == 0) {
                bucket[i] = bucket[i] & OVERFLOW | pack(tag, item.to_bits());
                return index * SLOTS + i;
            }
            bucket[0] |= OVERFLOW;
            index = after(index, buckets.len());
        }
    }

    /// Empties a slot and closes the gap that displaced items left open.
    ///
    /// # Panics
    /// If the segment is not that long.
    pub(super) fn remove(&mut self, position: usize) {
        self.header().count -= 1;
        let (mut index, mut slot) = (position / SLOTS, position % SLOTS);
        loop {
            let bucket = &mut self.buckets()[index];
            bucket[slot] &= OVERFLOW;
            if bucket[0] & OVERFLOW == 0 {
                return;
            }
            match self.read().displaced_over(index) {
                None => {
                    self.buckets()[index][0] &= !OVERFLOW;
                    return;
                }
                Some((from, i)) => {
                    let buckets = self.buckets();
                    let moved = buckets[from][i] & !OVERFLOW;
                    buckets[index][slot] = buckets[index][slot] & OVERFLOW | moved;
                    (index, slot) = (from, i);
                }
            }
        }
    }

    /// Takes all items out, as (tag, item); the segment is empty afterwards.
    pub(super) fn drain(&mut self, out: &mut Vec<(Tag, T)>) {
        self.header().count = 0;
        for slot in self.buckets().as_flattened_mut() {
            if let Some(item) = item_of(*slot) {
                out.push((Tag::of_slot(*slot), item));
            }
            *slot = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_follow_the_order_of_tags() {
        for buckets in [1, 2, 13, 76] {
            let homes: Vec<usize> = (0..1 << TAG_BITS)
                .map(|tag| Tag(tag).home(buckets))
                .collect();
            assert!(homes.is_sorted());
            assert_eq!(*homes.last().expect("there are tags"), buckets - 1);
        }
    }
}
