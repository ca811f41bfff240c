//! Reading a quicklist: one element, or many in a row.
//!
//! A walk calls back for each element instead of being an iterator, because a compressed node is
//! read from a buffer that does not outlive it.

use super::{Block, Node, Quicklist, Spot, View};
use crate::types::listpack::{self, END, HEADER, Item};

/// The direction of a walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Toward {
    Tail,
    Head,
}

/// The first element of a listpack that has one.
pub(super) fn first(lp: &[u8]) -> Item<'_> {
    listpack::get(lp, HEADER)
}

impl Quicklist {
    /// The place of element `index`.
    pub fn spot(&self, index: usize) -> Option<Spot> {
        if index >= self.len {
            return None;
        }
        let (ordinal, inner) = match index <= self.len / 2 {
            true => self.node_from_head(index),
            false => self.node_from_tail(self.len - index),
        };
        let mut scratch = Vec::new();
        let at = match self.node(ordinal).view(&mut scratch) {
            View::Plain(_) => 0,
            View::Packed(lp) => listpack::seek(lp, inner as i64).expect("counted"),
        };
        Some(Spot { ordinal, at, inner })
    }

    /// The node of the element before which there are `left`, and its index there.
    fn node_from_head(&self, mut left: usize) -> (usize, usize) {
        let mut ordinal = 0;
        for Block { nodes, count } in &self.blocks {
            if left >= *count {
                left -= count;
                ordinal += nodes.len();
                continue;
            }
            for node in nodes {
                if left < node.count() {
                    return (ordinal, left);
                }
                left -= node.count();
                ordinal += 1;
            }
        }
        panic!("an element behind the end")
    }

    /// The node of the element from which on there are `behind`, itself counted, and its index.
    fn node_from_tail(&self, mut behind: usize) -> (usize, usize) {
        let mut ordinal = self.nodes;
        for Block { nodes, count } in self.blocks.iter().rev() {
            if behind > *count {
                behind -= count;
                ordinal -= nodes.len();
                continue;
            }
            for node in nodes.iter().rev() {
                ordinal -= 1;
                if behind <= node.count() {
                    return (ordinal, node.count() - behind);
                }
                behind -= node.count();
            }
        }
        panic!("an element before the start")
    }

    /// Lets `see` look at element `index`.
    pub fn get<R>(&self, index: usize, see: impl FnOnce(Item) -> R) -> Option<R> {
        let spot = self.spot(index)?;
        let mut scratch = Vec::new();
        Some(match self.node(spot.ordinal).view(&mut scratch) {
            View::Plain(element) => see(Item::Text(element)),
            View::Packed(lp) => see(listpack::get(lp, spot.at)),
        })
    }

    /// Visits the elements from `index` on, until `visit` returns false.
    #[inline]
    pub fn walk(&self, index: usize, toward: Toward, mut visit: impl FnMut(Item) -> bool) {
        let Some(spot) = self.spot(index) else {
            return;
        };
        let (mut block, mut at) = self.place(spot.ordinal);
        let mut from = Some(spot.at);
        loop {
            let node = &self.blocks[block].nodes[at];
            if !visit_node(node, from.take(), toward, &mut visit) {
                return;
            }
            match toward {
                Toward::Tail => {
                    at += 1;
                    if at == self.blocks[block].nodes.len() {
                        (block, at) = (block + 1, 0);
                        if block == self.blocks.len() {
                            return;
                        }
                    }
                }
                Toward::Head => {
                    if at == 0 {
                        if block == 0 {
                            return;
                        }
                        block -= 1;
                        at = self.blocks[block].nodes.len();
                    }
                    at -= 1;
                }
            }
        }
    }
}

/// Visits the elements of a node from offset `from` on, or from its end. False if that is enough.
#[inline]
fn visit_node(
    node: &Node,
    from: Option<usize>,
    toward: Toward,
    visit: &mut impl FnMut(Item) -> bool,
) -> bool {
    let mut scratch = Vec::new();
    let lp = match node.view(&mut scratch) {
        View::Plain(element) => return visit(Item::Text(element)),
        View::Packed(lp) => lp,
    };
    visit_listpack(lp, from, toward, visit)
}

/// The same for a listpack.
#[inline]
pub fn visit_listpack(
    lp: &[u8],
    from: Option<usize>,
    toward: Toward,
    visit: &mut impl FnMut(Item) -> bool,
) -> bool {
    if toward == Toward::Tail {
        let mut at = from.unwrap_or(HEADER);
        while lp[at] != END {
            if !visit(listpack::get(lp, at)) {
                return false;
            }
            at = listpack::skip(lp, at);
        }
        return true;
    }
    let mut next = from.or_else(|| listpack::last(lp));
    while let Some(at) = next {
        if !visit(listpack::get(lp, at)) {
            return false;
        }
        next = listpack::prev(lp, at);
    }
    true
}
