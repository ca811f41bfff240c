//! Whole chunks of address space from the kernel, on huge pages where the system allows it.
//!
//! One uncached access on 4 KiB pages pays for the page walk as well; entries and table segments
//! live in 2 MiB chunks so that a million keys need a few dozen TLB entries. `types::arena` and
//! `types::table` are the only callers.
#![allow(unsafe_code)]

use std::ptr::NonNull;

/// The size and the alignment of a chunk: one huge page on x86-64 and arm64.
pub const CHUNK: usize = 2 << 20;

/// Whether a chunk should ask for a huge page.
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
