//! An inner node: up to 31 children, each with its first member and its number of members.
//!
//! ```text
//!   inner   counts [n0 | n1 | …]     members below each child: ranks are sums of these
//!           ranks  [r0 | r1 | …]     the score of each child's first member, made comparable
//!           firsts [m0 | m1 | …]     that member, for equal scores
//!           nodes  [c0 | c1 | …]     leaves, or inner nodes one level lower
//! ```
//!
//! `ranks[i]` and `firsts[i]` always name the very first member below child `i`, so a removed one is
//! never compared with. Nodes are never empty. A node that falls below a quarter joins a neighbour
//! with which it stays below three quarters; more effort is not worth the space.

use super::leaf::{LEAF, Leaf};
use super::member::Member;
use super::{Place, ranked};

/// With counters, 1248 bytes: just below a size class of the allocator.
pub(super) const INNER: usize = 31;

/// A full leaf gives away no fewer members than this: moving costs as much as splitting.
const RELIEF: usize = 8;

pub(super) enum Node {
    Leaf(Box<Leaf>),
    Inner(Box<Inner>),
}

pub(super) struct Inner {
    len: usize,
    counts: [usize; INNER],
    ranks: [u64; INNER],
    firsts: [Option<Member>; INNER],
    nodes: [Option<Node>; INNER],
}

impl Node {
    pub fn len(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len(),
            Node::Inner(inner) => inner.counts[..inner.len].iter().sum(),
        }
    }

    pub fn first(&self) -> Option<Member> {
        match self {
            Node::Leaf(leaf) => leaf.first(),
            Node::Inner(inner) => inner.firsts[0],
        }
    }

    /// Children or members, and how many there could be.
    fn fill(&self) -> (usize, usize) {
        match self {
            Node::Leaf(leaf) => (leaf.len(), LEAF),
            Node::Inner(inner) => (inner.len, INNER),
        }
    }

    /// Adds a member that is not there. A full node splits and returns its right half.
    pub fn insert(&mut self, member: Member, place: &Place, edge: Edge) -> Option<Node> {
        match self {
            Node::Leaf(leaf) => insert_into_leaf(leaf, member, place, edge).map(Node::Leaf),
            Node::Inner(inner) => inner.insert(member, place, edge).map(Node::Inner),
        }
    }

    /// Takes out the first member at or behind `place`.
    pub fn remove(&mut self, place: &Place) -> Option<Member> {
        match self {
            Node::Leaf(leaf) => {
                let at = leaf.partition(place);
                let member = leaf.get(at)?;
                leaf.remove(at);
                Some(member)
            }
            Node::Inner(inner) => {
                let at = inner.child_of(place);
                inner.with_child(at, |child| child.remove(place))
            }
        }
    }

    /// Takes out the member with this number.
    pub fn remove_at(&mut self, index: usize) -> Option<Member> {
        match self {
            Node::Leaf(leaf) => {
                let member = leaf.get(index)?;
                leaf.remove(index);
                Some(member)
            }
            Node::Inner(inner) => {
                let (at, index) = inner.child_at(index)?;
                inner.with_child(at, |child| child.remove_at(index))
            }
        }
    }

    /// Gives a member another score if it stays where it is; false if it has to move.
    pub fn rescore(&mut self, place: &Place, member: Member, score: f64) -> bool {
        match self {
            Node::Leaf(leaf) => {
                let at = leaf.partition(place);
                let new = Place::of(score, member.bytes());
                let follows = |other: Member| new.is_after(other);
                let (Some(before), Some(behind)) = (
                    at.checked_sub(1).and_then(|at| leaf.get(at)),
                    leaf.get(at + 1),
                ) else {
                    return false;
                };
                if !follows(before) || follows(behind) {
                    return false;
                }
                member.set_score(score);
                leaf.refresh(at);
                true
            }
            Node::Inner(inner) => {
                let at = inner.child_of(place);
                let child = inner.nodes[at].as_mut().expect("a child that was found");
                child.rescore(place, member, score)
            }
        }
    }

    /// Puts the nodes of `self` and `right` together. They fit.
    fn absorb(&mut self, right: Node) {
        match (self, right) {
            (Node::Leaf(left), Node::Leaf(right)) => left.absorb(&right),
            (Node::Inner(left), Node::Inner(mut right)) => left.absorb(&mut right),
            _ => unreachable!("neighbours are of one level"),
        }
    }
}

/// Whether a node is the first or the last of its level.
#[derive(Clone, Copy)]
pub(super) struct Edge {
    pub first: bool,
    pub last: bool,
}

fn insert_into_leaf(
    leaf: &mut Leaf,
    member: Member,
    place: &Place,
    edge: Edge,
) -> Option<Box<Leaf>> {
    let at = leaf.partition(place);
    if !leaf.is_full() {
        leaf.insert(at, member);
        return None;
    }
    // What grows at an end leaves full leaves behind.
    let middle = match at {
        LEAF if edge.last => LEAF,
        0 if edge.first => 0,
        _ => LEAF / 2,
    };
    let mut right = leaf.split(middle);
    if at > middle || middle == LEAF {
        right.insert(at - middle, member);
    } else {
        leaf.insert(at, member);
    }
    Some(right)
}

impl Inner {
    /// A node above two.
    pub fn over(left: Node, right: Node) -> Box<Inner> {
        Inner::of([left, right].into_iter())
    }

    /// A node above all these, in their order. There is room for them.
    pub fn of(nodes: impl Iterator<Item = Node>) -> Box<Inner> {
        let mut inner = Inner::empty();
        nodes.enumerate().for_each(|(at, node)| inner.put(at, node));
        inner
    }

    fn empty() -> Box<Inner> {
        Box::new(Inner {
            len: 0,
            counts: [0; INNER],
            ranks: [0; INNER],
            firsts: [None; INNER],
            nodes: [const { None }; INNER],
        })
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn node(&self, at: usize) -> Option<&Node> {
        self.nodes[at].as_ref()
    }

    /// Members in front of child `at`.
    pub fn before(&self, at: usize) -> usize {
        self.counts[..at].iter().sum()
    }

    /// The only child that is left, out of the node.
    pub fn take_only(&mut self) -> Option<Node> {
        if self.len != 1 {
            return None;
        }
        self.nodes[0].take()
    }

    /// The last child whose first member stands before `place`, or the first of all.
    #[inline]
    pub fn child_of(&self, place: &Place) -> usize {
        let is_after = |at: usize| match self.firsts[at] {
            Some(first) => place.is_after(first) || place.is_at(first),
            None => false,
        };
        let behind = match place.rank() {
            None => (0..self.len).take_while(|&at| is_after(at)).count(),
            Some(rank) => {
                let ranks = &self.ranks[..self.len];
                let below = ranks.partition_point(|&r| r < rank);
                let equal = ranks[below..].partition_point(|&r| r == rank);
                let (mut low, mut high) = (below, below + equal);
                while low < high {
                    let middle = (low + high) / 2;
                    if is_after(middle) {
                        low = middle + 1;
                    } else {
                        high = middle;
                    }
                }
                low
            }
        };
        behind.saturating_sub(1)
    }

    /// The child that holds the member with this number, and its number there.
    #[inline]
    pub fn child_at(&self, mut index: usize) -> Option<(usize, usize)> {
        for (at, &count) in self.counts[..self.len].iter().enumerate() {
            if index < count {
                return Some((at, index));
            }
            index -= count;
        }
        None
    }

    fn insert(&mut self, member: Member, place: &Place, edge: Edge) -> Option<Box<Inner>> {
        let mut at = self.child_of(place);
        let below = |at: usize, len: usize| Edge {
            first: edge.first && at == 0,
            last: edge.last && at + 1 == len,
        };
        let on_edge = below(at, self.len);
        if !on_edge.first && !on_edge.last && self.relieve(at) {
            at = self.child_of(place);
        }
        let edge = below(at, self.len);
        let child = self.nodes[at].as_mut().expect("a child that was found");
        let Some(right) = child.insert(member, place, edge) else {
            self.counts[at] += 1;
            self.note_first(at);
            return None;
        };
        self.note(at);
        if self.len < INNER {
            self.put(at + 1, right);
            return None;
        }
        let middle = if at + 1 == INNER {
            INNER - 1
        } else {
            INNER / 2
        };
        let mut other = self.split(middle);
        if at + 1 > middle {
            other.put(at + 1 - middle, right);
        } else {
            self.put(at + 1, right);
        }
        Some(other)
    }

    /// Moves members of a full leaf to a neighbour that has room; whether it did.
    fn relieve(&mut self, at: usize) -> bool {
        if self.fill_of(at) != Some((LEAF, LEAF)) {
            return false;
        }
        for to in [at + 1, at.wrapping_sub(1)] {
            let Some((fill, LEAF)) = self.fill_of(to) else {
                continue;
            };
            let moved = (LEAF - fill) / 2;
            if moved < RELIEF {
                continue;
            }
            let Some([Node::Leaf(left), Node::Leaf(right)]) = self.pair(at.min(to)) else {
                return false;
            };
            if to > at {
                let mut tail = left.split(LEAF - moved);
                tail.absorb(right);
                *right = tail;
            } else {
                let rest = right.split(moved);
                left.absorb(right);
                *right = rest;
            }
            self.note(at.min(to));
            self.note(at.max(to));
            return true;
        }
        false
    }

    /// Two neighbouring children, the left one at `at`.
    fn pair(&mut self, at: usize) -> Option<[&mut Node; 2]> {
        match &mut self.nodes[at..at + 2] {
            [Some(left), Some(right)] => Some([left, right]),
            _ => None,
        }
    }

    /// Lets `work` take a member out of child `at`, and mends what that breaks.
    fn with_child(
        &mut self,
        at: usize,
        work: impl FnOnce(&mut Node) -> Option<Member>,
    ) -> Option<Member> {
        let child = self.nodes[at].as_mut().expect("a child that was found");
        let member = work(child)?;
        self.counts[at] -= 1;
        if self.counts[at] == 0 {
            self.take(at);
            return Some(member);
        }
        let (fill, room) = child.fill();
        if self.firsts[at] == Some(member) || matches!(child, Node::Inner(_)) {
            self.note_first(at);
        }
        if fill < room / 4 {
            self.mend(at);
        }
        Some(member)
    }

    /// Joins child `at` with a neighbour if they fit well into one.
    fn mend(&mut self, at: usize) {
        for left in [at, at.wrapping_sub(1)] {
            let (Some(a), Some(b)) = (self.fill_of(left), self.fill_of(left.wrapping_add(1)))
            else {
                continue;
            };
            if a.0 + b.0 <= a.1 * 3 / 4 {
                let right = self.take(left + 1).expect("a neighbour that was found");
                let child = self.nodes[left].as_mut().expect("a child that was found");
                child.absorb(right);
                self.note(left);
                return;
            }
        }
    }

    fn fill_of(&self, at: usize) -> Option<(usize, usize)> {
        self.nodes.get(at)?.as_ref().map(Node::fill)
    }

    /// Puts a child at `at`. There is room.
    fn put(&mut self, at: usize, node: Node) {
        let len = self.len;
        self.counts.copy_within(at..len, at + 1);
        self.ranks.copy_within(at..len, at + 1);
        self.firsts.copy_within(at..len, at + 1);
        self.nodes[at..=len].rotate_right(1);
        self.nodes[at] = Some(node);
        self.len += 1;
        self.note(at);
    }

    /// Takes child `at` out.
    fn take(&mut self, at: usize) -> Option<Node> {
        let len = self.len;
        let node = self.nodes[at].take();
        self.counts.copy_within(at + 1..len, at);
        self.ranks.copy_within(at + 1..len, at);
        self.firsts.copy_within(at + 1..len, at);
        self.nodes[at..len].rotate_left(1);
        self.len -= 1;
        node
    }

    /// Writes down number and first member of child `at`.
    fn note(&mut self, at: usize) {
        self.counts[at] = self.nodes[at].as_ref().map_or(0, Node::len);
        self.note_first(at);
    }

    fn note_first(&mut self, at: usize) {
        let first = self.nodes[at].as_ref().and_then(Node::first);
        // A look at the member is a cache miss, and mostly it is the same.
        if self.firsts[at] != first {
            self.firsts[at] = first;
            self.ranks[at] = first.map_or(0, |first| ranked(first.score()));
        }
    }

    fn split(&mut self, middle: usize) -> Box<Inner> {
        let mut right = Inner::empty();
        let moved = self.len - middle;
        right.counts[..moved].copy_from_slice(&self.counts[middle..self.len]);
        right.ranks[..moved].copy_from_slice(&self.ranks[middle..self.len]);
        right.firsts[..moved].copy_from_slice(&self.firsts[middle..self.len]);
        for at in 0..moved {
            right.nodes[at] = self.nodes[middle + at].take();
        }
        right.len = moved;
        self.len = middle;
        right
    }

    fn absorb(&mut self, right: &mut Inner) {
        let len = self.len;
        let all = len + right.len;
        self.counts[len..all].copy_from_slice(&right.counts[..right.len]);
        self.ranks[len..all].copy_from_slice(&right.ranks[..right.len]);
        self.firsts[len..all].copy_from_slice(&right.firsts[..right.len]);
        for at in 0..right.len {
            self.nodes[len + at] = right.nodes[at].take();
        }
        self.len = all;
    }

    /// Panics if a count, a first member or the depth is wrong. Returns the height.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) -> usize {
        assert!(self.len > 0 && self.len <= INNER, "a node has children");
        let mut height = None;
        for at in 0..self.len {
            let node = self.nodes[at].as_ref().expect("children stand close");
            let below = match node {
                Node::Leaf(leaf) => {
                    leaf.check();
                    0
                }
                Node::Inner(inner) => inner.check(),
            };
            assert_eq!(
                *height.get_or_insert(below),
                below,
                "leaves are of one level"
            );
            assert_eq!(
                self.counts[at],
                node.len(),
                "counts are those of the children"
            );
            assert!(self.counts[at] > 0, "no child is empty");
            let first = node.first().expect("no child is empty");
            assert_eq!(self.firsts[at], Some(first));
            assert_eq!(self.ranks[at], ranked(first.score()));
        }
        assert!(self.nodes[self.len..].iter().all(Option::is_none));
        height.expect("a node has children") + 1
    }
}
