//! The order of a sorted set: a B+tree over its members that knows how many stand where.
//!
//! Redis keeps a skiplist: about twenty dependent cache misses to a place among a million. Here
//! a place is three levels away, and what is compared on the way lies in the nodes themselves.
//!
//! ```text
//!                     inner: counts, ranks, first members, children
//!                    /            |            \
//!               inner           inner           inner          31 children
//!              /     \         /     \         /     \
//!           leaf     leaf … leaf     leaf … leaf     leaf      62 members, 8 bytes each
//!                                      |
//!                                      v  member: score, length, bytes
//! ```
//!
//! The order is (score, bytes of the member); the two zeros are one score. A *rank* is a score as
//! an integer that compares the same way. A `Place` is somewhere between two members: where a
//! member stands or would stand, or where a range of scores or of members begins or ends.
//!
//! Nodes are owned from above and not linked sideways: a walk finds the next leaf by its number,
//! which costs one descent in 62 members. Growth at either end leaves full leaves behind, growth
//! elsewhere fills neighbours before it splits.
//!
//! The tree borrows its members: `types::zset` creates and frees them, and keeps the table that
//! finds a member's score. Nothing here takes longer than O(log n) for one member.

mod leaf;
pub(in crate::types) mod member;
mod node;
#[cfg(test)]
mod tests;

use leaf::Leaf;
use member::Member;
use node::{Edge, Inner, Node};

/// The score as an integer that compares the same way.
#[inline(always)]
pub fn ranked(score: f64) -> u64 {
    // Adding a zero turns the negative zero into the positive one.
    let bits = (score + 0.0).to_bits();
    bits ^ ((bits as i64 >> 63) as u64 | 1 << 63)
}

/// A position in the order.
#[derive(Clone, Copy)]
pub(in crate::types) struct Place<'a> {
    rank: Option<u64>,
    bytes: &'a [u8],
    tie: Tie,
}

/// The relation of a place to members that compare equal to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tie {
    /// At the member with these bytes.
    Member,
    /// In front of all with this score, or of these bytes.
    Before,
    /// Behind them.
    Behind,
}

impl<'a> Place<'a> {
    /// The place of a member, existing or not.
    pub fn of(score: f64, bytes: &'a [u8]) -> Place<'a> {
        Place {
            rank: Some(ranked(score)),
            bytes,
            tie: Tie::Member,
        }
    }

    /// In front of all members with this score, or behind them.
    pub fn at_score(score: f64, behind: bool) -> Place<'a> {
        let tie = if behind { Tie::Behind } else { Tie::Before };
        Place {
            rank: Some(ranked(score)),
            bytes: b"",
            tie,
        }
    }

    /// In front of the member with these bytes, or behind it, where all scores are equal.
    pub fn at_bytes(bytes: &'a [u8], behind: bool) -> Place<'a> {
        let tie = if behind { Tie::Behind } else { Tie::Before };
        Place {
            rank: None,
            bytes,
            tie,
        }
    }

    #[inline(always)]
    fn rank(&self) -> Option<u64> {
        self.rank
    }

    /// Whether this place is behind a member.
    #[inline(always)]
    fn is_after(&self, member: Member) -> bool {
        let Some(rank) = self.rank else {
            let order = member.bytes().cmp(self.bytes);
            return order.is_lt() || order.is_eq() && self.tie == Tie::Behind;
        };
        match ranked(member.score()).cmp(&rank) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => match self.tie {
                Tie::Member => member.bytes() < self.bytes,
                Tie::Before => false,
                Tie::Behind => true,
            },
        }
    }

    /// Whether this is the place of this very member.
    #[inline(always)]
    fn is_at(&self, member: Member) -> bool {
        self.tie == Tie::Member
            && Some(ranked(member.score())) == self.rank
            && member.bytes() == self.bytes
    }
}

/// A counted B+tree over the members of a sorted set, ordered by score and bytes.
pub(in crate::types) struct Tree {
    root: Node,
    len: usize,
}

impl Tree {
    pub fn new() -> Tree {
        Tree {
            root: Node::Leaf(Leaf::new()),
            len: 0,
        }
    }

    /// A tree of distinct members that come in order.
    pub fn of_ordered(members: &[Member]) -> Tree {
        let chunks = members.chunks(leaf::LEAF);
        let mut nodes: Vec<Node> = chunks.map(|m| Node::Leaf(Leaf::of(m))).collect();
        while nodes.len() > 1 {
            // As many children for each, so that none has only one.
            let above = nodes.len().div_ceil(node::INNER);
            let (each, mut more) = (nodes.len() / above, nodes.len() % above);
            let mut below = nodes.into_iter();
            nodes = (0..above)
                .map(|_| {
                    let count = each + (more > 0) as usize;
                    more = more.saturating_sub(1);
                    Node::Inner(Inner::of(below.by_ref().take(count)))
                })
                .collect();
        }
        Tree {
            root: nodes.pop().unwrap_or_else(|| Node::Leaf(Leaf::new())),
            len: members.len(),
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// About what the nodes take: leaves are three quarters full, as a rule.
    pub fn bytes(&self) -> usize {
        let leaves = self.len.div_ceil(leaf::LEAF * 3 / 4).max(1);
        leaves * size_of::<Leaf>() + leaves / (node::INNER / 2) * size_of::<Inner>()
    }

    /// Adds a member that is not there.
    pub fn insert(&mut self, member: Member) {
        let place = Place::of(member.score(), member.bytes());
        let edge = Edge {
            first: true,
            last: true,
        };
        self.len += 1;
        if let Some(right) = self.root.insert(member, &place, edge) {
            let left = std::mem::replace(&mut self.root, Node::Leaf(Leaf::new()));
            self.root = Node::Inner(Inner::over(left, right));
        }
    }

    /// Takes out a member that is there.
    pub fn remove(&mut self, member: Member) {
        let place = Place::of(member.score(), member.bytes());
        let removed = self.root.remove(&place);
        assert_eq!(removed, Some(member), "a member is where its score says");
        self.shrink();
    }

    /// Takes out the member with this number.
    pub fn remove_at(&mut self, index: usize) -> Option<Member> {
        let member = self.root.remove_at(index)?;
        self.shrink();
        Some(member)
    }

    fn shrink(&mut self) {
        self.len -= 1;
        while let Node::Inner(inner) = &mut self.root {
            match inner.take_only() {
                Some(only) => self.root = only,
                None if inner.len() == 0 => self.root = Node::Leaf(Leaf::new()),
                None => return,
            }
        }
    }

    /// Gives a member another score and moves it where that belongs.
    pub fn rescore(&mut self, member: Member, score: f64) {
        let place = Place::of(member.score(), member.bytes());
        if self.root.rescore(&place, member, score) {
            return;
        }
        self.remove(member);
        member.set_score(score);
        self.insert(member);
    }

    /// The number of members before a place.
    pub fn count_before(&self, place: &Place) -> usize {
        let mut node = &self.root;
        let mut before = 0;
        loop {
            match node {
                Node::Leaf(leaf) => return before + leaf.partition(place),
                Node::Inner(inner) => {
                    let at = inner.child_of(place);
                    before += inner.before(at);
                    node = inner.node(at).expect("a child that was found");
                }
            }
        }
    }

    /// The leaf that holds the member with this number, and its place there.
    fn locate(&self, mut index: usize) -> Option<(&Leaf, usize)> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return (index < leaf.len()).then_some((leaf, index)),
                Node::Inner(inner) => {
                    let (at, below) = inner.child_at(index)?;
                    index = below;
                    node = inner.node(at)?;
                }
            }
        }
    }

    #[cfg(any(test, feature = "testing"))]
    pub fn get(&self, index: usize) -> Option<Member> {
        let (leaf, at) = self.locate(index)?;
        leaf.get(at)
    }

    /// The members from number `index` on, upwards or downwards.
    pub fn walk(&self, index: usize, downwards: bool) -> Walk<'_> {
        let (leaf, at) = match self.locate(index) {
            Some((leaf, at)) => (Some(leaf), at),
            None => (None, 0),
        };
        let walk = Walk {
            tree: self,
            leaf,
            at,
            index,
            downwards,
        };
        (1..=AHEAD).for_each(|ahead| walk.prefetch(ahead));
        walk
    }

    /// Walks over everything that must hold, and panics where it does not.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) {
        match &self.root {
            Node::Leaf(leaf) => leaf.check(),
            Node::Inner(inner) => {
                inner.check();
                assert!(inner.len() > 1, "a root of one child is no root");
            }
        }
        assert_eq!(self.root.len(), self.len);
        let mut walk = self.walk(0, false);
        let mut last = walk.next();
        for member in walk {
            let before = last.expect("there was one");
            let place = Place::of(member.score(), member.bytes());
            assert!(place.is_after(before), "members stand in order");
            last = Some(member);
        }
    }
}

/// Members that are loaded ahead of a walk.
const AHEAD: usize = 8;

/// See `Tree::walk`.
pub(in crate::types) struct Walk<'t> {
    tree: &'t Tree,
    leaf: Option<&'t Leaf>,
    at: usize,
    index: usize,
    downwards: bool,
}

impl Walk<'_> {
    #[inline(always)]
    fn prefetch(&self, ahead: usize) {
        let at = if self.downwards {
            self.at.wrapping_sub(ahead)
        } else {
            self.at + ahead
        };
        if let Some(leaf) = self.leaf {
            leaf.prefetch(at);
        }
    }

    /// The leaf behind this one, in the direction of the walk.
    fn turn_page(&mut self) {
        let Some((leaf, at)) = self.tree.locate(self.index) else {
            self.leaf = None;
            return;
        };
        (self.leaf, self.at) = (Some(leaf), at);
        (0..AHEAD).for_each(|ahead| self.prefetch(ahead));
    }
}

impl Iterator for Walk<'_> {
    type Item = Member;

    #[inline]
    fn next(&mut self) -> Option<Member> {
        let leaf = self.leaf?;
        let member = leaf.get(self.at)?;
        self.prefetch(AHEAD);
        if self.downwards {
            if self.index == 0 {
                self.leaf = None;
                return Some(member);
            }
            self.index -= 1;
            if self.at > 0 {
                self.at -= 1;
                return Some(member);
            }
        } else {
            self.index += 1;
            self.at += 1;
            if self.at < leaf.len() {
                return Some(member);
            }
        }
        self.turn_page();
        Some(member)
    }
}
