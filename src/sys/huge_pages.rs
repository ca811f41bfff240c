//! Transparent huge pages: held back until the data needs them.
//!
//! The allocator asks for huge pages for its whole arena, so each of its first blocks would make
//! 2 MiB resident, and a server without data would hold five of them. Therefore the process starts
//! with huge pages disabled and enables them once, when it grows:
//!
//! ```text
//!   start of the process      before the first allocation: no huge pages at all (`hold_back`)
//!   configuration is read     `disable-thp` decides what growth will enable (`choose`)
//!   growth                    a table needs a second chunk: what was chosen is enabled (`begin`)
//!   growth of the heap        every few MiB the parts of the allocator's heap that are filled are put
//!                             on huge pages, by a thread that does only that (`collapse_filled`)
//!   more growth               the allocator's use passes `GROWN_BYTES`: its heap may have huge
//!                             pages at once, which until then would hold more than its blocks
//! ```
//!
//! Source: prctl(2), PR_SET_THP_DISABLE; its flag PR_THP_DISABLE_EXCEPT_ADVISED is of Linux 6.18.
#![allow(unsafe_code)]

use crate::sys::process::huge_pages_always;
use crate::sys::schedule;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::Relaxed};

/// The bytes that the allocator may hand out before its memory is on huge pages too: some of them
/// are never filled, about 10 MiB, which must stay a small part of the whole.
const GROWN_BYTES: usize = 128 << 20;

/// The bytes that the allocator has handed out when its filled parts are first looked for, and those
/// after which they are looked for again.
const LOOK_BYTES: usize = 8 << 20;

/// The share of its small pages that a filled part has, in percent: on a huge page it holds little more.
const FILLED_PERCENT: usize = 97;

/// The size of the piece of address space in which the allocator begins.
const HEAP_SPAN: usize = 1 << 30;

/// The allocator's first blocks lie in the first bytes of that piece, this many at most.
const HEAP_START: usize = 32 << 20;

/// The size of a huge page on x86-64 and arm64, in bytes.
const HUGE_PAGE: usize = 2 << 20;

/// The result of a request to disable transparent huge pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HugePages {
    /// Only memory that asks for them by madvise gets huge pages.
    OnlyAdvised,
    /// No memory of this process gets them.
    Off,
    /// The system's own setting decides.
    Unchanged,
}

/// The mode that `begin` is to enable: a `HugePages` as a number, or `BEGUN`.
static HELD: AtomicU8 = AtomicU8::new(UNCHANGED);
const UNCHANGED: u8 = 0;
const ONLY_ADVISED: u8 = 1;
const BEGUN: u8 = 2;

/// The bytes that the allocator has handed out when its heap is looked at next.
static NEXT_LOOK: AtomicUsize = AtomicUsize::new(LOOK_BYTES);

/// A thread looks for filled parts.
static IS_LOOKING: AtomicBool = AtomicBool::new(false);

/// Sets the process's flag; false if the kernel does not know it.
#[cfg(target_os = "linux")]
fn set_disabled(disabled: bool, flags: libc::c_ulong) -> bool {
    let (disabled, none): (libc::c_ulong, libc::c_ulong) = (disabled.into(), 0);
    // SAFETY: takes numbers only and affects nothing but page sizes.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, disabled, flags, none, none) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn set_disabled(_disabled: bool, _flags: u64) -> bool {
    false
}

/// PR_THP_DISABLE_EXCEPT_ADVISED.
const EXCEPT_ADVISED: u8 = 1 << 1;

#[cfg(target_os = "linux")]
extern "C" fn hold_back() {
    set_disabled(true, 0);
}

/// Makes the loader call `hold_back` before the allocator's own constructor, which has no number and
/// therefore comes later.
#[cfg(target_os = "linux")]
#[used]
// SAFETY: the section holds pointers to functions without arguments, and this is one; it uses nothing
// that an earlier constructor would have to prepare.
#[unsafe(link_section = ".init_array.00101")]
static AT_START: extern "C" fn() = hold_back;

/// Decides what growth will enable. With `disable_thp` memory that does not ask for huge pages
/// stays without: they make each page that a fork copies 2 MiB. The tables ask for them, so they
/// keep them where the kernel can make the difference, or gives huge pages only on request anyway.
pub fn choose(disable_thp: bool) -> HugePages {
    let chosen = if !disable_thp {
        HugePages::Unchanged
    } else if set_disabled(true, EXCEPT_ADVISED.into()) {
        HugePages::OnlyAdvised
    } else if !huge_pages_always() {
        HugePages::Unchanged
    } else if set_disabled(true, 0) {
        HugePages::Off
    } else {
        HugePages::Unchanged
    };
    let held = match chosen {
        HugePages::OnlyAdvised => ONLY_ADVISED,
        HugePages::Unchanged => UNCHANGED,
        HugePages::Off => BEGUN,
    };
    HELD.store(held, Relaxed);
    advise_heap(false);
    if held == ONLY_ADVISED {
        set_disabled(true, 0);
    }
    chosen
}

/// Enables what was chosen, if that has not been done.
#[cold]
pub fn begin() {
    match HELD.swap(BEGUN, Relaxed) {
        UNCHANGED => set_disabled(false, 0),
        ONLY_ADVISED => set_disabled(true, EXCEPT_ADVISED.into()),
        _ => true,
    };
}

/// Where the allocator's first piece of address space begins, about.
fn heap_start() -> *mut u8 {
    let block = Box::new(0u8);
    let start = std::ptr::from_ref(&*block)
        .map_addr(|at| (at & !(HUGE_PAGE - 1)).saturating_sub(HEAP_START));
    start.cast_mut()
}

/// Lets the allocator's first piece of address space have huge pages, or keeps it from them.
#[cfg(target_os = "linux")]
fn advise_heap(huge: bool) {
    let advice = match huge {
        true => libc::MADV_HUGEPAGE,
        false => libc::MADV_NOHUGEPAGE,
    };
    // SAFETY: advice on the size of pages changes no contents, whatever lies in the range; holes in it
    // are an error that is of no interest.
    unsafe { libc::madvise(heap_start().cast(), HEAP_SPAN, advice) };
}

#[cfg(not(target_os = "linux"))]
fn advise_heap(_huge: bool) {}

/// Puts what the allocator's heap has grown by on huge pages, if it has grown by enough since the last
/// time.
#[inline]
pub fn begin_if_grown(used_bytes: usize) {
    if used_bytes > NEXT_LOOK.load(Relaxed) {
        look_at_heap(used_bytes);
    }
}

#[cold]
fn look_at_heap(used_bytes: usize) {
    if IS_LOOKING.load(Relaxed) {
        return;
    }
    begin();
    if used_bytes > GROWN_BYTES {
        NEXT_LOOK.store(usize::MAX, Relaxed);
        advise_heap(true);
    } else {
        NEXT_LOOK.store(used_bytes + LOOK_BYTES, Relaxed);
    }
    IS_LOOKING.store(true, Relaxed);
    let looker = std::thread::Builder::new().name("huge_pages".into());
    let spawned = looker.spawn(|| {
        schedule::stand_back();
        collapse_filled(heap_start(), HEAP_SPAN);
        IS_LOOKING.store(false, Relaxed);
    });
    if spawned.is_err() {
        IS_LOOKING.store(false, Relaxed);
    }
}

/// Puts the filled parts of a range on huge pages, one after the other (madvise(2), MADV_COLLAPSE of
/// Linux 6.1; an older kernel refuses, and they stay as they are). `start` is the start of a huge page.
#[cfg(target_os = "linux")]
fn collapse_filled(start: *mut u8, len: usize) {
    // SAFETY: takes and returns numbers.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let pages = usize::try_from(page).map_or(0, |page| HUGE_PAGE / page.max(1));
    let mut resident = vec![0u8; pages];
    for offset in (0..len).step_by(HUGE_PAGE) {
        let part = start.wrapping_add(offset);
        // SAFETY: mincore(2) reads no memory of the range, whatever is mapped there, and writes one byte
        // for each of its pages into a vector with as many.
        let is_mapped =
            unsafe { libc::mincore(part.cast(), HUGE_PAGE, resident.as_mut_ptr().cast()) == 0 };
        let there = resident.iter().filter(|page| **page & 1 != 0).count();
        if is_mapped && there * 100 >= pages * FILLED_PERCENT {
            // SAFETY: advice on the size of pages changes no contents; the kernel lets other threads
            // wait that touch the range meanwhile.
            unsafe {
                libc::madvise(part.cast(), HUGE_PAGE, libc::MADV_HUGEPAGE);
                libc::madvise(part.cast(), HUGE_PAGE, MADV_COLLAPSE);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn collapse_filled(_start: *mut u8, _len: usize) {}

/// Of linux/mman.h.
#[cfg(target_os = "linux")]
const MADV_COLLAPSE: libc::c_int = 25;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::sys::pages::{CHUNK, Pages, map_chunk, unmap_chunk};

    #[test]
    fn a_filled_part_keeps_its_contents() {
        let chunk = map_chunk(Pages::Small);
        // SAFETY: the chunk is ours and as long.
        let bytes = unsafe { std::slice::from_raw_parts_mut(chunk.as_ptr(), CHUNK) };
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = (at / 7) as u8;
        }
        collapse_filled(chunk.as_ptr(), CHUNK);
        let mut all = bytes.iter().enumerate();
        assert!(all.all(|(at, byte)| *byte == (at / 7) as u8));
        // SAFETY: nothing refers to it any more.
        unsafe { unmap_chunk(chunk) };
    }

    #[test]
    fn what_is_not_mapped_is_passed_over() {
        let chunk = map_chunk(Pages::Small);
        // SAFETY: nothing refers to it.
        unsafe { unmap_chunk(chunk) };
        collapse_filled(chunk.as_ptr(), CHUNK * 3);
    }
}
