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
//!   more growth               the allocator's use passes `GROWN_BYTES`: its heap may have huge
//!                             pages too, which until then would hold more than its blocks
//! ```
//!
//! Source: prctl(2), PR_SET_THP_DISABLE; its flag PR_THP_DISABLE_EXCEPT_ADVISED is of Linux 6.18.
#![allow(unsafe_code)]

use crate::sys::process::huge_pages_always;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

/// The bytes that the allocator may hand out before its memory is on huge pages too: some of them
/// are never filled, about 10 MiB, which must stay a small part of the whole.
const GROWN_BYTES: usize = 128 << 20;

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

/// Whether the allocator's heap may have huge pages.
static HEAP_IS_HUGE: AtomicBool = AtomicBool::new(false);

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

/// Lets the allocator's first piece of address space have huge pages, or keeps it from them.
#[cfg(target_os = "linux")]
fn advise_heap(huge: bool) {
    let block = Box::new(0u8);
    let start = std::ptr::from_ref(&*block)
        .map_addr(|at| (at & !(HUGE_PAGE - 1)).saturating_sub(HEAP_START));
    let advice = match huge {
        true => libc::MADV_HUGEPAGE,
        false => libc::MADV_NOHUGEPAGE,
    };
    // SAFETY: advice on the size of pages changes no contents, whatever lies in the range; holes in it
    // are an error that is of no interest.
    unsafe { libc::madvise(start.cast_mut().cast(), HEAP_SPAN, advice) };
}

#[cfg(not(target_os = "linux"))]
fn advise_heap(_huge: bool) {}

/// Enables what was chosen when the allocator has handed out more than a server with little data
/// needs.
#[inline]
pub fn begin_if_grown(used_bytes: usize) {
    if used_bytes > GROWN_BYTES && !HEAP_IS_HUGE.load(Relaxed) {
        grow_heap();
    }
}

#[cold]
fn grow_heap() {
    HEAP_IS_HUGE.store(true, Relaxed);
    begin();
    advise_heap(true);
}
