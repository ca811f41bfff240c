//! Blocked clients: the keys they wait for, in order of blocking.
//!
//! A parked client has a ticket, a number that only grows, and stands under it in the queue of each
//! of its keys: so the queue is in order of waiting, and leaving it from the middle is cheap. A key
//! that may end a wait is noted once, however often it changes, and served at the end of the unit in
//! which it changed.
//!
//! ```text
//!   (db 0, "jobs")  ->  7: client 12 list    9: client 3 list    15: client 8 zset
//!   (db 0, "mail")  ->  9: client 3 list
//!   ready           ->  (db 0, "jobs")
//! ```
//!
//! This knows nothing of clients and commands: `server::core::unblock` blocks, serves and unblocks
//! clients. `awaited` tells the keyspace, in a byte, which changes could matter to any blocked
//! client.

use crate::command::effects::DatabaseChange;
use crate::keyspace::DbIndex;
use crate::types::value::Kind;
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// A client in a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiter {
    pub ticket: u64,
    /// The number of the client.
    pub client: u64,
    pub kind: Kind,
    /// Waits for the end of the key, too.
    pub until_gone: bool,
}

/// The clients blocked on one key.
#[derive(Default, Debug)]
struct Queue {
    waiters: BTreeMap<u64, Waiter>,
    until_gone: usize,
    /// Noted in the list of ready keys.
    is_ready: bool,
}

/// A key that is to be served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ready {
    pub db: DbIndex,
    pub key: Vec<u8>,
}

/// The blocked clients, by the keys they wait for.
#[derive(Default)]
pub struct Blocking {
    queues: HashMap<DbIndex, HashMap<Vec<u8>, Queue>>,
    ready: Vec<Ready>,
    last_ticket: u64,
    /// Clients blocked on no key: they are unblocked by the part that they wait for.
    keyless: usize,
    /// Waiting clients, by the type they wait for.
    by_kind: [usize; 6],
    until_gone: usize,
    /// The number of keys waited for, and of keys whose end is waited for.
    keys: usize,
    keys_until_gone: usize,
    /// Clients that wait until the helper thread has freed what they flushed.
    until_freed: Vec<u64>,
    /// Clients that wait for replicas or the log.
    until_acked: Vec<u64>,
    /// Clients that wait for the end of the server.
    until_stopped: Vec<u64>,
    /// Blocked clients with a timeout.
    timed: usize,
    /// Clients blocked until a list grows.
    until_grown: usize,
    /// Keys are being served: what becomes ready meanwhile is served after them.
    is_serving: bool,
}

impl Blocking {
    /// Clients with a timeout.
    pub fn timed(&self) -> usize {
        self.timed
    }

    /// Counts a client that waits for a list to grow, or no longer does. Returns whether there is
    /// one.
    pub fn count_until_grown(&mut self, waits: bool, is_queued: bool) -> bool {
        match is_queued {
            true => self.until_grown += usize::from(waits),
            false => self.until_grown -= usize::from(waits),
        }
        self.until_grown > 0
    }

    /// Counts a client with a timeout that is queued, or no longer is.
    pub fn count_timed(&mut self, is_queued: bool) {
        match is_queued {
            true => self.timed += 1,
            false => self.timed -= 1,
        }
    }

    /// Adds a client whose reply waits until flushed data is freed. Returns whether it is the first.
    pub fn await_freeing(&mut self, client: u64) -> bool {
        self.until_freed.push(client);
        self.until_freed.len() == 1
    }

    /// Whether clients wait until flushed data is freed.
    pub fn awaits_freeing(&self) -> bool {
        !self.until_freed.is_empty()
    }

    /// Takes the clients that wait until flushed data is freed.
    pub fn take_until_freed(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.until_freed)
    }

    /// Adds a client that waits for acknowledgements. Returns whether it is the first.
    pub fn await_acks(&mut self, client: u64) -> bool {
        self.until_acked.push(client);
        self.until_acked.len() == 1
    }

    /// Whether clients wait for acknowledgements.
    pub fn awaits_acks(&self) -> bool {
        !self.until_acked.is_empty()
    }

    /// Takes the clients that wait for acknowledgements.
    pub fn take_until_acked(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.until_acked)
    }

    /// Adds a client that waits for the end of the server.
    pub fn await_stop(&mut self, client: u64) {
        self.until_stopped.push(client);
    }

    /// Takes the clients that wait for the end of the server.
    pub fn take_until_stopped(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.until_stopped)
    }

    /// Begins to serve ready keys, unless that is in progress or there are none. Returns whether it
    /// began.
    pub fn begin_serving(&mut self) -> bool {
        let begins = !self.is_serving && self.has_ready();
        self.is_serving |= begins;
        begins
    }

    /// Ends serving.
    pub fn end_serving(&mut self) {
        self.is_serving = false;
    }

    /// Clients that wait.
    pub fn len(&self) -> usize {
        self.by_kind.iter().sum::<usize>() + self.keyless + self.until_freed.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of keys waited for.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// The number of keys whose end is waited for.
    pub fn keys_until_gone(&self) -> usize {
        self.keys_until_gone
    }

    /// A bit for each type that is waited for, and the one for the end of keys.
    pub fn awaited(&self) -> u8 {
        let bit = |(kind, count): (usize, &usize)| ((*count > 0) as u8) << kind;
        let kinds = self.by_kind.iter().enumerate().map(bit).sum::<u8>();
        kinds | if self.until_gone > 0 { Kind::GONE } else { 0 }
    }

    /// Puts a client at the end of the queues of its keys. Returns its ticket.
    pub fn enter(
        &mut self,
        client: u64,
        kind: Kind,
        until_gone: bool,
        db: DbIndex,
        keys: &[Vec<u8>],
    ) -> u64 {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        if keys.is_empty() {
            self.keyless += 1;
            return ticket;
        }
        let waiter = Waiter {
            ticket,
            client,
            kind,
            until_gone,
        };
        self.by_kind[kind as usize] += 1;
        self.until_gone += until_gone as usize;
        let queues = self.queues.entry(db).or_default();
        for key in keys {
            let queue = queues.entry_ref(key.as_slice()).or_default();
            self.keys += queue.waiters.is_empty() as usize;
            // A key that is named twice counts once.
            if queue.waiters.insert(ticket, waiter).is_none() && until_gone {
                self.keys_until_gone += (queue.until_gone == 0) as usize;
                queue.until_gone += 1;
            }
        }
        ticket
    }

    /// Takes a client out of all its queues.
    pub fn leave(&mut self, ticket: u64, db: DbIndex, keys: &[Vec<u8>]) {
        if keys.is_empty() {
            self.keyless -= 1;
            return;
        }
        let Some(queues) = self.queues.get_mut(&db) else {
            return;
        };
        let mut left = None;
        for key in keys {
            let Some(queue) = queues.get_mut(key) else {
                continue;
            };
            let Some(waiter) = queue.waiters.remove(&ticket) else {
                continue;
            };
            left = Some(waiter);
            if waiter.until_gone {
                queue.until_gone -= 1;
                self.keys_until_gone -= (queue.until_gone == 0) as usize;
            }
            if queue.waiters.is_empty() {
                self.keys -= 1;
                queues.remove(key);
            }
        }
        if let Some(waiter) = left {
            self.by_kind[waiter.kind as usize] -= 1;
            self.until_gone -= waiter.until_gone as usize;
        }
        if queues.is_empty() {
            self.queues.remove(&db);
        }
    }

    /// Notes a change of a key that clients may be blocked on.
    pub fn note_ready(&mut self, db: DbIndex, key: Vec<u8>) {
        let queue = self.queues.get_mut(&db).and_then(|q| q.get_mut(&key));
        if let Some(queue) = queue.filter(|queue| !queue.is_ready) {
            queue.is_ready = true;
            self.ready.push(Ready { db, key });
        }
    }

    /// The keys that a change of whole databases, `databases` in number, may have made ready.
    pub fn note_database_change(&mut self, change: DatabaseChange, databases: u32) {
        if self.is_empty() {
            return;
        }
        match change {
            DatabaseChange::Flushed(db) => self.note_all_ready(db),
            DatabaseChange::FlushedAll | DatabaseChange::Emptied => {
                (0..databases).for_each(|index| self.note_all_ready(DbIndex(index)));
            }
            DatabaseChange::Swapped(a, b) => {
                self.note_all_ready(a);
                self.note_all_ready(b);
            }
        }
    }

    /// Notes all keys of a database that clients are blocked on as ready.
    pub fn note_all_ready(&mut self, db: DbIndex) {
        let Some(queues) = self.queues.get_mut(&db) else {
            return;
        };
        for (key, queue) in queues.iter_mut().filter(|(_, queue)| !queue.is_ready) {
            queue.is_ready = true;
            let key = key.clone();
            self.ready.push(Ready { db, key });
        }
    }

    /// Whether keys were noted as ready and clients must be served.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The keys that became ready, in order. From now on they can be noted again.
    pub fn take_ready(&mut self) -> Vec<Ready> {
        let ready = std::mem::take(&mut self.ready);
        for Ready { db, key } in &ready {
            if let Some(queue) = self.queues.get_mut(db).and_then(|q| q.get_mut(key)) {
                queue.is_ready = false;
            }
        }
        ready
    }

    /// The ticket of the last client blocked on a key.
    pub fn last(&self, ready: &Ready) -> Option<u64> {
        let queue = self.queues.get(&ready.db)?.get(&ready.key)?;
        queue.waiters.last_key_value().map(|(&ticket, _)| ticket)
    }

    /// The first client behind ticket `after`, up to ticket `last`, that can be served now that
    /// the key holds a value of type `kind`, or none.
    pub fn next(&self, ready: &Ready, after: u64, last: u64, kind: Option<Kind>) -> Option<Waiter> {
        let queue = self.queues.get(&ready.db)?.get(&ready.key)?;
        // No client is left: those behind `last` came meanwhile, and a range must not be reversed.
        if after >= last || (kind.is_none() && queue.until_gone == 0) {
            return None;
        }
        let mut rest = queue.waiters.range(after + 1..=last);
        rest.find(|(_, waiter)| waiter.until_gone || Some(waiter.kind) == kind)
            .map(|(_, waiter)| *waiter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DB: DbIndex = DbIndex(0);

    fn keys(names: &[&str]) -> Vec<Vec<u8>> {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    fn ready(name: &str) -> Ready {
        let key = name.as_bytes().to_vec();
        Ready { db: DB, key }
    }

    #[test]
    fn blocked_clients_are_served_in_order() {
        let mut blocking = Blocking::default();
        let (a, b) = (keys(&["k", "l", "k"]), keys(&["k"]));
        let first = blocking.enter(5, Kind::List, false, DB, &a);
        let second = blocking.enter(3, Kind::Zset, false, DB, &b);
        let third = blocking.enter(9, Kind::List, false, DB, &b);
        assert_eq!((blocking.len(), blocking.keys()), (3, 2));
        assert_eq!(blocking.last(&ready("k")), Some(third));
        let next = |b: &Blocking, after, kind| b.next(&ready("k"), after, third, kind);
        let client = |waiter: Option<Waiter>| waiter.map(|waiter| waiter.client);
        assert_eq!(client(next(&blocking, 0, Some(Kind::List))), Some(5));
        assert_eq!(client(next(&blocking, first, Some(Kind::List))), Some(9));
        assert_eq!(client(next(&blocking, 0, Some(Kind::Zset))), Some(3));
        assert_eq!(next(&blocking, 0, Some(Kind::Stream)), None);
        assert_eq!(next(&blocking, 0, None), None);
        // A client that blocks again goes to the end of the queue, and is not served in this
        // round.
        let again = blocking.enter(5, Kind::List, false, DB, &b);
        assert_eq!(next(&blocking, third, Some(Kind::List)), None);
        blocking.leave(again, DB, &b);
        blocking.leave(first, DB, &a);
        blocking.leave(second, DB, &b);
        assert_eq!(client(next(&blocking, 0, Some(Kind::List))), Some(9));
        blocking.leave(third, DB, &b);
        assert!(blocking.is_empty() && blocking.queues.is_empty());
        assert_eq!((blocking.keys(), blocking.awaited()), (0, 0));
    }

    #[test]
    fn a_key_is_noted_once_and_only_if_awaited() {
        let mut blocking = Blocking::default();
        let ticket = blocking.enter(1, Kind::Stream, true, DB, &keys(&["s"]));
        assert_eq!(blocking.awaited(), 1 << Kind::Stream as u8 | Kind::GONE);
        assert_eq!(blocking.keys_until_gone(), 1);
        blocking.note_ready(DB, b"other".to_vec());
        blocking.note_ready(DbIndex(1), b"s".to_vec());
        assert!(!blocking.has_ready());
        blocking.note_ready(DB, b"s".to_vec());
        blocking.note_all_ready(DB);
        assert_eq!(blocking.take_ready(), [ready("s")]);
        assert!(blocking.next(&ready("s"), 0, ticket, None).is_some());
        blocking.note_all_ready(DB);
        assert_eq!(blocking.take_ready().len(), 1);
    }
}
