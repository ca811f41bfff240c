//! The memory of entries: blocks in 8-byte size classes, cut from 2 MiB chunks.
//!
//! A general allocator rounds a 56-byte entry up to 64 and a 140-byte one to 160, and spreads
//! them over 4 KiB pages. Entries are the bulk of a keyspace, so they get an allocator that wastes
//! at most seven bytes and keeps them on huge pages:
//!
//! ```text
//!   chunk, 2 MiB, aligned            page, 16 KiB, blocks of one class
//!   +--------+------+------+--       +-------+-------+-------+--
//!   | header | page | page | ...     | block | block | free--+--> next free (u16, in the block)
//!   +--------+------+------+--       +-------+-------+-------+--
//! ```
//!
//! A block finds its page's record by masking its address. Pages with room form a doubly linked
//! list per class; an empty page can serve any class; an empty chunk goes back to the kernel (one
//! is kept, so that a keyspace that breathes does not map and unmap). An arena belongs to one
//! database and moves with it: FLUSHALL sends the whole arena to the helper thread, unless there are
//! few entries; then they are freed one by one and a chunk is kept.
#![allow(unsafe_code)]

use crate::sys::pages::{self, CHUNK, Pages, Reserve};
use std::ptr::NonNull;

/// Blocks above this size come from the general allocator.
pub const BLOCK_MAX: usize = 1024;
const PAGE: usize = 16 << 10;
const PAGES: usize = CHUNK / PAGE;
/// Classes step by 8 bytes to 256, by 16 to 512, by 32 to 1024.
const CLASSES: usize = 32 + 16 + 16;
/// Chunks on small pages that come first: a small keyspace takes no more memory than it fills, and
/// its page tables fit the caches anyway. Beyond, half a huge page left empty is little.
const SMALL_CHUNKS: u32 = 16;
/// Pages left when the next chunk is made ready: a quarter of one lasts longer than populating.
const PREPARE_AT: u32 = (PAGES / 4) as u32;
const NONE: u32 = u32::MAX;
const NO_BLOCK: u16 = u16::MAX;
/// The class of a page that serves none.
const FREE: u8 = u8::MAX;

#[derive(Clone, Copy)]
#[repr(C)]
struct Page {
    class: u8,
    used: u16,
    /// First freed block, as an offset in 8-byte units, or `NO_BLOCK`.
    free: u16,
    /// Bytes handed out by advancing, never freed since the page was opened.
    fresh: u16,
    next: u32,
    prev: u32,
}

#[repr(C)]
struct Header {
    index: u32,
    /// Pages in use; a chunk with none can go.
    used: u32,
    pages: [Page; PAGES],
}

const _: () = assert!(
    size_of::<Header>() <= PAGE,
    "the header fits the first page"
);

/// An allocator of small blocks in chunks of its own.
pub struct Arena {
    /// Chunks by index; `None` where one was returned to the kernel.
    chunks: Vec<Option<NonNull<Header>>>,
    /// First page with room, per class.
    room: [u32; CLASSES],
    /// First page without a class.
    free_pages: u32,
    free_count: u32,
    empty_chunks: u32,
    mapped: u32,
    used_bytes: usize,
    large_bytes: usize,
    reserve: Reserve,
}

// SAFETY: the arena is the only owner of its chunks; nothing in it is tied to a thread.
unsafe impl Send for Arena {}

#[inline(always)]
const fn class_of(size: usize) -> usize {
    if size <= 256 {
        size.div_ceil(8) - 1
    } else if size <= 512 {
        32 + (size - 256).div_ceil(16) - 1
    } else {
        48 + (size - 512).div_ceil(32) - 1
    }
}

const fn class_size(class: usize) -> usize {
    if class < 32 {
        (class + 1) * 8
    } else if class < 48 {
        256 + (class - 31) * 16
    } else {
        512 + (class - 47) * 32
    }
}

/// The number of bytes that a block of `size` bytes really takes.
#[inline]
pub fn block_size(size: usize) -> usize {
    if size <= BLOCK_MAX {
        class_size(class_of(size))
    } else {
        size.next_multiple_of(16)
    }
}

impl Arena {
    /// An arena that holds nothing and has mapped nothing.
    pub fn new(reserve: Reserve) -> Self {
        Arena {
            chunks: Vec::new(),
            room: [NONE; CLASSES],
            free_pages: NONE,
            free_count: 0,
            empty_chunks: 0,
            mapped: 0,
            used_bytes: 0,
            large_bytes: 0,
            reserve,
        }
    }

    /// Bytes in blocks handed out, rounded to their classes; large blocks are not in it (the
    /// general allocator counts those).
    pub fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Bytes of address space mapped for small blocks.
    pub fn mapped_bytes(&self) -> usize {
        self.mapped as usize * CHUNK
    }

    /// A block of at least `size` bytes, 8-byte aligned, not initialised.
    #[inline]
    pub fn alloc(&mut self, size: usize) -> NonNull<u8> {
        if size > BLOCK_MAX {
            return self.alloc_large(size);
        }
        let class = class_of(size);
        let bytes = class_size(class);
        self.used_bytes += bytes;
        let mut id = self.room[class];
        if id == NONE {
            id = self.open_page(class);
        }
        let (base, page) = self.page(id);
        page.used += 1;
        let block = if page.free != NO_BLOCK {
            // SAFETY: `free` is the offset of a freed block of this page.
            let block = unsafe { base.add(page.free as usize * 8) };
            // SAFETY: a freed block starts with the offset of the next one (`free` wrote it).
            page.free = unsafe { block.cast::<u16>().read() };
            block
        } else {
            // SAFETY: the page is in the list of pages with room, so `fresh + bytes <= PAGE`.
            let block = unsafe { base.add(page.fresh as usize) };
            page.fresh += bytes as u16;
            block
        };
        if page.free == NO_BLOCK && page.fresh as usize + bytes > PAGE {
            self.unlink(id, class);
        }
        block
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// `block` came from `alloc` of this arena with a `size` of the same class and is not used again.
    #[inline]
    pub unsafe fn free(&mut self, block: NonNull<u8>, size: usize) {
        if size > BLOCK_MAX {
            self.large_bytes -= size;
            // SAFETY: `alloc_large` used this very layout.
            unsafe { std::alloc::dealloc(block.as_ptr(), large_layout(size)) };
            return;
        }
        let class = class_of(size);
        let bytes = class_size(class);
        self.used_bytes -= bytes;
        let address = block.as_ptr() as usize;
        // SAFETY: small blocks live in chunks, whose aligned start is the header.
        let header = unsafe { &mut *((address & !(CHUNK - 1)) as *mut Header) };
        let number = (address & (CHUNK - 1)) / PAGE;
        let id = header.index * PAGES as u32 + number as u32;
        let page = &mut header.pages[number];
        debug_assert_eq!(
            page.class as usize, class,
            "freed with the size it was allocated with"
        );
        let was_full = page.free == NO_BLOCK && page.fresh as usize + bytes > PAGE;
        // SAFETY: the block is ours again and at least eight bytes long.
        unsafe { block.cast::<u16>().write(page.free) };
        page.free = ((address & (PAGE - 1)) / 8) as u16;
        page.used -= 1;
        if page.used == 0 {
            self.close_page(id, class, was_full);
        } else if was_full {
            self.link(id, class);
        }
    }

    fn alloc_large(&mut self, size: usize) -> NonNull<u8> {
        self.large_bytes += size;
        let layout = large_layout(size);
        // SAFETY: the layout is not empty.
        let block = unsafe { std::alloc::alloc(layout) };
        NonNull::new(block).unwrap_or_else(|| std::alloc::handle_alloc_error(layout))
    }

    /// The first byte of a page and its record.
    #[inline(always)]
    fn page(&mut self, id: u32) -> (NonNull<u8>, &mut Page) {
        let chunk = self.chunks[id as usize / PAGES].expect("a listed page is in a mapped chunk");
        let number = id as usize % PAGES;
        // SAFETY: the header is at the start of the chunk and the page inside it.
        unsafe {
            (
                chunk.cast::<u8>().add(number * PAGE),
                &mut (*chunk.as_ptr()).pages[number],
            )
        }
    }

    /// Puts a page at the head of its class's list, or of the free pages.
    fn link(&mut self, id: u32, class: usize) {
        let head = if class == FREE as usize {
            self.free_pages
        } else {
            self.room[class]
        };
        let page = self.page(id).1;
        (page.prev, page.next) = (NONE, head);
        if head != NONE {
            self.page(head).1.prev = id;
        }
        if class == FREE as usize {
            self.free_pages = id;
            self.free_count += 1;
        } else {
            self.room[class] = id;
        }
    }

    fn unlink(&mut self, id: u32, class: usize) {
        let page = self.page(id).1;
        let (prev, next) = (page.prev, page.next);
        self.free_count -= u32::from(class == FREE as usize);
        if next != NONE {
            self.page(next).1.prev = prev;
        }
        if prev != NONE {
            self.page(prev).1.next = next;
        } else if class == FREE as usize {
            self.free_pages = next;
        } else {
            self.room[class] = next;
        }
    }

    /// A page for `class`, taken from the free ones or from a new chunk, linked as having room.
    #[cold]
    fn open_page(&mut self, class: usize) -> u32 {
        if self.free_pages == NONE {
            self.map();
        }
        let id = self.free_pages;
        self.unlink(id, FREE as usize);
        if self.free_count == PREPARE_AT && self.mapped >= SMALL_CHUNKS {
            self.reserve.prepare();
        }
        let page = self.page(id).1;
        *page = Page {
            class: class as u8,
            used: 0,
            free: NO_BLOCK,
            fresh: 0,
            next: NONE,
            prev: NONE,
        };
        let header = self.chunks[id as usize / PAGES].expect("a free page is in a mapped chunk");
        // SAFETY: the header of a mapped chunk; no other reference to it is alive here.
        let used = unsafe { &mut (*header.as_ptr()).used };
        if *used == 0 {
            self.empty_chunks -= 1;
        }
        *used += 1;
        self.link(id, class);
        id
    }

    #[cold]
    fn close_page(&mut self, id: u32, class: usize, was_full: bool) {
        if !was_full {
            self.unlink(id, class);
        }
        self.page(id).1.class = FREE;
        self.link(id, FREE as usize);
        let index = id as usize / PAGES;
        let header = self.chunks[index].expect("the page was in use");
        // SAFETY: as in `open_page`.
        let used = unsafe { &mut (*header.as_ptr()).used };
        *used -= 1;
        if *used > 0 {
            return;
        }
        self.empty_chunks += 1;
        if self.empty_chunks > 1 {
            self.unmap(index);
        }
    }

    fn map(&mut self) {
        let chunk = if self.mapped < SMALL_CHUNKS {
            pages::map_chunk(Pages::Small)
        } else {
            self.reserve.take()
        };
        let chunk = chunk.cast::<Header>();
        let index = match self.chunks.iter().position(Option::is_none) {
            Some(hole) if self.mapped as usize != self.chunks.len() => hole,
            _ => {
                self.chunks.push(None);
                self.chunks.len() - 1
            }
        };
        self.chunks[index] = Some(chunk);
        self.mapped += 1;
        self.empty_chunks += 1;
        // SAFETY: the chunk is fresh, zeroed and large enough for the header.
        unsafe { (*chunk.as_ptr()).index = index as u32 };
        for number in (1..PAGES).rev() {
            let id = (index * PAGES + number) as u32;
            self.page(id).1.class = FREE;
            self.link(id, FREE as usize);
        }
    }

    fn unmap(&mut self, index: usize) {
        for number in 1..PAGES {
            self.unlink((index * PAGES + number) as u32, FREE as usize);
        }
        let chunk = self.chunks[index].take().expect("an empty chunk is mapped");
        self.mapped -= 1;
        self.empty_chunks -= 1;
        // SAFETY: no page of it is in use and none is listed any more.
        unsafe { self.reserve.give_back(chunk.cast()) };
    }
}

#[cfg(any(test, debug_assertions, feature = "testing"))]
impl Arena {
    /// Walks over all chunks, pages and lists. `small` and `large` are the bytes that the blocks
    /// handed out must add up to.
    ///
    /// # Panics
    /// Where something does not hold, with what it is.
    pub fn check(&self, small: usize, large: usize) {
        assert_eq!((self.used_bytes, self.large_bytes), (small, large), "bytes");
        let (mut used_bytes, mut mapped, mut empty, mut free) = (0, 0, 0, 0);
        let mut with_room = [0; CLASSES];
        for (index, chunk) in self.chunks.iter().enumerate() {
            let Some(chunk) = chunk else { continue };
            // SAFETY: a mapped chunk starts with its header, which nothing changes meanwhile.
            let header = unsafe { chunk.as_ref() };
            assert_eq!(header.index as usize, index, "a chunk knows its number");
            let open = header.pages[1..].iter().filter(|page| page.class != FREE);
            assert_eq!(open.clone().count(), header.used as usize, "pages in use");
            mapped += 1;
            empty += u32::from(header.used == 0);
            free += PAGES as u32 - 1 - header.used;
            for page in open {
                let class = page.class as usize;
                let (bytes, fresh) = (class_size(class), page.fresh as usize);
                let used = page.used as usize * bytes;
                assert!(used > 0 && used <= fresh && fresh <= PAGE);
                assert_eq!(page.free == NO_BLOCK, used == fresh, "freed blocks");
                used_bytes += used;
                with_room[class] += u32::from(used < fresh || fresh + bytes <= PAGE);
            }
        }
        assert_eq!(used_bytes, self.used_bytes, "blocks of all pages");
        let counted = (self.mapped, self.empty_chunks, self.free_count);
        assert_eq!((mapped, empty, free), counted, "chunks, and free pages");
        assert_eq!(self.list_len(self.free_pages, FREE), free, "free pages");
        for (class, &pages) in with_room.iter().enumerate() {
            let listed = self.list_len(self.room[class], class as u8);
            assert_eq!(listed, pages, "pages of class {class} with room");
        }
    }

    /// Walks over a list of pages of one class and returns its length.
    fn list_len(&self, head: u32, class: u8) -> u32 {
        let (mut id, mut prev, mut len) = (head, NONE, 0);
        while id != NONE {
            let chunk = self.chunks[id as usize / PAGES].expect("a listed page is mapped");
            // SAFETY: as in `check`.
            let page = unsafe { chunk.as_ref() }.pages[id as usize % PAGES];
            assert_eq!(
                (page.class, page.prev),
                (class, prev),
                "a list of one class"
            );
            (prev, id) = (id, page.next);
            len += 1;
        }
        len
    }
}

fn large_layout(size: usize) -> std::alloc::Layout {
    std::alloc::Layout::from_size_align(size, 8).expect("a block is far smaller than isize::MAX")
}

impl Drop for Arena {
    /// Unmaps the chunks. The owner of entries in large blocks has freed those before.
    fn drop(&mut self) {
        debug_assert_eq!(self.large_bytes, 0, "large blocks are freed one by one");
        for chunk in self.chunks.drain(..).flatten() {
            // SAFETY: the arena is gone, and with it every block.
            unsafe { pages::unmap_chunk(chunk.cast()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn classes_cover_every_size_and_waste_little() {
        for size in 1..=BLOCK_MAX {
            let bytes = class_size(class_of(size));
            assert!(bytes >= size && bytes - size < 32, "{size} in {bytes}");
            assert!(class_of(size) < CLASSES);
        }
    }

    proptest! {
        #[test]
        fn blocks_never_overlap_and_everything_comes_back(
            ops in prop::collection::vec((1usize..1400, any::<bool>(), any::<prop::sample::Index>()), 1..2000)
        ) {
            let mut arena = Arena::new(Reserve::default());
            let mut live: Vec<(NonNull<u8>, usize, u8)> = Vec::new();
            for (n, (size, take, which)) in ops.into_iter().enumerate() {
                if take || live.is_empty() {
                    let block = arena.alloc(size);
                    let mark = n as u8;
                    // SAFETY: the block has `size` bytes.
                    unsafe { block.as_ptr().write_bytes(mark, size) };
                    live.push((block, size, mark));
                } else {
                    let (block, size, mark) = live.swap_remove(which.index(live.len()));
                    // SAFETY: live blocks were filled over their whole size.
                    let bytes = unsafe { std::slice::from_raw_parts(block.as_ptr(), size) };
                    prop_assert!(bytes.iter().all(|&b| b == mark));
                    // SAFETY: allocated above with this size, removed from `live`.
                    unsafe { arena.free(block, size) };
                }
            }
            let bytes = |of: fn(usize) -> bool| -> usize {
                let sizes = live.iter().map(|&(_, size, _)| size).filter(|&size| of(size));
                sizes.map(|size| if size > BLOCK_MAX { size } else { block_size(size) }).sum()
            };
            arena.check(bytes(|size| size <= BLOCK_MAX), bytes(|size| size > BLOCK_MAX));
            for (block, size, _) in live {
                // SAFETY: as above.
                unsafe { arena.free(block, size) };
            }
            arena.check(0, 0);
            prop_assert!(arena.mapped <= 1);
        }
    }
}
