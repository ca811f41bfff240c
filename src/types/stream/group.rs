//! A consumer group: how far it has read, and what was delivered but not acknowledged.
//!
//! ```text
//!   Group     pending     id -> (consumer, time and count of deliveries)
//!             consumers   by number; names -> number
//!   Consumer  name, times, its pending ids
//! ```
//!
//! The pending entries are held once, by the group; a consumer only knows their ids. Numbers are
//! not reused while the group lives, so a number never refers to another consumer.

use super::id::StreamId;
use std::collections::{BTreeMap, BTreeSet};

/// A consumer's number in its group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ConsumerId(u32);

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pending {
    pub consumer: ConsumerId,
    /// Unix milliseconds of the latest delivery.
    pub delivered_ms: i64,
    /// The number of deliveries.
    pub count: u64,
}

/// The action to take on a pending entry that `Group::pass` shows.
pub enum Verdict {
    Leave,
    /// It is delivered anew, perhaps to another consumer.
    Deliver(Pending),
    /// It is no longer pending.
    Remove,
    /// It and those behind it are left as they are.
    Stop,
}

/// A member of a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    pub name: Box<[u8]>,
    /// Unix milliseconds of its last request.
    pub seen_ms: i64,
    /// At which it last got something; -1 for never.
    pub active_ms: i64,
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    /// The ids that this consumer has to acknowledge, rising.
    pub fn pending(&self) -> &BTreeSet<StreamId> {
        &self.pending
    }
}

const KNOWN: &str = "numbers come from this group's names";

/// A consumer group of a stream.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The latest id that was delivered.
    pub last_id: StreamId,
    /// The number of entries read up to there; `None` if it is unknown.
    pub entries_read: Option<u64>,
    pending: BTreeMap<StreamId, Pending>,
    names: BTreeMap<Box<[u8]>, ConsumerId>,
    consumers: BTreeMap<ConsumerId, Consumer>,
    next: u32,
}

impl Group {
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Group {
        Group {
            last_id,
            entries_read,
            ..Group::default()
        }
    }

    /// Bytes on the heap, about.
    pub fn bytes(&self) -> usize {
        let pending = size_of::<StreamId>() * 2 + size_of::<Pending>();
        let consumer = size_of::<Consumer>() + 64;
        self.pending.len() * pending + self.names.len() * consumer
    }

    /// All pending entries by id.
    pub fn pending(&self) -> &BTreeMap<StreamId, Pending> {
        &self.pending
    }

    pub fn is_pending(&self, id: StreamId) -> bool {
        self.pending.contains_key(&id)
    }

    pub fn pending_mut(&mut self, id: StreamId) -> Option<&mut Pending> {
        self.pending.get_mut(&id)
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = (ConsumerId, &Consumer)> {
        self.names.values().map(|&id| (id, &self.consumers[&id]))
    }

    /// The number of a consumer, by its name.
    pub fn find(&self, name: &[u8]) -> Option<ConsumerId> {
        self.names.get(name).copied()
    }

    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        &self.consumers[&id]
    }

    pub fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        self.consumers.get_mut(&id).expect(KNOWN)
    }

    /// Adds a consumer whose name is new.
    pub fn add_consumer(&mut self, name: &[u8], now_ms: i64) -> ConsumerId {
        let id = ConsumerId(self.next);
        self.next += 1;
        self.names.insert(name.into(), id);
        self.consumers.insert(
            id,
            Consumer {
                name: name.into(),
                seen_ms: now_ms,
                active_ms: -1,
                pending: BTreeSet::new(),
            },
        );
        id
    }

    /// Removes a consumer with what it had to acknowledge. Returns how many entries that were.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let id = self.names.remove(name)?;
        let consumer = self.consumers.remove(&id)?;
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// Assigns an entry to a consumer, replacing its previous owner.
    pub fn deliver(&mut self, id: StreamId, pending: Pending) {
        if let Some(old) = self.pending.insert(id, pending)
            && old.consumer != pending.consumer
        {
            self.consumer_mut(old.consumer).pending.remove(&id);
        }
        self.consumer_mut(pending.consumer).pending.insert(id);
    }

    /// Passes the pending entries from `start` on, rising, to `judge`, and acts on its verdict.
    pub fn pass(&mut self, start: StreamId, mut judge: impl FnMut(StreamId, Pending) -> Verdict) {
        let (consumers, mut removed) = (&mut self.consumers, Vec::new());
        for (&id, pending) in self.pending.range_mut(start..) {
            let new = match judge(id, *pending) {
                Verdict::Leave => continue,
                Verdict::Stop => break,
                Verdict::Remove => {
                    removed.push(id);
                    continue;
                }
                Verdict::Deliver(new) => new,
            };
            let old = std::mem::replace(pending, new).consumer;
            if old != new.consumer {
                consumers.get_mut(&old).expect(KNOWN).pending.remove(&id);
                let new = consumers.get_mut(&new.consumer).expect(KNOWN);
                new.pending.insert(id);
            }
        }
        for id in removed {
            self.acknowledge(id);
        }
    }

    /// Takes an entry off the list. Returns whether it was there.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        match self.pending.remove(&id) {
            Some(pending) => {
                self.consumer_mut(pending.consumer).pending.remove(&id);
                true
            }
            None => false,
        }
    }

    /// Walks all invariants; for tests and DEBUG.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) -> Result<(), &'static str> {
        let held: usize = self.consumers.values().map(|c| c.pending.len()).sum();
        if held != self.pending.len() || self.names.len() != self.consumers.len() {
            return Err("a group and its consumers disagree on what is pending");
        }
        let agree = self.pending.iter().all(|(id, pending)| {
            let consumer = self.consumers.get(&pending.consumer);
            consumer.is_some_and(|consumer| consumer.pending.contains(id))
        });
        agree.then_some(()).ok_or("a pending entry has no consumer")
    }
}
