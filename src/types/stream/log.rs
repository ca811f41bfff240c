//! The nodes of a stream in the order of their ids: a deque of short runs.
//!
//! Ids only grow, so nodes come at the end and mostly go at the start; a node is found by two binary
//! searches. That takes fewer steps and less memory than the radix tree of Redis, and growing
//! never moves more than the list of runs (one pointer per 12,800 entries of the usual size).
//!
//! ```text
//!   runs   [ node node … ≤ 128 ] [ node … ] [ node … ]
//! ```
//!
//! `tree_nodes` is the number of nodes of such a radix tree, because XINFO STREAM shows it.

use super::id::StreamId;
use super::node::{Entries, Entry, Node};
use std::cell::Cell;
use std::collections::VecDeque;

/// Nodes in a run: a few kilobytes to move at most when one goes out of the middle.
const RUN: usize = 128;

/// The nodes of a stream in the order of their ids.
#[derive(Clone, Debug, Default)]
pub struct Log {
    runs: VecDeque<Vec<Node>>,
    /// Nodes in all runs.
    len: u32,
    /// The figure of `tree_nodes`, or 0 since nodes came or went.
    tree_nodes: Cell<u32>,
}

/// The place of a node; valid until the log changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    run: usize,
    node: usize,
}

/// Finds live entries one after the other, in the order of their ids: a node that holds several of
/// them is read once.
pub struct Finder<'a> {
    log: &'a Log,
    /// The last id of the node that is being read.
    end: Option<StreamId>,
    entries: Option<Entries<'a>>,
    /// The entry read last, if it lies behind the id that was looked for.
    ahead: Option<Entry<'a>>,
}

impl<'a> Finder<'a> {
    /// The entry with this id, if it is there and alive; `id` is greater than those before.
    pub fn find(&mut self, id: StreamId) -> Option<Entry<'a>> {
        if self.end.is_none_or(|end| id > end) {
            let node = self.log.get(self.log.seek(id)?)?;
            (self.end, self.entries) = (Some(node.last_id()), Some(node.iter()));
            self.ahead = None;
        }
        let ahead = self.ahead.take().filter(|entry| entry.id >= id);
        let entry = match ahead {
            Some(entry) => entry,
            None => self.entries.as_mut()?.find(|entry| entry.id >= id)?,
        };
        if entry.id > id {
            self.ahead = Some(entry);
            return None;
        }
        (!entry.deleted).then_some(entry)
    }
}

impl Log {
    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the runs themselves.
    pub fn bytes(&self) -> usize {
        self.runs.len() * RUN * size_of::<Node>()
    }

    pub fn get(&self, at: Place) -> Option<&Node> {
        self.runs.get(at.run)?.get(at.node)
    }

    pub fn get_mut(&mut self, at: Place) -> Option<&mut Node> {
        self.runs.get_mut(at.run)?.get_mut(at.node)
    }

    pub fn first(&self) -> Option<Place> {
        (self.len > 0).then_some(Place { run: 0, node: 0 })
    }

    pub fn last_mut(&mut self) -> Option<&mut Node> {
        self.runs.back_mut()?.last_mut()
    }

    pub fn next(&self, at: Place) -> Option<Place> {
        let within = Place {
            node: at.node + 1,
            ..at
        };
        if self.get(within).is_some() {
            return Some(within);
        }
        let next = Place {
            run: at.run + 1,
            node: 0,
        };
        self.get(next).is_some().then_some(next)
    }

    /// The first node of the run behind `at`, or of this run if the one that was there has gone.
    pub fn after(&self, at: Place) -> Option<Place> {
        let start = |run| Place { run, node: 0 };
        let within = at.node == 0 && self.get(start(at.run)).is_some();
        let run = if within { at.run } else { at.run + 1 };
        self.get(start(run)).map(|_| start(run))
    }

    pub fn prev(&self, at: Place) -> Option<Place> {
        if let Some(node) = at.node.checked_sub(1) {
            return Some(Place { node, ..at });
        }
        let run = at.run.checked_sub(1)?;
        Some(Place {
            run,
            node: self.runs[run].len() - 1,
        })
    }

    /// The node that holds `id` if any does: the last one that begins no later.
    pub fn seek(&self, id: StreamId) -> Option<Place> {
        // Most look at the end, or are about to.
        let run = match self.runs.back() {
            Some(run) if run[0].master <= id => self.runs.len() - 1,
            _ => self
                .runs
                .partition_point(|run| run[0].master <= id)
                .checked_sub(1)?,
        };
        let node = self.runs[run].partition_point(|node| node.master <= id) - 1;
        Some(Place { run, node })
    }

    pub fn finder(&self) -> Finder<'_> {
        Finder {
            log: self,
            end: None,
            entries: None,
            ahead: None,
        }
    }

    /// Adds a node behind all others.
    pub fn push(&mut self, node: Node) {
        self.len += 1;
        self.tree_nodes.set(0);
        match self.runs.back_mut() {
            Some(run) if run.len() < RUN => run.push(node),
            _ => {
                let mut run = Vec::with_capacity(if self.runs.is_empty() { 1 } else { RUN });
                run.push(node);
                self.runs.push_back(run);
            }
        }
    }

    /// Takes a node out.
    pub fn remove(&mut self, at: Place) -> Option<Node> {
        let run = self.runs.get_mut(at.run)?;
        if at.node >= run.len() {
            return None;
        }
        let node = run.remove(at.node);
        self.len -= 1;
        self.tree_nodes.set(0);
        if run.is_empty() {
            self.runs.remove(at.run);
        }
        Some(node)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Node> {
        self.runs.iter().flatten()
    }

    /// The number of nodes that a radix tree of these ids would have, as Redis counts them: a node
    /// where ids part, and one for each stretch of bytes in between. The end of an id is none.
    pub fn tree_nodes(&self) -> usize {
        if self.tree_nodes.get() == 0 {
            let nodes = self.count_tree_nodes();
            self.tree_nodes.set(u32::try_from(nodes).unwrap_or(0));
            return nodes;
        }
        self.tree_nodes.get() as usize
    }

    fn count_tree_nodes(&self) -> usize {
        let mut keys = self.iter().map(|node| node.master.to_key());
        let Some(mut last) = keys.next() else {
            return 1;
        };
        let mut nodes = 0;
        // Depths at which the path to the latest key parts from earlier ones, rising.
        let mut forks: Vec<usize> = Vec::new();
        for key in keys {
            let common = last.iter().zip(&key).take_while(|(a, b)| a == b).count();
            // What hangs below the fork is complete: the forks, the stretches.
            let mut below = last.len();
            while let Some(&fork) = forks.last()
                && fork > common
            {
                nodes += 1 + usize::from(below > fork + 1);
                below = fork;
                forks.pop();
            }
            nodes += usize::from(below > common + 1);
            if forks.last() != Some(&common) {
                forks.push(common);
            }
            last = key;
        }
        let mut below = last.len();
        while let Some(fork) = forks.pop() {
            nodes += 1 + usize::from(below > fork + 1);
            below = fork;
        }
        nodes + usize::from(below > 0)
    }

    /// Walks all invariants; for tests and DEBUG.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) -> Result<(), &'static str> {
        if self.runs.iter().map(Vec::len).sum::<usize>() != self.len() {
            return Err("the nodes are counted wrong");
        }
        if self.tree_nodes() != self.count_tree_nodes() {
            return Err("the nodes of the radix tree are counted wrong");
        }
        if self
            .runs
            .iter()
            .any(|run| run.is_empty() || run.len() > RUN)
        {
            return Err("a run is empty or too long");
        }
        if !self
            .iter()
            .map(|node| node.master)
            .is_sorted_by(|a, b| a < b)
        {
            return Err("nodes are out of order");
        }
        self.iter().try_for_each(|node| {
            if node.live == 0 {
                return Err("a node without live entries stayed");
            }
            node.check()
        })
    }
}
