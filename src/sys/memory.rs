//! The allocator, and how much of it is in use.
//!
//! `used_memory` is asked for on every command once `maxmemory` is set, so it cannot be a walk over
//! the allocator's pages. [`Counting`] wraps mimalloc and adds up, for each block, the size class
//! that mimalloc rounds it to; the sum is known to be exact but for blocks that grew in place.
//!
//! ```text
//!   the server's thread   OWN      written by one thread only: a load and a store, no lock prefix
//!   all other threads     OTHERS   atomic addition; they allocate and free rarely
//!   used = OWN + OTHERS            either may be negative, when one frees what the other made
//! ```
//!
//! `main` registers [`Counting`] as the global allocator and calls [`count_on_this_thread`].
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed};

use mimalloc::MiMalloc;

/// Bytes allocated less bytes freed by the one thread that claimed it.
static OWN: AtomicIsize = AtomicIsize::new(0);
/// The same for every other thread.
static OTHERS: AtomicIsize = AtomicIsize::new(0);
static CLAIMED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static IS_OWNER: Cell<bool> = const { Cell::new(false) };
}

/// Makes the calling thread the one that counts without atomic additions. The first to ask gets
/// it, once per process; the others count correctly, only slower.
pub fn count_on_this_thread() {
    if !CLAIMED.swap(true, Relaxed) {
        IS_OWNER.set(true);
    }
}

/// mimalloc with a running total.
#[derive(Debug, Clone, Copy)]
pub struct Counting;

#[inline]
fn count(bytes: isize) {
    // A thread that is being torn down may have lost its flag; the atomic road is always right.
    if IS_OWNER.try_with(Cell::get).unwrap_or(false) {
        OWN.store(OWN.load(Relaxed).wrapping_add(bytes), Relaxed);
    } else {
        OTHERS.fetch_add(bytes, Relaxed);
    }
}

/// The size of the block that mimalloc allocates: up to 64 bytes in steps of 16 (and 8), then four
/// size classes per power of two.
#[inline]
pub const fn block_size(size: usize) -> usize {
    if size <= 64 {
        return if size <= 8 { 8 } else { (size + 15) & !15 };
    }
    let last = size - 1;
    let step = if size > LARGE {
        PAGE
    } else {
        1 << (last.ilog2() - 2)
    };
    (last | (step - 1)).wrapping_add(1)
}

/// Above this, mimalloc gives blocks pages of their own.
const LARGE: usize = 512 << 10;
const PAGE: usize = 4096;

// SAFETY: every call is forwarded unchanged to mimalloc, which upholds the contract; counting
// touches only statics and a thread-local without destructor, so it never allocates.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(block_size(layout.size()) as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(block_size(layout.size()) as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(block_size(layout.size()) as isize));
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(block_size(new_size) as isize - block_size(layout.size()) as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.realloc(block, layout, new_size) }
    }
}

/// Bytes in use by the whole process, as far as they went through the global allocator.
#[inline]
pub fn used_bytes() -> usize {
    OWN.load(Relaxed).wrapping_add(OTHERS.load(Relaxed)).max(0) as usize
}

/// The peak of memory in use, over the times it was sampled.
#[derive(Debug, Default)]
pub struct Peak {
    /// The bytes, and the time in Unix milliseconds. In a cell, because INFO samples while it reads.
    sample: Cell<(usize, i64)>,
}

impl Peak {
    /// Samples the memory in use; cron does so, and INFO with the very number that it shows.
    pub fn note(&self, used_bytes: usize, now_ms: i64) {
        if used_bytes > self.bytes() {
            self.sample.set((used_bytes, now_ms));
        }
    }

    pub fn bytes(&self) -> usize {
        self.sample.get().0
    }

    /// The time of the peak, in Unix milliseconds.
    pub fn at_unix_ms(&self) -> i64 {
        self.sample.get().1
    }
}

// The crate declares these only with a feature that pulls in another crate; the library has them.
// SAFETY: as the C library's own header declares it.
unsafe extern "C" {
    fn mi_collect(force: bool);
    fn mi_stats_print_out(out: extern "C" fn(*const c_char, *mut c_void), arg: *mut c_void);
    fn mi_process_info(
        elapsed_ms: *mut usize,
        user_ms: *mut usize,
        system_ms: *mut usize,
        current_rss: *mut usize,
        peak_rss: *mut usize,
        current_commit: *mut usize,
        peak_commit: *mut usize,
        page_faults: *mut usize,
    );
}

/// Gives free pages back to the system; MEMORY PURGE.
pub fn collect() {
    // SAFETY: may be called at any time from any thread.
    unsafe { mi_collect(true) }
}

/// Bytes the allocator holds from the system, used or not.
pub fn committed_bytes() -> usize {
    let (mut committed, mut unused) = (0usize, [0usize; 7]);
    let [a, b, c, d, e, f, g] = &mut unused;
    // SAFETY: all eight places are valid for writing.
    unsafe { mi_process_info(a, b, c, d, e, &mut committed, f, g) };
    committed
}

/// The allocator's own report; MEMORY MALLOC-STATS.
pub fn malloc_stats_text() -> String {
    extern "C" fn append(text: *const c_char, target: *mut c_void) {
        // SAFETY: mimalloc passes a string that ends with a zero, and the pointer given below,
        // which has no other user during the call.
        let (text, target) = unsafe { (CStr::from_ptr(text), &mut *target.cast::<Vec<u8>>()) };
        target.extend_from_slice(text.to_bytes());
    }
    let mut text: Vec<u8> = Vec::with_capacity(8192);
    // SAFETY: `append` gets `text` back, which outlives the call.
    unsafe { mi_stats_print_out(append, (&raw mut text).cast()) };
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    // SAFETY: as the C library's own header declares it.
    unsafe extern "C" {
        fn mi_good_size(size: usize) -> usize;
    }

    #[test]
    fn block_sizes_are_those_of_the_allocator() {
        for size in (1..600_000).chain([1 << 20, (1 << 20) + 1, 10_000_000]) {
            // SAFETY: a pure function.
            let good = unsafe { mi_good_size(size) };
            assert_eq!(block_size(size), good, "{size}");
        }
        assert_eq!(block_size(0), 8);
    }

    #[test]
    fn every_byte_counted_is_counted_back() {
        // The only test that counts, so no other test moves the totals.
        let exercise = || {
            let before = used_bytes();
            let layout = Layout::from_size_align(100, 8).expect("a valid layout");
            // SAFETY: the block is used with the layout it was made with, and freed once.
            unsafe {
                let block = Counting.alloc(layout);
                assert_eq!(used_bytes() - before, block_size(100));
                let block = Counting.realloc(block, layout, 1000);
                assert_eq!(used_bytes() - before, block_size(1000));
                Counting.dealloc(block, Layout::from_size_align(1000, 8).expect("valid"));
                let zeroed = Counting.alloc_zeroed(layout);
                assert_eq!(*zeroed, 0);
                Counting.dealloc(zeroed, layout);
            }
            assert_eq!(used_bytes(), before);
        };
        exercise();
        count_on_this_thread();
        exercise();
        assert!(std::thread::spawn(exercise).join().is_ok());
    }

    #[test]
    fn the_allocator_describes_itself() {
        let layout = Layout::from_size_align(100, 8).expect("a valid layout");
        // The allocator has nothing to tell until this process has used it.
        // SAFETY: the block is freed once, with the layout it was made with. mimalloc is asked
        // directly, so that the totals another test looks at stay as they are.
        unsafe { MiMalloc.dealloc(MiMalloc.alloc(layout), layout) };
        collect();
        assert!(
            malloc_stats_text().contains("pages"),
            "{}",
            malloc_stats_text()
        );
        let _ = committed_bytes();
        let peak = Peak::default();
        peak.note(10, 1);
        peak.note(5, 2);
        assert_eq!((peak.bytes(), peak.at_unix_ms()), (10, 1));
    }
}
