//! One block per member: its score and its bytes. The tree orders the blocks, the table finds them.
//!
//! ```text
//!    0            8        9
//!   +------------+--------+----------------+      a length of 255 and more stands in
//!   | score (8)  | length | bytes          |      eight bytes behind the mark 0xff
//!   +------------+--------+----------------+
//! ```
//!
//! A 16-byte member takes 25 bytes, a block of 32. `Member` is a raw, copyable handle. Handles live
//! only in the tree and the table of one `SortedSet`, which creates every block and frees it after
//! both have forgotten it; no handle leaves `types`. That is why reading through one is safe here.
//!
//! Called by `super` for comparisons, by `types::zset` for everything else.
#![allow(unsafe_code)]

use crate::types::table::Slot;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::num::NonZeroU64;
use std::ptr::NonNull;

const SCORE: usize = 8;
const LONG: u8 = 0xff;

/// A raw handle to a member's block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::types) struct Member(NonNull<u8>);

// SAFETY: a block has no tie to a thread; the set that owns it moves as a whole.
unsafe impl Send for Member {}

fn layout(len: usize) -> Layout {
    let head = if len < LONG as usize { 1 } else { 9 };
    Layout::from_size_align(SCORE + head + len, 8).expect("a member fits the address space")
}

impl Member {
    /// A new block.
    pub fn new(score: f64, bytes: &[u8]) -> Member {
        let layout = layout(bytes.len());
        // SAFETY: the layout is not empty, and has room for score, length and bytes.
        unsafe {
            let Some(at) = NonNull::new(alloc(layout)) else {
                handle_alloc_error(layout)
            };
            at.cast::<f64>().write(score);
            let mut from = SCORE + 1;
            if bytes.len() < LONG as usize {
                at.add(SCORE).write(bytes.len() as u8);
            } else {
                at.add(SCORE).write(LONG);
                let len = at.add(SCORE + 1).cast::<u64>();
                len.write_unaligned(bytes.len() as u64);
                from += 8;
            }
            let target = at.add(from).as_ptr();
            target.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            Member(at)
        }
    }

    /// Gives the block back. Its owner has taken the handle out of tree and table.
    pub fn free(self) {
        let layout = layout(self.bytes().len());
        // SAFETY: allocated by `new` with this layout; no other handle remains.
        unsafe { dealloc(self.0.as_ptr(), layout) }
    }

    /// Bytes of the block, before rounding by the allocator.
    pub fn size(self) -> usize {
        layout(self.bytes().len()).size()
    }

    #[inline(always)]
    pub fn score(self) -> f64 {
        // SAFETY: a live block starts with its score (head of this file).
        unsafe { self.0.cast::<f64>().read() }
    }

    pub fn set_score(self, score: f64) {
        // SAFETY: as `score`; only the set's owner writes, with exclusive access.
        unsafe { self.0.cast::<f64>().write(score) }
    }

    /// The member's own bytes, good for as long as the set is not changed.
    #[inline(always)]
    pub fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: a live block holds its length and as many bytes behind it; callers in `types`
        // tie the lifetime to a borrow of the set.
        unsafe {
            let short = self.0.add(SCORE).read();
            let (from, len) = if short != LONG {
                (SCORE + 1, short as usize)
            } else {
                let len = self.0.add(SCORE + 1).cast::<u64>().read_unaligned();
                (SCORE + 9, len as usize)
            };
            std::slice::from_raw_parts(self.0.add(from).as_ptr(), len)
        }
    }
}

impl Slot for Member {
    #[inline(always)]
    fn to_bits(self) -> NonZeroU64 {
        // SAFETY: the address is not null.
        unsafe { NonZeroU64::new_unchecked(self.0.as_ptr().expose_provenance() as u64) }
    }

    #[inline(always)]
    fn from_bits(bits: NonZeroU64) -> Self {
        // SAFETY: the bits are not zero.
        Member(unsafe { NonNull::new_unchecked(bits.get() as *mut u8) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_score_and_bytes_of_any_length() {
        for len in [0, 1, 16, 254, 255, 256, 70_000] {
            let bytes: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let member = Member::new(1.5, &bytes);
            assert_eq!((member.score(), member.bytes()), (1.5, &bytes[..]));
            member.set_score(-0.0);
            assert!(member.score().is_sign_negative());
            assert_eq!(Member::from_bits(member.to_bits()), member);
            member.free();
        }
        let member = Member::new(0.0, &[b'm'; 16]);
        assert_eq!(member.size(), 25);
        member.free();
    }
}
