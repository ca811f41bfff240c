//! A sorted set of many members: the table that knows each member's score, and the order of all.
//!
//! ```text
//!   table (hash of the bytes)  ──┐
//!                                ├──>  member: score, length, bytes      one block each
//!   tree  (score, bytes)       ──┘
//! ```
//!
//! Both point to the same block, so nothing is stored twice: for 16 bytes of member about 32 in the
//! block, 10 in the table and 10 in the tree. A block is created when its member is added and
//! freed when it is removed; in between only its score changes. OBJECT ENCODING says `skiplist`.
//!
//! Small sets are listpacks; `keyspace::zset` decides which, and gives commands one face for both.

use crate::sys::pages::prefetch;
use crate::types::entries::KeyHasher;
use crate::types::ordered::member::Member;
pub use crate::types::ordered::ranked as rank_of;
use crate::types::ordered::{Place, Tree};
use crate::types::table::{HashItem, SegmentPool, Slot, Table};
use std::fmt;
use std::ops::Range;

/// An end of the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Min,
    Max,
}

/// A sorted set of many members: a table from member to score, and an ordered tree.
pub struct SortedSet {
    table: Table<Member>,
    tree: Tree,
    hasher: KeyHasher,
    /// Bytes of the members' blocks.
    blocks: usize,
}

impl HashItem<Member> for KeyHasher {
    fn hash_item(&self, item: Member) -> u64 {
        self.hash(item.bytes())
    }
}

impl SortedSet {
    pub fn new(hasher: KeyHasher) -> SortedSet {
        SortedSet {
            table: Table::new(SegmentPool::Heap),
            tree: Tree::new(),
            hasher,
            blocks: 0,
        }
    }

    /// A set of `len` distinct members that `give` yields in order.
    pub fn of_ordered(
        len: usize,
        hasher: KeyHasher,
        give: impl FnOnce(&mut dyn FnMut(&[u8], f64)),
    ) -> SortedSet {
        let mut set = SortedSet::new(hasher);
        set.table.reserve(len);
        let mut members = Vec::with_capacity(len);
        give(&mut |bytes, score| {
            let member = Member::new(score, bytes);
            set.blocks += member.size();
            set.table
                .insert(set.hasher.hash(bytes), member, &set.hasher);
            members.push(member);
        });
        set.tree = Tree::of_ordered(&members);
        set
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Bytes on the heap, about.
    pub fn bytes(&self) -> usize {
        self.table.bytes() + self.tree.bytes() + self.blocks
    }

    /// Slots of the table, for HTSTATS.
    pub fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// Starts loading the bucket of a member; returns the hash that `prefetch_member` takes.
    #[inline(always)]
    pub fn prefetch(&self, member: &[u8]) -> u64 {
        let hash = self.hasher.hash(member);
        self.table.prefetch(hash);
        hash
    }

    /// Starts loading the block of a member, whose bucket should have arrived by now.
    #[inline(always)]
    pub fn prefetch_member(&self, hash: u64) {
        if let Some(member) = self.table.candidate(hash) {
            prefetch(member.address());
        }
    }

    fn find(&self, member: &[u8]) -> Option<Member> {
        let hash = self.hasher.hash(member);
        let (_, found) = self.table.find(hash, |m| m.bytes() == member)?;
        Some(found)
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.find(member).map(Member::score)
    }

    /// Adds a member or gives it another score. Returns the score it had.
    pub fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        self.update(member, |_| Some(score)).0
    }

    /// Gives a member the score that `decide` makes of the one it has; none leaves all as it is.
    /// Returns the score before and the new one.
    pub fn update(
        &mut self,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> (Option<f64>, Option<f64>) {
        let hash = self.hasher.hash(member);
        if let Some((_, found)) = self.table.find(hash, |m| m.bytes() == member) {
            let old = found.score();
            let new = decide(Some(old));
            match new {
                // The two zeros share a place.
                Some(score) if score == old => found.set_score(score),
                Some(score) => self.tree.rescore(found, score),
                None => {}
            }
            return (Some(old), new);
        }
        let new = decide(None);
        if let Some(score) = new {
            let member = Member::new(score, member);
            self.blocks += member.size();
            self.table.insert(hash, member, &self.hasher);
            self.tree.insert(member);
        }
        (None, new)
    }

    /// Removes a member. Returns the score it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let hash = self.hasher.hash(member);
        let (at, found) = self.table.find(hash, |m| m.bytes() == member)?;
        let score = found.score();
        self.tree.remove(found);
        self.table.remove(at);
        self.blocks -= found.size();
        found.free();
        Some(score)
    }

    /// Removes the first or the last member and shows it to `seen` before it goes.
    pub fn pop<R>(&mut self, end: End, seen: impl FnOnce(&[u8], f64) -> R) -> Option<R> {
        let index = match end {
            End::Min => 0,
            End::Max => self.len().checked_sub(1)?,
        };
        let member = self.tree.remove_at(index)?;
        let result = seen(member.bytes(), member.score());
        self.forget(member);
        Some(result)
    }

    /// Takes a member that left the tree out of the table too, and frees it.
    fn forget(&mut self, member: Member) {
        let hash = self.hasher.hash(member.bytes());
        if let Some((at, _)) = self.table.find(hash, |m| m == member) {
            self.table.remove(at);
        }
        self.blocks -= member.size();
        member.free();
    }

    /// Removes the members with these numbers.
    pub fn remove_range(&mut self, range: Range<usize>) {
        for _ in range.clone() {
            let Some(member) = self.tree.remove_at(range.start) else {
                return;
            };
            self.forget(member);
        }
    }

    /// The number of a member in the order, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let found = self.find(member)?;
        let score = found.score();
        Some((self.tree.count_before(&Place::of(score, member)), score))
    }

    /// The number of members with a lower score, or, with `through`, one that is not higher.
    pub fn count_below(&self, score: f64, through: bool) -> usize {
        self.tree.count_before(&Place::at_score(score, through))
    }

    /// The number of members before these bytes, or, with `through`, not behind them. Meaningful
    /// only where all scores are equal.
    pub fn count_before(&self, bytes: &[u8], through: bool) -> usize {
        self.tree.count_before(&Place::at_bytes(bytes, through))
    }

    #[cfg(any(test, feature = "testing"))]
    pub fn get(&self, index: usize) -> Option<(&[u8], f64)> {
        let member = self.tree.get(index)?;
        Some((member.bytes(), member.score()))
    }

    /// Members in order from number `index` on, upwards or downwards.
    pub fn walk(&self, index: usize, downwards: bool) -> impl Iterator<Item = (&[u8], f64)> {
        self.tree
            .walk(index, downwards)
            .map(|member| (member.bytes(), member.score()))
    }

    /// All members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], f64)> {
        self.walk(0, false)
    }

    /// Visits some members from `cursor` on; see `Table::scan`.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        self.table.prefetch_scan(cursor);
        self.table
            .scan(cursor, |member| visit(member.bytes(), member.score()))
    }

    /// Walks over everything that must hold, and panics where it does not.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) {
        self.tree.check();
        self.table.check(&self.hasher);
        assert_eq!(self.table.len(), self.tree.len());
        let mut blocks = 0;
        for member in self.tree.walk(0, false) {
            assert_eq!(
                self.find(member.bytes()),
                Some(member),
                "the table knows all members"
            );
            blocks += member.size();
        }
        assert_eq!(self.blocks, blocks);
    }
}

impl Clone for SortedSet {
    fn clone(&self) -> SortedSet {
        SortedSet::of_ordered(self.len(), self.hasher.clone(), |add| {
            self.iter().for_each(|(member, score)| add(member, score))
        })
    }
}

impl Drop for SortedSet {
    fn drop(&mut self) {
        self.table.iter().for_each(Member::free);
        self.table.clear();
    }
}

impl fmt::Debug for SortedSet {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "SortedSet of {}", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algo::rng::Rng;
    use std::collections::{BTreeMap, BTreeSet};

    fn empty() -> SortedSet {
        SortedSet::new(KeyHasher::new([1, 2, 3, 4]))
    }

    #[test]
    fn behaves_like_two_maps() {
        let mut rng = Rng::new(5);
        let mut set = empty();
        let mut scores: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
        let mut order: BTreeSet<(i64, Vec<u8>)> = BTreeSet::new();
        for step in 0..100_000u64 {
            let member = format!("member:{}", rng.below(3_000)).into_bytes();
            let old = scores.get(&member).copied();
            match rng.below(12) {
                0..6 => {
                    let score = rng.below(500) as i64 - 250;
                    assert_eq!(set.insert(&member, score as f64), old.map(|s| s as f64));
                    if let Some(old) = old {
                        order.remove(&(old, member.clone()));
                    }
                    order.insert((score, member.clone()));
                    scores.insert(member, score);
                }
                6..8 => {
                    assert_eq!(set.remove(&member), old.map(|s| s as f64));
                    scores.remove(&member);
                    if let Some(old) = old {
                        order.remove(&(old, member));
                    }
                }
                8 => {
                    let end = if step % 2 == 0 { End::Min } else { End::Max };
                    let popped = set.pop(end, |m, s| (s as i64, m.to_vec()));
                    let expected = match end {
                        End::Min => order.pop_first(),
                        End::Max => order.pop_last(),
                    };
                    assert_eq!(popped, expected);
                    expected.map(|(_, member)| scores.remove(&member));
                }
                9 => assert_eq!(set.score(&member), old.map(|s| s as f64)),
                _ if step % 50 == 0 => {
                    let rank = old.map(|s| order.range(..(s, member.clone())).count());
                    assert_eq!(set.rank(&member).map(|(rank, _)| rank), rank);
                }
                _ => {}
            }
            if step % 5_000 == 0 {
                set.check();
            }
        }
        set.check();
        assert!(
            set.iter()
                .map(|(m, s)| (s as i64, m.to_vec()))
                .eq(order.iter().cloned())
        );
        let copy = set.clone();
        copy.check();
        assert!(copy.iter().eq(set.iter()));
        set.remove_range(10..set.len() - 10);
        set.check();
        assert_eq!(set.len(), 20);
    }

    #[test]
    fn a_scan_and_picks_see_all() {
        let mut set = empty();
        for n in 0..1_000 {
            set.insert(format!("m{n}").as_bytes(), n as f64);
        }
        let (mut cursor, mut seen) = (0, BTreeSet::new());
        loop {
            cursor = set.scan(cursor, |member, _| {
                seen.insert(member.to_vec());
            });
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(seen.len(), 1_000);
    }

    const fn assert_send<T: Send>() {}
    const _: () = assert_send::<SortedSet>();
}
