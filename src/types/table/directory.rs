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

use super::segment::{self, Segment, Slot};
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

pub(super) struct Directory<T> {
    levels: [*mut *mut u8; LEVELS],
    /// Hash bits in use: levels 0..=depth exist when there is any segment.
    depth: u32,
    segments: usize,
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

impl<T: Slot> Directory<T> {
    pub fn new(pool: Pool) -> Self {
        Directory {
            levels: [null_mut(); LEVELS],
            depth: 0,
            segments: 0,
            blocks: Blocks::new(pool),
            kind: PhantomData,
        }
    }

    pub fn segments(&self) -> usize {
        self.segments
    }

    pub fn depth(&self) -> u32 {
        self.depth
    }

    pub fn bytes(&self, buckets: usize) -> usize {
        let entries = if self.segments == 0 {
            0
        } else {
            1usize << self.depth
        };
        self.segments * segment::layout(buckets).size() + entries * 8
    }

    #[inline(always)]
    fn entry(&self, index: u64) -> *mut *mut u8 {
        let level = (64 - index.leading_zeros()) as usize;
        let first = (1u64 << level) >> 1;
        // SAFETY: indexes are masked to `depth` bits and all levels up to `depth` exist.
        unsafe {
            self.levels
                .get_unchecked(level)
                .add((index - first) as usize)
        }
    }

    /// The segment that `hash` belongs to. There is at least one segment.
    #[inline(always)]
    pub fn segment(&self, hash: u64) -> Segment<T> {
        assert!(self.segments > 0, "a table with items has a segment");
        let mut index = hash & ((1 << self.depth) - 1);
        loop {
            // SAFETY: `entry` points into a level.
            let at = unsafe { *self.entry(index) };
            if let Some(at) = NonNull::new(at) {
                return Segment::from_memory(at);
            }
            // Index 0 is always canonical, so this ends.
            index &= !(1 << (63 - index.leading_zeros()));
        }
    }

    /// Creates the first segment.
    pub fn start(&mut self, buckets: usize) -> Segment<T> {
        debug_assert_eq!(self.segments, 0);
        self.add_level(0);
        self.depth = 0;
        self.create(0, 0, buckets)
    }

    /// Creates the full-size segment that a split with this pattern calls for.
    pub fn add(&mut self, pattern: u64, depth: u32) -> Segment<T> {
        if depth > self.depth {
            self.depth = depth;
            self.add_level(depth as usize);
        }
        self.create(pattern, depth, super::BUCKETS)
    }

    /// Frees the segment with this canonical index; lookups fall through to its buddy.
    pub fn remove(&mut self, pattern: u64) {
        let entry = self.entry(pattern);
        // SAFETY: `pattern` is the canonical index of a live segment.
        let memory = unsafe { std::mem::replace(&mut *entry, null_mut()) };
        self.blocks.free(
            NonNull::new(memory).expect("a canonical entry is set"),
            super::BUCKETS,
        );
        self.segments -= 1;
    }

    /// Frees all segments and levels.
    pub fn clear(&mut self, buckets: usize) {
        if self.segments == 0 {
            return;
        }
        if !self.blocks.clear() {
            for index in 0..1u64 << self.depth {
                // SAFETY: the index is within `depth` bits.
                if let Some(memory) = NonNull::new(unsafe { *self.entry(index) }) {
                    self.blocks.free(memory, buckets);
                }
            }
        }
        for level in 0..=self.depth as usize {
            let entries = std::mem::replace(&mut self.levels[level], null_mut());
            // SAFETY: allocated by `add_level` with this layout.
            unsafe { dealloc(entries.cast(), level_layout(level)) };
        }
        (self.depth, self.segments) = (0, 0);
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

    fn create(&mut self, pattern: u64, depth: u32, buckets: usize) -> Segment<T> {
        let memory = self.blocks.alloc(buckets);
        // SAFETY: the level of `pattern` exists: `depth` bits suffice for it.
        unsafe { *self.entry(pattern) = memory.as_ptr() };
        self.segments += 1;
        Segment::init(memory, depth, pattern)
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
    segment::layout(super::BUCKETS).size()
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
        matches!(self.pool, Pool::Huge(_)) && buckets == super::BUCKETS
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

    fn free(&mut self, block: NonNull<u8>, buckets: usize) {
        if !self.is_pooled(buckets) {
            // SAFETY: allocated above with this layout.
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
            // SAFETY: none of its blocks is in use and no list names it.
            match &self.pool {
                Pool::Huge(reserve) => unsafe { reserve.give_back(chunk.cast()) },
                Pool::Heap => unsafe { pages::unmap_chunk(chunk.cast()) },
            }
        }
    }

    /// Unmaps everything at once; false if segments must be freed one by one.
    fn clear(&mut self) -> bool {
        let pooled = !self.chunks.is_empty();
        self.room.clear();
        for chunk in self.chunks.drain(..) {
            // SAFETY: the caller forgets all segments.
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
