//! Whole chunks of address space from the kernel, on huge pages where the system allows it.
//!
//! One uncached access on 4 KiB pages pays for the page walk as well; entries and table segments
//! live in 2 MiB chunks so that a million keys need a few dozen TLB entries. `types::arena` and
//! `types::table` are the only callers.
#![allow(unsafe_code)]

use crate::sys::{huge_pages, schedule};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};

/// The size and the alignment of a chunk: one huge page on x86-64 and arm64.
pub const CHUNK: usize = 2 << 20;

/// The kind of pages under a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pages {
    /// Pages are faulted in one by one: right for a chunk that may stay nearly empty.
    Small,
    /// The first touch populates the whole chunk.
    Huge,
}

/// Maps one zeroed chunk, aligned to its size.
///
/// Aborts like any failed allocation when the kernel has no address space left.
pub fn map_chunk(pages: Pages) -> NonNull<u8> {
    // Twice the size surely contains one aligned chunk; the rest is given back.
    let span = CHUNK * 2;
    // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no memory
    // of ours; the two unmaps name only parts of that fresh mapping outside the aligned chunk.
    unsafe {
        let base = libc::mmap(
            std::ptr::null_mut(),
            span,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        );
        if base == libc::MAP_FAILED {
            std::alloc::handle_alloc_error(std::alloc::Layout::from_size_align_unchecked(
                CHUNK, CHUNK,
            ));
        }
        let base = base.cast::<u8>();
        let head = base.align_offset(CHUNK);
        if head > 0 {
            libc::munmap(base.cast(), head);
        }
        let tail = span - head - CHUNK;
        if tail > 0 {
            libc::munmap(base.add(head + CHUNK).cast(), tail);
        }
        let chunk = base.add(head);
        if pages == Pages::Huge {
            libc::madvise(chunk.cast(), CHUNK, libc::MADV_HUGEPAGE);
        }
        NonNull::new_unchecked(chunk)
    }
}

/// Gives a chunk back to the kernel.
///
/// # Safety
/// `chunk` came from `map_chunk` and nothing refers to it any more.
pub unsafe fn unmap_chunk(chunk: NonNull<u8>) {
    // SAFETY: the caller hands over the only reference to a mapping of exactly this size.
    unsafe { libc::munmap(chunk.as_ptr().cast(), CHUNK) };
}

/// A chunk on a huge page, populated ahead of time by a thread of its own.
///
/// Populating 2 MiB takes 0.1 ms at best, and several milliseconds in a virtual machine whose host
/// has to find the memory first. Growth must not wait for that: a caller that sees the end of a
/// chunk coming calls `prepare`, and `take` returns the chunk that is ready, or one on small
/// pages, which costs nothing now and a little at each first touch. A ready chunk that is not
/// needed is memory wasted, so it is not made earlier.
///
/// The same thread gives chunks back: the kernel takes up to 0.4 ms for each, and where keys leave in
/// no order many chunks become empty at once.
#[derive(Clone, Default)]
pub struct Reserve(Arc<Slot>);

#[derive(Default)]
struct Slot {
    ready: AtomicPtr<u8>,
    wanted: AtomicBool,
    /// Chunks to be given back: the first holds the address of the second, and so on.
    spent: AtomicPtr<u8>,
    helper: OnceLock<Thread>,
    retired: AtomicBool,
}

impl Reserve {
    /// A chunk: on a huge page if one is ready.
    pub fn take(&self) -> NonNull<u8> {
        let ready = self.0.ready.swap(null_mut(), Ordering::Acquire);
        NonNull::new(ready).unwrap_or_else(|| map_chunk(Pages::Small))
    }

    /// Requests a chunk, if none is ready.
    #[cold]
    pub fn prepare(&self) {
        if self.0.ready.load(Ordering::Relaxed).is_null() {
            huge_pages::begin();
            self.0.wanted.store(true, Ordering::Release);
            self.wake();
        }
    }

    /// Gives a chunk back to the kernel, soon.
    ///
    /// # Safety
    /// As for `unmap_chunk`.
    #[cold]
    pub unsafe fn give_back(&self, chunk: NonNull<u8>) {
        let spent = &self.0.spent;
        let mut first = spent.load(Ordering::Relaxed);
        loop {
            // SAFETY: the chunk is ours, aligned, and no longer used for anything else.
            unsafe { chunk.cast::<*mut u8>().write(first) };
            let swapped = spent.compare_exchange_weak(
                first,
                chunk.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            );
            match swapped {
                Ok(_) => return self.wake(),
                Err(other) => first = other,
            }
        }
    }

    fn wake(&self) {
        match self.0.helper.get() {
            Some(helper) => helper.unpark(),
            None => self.start(),
        }
    }

    #[cold]
    fn start(&self) {
        let slot = Arc::downgrade(&self.0);
        let populate = move || {
            schedule::keep_up();
            loop {
                let Some(slot) = slot.upgrade() else { return };
                if slot.retired.load(Ordering::Relaxed) {
                    return;
                }
                let wanted = slot.wanted.swap(false, Ordering::Acquire);
                if wanted && slot.ready.load(Ordering::Relaxed).is_null() {
                    let chunk = map_chunk(Pages::Huge);
                    // SAFETY: the chunk is ours; a write makes the kernel back it with memory.
                    unsafe { chunk.as_ptr().write_volatile(0) };
                    slot.ready.store(chunk.as_ptr(), Ordering::Release);
                }
                slot.unmap_spent();
                drop(slot);
                thread::park();
            }
        };
        let spawned = thread::Builder::new()
            .name("huge_pages".into())
            .spawn(populate);
        if let Ok(handle) = spawned {
            let _ = self.0.helper.set(handle.thread().clone());
        }
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        // The last handle but the helper's own passing one: no chunk will be taken any more.
        if Arc::strong_count(&self.0) == 1 {
            self.0.retired.store(true, Ordering::Relaxed);
            if let Some(helper) = self.0.helper.get() {
                helper.unpark();
            }
        }
    }
}

impl Slot {
    fn unmap_spent(&self) {
        let mut next = NonNull::new(self.spent.swap(null_mut(), Ordering::Acquire));
        while let Some(chunk) = next {
            // SAFETY: `give_back` got the chunk, and wrote the address of the next one into it.
            unsafe {
                next = NonNull::new(chunk.cast::<*mut u8>().read());
                unmap_chunk(chunk);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.unmap_spent();
        if let Some(chunk) = NonNull::new(*self.ready.get_mut()) {
            // SAFETY: it was never taken.
            unsafe { unmap_chunk(chunk) };
        }
    }
}

/// Hints the processor to load the cache line at `address`; harmless for any address.
#[inline(always)]
pub fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn chunks_given_back_are_unmapped_and_none_is_made_unasked() {
        let reserve = Reserve::default();
        for _ in 0..8 {
            // SAFETY: the chunk is fresh and there is no other reference to it.
            unsafe { reserve.give_back(map_chunk(Pages::Small)) };
        }
        let began = Instant::now();
        while !reserve.0.spent.load(Ordering::Relaxed).is_null() {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "the chunk is not unmapped"
            );
            thread::yield_now();
        }
        assert!(reserve.0.ready.load(Ordering::Relaxed).is_null());
        reserve.prepare();
        while reserve.0.ready.load(Ordering::Relaxed).is_null() {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "no chunk is prepared"
            );
            thread::yield_now();
        }
        let chunk = reserve.take();
        // SAFETY: taken just now, and not used.
        unsafe { unmap_chunk(chunk) };
    }
}
