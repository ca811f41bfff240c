//! The pending entries of a group by age: released ones in the order of their release, then the
//! others by the time of their delivery.
//!
//! XREADGROUP CLAIM hands entries out in this order. A group has it from the first command on that
//! needs it, so that other groups do not pay for it.

use super::group::Pending;
use super::id::StreamId;
use std::collections::{BTreeMap, BTreeSet};

/// The place of a pending entry in the queue of its group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Turn {
    /// Released entries come first.
    is_owned: bool,
    /// The time of the delivery, or the number of the release.
    since: i64,
    /// The order within a millisecond.
    turn: u32,
    id: StreamId,
}

impl Turn {
    pub fn new(is_owned: bool, since: i64, turn: u32, id: StreamId) -> Turn {
        Turn {
            is_owned,
            since,
            turn,
            id,
        }
    }
}

/// The pending entries of a group by age.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    turns: BTreeSet<Turn>,
    /// The number of released entries.
    released: usize,
    /// The number of the next release.
    next: i64,
}

impl Queue {
    /// The queue of pending entries none of which is released.
    pub fn of(pending: &BTreeMap<StreamId, Pending>) -> Box<Queue> {
        Box::new(Queue {
            turns: pending.iter().map(|(&id, it)| it.turn(id)).collect(),
            ..Queue::default()
        })
    }

    /// Bytes on the heap, about.
    pub fn bytes(&self) -> usize {
        size_of::<Queue>() + self.turns.len() * size_of::<Turn>() * 5 / 4
    }

    pub fn released(&self) -> usize {
        self.released
    }

    /// The number of the next release.
    pub fn next_release(&mut self) -> i64 {
        self.next += 1;
        self.next - 1
    }

    pub fn ids(&self) -> impl Iterator<Item = StreamId> {
        self.turns.iter().map(|turn| turn.id)
    }

    pub fn released_ids(&self) -> impl Iterator<Item = StreamId> {
        self.ids().take(self.released)
    }

    pub fn remove(&mut self, turn: Turn) {
        self.turns.remove(&turn);
        self.released -= usize::from(!turn.is_owned);
    }

    /// Moves an entry, or adds a new one.
    pub fn replace(&mut self, old: Option<Turn>, new: Turn) {
        if let Some(old) = old {
            self.remove(old);
        }
        self.turns.insert(new);
        self.released += usize::from(!new.is_owned);
    }

    /// The queue as it should be; for tests and DEBUG.
    #[cfg(any(test, debug_assertions, feature = "testing"))]
    pub fn rebuilt(&self, pending: &BTreeMap<StreamId, Pending>) -> Box<Queue> {
        Box::new(Queue {
            released: pending.values().filter(|it| it.is_released()).count(),
            next: self.next,
            ..*Queue::of(pending)
        })
    }
}
