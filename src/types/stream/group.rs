//! A consumer group: how far it has read, and what was delivered but not acknowledged.
//!
//! ```text
//!   Group     pending     id -> (consumer or none, time and count of deliveries)
//!             consumers   by number; names -> number
//!             queue       pending ids by age, once a command has asked for that   (`queue`)
//!   Consumer  name, times, its pending ids
//! ```
//!
//! The pending entries are held once, by the group; a consumer only knows their ids. Numbers are
//! not reused while the group lives, so a number never refers to another consumer. A released entry
//! (XNACK) is pending without a consumer.

use super::id::StreamId;
use super::queue::{Queue, Turn};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

/// A consumer's number in its group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ConsumerId(NonZeroU32);

/// The highest number of deliveries that is counted.
pub const COUNT_MAX: u64 = i64::MAX as u64;

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pending {
    /// The consumer that has to acknowledge it; `None` after it was released.
    pub consumer: Option<ConsumerId>,
    /// Orders deliveries of the same millisecond.
    turn: u32,
    /// Unix milliseconds of the latest delivery; of a released entry, its number among those that
    /// were released.
    since: i64,
    /// The number of deliveries.
    pub count: u64,
}

// All groups pay for these fields, so they have to fit where the alignment leaves room.
const _: () = assert!(size_of::<Pending>() == 24 && size_of::<Group>() == 112);

impl Pending {
    /// An entry delivered to a consumer at a time in Unix milliseconds.
    pub fn delivered(consumer: ConsumerId, delivered_ms: i64, count: u64) -> Pending {
        Pending {
            consumer: Some(consumer),
            turn: 0,
            since: delivered_ms,
            count,
        }
    }

    /// Unix milliseconds of the latest delivery; 0 for a released entry, as in Redis.
    pub fn delivered_ms(&self) -> i64 {
        match self.consumer {
            Some(_) => self.since,
            None => 0,
        }
    }

    pub fn is_released(&self) -> bool {
        self.consumer.is_none()
    }

    /// Milliseconds since the latest delivery. Any time is too long for a released entry.
    pub fn idle_ms(&self, now_ms: i64) -> i64 {
        match self.consumer {
            Some(_) => now_ms.saturating_sub(self.since),
            None => i64::MAX,
        }
    }

    /// The count after another delivery.
    pub fn next_count(&self) -> u64 {
        self.count.max(self.count.saturating_add(1).min(COUNT_MAX))
    }

    pub(super) fn turn(&self, id: StreamId) -> Turn {
        Turn::new(self.consumer.is_some(), self.since, self.turn, id)
    }
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
    /// The number of entries read up to there; `UNKNOWN` if it is unknown.
    entries_read: u64,
    pending: BTreeMap<StreamId, Pending>,
    names: BTreeMap<Box<[u8]>, ConsumerId>,
    consumers: BTreeMap<ConsumerId, Consumer>,
    /// The last number that a consumer got.
    last: u32,
    /// The turn of the latest delivery.
    turn: u32,
    queue: Option<Box<Queue>>,
}

const UNKNOWN: u64 = u64::MAX;

impl Group {
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Group {
        Group {
            last_id,
            entries_read: entries_read.unwrap_or(UNKNOWN),
            ..Group::default()
        }
    }

    /// The number of entries read up to `last_id`; `None` if it is unknown.
    pub fn entries_read(&self) -> Option<u64> {
        (self.entries_read != UNKNOWN).then_some(self.entries_read)
    }

    pub fn set_entries_read(&mut self, read: Option<u64>) {
        self.entries_read = read.unwrap_or(UNKNOWN);
    }

    /// Bytes on the heap, about.
    pub fn bytes(&self) -> usize {
        let pending = size_of::<StreamId>() * 2 + size_of::<Pending>();
        let consumer = size_of::<Consumer>() + 64;
        let queue = self.queue.as_ref().map_or(0, |queue| queue.bytes());
        self.pending.len() * pending + self.names.len() * consumer + queue
    }

    /// All pending entries by id.
    pub fn pending(&self) -> &BTreeMap<StreamId, Pending> {
        &self.pending
    }

    pub fn is_pending(&self, id: StreamId) -> bool {
        self.pending.contains_key(&id)
    }

    /// The number of released entries.
    pub fn released(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.released())
    }

    /// The released entries, in the order in which they were released.
    pub fn released_ids(&self) -> impl Iterator<Item = StreamId> {
        self.queue.iter().flat_map(|queue| queue.released_ids())
    }

    /// All pending entries, the released ones first, then by the time of their delivery. The group
    /// keeps that order from the first call on.
    pub fn by_age(&mut self) -> impl Iterator<Item = (StreamId, &Pending)> {
        let pending = &self.pending;
        let queue = self.queue.get_or_insert_with(|| Queue::of(pending));
        queue.ids().map(|id| (id, &pending[&id]))
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

    /// The name of the consumer of a pending entry; none if it is released.
    pub fn holder(&self, pending: &Pending) -> &[u8] {
        pending.consumer.map_or(b"", |id| &self.consumer(id).name)
    }

    pub fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        self.consumers.get_mut(&id).expect(KNOWN)
    }

    /// Adds a consumer whose name is new.
    pub fn add_consumer(&mut self, name: &[u8], now_ms: i64) -> ConsumerId {
        self.last += 1;
        let id = ConsumerId(NonZeroU32::new(self.last).expect("numbers begin at 1"));
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
            if let (Some(old), Some(queue)) = (self.pending.remove(id), &mut self.queue) {
                queue.remove(old.turn(*id));
            }
        }
        Some(consumer.pending.len())
    }

    /// Assigns an entry to a consumer, replacing its previous owner.
    pub fn deliver(&mut self, id: StreamId, pending: Pending) {
        self.turn = self.turn.wrapping_add(1);
        let pending = Pending {
            turn: self.turn,
            ..pending
        };
        let old = self.pending.insert(id, pending);
        if let Some(queue) = &mut self.queue {
            queue.replace(old.map(|old| old.turn(id)), pending.turn(id));
        }
        let former = old.and_then(|old| old.consumer);
        if let Some(former) = former.filter(|&former| Some(former) != pending.consumer) {
            self.consumer_mut(former).pending.remove(&id);
        }
        if let Some(consumer) = pending.consumer.filter(|_| former != pending.consumer) {
            self.consumer_mut(consumer).pending.insert(id);
        }
    }

    /// Delivers a pending entry once more to its consumer. Returns its new number of deliveries.
    pub fn redeliver(&mut self, id: StreamId, now_ms: i64) -> Option<u64> {
        let pending = self.pending.get_mut(&id)?;
        let old = *pending;
        self.turn = self.turn.wrapping_add(1);
        (pending.since, pending.turn) = (now_ms, self.turn);
        pending.count = old.next_count();
        if let Some(queue) = &mut self.queue {
            queue.replace(Some(old.turn(id)), pending.turn(id));
        }
        Some(pending.count)
    }

    /// Takes an entry from its consumer without acknowledging it: it waits behind those released
    /// before, and before all others. It becomes pending if it was not.
    pub fn release(&mut self, id: StreamId, count: u64) {
        let pending = &self.pending;
        let queue = self.queue.get_or_insert_with(|| Queue::of(pending));
        let released = Pending {
            consumer: None,
            turn: 0,
            since: queue.next_release(),
            count,
        };
        let old = self.pending.insert(id, released);
        queue.replace(old.map(|old| old.turn(id)), released.turn(id));
        if let Some(consumer) = old.and_then(|old| old.consumer) {
            self.consumer_mut(consumer).pending.remove(&id);
        }
    }

    /// Orders deliveries of the same time by id: the order of a group that was read from a file.
    pub fn order_by_id(&mut self) {
        for (turn, pending) in (0..).zip(self.pending.values_mut()) {
            (pending.turn, self.turn) = (turn, turn);
        }
        self.queue = None;
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
            self.turn = self.turn.wrapping_add(1);
            let new = Pending {
                turn: self.turn,
                ..new
            };
            let old = std::mem::replace(pending, new);
            if let Some(queue) = &mut self.queue {
                queue.replace(Some(old.turn(id)), new.turn(id));
            }
            if old.consumer == new.consumer {
                continue;
            }
            if let Some(former) = old.consumer {
                consumers.get_mut(&former).expect(KNOWN).pending.remove(&id);
            }
            if let Some(consumer) = new.consumer {
                consumers
                    .get_mut(&consumer)
                    .expect(KNOWN)
                    .pending
                    .insert(id);
            }
        }
        for id in removed {
            self.acknowledge(id);
        }
    }

    /// Takes an entry off the list. Returns whether it was there.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(old) = self.pending.remove(&id) else {
            return false;
        };
        if let Some(queue) = &mut self.queue {
            queue.remove(old.turn(id));
        }
        if let Some(consumer) = old.consumer {
            self.consumer_mut(consumer).pending.remove(&id);
        }
        true
    }

    /// Walks all invariants; for tests and DEBUG.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn check(&self) -> Result<(), &'static str> {
        let held: usize = self.consumers.values().map(|c| c.pending.len()).sum();
        let released = self.pending.values().filter(|p| p.is_released()).count();
        if held + released != self.pending.len() || self.names.len() != self.consumers.len() {
            return Err("a group and its consumers disagree on what is pending");
        }
        let agree = self.pending.iter().all(|(id, pending)| {
            let consumer = pending
                .consumer
                .map(|consumer| self.consumers.get(&consumer));
            consumer.is_none_or(|consumer| consumer.is_some_and(|c| c.pending.contains(id)))
        });
        if !agree {
            return Err("a pending entry has no consumer");
        }
        match &self.queue {
            None if released > 0 => Err("released entries are in no queue"),
            Some(queue) if released != queue.released() => Err("released entries are miscounted"),
            Some(queue) if **queue != *queue.rebuilt(&self.pending) => {
                Err("the order of pending entries is wrong")
            }
            _ => Ok(()),
        }
    }
}
