//! The stream: a log of entries under rising ids, and the groups that consume it.
//!
//! ```text
//!   Stream   log      nodes of entries, by id                      (`log`, `node`)
//!            groups   name -> last delivered id, pending entries   (`group`)
//!            producers  the latest ids of idempotent producers, if any  (`producers`)
//!            last_id, first_id, max_deleted_id, entries_added: the base of lag
//! ```
//!
//! Deleting marks an entry in its node; a node goes when its last live entry does. Trimming takes
//! whole nodes from the start as long as it can and, if it is to be exact, marks entries in the next.
//! Nodes are cut as Redis cuts its listpacks, so both trim the same. Source: the stream design of
//! Redis 5 to 8.10, observed from outside.

mod group;
mod id;
mod log;
mod node;
mod producers;
mod queue;
#[cfg(test)]
mod tests;

pub use group::{COUNT_MAX, Consumer, ConsumerId, Group, Pending, Verdict};
pub use id::{IdText, StreamId, parse_part};
pub use log::Finder;
pub use node::{Entry, Node};
pub use producers::{Producers, Retention, content_id};

use log::{Log, Place};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// The largest node whatever `stream-node-max-bytes` says: 1 GiB.
const NODE_MAX: usize = 1 << 30;

/// A stream: a log of entries under rising ids, and its consumer groups.
#[derive(Debug, Default)]
pub struct Stream {
    log: Log,
    /// Live entries.
    len: u64,
    last_id: StreamId,
    first_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    /// Bytes of all nodes.
    bytes: usize,
    pub groups: BTreeMap<Box<[u8]>, Group>,
    /// `None` for a stream that has the default retention and never had a producer.
    pub producers: Option<Box<Producers>>,
}

// Streams are many and small: what few of them use must not make all of them larger.
const _: () = assert!(size_of::<Stream>() == 144);

/// What the file format must know to hold a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Needs {
    /// Groups and consumers, as all versions know them.
    Groups,
    /// Idempotent producers, or the retention of their ids.
    Producers,
    /// Released entries.
    Released,
}

/// The limits at which nodes are cut.
#[derive(Clone, Copy, Debug)]
pub struct NodeLimits {
    /// 0 for no limit but the largest.
    pub bytes: usize,
    /// 0 for no limit.
    pub entries: u64,
}

/// The direction of a walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Rising,
    Falling,
}

/// The criterion of a trim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    MaxLen(u64),
    MinId(StreamId),
}

/// The exactness of a trim.
#[derive(Clone, Copy, Debug)]
pub struct Trim {
    pub bound: Bound,
    /// Only nodes that lie behind the bound as a whole.
    pub approximate: bool,
    /// Entries to remove at most; 0 for any number.
    pub limit: u64,
}

/// The treatment of group references to an entry that is to be deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum References {
    /// References stay.
    #[default]
    Keep,
    /// References are deleted with the entry.
    Delete,
    /// Only entries that every group has acknowledged are deleted.
    Acknowledged,
}

impl Clone for Stream {
    fn clone(&self) -> Stream {
        let log = self.log.clone();
        Stream {
            // A copy of a node has no room for more.
            bytes: log.iter().map(Node::capacity).sum(),
            log,
            groups: self.groups.clone(),
            producers: self.producers.clone(),
            ..*self
        }
    }
}

impl Stream {
    pub fn new() -> Stream {
        Stream::default()
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The id of the first live entry; 0-0 if there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    pub fn nodes(&self) -> usize {
        self.log.len()
    }

    /// All nodes in order.
    pub fn iter_nodes(&self) -> impl Iterator<Item = &Node> {
        self.log.iter()
    }

    /// Adds a node of a stream that is being read; false if its ids do not follow those before.
    /// `set_ids` comes last.
    pub fn push_node(&mut self, node: Node) -> bool {
        let last = node.last_id();
        if !self.log.is_empty() && node.master <= self.last_id || node.live == 0 {
            return false;
        }
        if self.len == 0 {
            self.first_id = node.first_live_id();
        }
        self.bytes += node.capacity();
        self.len += node.live as u64;
        self.log.push(node);
        self.last_id = last;
        true
    }

    /// Nodes of the radix tree that Redis would have.
    pub fn tree_nodes(&self) -> usize {
        self.log.tree_nodes()
    }

    /// Bytes on the heap, about.
    pub fn bytes(&self) -> usize {
        let producers = self.producers.as_ref().map_or(0, |it| it.bytes());
        let groups: usize = self.groups.values().map(Group::bytes).sum();
        self.bytes + self.log.bytes() + groups + producers
    }

    /// What the file format must know to hold this stream.
    pub fn needs(&self) -> Needs {
        if self.groups.values().any(|group| group.released() > 0) {
            Needs::Released
        } else if self.producers.as_ref().is_some_and(|it| it.is_trace()) {
            Needs::Producers
        } else {
            Needs::Groups
        }
    }

    /// For how long, and how many, ids of idempotent producers are kept.
    pub fn retention(&self) -> Retention {
        let producers = self.producers.as_ref();
        producers.map_or_else(Retention::default, |it| it.retention())
    }

    /// The producers, which are there from now on.
    pub fn producers_mut(&mut self) -> &mut Producers {
        self.producers
            .get_or_insert_with(|| Box::new(Producers::new(Retention::default())))
    }

    /// Sets the ids given by XSETID and loading.
    pub fn set_ids(&mut self, last: StreamId, added: Option<u64>, max_deleted: Option<StreamId>) {
        self.last_id = last;
        self.entries_added = added.unwrap_or(self.entries_added);
        self.max_deleted_id = max_deleted.unwrap_or(self.max_deleted_id);
    }

    /// Adds an entry behind all others; `fields` are names and values in turn. The id must be
    /// greater than the last one.
    pub fn append<'a>(
        &mut self,
        id: StreamId,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
        limits: NodeLimits,
    ) {
        debug_assert!(id > self.last_id || self.entries_added == 0);
        let payload: usize = fields.clone().map(<[u8]>::len).sum();
        let max = match limits.bytes {
            0 => NODE_MAX,
            bytes => bytes.min(NODE_MAX),
        };
        let full = self.log.last_mut().is_none_or(|node| {
            let entries = (node.live + node.deleted) as u64;
            let full = node.listpack_bytes() + payload >= max
                || limits.entries > 0 && entries >= limits.entries;
            if full {
                self.bytes -= node.capacity();
                node.seal();
                self.bytes += node.capacity();
            }
            full
        });
        if full {
            let node = Node::start(id, fields.clone());
            self.bytes += node.capacity();
            self.log.push(node);
        }
        let node = self.log.last_mut().expect("there is one now");
        let before = node.capacity();
        node.push(id, fields);
        self.bytes += node.capacity() - before;
        self.len += 1;
        self.entries_added += 1;
        self.last_id = id;
        if self.len == 1 {
            self.first_id = id;
        }
    }

    /// Shows the live entries from `start` to `end`, both included, until `visit` breaks.
    pub fn walk<B>(
        &self,
        start: StreamId,
        end: StreamId,
        order: Order,
        mut visit: impl FnMut(&Entry) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match order {
            Order::Rising => {
                let mut place = self.log.seek(start).or_else(|| self.log.first());
                while let Some(at) = place {
                    let node = self.log.get(at).expect("places of the log exist");
                    for entry in node.iter() {
                        if entry.id > end {
                            return ControlFlow::Continue(());
                        }
                        if entry.id >= start && !entry.deleted {
                            visit(&entry)?;
                        }
                    }
                    place = self.log.next(at);
                }
            }
            Order::Falling => {
                let mut place = self.log.seek(end);
                let mut entries = Vec::new();
                while let Some(at) = place {
                    let node = self.log.get(at).expect("places of the log exist");
                    place = self.log.prev(at);
                    let Some(last) = node.last() else {
                        continue;
                    };
                    // Most want the last entry and few more; all before it are read for the next.
                    if last.id <= end {
                        if last.id < start {
                            return ControlFlow::Continue(());
                        }
                        if !last.deleted {
                            visit(&last)?;
                        }
                    }
                    entries.clear();
                    entries.extend(node.before(&last).take_while(|entry| entry.id <= end));
                    for entry in entries.iter().rev() {
                        if entry.id < start {
                            return ControlFlow::Continue(());
                        }
                        if !entry.deleted {
                            visit(entry)?;
                        }
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// The entry with this id, if it is there and alive.
    pub fn find(&self, id: StreamId) -> Option<Entry<'_>> {
        let node = self.log.get(self.log.seek(id)?)?;
        node.iter().find(|entry| entry.id == id && !entry.deleted)
    }

    /// A finder of entries under rising ids, and the groups beside it.
    pub fn split(&mut self) -> (Finder<'_>, &mut BTreeMap<Box<[u8]>, Group>) {
        (self.log.finder(), &mut self.groups)
    }

    pub fn contains(&self, id: StreamId) -> bool {
        self.find(id).is_some()
    }

    /// The first live entry's id, or the last one's.
    fn edge(&self, order: Order) -> StreamId {
        let edge = self.walk(StreamId::MIN, StreamId::MAX, order, |entry| {
            ControlFlow::Break(entry.id)
        });
        edge.break_value().unwrap_or(StreamId::MIN)
    }

    /// The id of the last live entry; 0-0 if there is none.
    pub fn last_live_id(&self) -> StreamId {
        self.edge(Order::Falling)
    }

    /// Looks for the first live entry anew, after entries were taken.
    fn update_first(&mut self) {
        self.first_id = self.edge(Order::Rising);
    }

    /// Deletes an entry. Returns whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some(at) = self.log.seek(id) else {
            return false;
        };
        if !self.delete_in(at, id) {
            return false;
        }
        self.max_deleted_id = self.max_deleted_id.max(id);
        if id == self.first_id {
            self.update_first();
        }
        true
    }

    /// Marks an entry of a node, which goes with its last one.
    fn delete_in(&mut self, at: Place, id: StreamId) -> bool {
        let node = self.log.get_mut(at).expect("places of the log exist");
        let found = node.iter().find(|entry| entry.id == id && !entry.deleted);
        let Some(mark) = found.map(|entry| entry.mark()) else {
            return false;
        };
        node.delete(mark);
        self.len -= 1;
        if node.live == 0 {
            self.remove_node(at);
        }
        true
    }

    fn remove_node(&mut self, at: Place) {
        if let Some(node) = self.log.remove(at) {
            self.bytes -= node.capacity();
        }
    }

    /// Removes entries from the start according to `trim`. Returns their number.
    pub fn trim(&mut self, trim: Trim, references: References) -> u64 {
        if let Bound::MaxLen(max) = trim.bound
            && self.len <= max
        {
            return 0;
        }
        let mut removed = 0;
        let mut place = self.log.first();
        while let Some(at) = place {
            let node = self.log.get(at).expect("places of the log exist");
            let entries = node.live as u64;
            if trim.limit > 0 && removed + entries > trim.limit {
                break;
            }
            let whole = match trim.bound {
                Bound::MaxLen(max) => self.len - entries >= max,
                Bound::MinId(id) => node.last_id() < id,
            };
            if whole && references == References::Keep {
                self.len -= entries;
                removed += entries;
                self.remove_node(at);
                place = self.log.first();
                continue;
            }
            // What no group has read yet is needed, and so is all behind it.
            let unread = references == References::Acknowledged && self.is_unread(node.master);
            if trim.approximate && !whole || unread {
                break;
            }
            let nodes = self.log.len();
            let (went, stop) = self.trim_node(at, trim.bound, references);
            removed += went;
            if stop {
                break;
            }
            // Where the node has gone, the next one stands in its place.
            place = if self.log.len() < nodes {
                self.log.get(at).map(|_| at).or_else(|| self.log.after(at))
            } else {
                self.log.next(at)
            };
        }
        self.update_first();
        removed
    }

    /// Takes single entries out of a node. Returns how many, and whether the bound was reached.
    fn trim_node(&mut self, at: Place, bound: Bound, references: References) -> (u64, bool) {
        let node = self.log.get(at).expect("places of the log exist");
        let candidates: Vec<(StreamId, node::Mark)> = node
            .iter()
            .filter(|entry| !entry.deleted)
            .map(|entry| (entry.id, entry.mark()))
            .collect();
        let mut removed = 0;
        for (id, mark) in candidates {
            let reached = match bound {
                Bound::MaxLen(max) => self.len <= max,
                Bound::MinId(min) => id >= min,
            };
            if reached {
                self.drop_if_empty(at);
                return (removed, true);
            }
            match references {
                References::Keep => {}
                References::Delete => self.forget_references(id),
                References::Acknowledged if self.is_referenced(id) => continue,
                References::Acknowledged => {}
            }
            let node = self.log.get_mut(at).expect("places of the log exist");
            node.delete(mark);
            self.len -= 1;
            removed += 1;
        }
        self.drop_if_empty(at);
        (removed, false)
    }

    fn drop_if_empty(&mut self, at: Place) {
        if self.log.get(at).is_some_and(|node| node.live == 0) {
            self.remove_node(at);
        }
    }

    /// The number of entries added up to `id`, if it can be determined.
    pub fn position(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.is_empty() && id <= self.last_id {
            return Some(self.entries_added);
        }
        if id != StreamId::MIN && id < self.max_deleted_id {
            return None;
        }
        if id == self.last_id {
            return Some(self.entries_added);
        }
        if id > self.last_id {
            return None;
        }
        let first = self.first_id;
        if self.max_deleted_id == StreamId::MIN || self.max_deleted_id < first {
            if id < first {
                return Some(self.entries_added - self.len);
            }
            if id == first {
                return Some(self.entries_added - self.len + 1);
            }
        }
        None
    }

    /// Whether some group still waits for an entry: it is pending, or was not delivered yet.
    pub fn is_referenced(&self, id: StreamId) -> bool {
        self.groups
            .values()
            .any(|group| group.last_id < id || group.is_pending(id))
    }

    /// Whether some group was not delivered an entry yet.
    fn is_unread(&self, id: StreamId) -> bool {
        self.groups.values().any(|group| group.last_id < id)
    }

    /// Takes an entry out of the pending lists of all groups.
    pub fn forget_references(&mut self, id: StreamId) {
        for group in self.groups.values_mut() {
            group.acknowledge(id);
        }
    }

    /// Whether entries between two ids, the first excluded, may have been deleted.
    pub fn has_tombstones(&self, start: StreamId) -> bool {
        !self.is_empty()
            && self.max_deleted_id != StreamId::MIN
            && start <= self.max_deleted_id
            && self.first_id <= self.max_deleted_id
    }

    /// Walks all invariants; for tests and DEBUG.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) -> Result<(), &'static str> {
        self.log.check()?;
        if self.log.iter().map(|node| node.live as u64).sum::<u64>() != self.len {
            return Err("the entries are counted wrong");
        }
        if self.log.iter().map(Node::capacity).sum::<usize>() != self.bytes {
            return Err("the bytes are counted wrong");
        }
        if self.edge(Order::Rising) != self.first_id {
            return Err("the first id is not that of the first entry");
        }
        if let Some(producers) = &self.producers {
            producers.check()?;
        }
        self.groups.values().try_for_each(Group::check)
    }
}
