//! A leaf: up to 62 members in order, eight bytes each.
//!
//! ```text
//!   leaf, 512 bytes                               item
//!   +------+-------+-------+-----+-------------+  +--------------+----------------+
//!   | base | shift | stray | len | 62 items    |  | key (16)     | pointer (48)   |
//!   +------+-------+-------+-----+-------------+  +--------------+----------------+
//! ```
//!
//! The upper bits of an item hold a coarse key: where its score lies between those of this leaf,
//! in 65536 steps from `base`, each `1 << shift` wide, all that is outside counting as the first or
//! the last step. A search compares keys and looks at a member only where they are equal, so it
//! finds its place with about one cache miss, and the keys cost no memory. `fit` lays the steps
//! anew around what the leaf holds: after a split, a merge, or when too many scores fell outside.
//!
//! Called by `super::node`, which knows the neighbours.

use super::member::Member;
use super::{Place, ranked};
use crate::sys::pages::prefetch;
use crate::types::table::Slot;
use std::num::NonZeroU64;

/// With 16 bytes in front of them, 512 bytes: eight cache lines and a size class of the allocator.
pub(super) const LEAF: usize = 62;
const KEY_SHIFT: u32 = 48;
const POINTER: u64 = (1 << KEY_SHIFT) - 1;
const LAST: u64 = u16::MAX as u64;
/// Scores outside of the steps after which they are laid anew.
const STRAYS: u8 = 8;
/// Steps between the first and the last item below which finer ones are worth a try.
const COARSE: u64 = 256;

pub(super) struct Leaf {
    base: u64,
    shift: u8,
    stray: u8,
    len: u16,
    items: [u64; LEAF],
}

const _: () = assert!(size_of::<Leaf>() == 512, "a leaf is eight cache lines");

/// The member that an item stands for: one, but for the slots behind the last.
#[inline(always)]
fn member_of(item: u64) -> Option<Member> {
    NonZeroU64::new(item & POINTER).map(Member::from_bits)
}

impl Leaf {
    pub fn new() -> Box<Leaf> {
        // Steps over all there is; the first strays will narrow them.
        Box::new(Leaf {
            base: 0,
            shift: KEY_SHIFT as u8,
            stray: 0,
            len: 0,
            items: [0; LEAF],
        })
    }

    /// A leaf of members in order. There is room for them.
    pub fn of(members: &[Member]) -> Box<Leaf> {
        let mut leaf = Leaf::new();
        for (item, member) in leaf.items.iter_mut().zip(members) {
            *item = member.to_bits().get();
        }
        leaf.len = members.len() as u16;
        leaf.fit();
        leaf
    }

    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn is_full(&self) -> bool {
        self.len() == LEAF
    }

    #[inline(always)]
    fn live(&self) -> &[u64] {
        &self.items[..self.len as usize]
    }

    #[inline(always)]
    pub fn get(&self, at: usize) -> Option<Member> {
        let item = *self.live().get(at)?;
        member_of(item)
    }

    pub fn first(&self) -> Option<Member> {
        self.get(0)
    }

    /// The coarse key of a rank.
    #[inline(always)]
    fn key(&self, rank: u64) -> u64 {
        (rank.saturating_sub(self.base) >> self.shift).min(LAST)
    }

    #[inline(always)]
    fn pack(&self, member: Member) -> u64 {
        self.key(ranked(member.score())) << KEY_SHIFT | member.to_bits().get()
    }

    /// Starts loading the member at `at`, if there is one.
    #[inline(always)]
    pub fn prefetch(&self, at: usize) {
        if let Some(item) = self.live().get(at) {
            prefetch((item & POINTER) as *const u8);
        }
    }

    /// The number of items before `place`.
    pub fn partition(&self, place: &Place) -> usize {
        let items = self.live();
        let is_before = |item: &u64| member_of(*item).is_some_and(|member| place.is_after(member));
        let Some(rank) = place.rank() else {
            return items.partition_point(is_before);
        };
        let key = self.key(rank);
        let from = items.partition_point(|item| item >> KEY_SHIFT < key);
        let equal = items[from..].partition_point(|item| item >> KEY_SHIFT == key);
        from + items[from..from + equal].partition_point(is_before)
    }

    /// Puts a member at `at`. There is room.
    pub fn insert(&mut self, at: usize, member: Member) {
        let len = self.len();
        self.items.copy_within(at..len, at + 1);
        self.items[at] = self.pack(member);
        self.len += 1;
        let key = self.items[at] >> KEY_SHIFT;
        self.stray += (key == 0 || key == LAST) as u8;
        let grown = self.len.is_power_of_two() || self.is_full();
        if self.stray >= STRAYS || grown && self.is_coarse() {
            self.fit();
        }
    }

    /// Whether the keys separate few members, though finer ones could.
    fn is_coarse(&self) -> bool {
        let spread = self
            .live()
            .last()
            .map(|last| (last ^ self.items[0]) >> KEY_SHIFT);
        self.shift > 0 && spread.is_some_and(|spread| spread < COARSE)
    }

    pub fn remove(&mut self, at: usize) {
        let len = self.len();
        self.items.copy_within(at + 1..len, at);
        self.len -= 1;
    }

    /// Lays the key of the item at `at` anew: its score changed, its place did not.
    pub fn refresh(&mut self, at: usize) {
        if let Some(member) = self.get(at) {
            self.items[at] = self.pack(member);
        }
    }

    /// Moves the items from `at` on into a new leaf.
    pub fn split(&mut self, at: usize) -> Box<Leaf> {
        let mut right = Leaf::new();
        let moved = self.len() - at;
        right.items[..moved].copy_from_slice(&self.items[at..self.len as usize]);
        right.len = moved as u16;
        self.len = at as u16;
        right.fit();
        self.fit();
        right
    }

    /// Takes all items of the leaf to the right.
    pub fn absorb(&mut self, right: &Leaf) {
        let len = self.len();
        self.items[len..len + right.len()].copy_from_slice(right.live());
        self.len += right.len;
        self.fit();
    }

    /// Lays the steps around the scores of this leaf, with as much room on each side.
    fn fit(&mut self) {
        self.stray = 0;
        let len = self.len();
        let (Some(first), Some(last)) = (self.get(0), self.get(len.wrapping_sub(1))) else {
            return;
        };
        (0..len).for_each(|at| self.prefetch(at));
        let (low, high) = (ranked(first.score()), ranked(last.score()));
        let span = high - low;
        self.base = low.saturating_sub(span / 2 + 1);
        let width = high.saturating_add(span / 2 + 1) - self.base;
        self.shift = (64 - width.leading_zeros()).saturating_sub(16) as u8;
        for at in 0..len {
            self.refresh(at);
        }
    }

    /// Panics if the order or a key is wrong.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) {
        assert!(self.len() <= LEAF, "a leaf has {LEAF} places");
        for at in 0..self.len() {
            let member = self.get(at).expect("below the length");
            assert_eq!(self.items[at], self.pack(member), "a key follows its score");
            assert!(
                at == 0 || self.items[at - 1] >> KEY_SHIFT <= self.items[at] >> KEY_SHIFT,
                "keys do not fall"
            );
        }
    }
}
