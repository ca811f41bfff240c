//! The directory of a table and the memory of its segments.
//!
//! Index `i` of the directory lives in level `bits(i)`: level 0 holds index 0, level k the indexes
//! from 2^(k-1) up to 2^k. Doubling adds one zeroed level and copies nothing. Only the canonical
//! index of a segment (its pattern) is filled in; any other index is null and means the index
//! without its highest bit, which is at most a few steps away because segments fill evenly.
//!
//! Full-size segments of a large table are cut from 2 MiB chunks on huge pages; those of small
//! tables (sets, hashes, side indexes) come from the general allocator.
#![allow(unsafe_code)]

use super::BUCKETS;
use super::segment::{self, Segment, SegmentMut, Slot};
use crate::sys::pages::{self, CHUNK, Pages, Reserve};
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};

/// 2^40 segments are beyond any memory.
const LEVELS: usize = 40;

/// The source of segments.
#[derive(Clone)]
pub enum Pool {
    /// The general allocator.
    Heap,
    /// Chunks on huge pages, for full-size segments.
    Huge(Reserve),
}

/// The segments of one table, found by the low bits of a hash.
///
/// Every live segment has `buckets` buckets: fewer than `BUCKETS` only while there is one. Index 0
/// is canonical whenever there is a segment, and a canonical index has at most `depth` bits.
pub(super) struct Directory<T> {
    levels: [*mut *mut u8; LEVELS],
    /// Hash bits in use: levels 0..=depth exist when there is any segment.
    depth: u32,
    segments: usize,
    buckets: usize,
    blocks: Blocks,
    kind: PhantomData<T>,
}

// SAFETY: the directory is the only owner of what it points to; items are raw handles whose own
// owner guarantees that they may be sent.
unsafe impl<T> Send for Directory<T> {}

fn level_layout(level: usize) -> Layout {
    let entries = if level == 0 { 1 } else { 1 << (level - 1) };
    Layout::array::<*mut u8>(entries).expect("a directory level fits the address space")
}

impl<T> Directory<T> {
    pub fn new(pool: Pool) -> Self {
        Directory {
            levels: [null_mut(); LEVELS],
            depth: 0,
            segments: 0,
            buckets: 0,
            blocks: Blocks::new(pool),
            kind: PhantomData,
        }
    }

    pub fn segments(&self) -> usize {
        self.segments
    }

    /// Buckets of each segment; none if there is no segment.
    #[inline(always)]
    pub fn buckets(&self) -> usize {
        self.buckets
    }

    /// The number of hash bits that the directory is indexed by.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    pub fn bytes(&self) -> usize {
        let entries = if self.segments == 0 {
            0
        } else {
            1usize << self.depth
        };
        self.segments * segment::layout(self.buckets).size() + entries * 8
    }

    /// The place of an index in its level.
    ///
    /// # Safety
    /// There is a segment, and the index has at most `depth` bits.
    #[inline(always)]
    unsafe fn entry(&self, index: u64) -> *mut *mut u8 {
        let level = (64 - index.leading_zeros()) as usize;
        let first = (1u64 << level) >> 1;
        // SAFETY: levels up to `depth` exist, and this one has an entry for each of its indexes.
        unsafe {
            self.levels
                .get_unchecked(level)
                .add((index - first) as usize)
        }
    }

    /// The memory of the segment that `hash` belongs to; none without any segment.
    #[inline(always)]
    fn lead(&self, hash: u64) -> Option<NonNull<u8>> {
        if self.segments == 0 {
            return None;
        }
        let mut index = hash & ((1 << self.depth) - 1);
        loop {
            // SAFETY: there is a segment, and the index was masked to `depth` bits.
            let at = unsafe { *self.entry(index) };
            if let Some(at) = NonNull::new(at) {
                return Some(at);
            }
            // Index 0 is always canonical, so this ends.
            index &= !(1 << (63 - index.leading_zeros()));
        }
    }

    /// Frees all segments and levels.
    pub fn clear(&mut self) {
        if self.segments == 0 {
            return;
        }
        // SAFETY: whether at once or one by one, every segment is freed here, and the levels that
        // led to them after that.
        unsafe {
            if !self.blocks.clear() {
                for index in 0..1u64 << self.depth {
                    if let Some(memory) = NonNull::new(*self.entry(index)) {
                        self.blocks.free(memory, self.buckets);
                    }
                }
            }
            for (level, entries) in self.levels[..=self.depth as usize].iter_mut().enumerate() {
                if let Some(entries) = NonNull::new(std::mem::replace(entries, null_mut())) {
                    dealloc(entries.as_ptr().cast(), level_layout(level));
                }
            }
        }
        (self.depth, self.segments, self.buckets) = (0, 0, 0);
    }

    fn add_level(&mut self, level: usize) {
        let layout = level_layout(level);
        // SAFETY: the layout is not empty.
        let entries = unsafe { alloc_zeroed(layout) };
        if entries.is_null() {
            handle_alloc_error(layout);
        }
        self.levels[level] = entries.cast();
    }

    /// Makes an empty segment and enters it.
    ///
    /// # Safety
    /// The levels up to `depth` exist, the pattern has at most `depth` bits and no segment.
    unsafe fn create(&mut self, pattern: u64, depth: u32) {
        let memory = self.blocks.alloc(self.buckets);
        self.segments += 1;
        // SAFETY: the memory is fresh and laid out for this; the entry is there.
        unsafe {
            segment::init(memory, depth, pattern);
            *self.entry(pattern) = memory.as_ptr();
        }
    }
}

impl<T: Slot> Directory<T> {
    /// The segment that `hash` belongs to; none without any segment.
    #[inline(always)]
    pub fn segment(&self, hash: u64) -> Option<Segment<'_, T>> {
        let memory = self.lead(hash)?;
        // SAFETY: segments in the directory are live and have `buckets` buckets; nothing changes
        // or frees one while `self` is borrowed.
        Some(unsafe { Segment::new(memory, self.buckets) })
    }

    /// As `segment`, for changing it.
    #[inline(always)]
    pub fn segment_mut(&mut self, hash: u64) -> Option<SegmentMut<'_, T>> {
        let memory = self.lead(hash)?;
        // SAFETY: as in `segment`, and `self` is borrowed exclusively.
        Some(unsafe { SegmentMut::new(memory, self.buckets) })
    }

    /// Creates the first segment, in an empty directory.
    pub fn start(&mut self, buckets: usize) -> SegmentMut<'_, T> {
        assert!(
            self.segments == 0 && (1..=BUCKETS).contains(&buckets),
            "the first segment comes alone"
        );
        self.add_level(0);
        self.buckets = buckets;
        // SAFETY: level 0 was just added, and `depth` is 0.
        unsafe { self.create(0, 0) };
        self.segment_mut(0).expect("just created")
    }

    /// Cuts the range of a full-size segment in two: returns the segment, whose depth is one more
    /// now, and the new one for hashes with the next bit set.
    pub fn divide(&mut self, hash: u64) -> [SegmentMut<'_, T>; 2] {
        let lower = self.segment(hash).expect("the caller saw it").header();
        let (pattern, depth) = (lower.pattern, lower.depth);
        assert!(
            self.buckets == BUCKETS && depth + 1 < LEVELS as u32,
            "a segment of full size is cut, and memory is finite"
        );
        if depth == self.depth {
            self.depth = depth + 1;
            self.add_level(depth as usize + 1);
        }
        let sibling = pattern | 1 << depth;
        // SAFETY: no segment has more bits than the directory. `pattern` with the next bit set has
        // none yet: it led to the segment that is divided.
        unsafe { self.create(sibling, depth + 1) };
        let memory = [pattern, sibling].map(|hash| self.lead(hash).expect("both are there"));
        assert_ne!(memory[0], memory[1]);
        // SAFETY: two segments of this directory, which is borrowed exclusively.
        let mut both = memory.map(|memory| unsafe { SegmentMut::new(memory, self.buckets) });
        both[0].header().depth = depth + 1;
        both
    }

    /// Joins the ranges of two buddies: frees the segment with this pattern, which is not 0, and
    /// returns the one that lookups fall through to, whose depth is one less now.
    pub fn unite(&mut self, pattern: u64) -> SegmentMut<'_, T> {
        let upper = self.segment(pattern).expect("the caller saw it");
        let (pattern, depth, memory) =
            (upper.header().pattern, upper.header().depth, upper.memory());
        assert!(
            depth > 0 && pattern >> (depth - 1) == 1,
            "of two buddies the upper one goes"
        );
        // SAFETY: the segment was found there, so its entry is; it is forgotten before it is freed.
        unsafe {
            *self.entry(pattern) = null_mut();
            self.blocks.free(memory, self.buckets);
        }
        self.segments -= 1;
        let mut lower = self.segment_mut(pattern).expect("the lower one stays");
        debug_assert_eq!(lower.header().depth, depth, "buddies have the same depth");
        lower.header().depth = depth - 1;
        lower
    }

    /// Walks over the directory and its segments; `hash` computes the hash of an item. Returns the
    /// number of items.
    ///
    /// # Panics
    /// Where something does not hold, with what it is.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self, hash: impl Fn(T) -> u64) -> usize {
        let levels = self.levels.iter().filter(|level| !level.is_null()).count();
        if self.segments == 0 {
            assert_eq!((levels, self.depth, self.buckets), (0, 0, 0));
            return 0;
        }
        assert_eq!(levels as u32, self.depth + 1, "a level for each bit");
        assert!(
            self.buckets == BUCKETS || self.segments == 1 && self.buckets <= BUCKETS / 2,
            "several segments are of full size"
        );
        let (mut segments, mut items) = (0, 0);
        for index in 0..1u64 << self.depth {
            let segment = self.segment(index).expect("every index leads somewhere");
            let (pattern, depth) = (segment.header().pattern, segment.header().depth);
            assert!(depth <= self.depth && pattern >> depth == 0);
            assert_eq!(
                index & ((1 << depth) - 1),
                pattern,
                "an index leads to its range"
            );
            if pattern == index {
                segment.check(&hash);
                segments += 1;
                items += segment.header().count as usize;
            }
        }
        assert_eq!(segments, self.segments, "segments are counted");
        items
    }
}

impl<T> Drop for Directory<T> {
    fn drop(&mut self) {
        self.clear();
    }
}

#[repr(C)]
struct Chunk {
    used: u32,
    /// Blocks cut so far.
    fresh: u32,
    free: *mut u8,
}

/// Zeroed, 64-byte-aligned blocks of one segment each.
struct Blocks {
    pool: Pool,
    chunks: Vec<NonNull<Chunk>>,
    /// Chunks with free blocks; the last one is used first.
    room: Vec<NonNull<Chunk>>,
}

const FIRST: usize = 64;

fn block_bytes() -> usize {
    segment::layout(BUCKETS).size()
}

fn blocks_per_chunk() -> u32 {
    ((CHUNK - FIRST) / block_bytes()) as u32
}

impl Blocks {
    fn new(pool: Pool) -> Self {
        Blocks {
            pool,
            chunks: Vec::new(),
            room: Vec::new(),
        }
    }

    fn is_pooled(&self, buckets: usize) -> bool {
        matches!(self.pool, Pool::Huge(_)) && buckets == BUCKETS
    }

    fn alloc(&mut self, buckets: usize) -> NonNull<u8> {
        if !self.is_pooled(buckets) {
            let layout = segment::layout(buckets);
            // SAFETY: the layout is not empty.
            let memory = unsafe { alloc_zeroed(layout) };
            return NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout));
        }
        let chunk = match self.room.last() {
            Some(chunk) => *chunk,
            None => self.map(),
        };
        // SAFETY: chunks in `room` are mapped, and only `self` refers to their headers.
        let header = unsafe { &mut *chunk.as_ptr() };
        header.used += 1;
        let block = match NonNull::new(header.free) {
            Some(block) => {
                // SAFETY: a free block is ours, and starts with the pointer to the next one.
                unsafe {
                    header.free = block.cast::<*mut u8>().read();
                    block.as_ptr().write_bytes(0, block_bytes());
                }
                block
            }
            None => {
                let offset = FIRST + header.fresh as usize * block_bytes();
                header.fresh += 1;
                // Populating the next chunk takes less time than filling a quarter of this one.
                if let Pool::Huge(reserve) = &self.pool
                    && header.fresh == blocks_per_chunk() / 4 * 3
                {
                    reserve.prepare();
                }
                // SAFETY: fewer than `blocks_per_chunk` blocks were cut, so this one is inside.
                unsafe { chunk.cast::<u8>().add(offset) }
            }
        };
        if header.free.is_null() && header.fresh == blocks_per_chunk() {
            self.room.pop();
        }
        block
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// The block came from `alloc` with this number of buckets and is not used again.
    unsafe fn free(&mut self, block: NonNull<u8>, buckets: usize) {
        if !self.is_pooled(buckets) {
            // SAFETY: allocated with this layout, says the caller.
            unsafe { dealloc(block.as_ptr(), segment::layout(buckets)) };
            return;
        }
        let chunk = (block.as_ptr() as usize & !(CHUNK - 1)) as *mut Chunk;
        let chunk = NonNull::new(chunk).expect("a block lies inside a chunk");
        // SAFETY: as in `alloc`.
        let header = unsafe { &mut *chunk.as_ptr() };
        if header.free.is_null() && header.fresh == blocks_per_chunk() {
            self.room.push(chunk);
        }
        // SAFETY: the block is ours again.
        unsafe { block.cast::<*mut u8>().write(header.free) };
        header.free = block.as_ptr();
        header.used -= 1;
        if header.used == 0 && self.chunks.len() > 1 {
            self.chunks.retain(|&c| c != chunk);
            self.room.retain(|&c| c != chunk);
            match &self.pool {
                // SAFETY: none of its blocks is in use and no list names it.
                Pool::Huge(reserve) => unsafe { reserve.give_back(chunk.cast()) },
                // SAFETY: as above.
                Pool::Heap => unsafe { pages::unmap_chunk(chunk.cast()) },
            }
        }
    }

    /// Unmaps everything at once; false if blocks must be freed one by one.
    ///
    /// # Safety
    /// No block is used again.
    unsafe fn clear(&mut self) -> bool {
        let pooled = !self.chunks.is_empty();
        self.room.clear();
        for chunk in self.chunks.drain(..) {
            // SAFETY: the caller uses none of its blocks again.
            unsafe { pages::unmap_chunk(chunk.cast()) };
        }
        pooled
    }

    fn map(&mut self) -> NonNull<Chunk> {
        let chunk = match &self.pool {
            Pool::Huge(reserve) if !self.chunks.is_empty() => reserve.take(),
            _ => pages::map_chunk(Pages::Small),
        };
        let chunk = chunk.cast::<Chunk>();
        self.chunks.push(chunk);
        self.room.push(chunk);
        chunk
    }
}
