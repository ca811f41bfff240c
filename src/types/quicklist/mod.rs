//! The quicklist: a list as a deque of nodes, each a listpack of limited size.
//!
//! The idea is Redis's: small nodes keep edits cheap, packed nodes keep elements small. Nodes are cut
//! and merged exactly as Redis does it, so that a list has as many nodes there as here, and is
//! `listpack` or `quicklist` at the same moments.
//!
//! ```text
//!   blocks   [ b0 ]------------[ b1 ]-----------[ b2 ]        a deque, walked by element counts
//!              |                 |                |
//!            [n n n n n]       [n n n … n]      [n n]         up to 128 nodes each, a deque
//!             |
//!            [ free | a "b" 17 … | free ]                     a node: see `node`
//!
//!   list-max-listpack-size   -2: nodes of up to 8 KiB     5: of up to five elements
//!   list-compress-depth       1: all nodes but the outermost are compressed
//! ```
//!
//! Unlike Redis's, nodes are no linked list: a position far inside is found by skipping whole
//! blocks, and pushing costs no move of what is there, since each node keeps room at its ends.
//! Nothing moves more than a node or the 128 handles of a block.
//!
//! An element too large for a node (`Sizing::large`) is a plain node of its own. The list knows
//! nothing of keys and encodings; `keyspace::list` decides when it is worth its name.

mod edit;
mod iter;
mod node;
#[cfg(test)]
mod tests;

pub use edit::Spot;
pub use iter::{Toward, visit_listpack};
pub use node::{End, Node, View};

use crate::types::listpack::Item;
use std::collections::VecDeque;

/// Nodes of a block.
const BLOCK: usize = 128;
/// The buffer a node begins with when there are full ones beside it.
const ANOTHER: usize = 1024;
/// The maximum size in bytes of a node limited by its number of elements.
const SAFETY_BYTES: usize = 8192;
/// The overhead that Redis counts per element beside its bytes.
const ENTRY_OVERHEAD: usize = 8;
/// The `fill` of a list that is a mere listpack: one node, whatever its size.
const UNLIMITED: i32 = i32::MIN;

/// The size limit of nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizing {
    /// Elements if positive, a class of bytes if negative; as list-max-listpack-size.
    fill: i32,
    /// Elements from this size on are nodes of their own; 0 for those that fit no node.
    large: usize,
}

impl Sizing {
    pub fn new(list_max_listpack_size: i32, large: usize) -> Sizing {
        let fill = list_max_listpack_size.clamp(-5, i16::MAX as i32);
        Sizing { fill, large }
    }

    /// The limit in bytes, or else in elements.
    #[inline]
    fn limits(self) -> Result<usize, usize> {
        match self.fill {
            UNLIMITED => Ok(usize::MAX),
            fill @ ..0 => Ok(4096 << (-fill - 1)),
            // As in Redis, no element at all means one.
            fill => Err(fill.max(1) as usize),
        }
    }

    /// Whether a listpack of so many bytes and elements is too large for a node.
    #[inline]
    pub fn exceeded(self, bytes: usize, count: usize) -> bool {
        match self.limits() {
            Ok(most) => bytes > most,
            Err(most) => bytes > SAFETY_BYTES || count > most,
        }
    }

    /// Whether an only node is so small that the list is a mere listpack again: within half the
    /// limit if it has just shrunk, so that one element to and fro does not convert it each time.
    pub fn is_small(self, bytes: usize, count: usize, shrunk: bool) -> bool {
        let part = |most: usize| if shrunk { most / 2 } else { most };
        match self.limits() {
            Ok(most) => bytes <= part(most),
            Err(most) => count <= part(most),
        }
    }

    /// Whether an element gets a node of its own.
    #[inline]
    fn is_large(self, len: usize) -> bool {
        if self.large > 0 && self.fill != UNLIMITED {
            return len >= self.large;
        }
        match self.limits() {
            Ok(most) => len > most,
            Err(_) => len > SAFETY_BYTES,
        }
    }

    /// Whether a node may take another element of `len` bytes.
    #[inline]
    fn admits(self, node: &Node, len: usize) -> bool {
        !node.is_plain()
            && !self.is_large(len)
            && !self.exceeded(node.size() + len + ENTRY_OVERHEAD, node.count() + 1)
    }

    /// Whether two nodes may become one.
    fn merges(self, a: &Node, b: &Node) -> bool {
        if a.is_plain() || b.is_plain() {
            return false;
        }
        // Header and end mark are needed once.
        let bytes = a.size() + b.size() - 7;
        !self.exceeded(bytes, a.count() + b.count())
    }
}

/// Some nodes in order.
#[derive(Clone, Debug, Default)]
struct Block {
    nodes: VecDeque<Node>,
    /// Elements in them.
    count: usize,
}

/// A list as a deque of nodes, each a listpack of limited size.
#[derive(Clone, Debug)]
pub struct Quicklist {
    blocks: VecDeque<Block>,
    len: usize,
    nodes: usize,
    /// Bytes of the nodes' buffers.
    bytes: usize,
    fill: i32,
    /// Nodes at each end that are not compressed; 0 for all.
    depth: u32,
}

impl Quicklist {
    /// An empty list with the settings it keeps for its life.
    pub fn new(list_max_listpack_size: i32, list_compress_depth: u32) -> Quicklist {
        Quicklist {
            blocks: VecDeque::new(),
            len: 0,
            nodes: 0,
            bytes: 0,
            fill: Sizing::new(list_max_listpack_size, 0).fill,
            depth: list_compress_depth.min(u16::MAX as u32),
        }
    }

    /// A list that is a mere listpack: of one node, whatever its size, or of none if it is empty.
    pub fn from_listpack(lp: &[u8]) -> Quicklist {
        let mut list = Quicklist::new(1, 0);
        list.fill = UNLIMITED;
        let node = Node::from_listpack(lp);
        if node.count() > 0 {
            list.insert_node(0, node);
        }
        list
    }

    /// Whether this is a mere listpack.
    #[inline]
    pub fn is_packed(&self) -> bool {
        self.fill == UNLIMITED
    }

    /// A mere listpack becomes a quicklist with the settings of the moment.
    pub fn unpack(&mut self, list_max_listpack_size: i32, list_compress_depth: u32) {
        let fresh = Quicklist::new(list_max_listpack_size, list_compress_depth);
        (self.fill, self.depth) = (fresh.fill, fresh.depth);
    }

    /// A quicklist of one node becomes a mere listpack.
    pub fn pack(&mut self) {
        debug_assert!(self.nodes <= 1);
        (self.fill, self.depth) = (UNLIMITED, 0);
    }

    /// Elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// The limit of nodes: elements if positive, a size class if negative.
    pub fn fill(&self) -> i32 {
        self.fill
    }

    /// The number of nodes at each end that stay uncompressed; 0 for no compression.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Bytes allocated, itself not included. Always at hand.
    pub fn bytes(&self) -> usize {
        self.bytes + self.nodes * size_of::<Node>()
    }

    /// All nodes in order.
    pub fn iter_nodes(&self) -> impl Iterator<Item = &Node> {
        self.blocks.iter().flat_map(|block| &block.nodes)
    }

    /// The only node, if there is one only.
    #[inline]
    pub fn only_node(&self) -> Option<&Node> {
        (self.nodes == 1).then(|| self.node(0))
    }

    /// The place of node number `ordinal`.
    #[inline(always)]
    fn place(&self, ordinal: usize) -> (usize, usize) {
        if ordinal == 0 {
            return (0, 0);
        }
        if ordinal + 1 == self.nodes {
            let block = self.blocks.len() - 1;
            return (block, self.blocks[block].nodes.len() - 1);
        }
        self.place_inside(ordinal)
    }

    fn place_inside(&self, ordinal: usize) -> (usize, usize) {
        if ordinal <= self.nodes / 2 {
            let mut left = ordinal;
            for (at, block) in self.blocks.iter().enumerate() {
                if left < block.nodes.len() {
                    return (at, left);
                }
                left -= block.nodes.len();
            }
        } else {
            let mut behind = self.nodes - ordinal;
            for (at, block) in self.blocks.iter().enumerate().rev() {
                if behind <= block.nodes.len() {
                    return (at, block.nodes.len() - behind);
                }
                behind -= block.nodes.len();
            }
        }
        panic!("node {ordinal} of {}", self.nodes)
    }

    #[inline(always)]
    fn node(&self, ordinal: usize) -> &Node {
        let (block, at) = self.place(ordinal);
        &self.blocks[block].nodes[at]
    }

    /// Lets `change` work on a node, and counts what became of it.
    #[inline(always)]
    fn edit<R>(&mut self, ordinal: usize, change: impl FnOnce(&mut Node) -> R) -> R {
        let (block, at) = self.place(ordinal);
        let block = &mut self.blocks[block];
        let node = &mut block.nodes[at];
        let (count, capacity) = (node.count(), node.capacity());
        let result = change(node);
        self.len = self.len - count + node.count();
        self.bytes = self.bytes - capacity + node.capacity();
        block.count = block.count - count + node.count();
        result
    }

    /// Puts a node in, which becomes number `ordinal`.
    fn insert_node(&mut self, ordinal: usize, node: Node) {
        self.len += node.count();
        self.bytes += node.capacity();
        let (block, at) = match (self.nodes, ordinal) {
            (0, _) => (0, 0),
            (nodes, ordinal) if ordinal == nodes => {
                let (block, at) = self.place(nodes - 1);
                (block, at + 1)
            }
            _ => self.place(ordinal),
        };
        self.nodes += 1;
        let (block, at) = self.make_place(block, at);
        let block = &mut self.blocks[block];
        block.count += node.count();
        block.nodes.insert(at, node);
    }

    /// Makes room in block number `block` for a node at `at`. Returns the place where the node
    /// goes.
    fn make_place(&mut self, block: usize, at: usize) -> (usize, usize) {
        let Some(full) = self.blocks.get_mut(block) else {
            let nodes = VecDeque::with_capacity(1);
            self.blocks.push_back(Block { nodes, count: 0 });
            return (block, 0);
        };
        if full.nodes.len() < BLOCK {
            return (block, at);
        }
        // At its ends a full block stays as it is: lists grow there.
        if at == 0 || at == BLOCK {
            let block = block + (at == BLOCK) as usize;
            self.blocks.insert(block, Block::default());
            return (block, 0);
        }
        let nodes = full.nodes.split_off(BLOCK / 2);
        let count = nodes.iter().map(Node::count).sum();
        full.count -= count;
        self.blocks.insert(block + 1, Block { nodes, count });
        match at > BLOCK / 2 {
            true => (block + 1, at - BLOCK / 2),
            false => (block, at),
        }
    }

    fn remove_node(&mut self, ordinal: usize) -> Node {
        let (index, at) = self.place(ordinal);
        let block = &mut self.blocks[index];
        let node = block.nodes.remove(at).expect("the place of a node");
        block.count -= node.count();
        if block.nodes.is_empty() {
            self.blocks.remove(index);
        }
        self.nodes -= 1;
        self.len -= node.count();
        self.bytes -= node.capacity();
        node
    }

    /// The node at an end.
    #[inline(always)]
    fn at_end(&self, end: End) -> usize {
        match end {
            End::Left => 0,
            End::Right => self.nodes.saturating_sub(1),
        }
    }

    /// Adds an element at an end, in a new node if need be. `large` as in `Sizing`.
    #[inline]
    pub fn push(&mut self, end: End, element: &[u8], large: usize) {
        let sizing = Sizing {
            fill: self.fill,
            large,
        };
        let ordinal = self.at_end(end);
        if self.nodes > 0 && sizing.admits(self.node(ordinal), element.len()) {
            return self.edit(ordinal, |node| node.push(end, Item::of(element)));
        }
        self.push_node(end, element, sizing);
    }

    #[cold]
    fn push_node(&mut self, end: End, element: &[u8], sizing: Sizing) {
        let old = self.at_end(end);
        if self.nodes > 0 {
            self.edit(old, Node::trim);
        }
        let ordinal = match end {
            End::Left => 0,
            End::Right => self.nodes,
        };
        let node = sizing.node_of(element, if self.nodes > 0 { ANOTHER } else { 0 }, end);
        self.insert_node(ordinal, node);
        self.restore_depth();
    }

    /// Adds a node of a list that is being read at the end.
    pub fn push_node_back(&mut self, node: Node) {
        self.insert_node(self.nodes, node);
        self.restore_depth();
    }

    /// Removes the element at an end, after `take` has seen it.
    #[inline]
    pub fn pop<R>(&mut self, end: End, take: impl FnOnce(Item) -> R) -> Option<R> {
        if self.nodes == 0 {
            return None;
        }
        let ordinal = self.at_end(end);
        if self.node(ordinal).count() == 1 {
            let node = self.remove_node(ordinal);
            self.restore_depth();
            let mut scratch = Vec::new();
            return Some(match node.view(&mut scratch) {
                View::Plain(element) => take(Item::Text(element)),
                View::Packed(lp) => take(iter::first(lp)),
            });
        }
        Some(self.edit(ordinal, |node| node.pop(end, take)))
    }

    /// Compresses and decompresses nodes according to their distance from the ends. Called
    /// whenever nodes are added or removed; the caller that changed an inner node restores that
    /// one.
    fn restore_depth(&mut self) {
        let depth = self.depth as usize;
        if depth == 0 || self.nodes == 0 {
            return;
        }
        let last = self.nodes - 1;
        for distance in 0..=depth.min(last / 2) {
            self.touch_up(distance);
            self.touch_up(last - distance);
        }
    }

    /// Compresses or decompresses a node according to its distance from the ends.
    fn touch_up(&mut self, ordinal: usize) {
        let depth = self.depth as usize;
        if depth == 0 || ordinal >= self.nodes {
            return;
        }
        let outer = ordinal < depth || self.nodes - ordinal <= depth;
        match outer {
            true if !self.node(ordinal).is_compressed() => {}
            true => self.edit(ordinal, Node::decompress),
            false => self.edit(ordinal, Node::compress),
        }
    }

    /// Walks all invariants.
    ///
    /// # Panics
    /// If one is broken.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) {
        let (mut len, mut nodes, mut bytes) = (0, 0, 0);
        for block in &self.blocks {
            assert!(!block.nodes.is_empty() && block.nodes.len() <= BLOCK);
            let count = block.nodes.iter().map(Node::count).sum::<usize>();
            assert_eq!(count, block.count);
            for node in &block.nodes {
                node.check();
                bytes += node.capacity();
            }
            (len, nodes) = (len + count, nodes + block.nodes.len());
        }
        assert_eq!((len, nodes, bytes), (self.len, self.nodes, self.bytes));
        let depth = self.depth as usize;
        for (ordinal, node) in self.iter_nodes().enumerate() {
            let outer = depth == 0 || ordinal < depth || self.nodes - ordinal <= depth;
            assert!(!(outer && node.is_compressed()), "node {ordinal}");
        }
    }
}

impl Sizing {
    /// A node of one element.
    fn node_of(self, element: &[u8], capacity: usize, end: End) -> Node {
        if self.is_large(element.len()) {
            return Node::plain(element);
        }
        let mut node = Node::packed(capacity, end);
        node.push(end, Item::of(element));
        node
    }
}
