//! Changing a quicklist in the middle: as Redis cuts and merges nodes.
//!
//! Nodes are named by their number from the head here. Finding one skips whole blocks, and what
//! happens in the middle costs a shift inside a node anyway.

use super::{End, Node, Quicklist, Sizing, Toward, View};
use crate::types::listpack::{self, Item, Place};

/// An element's place; good until the list changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spot {
    /// The number of its node.
    pub(super) ordinal: usize,
    /// The offset in its node, and the index there.
    pub(super) at: usize,
    pub(super) inner: usize,
}

impl Quicklist {
    fn sizing(&self, large: usize) -> Sizing {
        Sizing {
            fill: self.fill,
            large,
        }
    }

    /// The first element for which `is` returns true.
    pub fn find(&self, mut is: impl FnMut(Item) -> bool) -> Option<Spot> {
        let mut index = 0;
        let mut found = false;
        self.walk(0, Toward::Tail, |item| {
            found = is(item);
            index += !found as usize;
            !found
        });
        found.then(|| self.spot(index))?
    }

    /// Adds an element beside the one at `spot`.
    pub fn insert(&mut self, spot: Spot, place: Place, element: &[u8], large: usize) {
        let sizing = self.sizing(large);
        let Spot { ordinal, at, inner } = spot;
        let after = place == Place::After;
        self.edit(ordinal, Node::decompress);
        let node = self.node(ordinal);
        let at_edge = match place {
            Place::Before => inner == 0,
            Place::After => inner + 1 == node.count(),
        };
        let neighbour = match place {
            Place::Before => ordinal.checked_sub(1),
            Place::After => Some(ordinal + 1).filter(|&next| next < self.nodes),
        };
        // What fits the node goes into it.
        if sizing.admits(node, element.len()) {
            let at = match after {
                true => listpack::skip(node.listpack(), at),
                false => at,
            };
            self.edit(ordinal, |node| node.insert(at, Item::of(element)));
            return self.touch_up(ordinal);
        }
        let beside = ordinal + after as usize;
        if sizing.is_large(element.len()) {
            // A node of its own: beside this one, or between its parts.
            if !self.node(ordinal).is_plain() && !at_edge {
                self.split(spot, place);
                self.insert_node(ordinal + 1, Node::plain(element));
            } else {
                self.insert_node(beside, Node::plain(element));
            }
            return self.after_insert(ordinal);
        }
        if at_edge || self.node(ordinal).is_plain() {
            let admits = |&neighbour: &usize| sizing.admits(self.node(neighbour), element.len());
            if let Some(neighbour) = neighbour.filter(admits) {
                let end = match place {
                    Place::Before => End::Right,
                    Place::After => End::Left,
                };
                self.edit(neighbour, |node| {
                    node.decompress();
                    node.push(end, Item::of(element));
                });
                self.touch_up(neighbour);
            } else {
                self.insert_node(beside, sizing.node_of(element, 0, End::Right));
            }
            return self.after_insert(ordinal);
        }
        // The full node is cut, and the new element stands at the cut.
        self.split(spot, place);
        let (part, end, center) = match place {
            Place::Before => (ordinal, End::Right, ordinal + 1),
            Place::After => (ordinal + 1, End::Left, ordinal),
        };
        self.edit(part, |node| node.push(end, Item::of(element)));
        self.merge_around(center, sizing);
        self.after_insert(ordinal);
    }

    /// Nodes came or went around `ordinal`.
    fn after_insert(&mut self, ordinal: usize) {
        if self.depth > 0 {
            for near in ordinal.saturating_sub(2)..ordinal + 3 {
                self.touch_up(near);
            }
            self.restore_depth();
        }
    }

    /// Cuts a node before or behind an element that is inside it.
    fn split(&mut self, spot: Spot, place: Place) {
        let (at, inner) = match place {
            Place::Before => (spot.at, spot.inner),
            Place::After => {
                let lp = self.node(spot.ordinal).listpack();
                (listpack::skip(lp, spot.at), spot.inner + 1)
            }
        };
        let tail = self.edit(spot.ordinal, |node| node.split_off(at, inner));
        self.insert_node(spot.ordinal + 1, tail);
    }

    /// Merges neighbours around a node where they are small enough, in Redis's order: the pair
    /// before it, the pair behind it, then itself with what is before and behind.
    fn merge_around(&mut self, mut center: usize, sizing: Sizing) {
        if center >= 2 && self.merge(center - 2, sizing) {
            center -= 1;
        }
        if center + 2 < self.nodes {
            self.merge(center + 1, sizing);
        }
        if center >= 1 && self.merge(center - 1, sizing) {
            center -= 1;
        }
        if center + 1 < self.nodes {
            self.merge(center, sizing);
        }
    }

    /// Merges a node with the next one if that is allowed.
    fn merge(&mut self, ordinal: usize, sizing: Sizing) -> bool {
        if !sizing.merges(self.node(ordinal), self.node(ordinal + 1)) {
            return false;
        }
        let mut next = self.remove_node(ordinal + 1);
        next.decompress();
        self.edit(ordinal, |node| {
            node.decompress();
            node.append(&next);
        });
        true
    }

    /// Puts another element in the place of the one at `spot`.
    pub fn replace(&mut self, spot: Spot, element: &[u8], large: usize) {
        let sizing = self.sizing(large);
        let Spot { ordinal, at, inner } = spot;
        self.edit(ordinal, Node::decompress);
        let node = self.node(ordinal);
        let is_large = sizing.is_large(element.len());
        match (node.is_plain(), is_large) {
            (false, false) => {
                self.edit(ordinal, |node| node.replace(at, Item::of(element)));
            }
            (true, true) => self.edit(ordinal, |node| *node = Node::plain(element)),
            (true, false) => {
                self.insert(spot, Place::After, element, large);
                self.remove_node(ordinal);
            }
            (false, true) => {
                // It stands alone between what was before it and what was behind.
                if inner + 1 < node.count() {
                    self.split(spot, Place::After);
                }
                self.insert_node(ordinal + 1, Node::plain(element));
                if self.node(ordinal).count() == 1 {
                    self.remove_node(ordinal);
                } else {
                    self.edit(ordinal, |node| node.remove(at, 1));
                    self.merge_around(ordinal + 1, sizing);
                }
            }
        }
        self.after_insert(ordinal);
    }

    /// Removes up to `count` elements from index `start` on. Returns how many.
    pub fn remove_range(&mut self, start: usize, count: usize) -> usize {
        let Some(mut spot) = self.spot(start) else {
            return 0;
        };
        let mut left = count.min(self.len - start);
        let removed = left;
        let first = spot.ordinal;
        while left > 0 {
            let held = self.node(spot.ordinal).count();
            if spot.inner == 0 && left >= held {
                self.remove_node(spot.ordinal);
                left -= held;
            } else {
                let at = spot.at;
                let gone = self.edit(spot.ordinal, |node| {
                    node.decompress();
                    node.remove(at, left)
                });
                left -= gone;
                spot.ordinal += 1;
            }
            (spot.at, spot.inner) = (listpack::HEADER, 0);
        }
        self.after_insert(first);
        removed
    }

    /// Removes elements for which `is` returns true, at most `most`, from the end at which the
    /// walk begins. Returns their number.
    pub fn remove_where(
        &mut self,
        toward: Toward,
        most: usize,
        mut is: impl FnMut(Item) -> bool,
    ) -> usize {
        let mut removed = 0;
        let mut ordinal = match toward {
            Toward::Tail => 0,
            Toward::Head => self.nodes.wrapping_sub(1),
        };
        while removed < most && ordinal < self.nodes {
            let before = self.nodes;
            removed += self.remove_in_node(ordinal, toward, most - removed, &mut is);
            match toward {
                Toward::Tail => ordinal += (self.nodes == before) as usize,
                Toward::Head => ordinal = ordinal.wrapping_sub(1),
            }
        }
        if removed > 0 {
            self.restore_depth();
        }
        removed
    }

    fn remove_in_node(
        &mut self,
        ordinal: usize,
        toward: Toward,
        most: usize,
        is: &mut impl FnMut(Item) -> bool,
    ) -> usize {
        let mut matches = Vec::new();
        let mut scratch = Vec::new();
        match self.node(ordinal).view(&mut scratch) {
            View::Plain(element) => matches.extend(is(Item::Text(element)).then_some(0)),
            View::Packed(lp) => {
                let mut next = match toward {
                    Toward::Tail => listpack::first(lp),
                    Toward::Head => listpack::last(lp),
                };
                while let Some(at) = next.filter(|_| matches.len() < most) {
                    if is(listpack::get(lp, at)) {
                        matches.push(at);
                    }
                    next = match toward {
                        Toward::Tail => listpack::next(lp, at),
                        Toward::Head => listpack::prev(lp, at),
                    };
                }
            }
        }
        if matches.len() == self.node(ordinal).count() {
            self.remove_node(ordinal);
            return matches.len();
        }
        if !matches.is_empty() {
            // From the back, so that the offsets of the others stay good.
            matches.sort_unstable();
            self.edit(ordinal, |node| {
                node.decompress();
                for &at in matches.iter().rev() {
                    node.remove(at, 1);
                }
            });
            self.touch_up(ordinal);
        }
        matches.len()
    }
}
