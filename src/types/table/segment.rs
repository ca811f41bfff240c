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
//! This file is the only one that touches the raw buckets; `super` decides when to grow and split.
#![allow(unsafe_code)]

use std::alloc::Layout;
use std::marker::PhantomData;
use std::ptr::NonNull;

pub const SLOTS: usize = 8;
pub const TAG_BITS: u32 = 15;
const TAG_SHIFT: u32 = 64 - TAG_BITS;
const OVERFLOW: u64 = 1 << 48;
const POINTER: u64 = OVERFLOW - 1;

/// A thin pointer that a slot can hold.
pub trait Slot: Copy {
    /// The address: not zero, below 2^48.
    fn to_bits(self) -> u64;
    fn from_bits(bits: u64) -> Self;
}

#[repr(C, align(64))]
pub struct Header {
    pub count: u32,
    /// The number of low hash bits that all items of this segment share.
    pub depth: u32,
    /// Those bits: the canonical index in the directory.
    pub pattern: u64,
}

type Bucket = [u64; SLOTS];

/// A pointer to a segment. The table owns the memory; a handle is as copyable as an index.
pub struct Segment<T> {
    at: NonNull<Header>,
    kind: PhantomData<T>,
}

impl<T> Clone for Segment<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Segment<T> {}

#[inline(always)]
pub fn tag_of(hash: u64) -> u64 {
    hash >> TAG_SHIFT
}

#[inline(always)]
pub fn home_of(tag: u64, buckets: usize) -> usize {
    (tag as usize * buckets) >> TAG_BITS
}

#[inline(always)]
fn pack(tag: u64, bits: u64) -> u64 {
    debug_assert!(
        bits != 0 && bits & !POINTER == 0,
        "slots hold 48-bit addresses"
    );
    tag << TAG_SHIFT | bits
}

pub fn layout(buckets: usize) -> Layout {
    Layout::from_size_align(64 + buckets * 64, 64).expect("a segment is a few kilobytes")
}

impl<T: Slot> Segment<T> {
    /// Initialises zeroed memory of `layout(buckets)` as an empty segment.
    pub(super) fn init(memory: NonNull<u8>, depth: u32, pattern: u64) -> Self {
        let at = memory.cast::<Header>();
        // SAFETY: the memory is as large as the layout and ours alone.
        unsafe {
            at.write(Header {
                count: 0,
                depth,
                pattern,
            })
        };
        Segment {
            at,
            kind: PhantomData,
        }
    }

    /// The segment that `init` made in this memory.
    #[inline(always)]
    pub(super) fn from_memory(memory: NonNull<u8>) -> Self {
        Segment {
            at: memory.cast(),
            kind: PhantomData,
        }
    }

    pub(super) fn memory(self) -> NonNull<u8> {
        self.at.cast()
    }

    /// The record at the head of the segment. Handles are only held by the table that allocated
    /// the segment, and dropped with it.
    #[inline(always)]
    pub(super) fn header<'a>(self) -> &'a mut Header {
        // SAFETY: the table holds the segment exclusively when it writes and never keeps the
        // reference across another call.
        unsafe { &mut *self.at.as_ptr() }
    }

    #[inline(always)]
    fn bucket<'a>(self, index: usize) -> &'a mut Bucket {
        // SAFETY: callers pass indexes below the number of buckets the segment was laid out for;
        // exclusivity as in `header`.
        unsafe { &mut *self.at.as_ptr().add(1).cast::<Bucket>().add(index) }
    }

    #[inline(always)]
    pub(super) fn bucket_address(self, index: usize) -> *const u8 {
        self.at.as_ptr().wrapping_add(1 + index).cast()
    }

    /// The position of the item with this tag for which `is` returns true.
    #[inline(always)]
    pub(super) fn find(
        self,
        tag: u64,
        buckets: usize,
        mut is: impl FnMut(T) -> bool,
    ) -> Option<usize> {
        let home = home_of(tag, buckets);
        let mut index = home;
        loop {
            let bucket = self.bucket(index);
            let mut hits = 0u32;
            for (i, slot) in bucket.iter().enumerate() {
                hits |= ((slot >> TAG_SHIFT == tag) as u32) << i;
            }
            while hits != 0 {
                let i = hits.trailing_zeros() as usize;
                hits &= hits - 1;
                let bits = bucket[i] & POINTER;
                if bits != 0 && is(T::from_bits(bits)) {
                    return Some(index * SLOTS + i);
                }
            }
            if bucket[0] & OVERFLOW == 0 {
                return None;
            }
            index = if index + 1 == buckets { 0 } else { index + 1 };
            if index == home {
                return None;
            }
        }
    }

    #[inline(always)]
    pub(super) fn get(self, position: usize) -> Option<T> {
        let bits = self.bucket(position / SLOTS)[position % SLOTS] & POINTER;
        (bits != 0).then(|| T::from_bits(bits))
    }

    #[inline(always)]
    pub(super) fn set(self, position: usize, item: T) {
        let slot = &mut self.bucket(position / SLOTS)[position % SLOTS];
        *slot = *slot & !POINTER | item.to_bits();
    }

    /// Puts an item into the first free slot from its home on. There is one: the caller checked.
    #[inline]
    pub(super) fn insert(self, tag: u64, item: T, buckets: usize) -> usize {
        self.header().count += 1;
        self.place(tag, item.to_bits(), buckets)
    }

    #[inline]
    fn place(self, tag: u64, bits: u64, buckets: usize) -> usize {
        let mut index = home_of(tag, buckets);
        loop {
            let bucket = self.bucket(index);
            if let Some(i) = bucket.iter().position(|slot| slot & POINTER == 0) {
                bucket[i] = bucket[i] & OVERFLOW | pack(tag, bits);
                return index * SLOTS + i;
            }
            bucket[0] |= OVERFLOW;
            index = if index + 1 == buckets { 0 } else { index + 1 };
        }
    }

    /// Empties a slot and closes the gap that displaced items left open.
    pub(super) fn remove(self, position: usize, buckets: usize) {
        self.header().count -= 1;
        let (mut index, mut slot) = (position / SLOTS, position % SLOTS);
        loop {
            let bucket = self.bucket(index);
            bucket[slot] &= OVERFLOW;
            if bucket[0] & OVERFLOW == 0 {
                return;
            }
            match self.displaced_over(index, buckets) {
                None => {
                    self.bucket(index)[0] &= !OVERFLOW;
                    return;
                }
                Some((from, i)) => {
                    let moved = self.bucket(from)[i] & !OVERFLOW;
                    let bucket = self.bucket(index);
                    bucket[slot] = bucket[slot] & OVERFLOW | moved;
                    (index, slot) = (from, i);
                }
            }
        }
    }

    /// An item that lives behind bucket `index` though its probe passes through it.
    fn displaced_over(self, index: usize, buckets: usize) -> Option<(usize, usize)> {
        let mut at = index;
        loop {
            at = if at + 1 == buckets { 0 } else { at + 1 };
            if at == index {
                return None;
            }
            let span = (at + buckets - index) % buckets;
            for (i, &slot) in self.bucket(at).iter().enumerate() {
                if slot & POINTER == 0 {
                    continue;
                }
                let home = home_of(slot >> TAG_SHIFT, buckets);
                if (at + buckets - home) % buckets >= span {
                    return Some((at, i));
                }
            }
            if self.bucket(at)[0] & OVERFLOW == 0 {
                return None;
            }
        }
    }

    /// Visits every item whose home is `home`, wherever it was displaced to.
    pub(super) fn visit_home(self, home: usize, buckets: usize, mut visit: impl FnMut(T)) {
        let mut index = home;
        loop {
            let bucket = self.bucket(index);
            for &slot in bucket.iter() {
                let bits = slot & POINTER;
                if bits != 0 && home_of(slot >> TAG_SHIFT, buckets) == home {
                    visit(T::from_bits(bits));
                }
            }
            if bucket[0] & OVERFLOW == 0 {
                return;
            }
            index = if index + 1 == buckets { 0 } else { index + 1 };
            if index == home {
                return;
            }
        }
    }

    /// Takes all items out, as (tag, item); the segment is empty afterwards.
    pub(super) fn drain(self, buckets: usize, out: &mut Vec<(u64, T)>) {
        self.header().count = 0;
        for index in 0..buckets {
            let bucket = self.bucket(index);
            for slot in bucket.iter_mut() {
                if *slot & POINTER != 0 {
                    out.push((*slot >> TAG_SHIFT, T::from_bits(*slot & POINTER)));
                }
                *slot = 0;
            }
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
                .map(|tag| home_of(tag, buckets))
                .collect();
            assert!(homes.is_sorted());
            assert_eq!(*homes.last().expect("there are tags"), buckets - 1);
        }
    }

    #[test]
    fn a_bucket_is_one_cache_line() {
        assert_eq!(size_of::<Bucket>(), 64);
        assert_eq!(size_of::<Header>(), 64);
    }
}
