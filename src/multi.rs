//! Transactions: the queue between MULTI and EXEC, and the watched keys.
//!
//! A client between MULTI and EXEC has a `Transaction`: its commands as they came, each resolved to
//! its place in the command table. What all of them together may do (write, take memory) is kept as
//! one set of flags, because the gates ask EXEC for it.
//!
//! WATCH enters a client under each of its keys. The first change of one of them marks the client
//! and takes it out of all its queues: EXEC will reply with a null, whatever else happens. Whether
//! a key had expired already when it was watched is remembered, for then its removal is no change.
//!
//! ```text
//!   (db 0, "stock") -> client 4, client 9          4 -> [(db 0, "stock")]
//!   (db 2, "cart")  -> client 9                    9 -> [(db 0, "stock"), (db 2, "cart")]
//! ```
//!
//! This knows nothing of commands and databases: `server::commands::transactions` queues and runs,
//! `server::core::unit` says which keys changed.

use crate::command::effects::DatabaseChange;
use crate::command::spec::{Flags, LOADING, STALE};
use crate::keyspace::{DbIndex, Garbage, Keyspace};
use crate::resp::request::OwnedArgv;
use hashbrown::HashMap;

/// A command that waits for EXEC.
#[derive(Debug)]
pub struct Queued {
    /// Its place in the command table.
    pub number: u16,
    /// The number of words that name it.
    pub skip: usize,
    pub argv: OwnedArgv,
}

/// The commands that a client queues between MULTI and EXEC.
#[derive(Debug)]
pub struct Transaction {
    queue: Vec<Queued>,
    /// Commands queued so far, which stays while EXEC runs them.
    len: usize,
    /// A command could not be queued, so EXEC will refuse.
    pub failed: bool,
    /// The combined flags of the queued commands.
    pub flags: Flags,
    /// Of what allows a command at special times, what not all of them have.
    pub lacks: Flags,
    argument_bytes: usize,
    /// Memory that they take.
    held_bytes: usize,
}

impl Default for Transaction {
    fn default() -> Self {
        Transaction {
            queue: Vec::new(),
            len: 0,
            failed: false,
            flags: Flags::NONE,
            lacks: Flags::NONE,
            argument_bytes: 0,
            held_bytes: 0,
        }
    }
}

impl Transaction {
    pub fn push(&mut self, command: Queued, flags: Flags) {
        self.flags = self.flags | flags;
        self.lacks = self.lacks | Flags(!flags.0 & (STALE | LOADING).0);
        // As Redis counts: what was sent, and a pointer to each argument.
        let argv = command.argv.as_argv();
        self.argument_bytes += argv.iter().map(|arg| arg.len() + 8).sum::<usize>();
        self.held_bytes += command.argv.bytes();
        self.queue.push(command);
        self.len += 1;
    }

    /// The commands, to be run now.
    pub fn take(&mut self) -> Vec<Queued> {
        (self.argument_bytes, self.held_bytes) = (0, 0);
        std::mem::take(&mut self.queue)
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes of the arguments that wait.
    pub fn argument_bytes(&self) -> usize {
        self.argument_bytes
    }

    /// Bytes held, for memory accounting.
    pub fn bytes(&self) -> usize {
        self.held_bytes + self.queue.capacity() * size_of::<Queued>()
    }
}

/// A client in the list of a key it watches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    client: u64,
    /// The key's time had come already when the client began to watch it.
    was_expired: bool,
}

/// The keys that a client watches.
#[derive(Default)]
struct Watcher {
    keys: Vec<(DbIndex, Vec<u8>)>,
    /// A watched key changed.
    is_dirty: bool,
}

/// The watched keys, and the clients watching them.
#[derive(Default)]
pub struct WatchIndex {
    watchers: HashMap<u64, Watcher>,
    /// The clients under each key, in the order in which they came.
    keys: HashMap<DbIndex, HashMap<Vec<u8>, Vec<Place>>>,
    watching: usize,
    watched_keys: usize,
}

/// The effect on a watched key of emptying or replacing its whole database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WatchEffect {
    /// It was not there before and is not there now.
    Unchanged,
    /// It came or went, or another took its place.
    Changed,
    /// The value is overdue, and so as good as absent.
    Overdue,
}

impl WatchIndex {
    /// Clients that watch something.
    pub fn clients(&self) -> usize {
        self.watching
    }

    /// The number of watched keys.
    pub fn keys(&self) -> usize {
        self.watched_keys
    }

    pub fn is_empty(&self) -> bool {
        self.watched_keys == 0
    }

    /// Whether something that a client watches, or watched, has changed.
    pub fn is_dirty(&self, client: u64) -> bool {
        self.watchers.get(&client).is_some_and(|one| one.is_dirty)
    }

    /// Adds a client to a key's watchers; `was_expired` if the key is overdue already.
    pub fn watch(&mut self, client: u64, db: DbIndex, key: &[u8], was_expired: bool) {
        let watcher = self.watchers.entry(client).or_default();
        // Nothing can make it clean again, so there is no point in watching more.
        if watcher.is_dirty {
            return;
        }
        let places = self.keys.entry(db).or_default().entry_ref(key);
        let places = places.or_default();
        if places.iter().any(|place| place.client == client) {
            return;
        }
        self.watching += watcher.keys.is_empty() as usize;
        self.watched_keys += places.is_empty() as usize;
        places.push(Place {
            client,
            was_expired,
        });
        watcher.keys.push((db, key.to_vec()));
    }

    /// Removes a client from the watchers of its keys. Returns whether it watched any, or had.
    pub fn forget(&mut self, client: u64) -> bool {
        // Most transactions watch nothing.
        if self.watchers.is_empty() {
            return false;
        }
        self.leave_all(client);
        self.watchers.remove(&client).is_some()
    }

    fn leave_all(&mut self, client: u64) {
        let Some(watcher) = self.watchers.get_mut(&client) else {
            return;
        };
        let keys = std::mem::take(&mut watcher.keys);
        self.watching -= !keys.is_empty() as usize;
        for (db, key) in keys {
            let Some(of_db) = self.keys.get_mut(&db) else {
                continue;
            };
            let Some(places) = of_db.get_mut(&key) else {
                continue;
            };
            places.retain(|place| place.client != client);
            if places.is_empty() {
                of_db.remove(&key);
                self.watched_keys -= 1;
            }
            if of_db.is_empty() {
                self.keys.remove(&db);
            }
        }
    }

    fn mark(&mut self, client: u64) {
        self.leave_all(client);
        self.watchers.entry(client).or_default().is_dirty = true;
    }

    /// Marks the clients that watch a changed key; `is_there` returns whether it exists now.
    pub fn touch(&mut self, db: DbIndex, key: &[u8], is_there: impl FnOnce() -> bool) {
        let places = self.keys.get_mut(&db).and_then(|of_db| of_db.get_mut(key));
        let Some(places) = places else {
            return;
        };
        // An expired key is removed at last: no change for a client that watches it.
        let effect = match is_there() {
            false => WatchEffect::Unchanged,
            true => WatchEffect::Changed,
        };
        let touched = decide(places, |was_expired| match was_expired {
            true => effect,
            false => WatchEffect::Changed,
        });
        touched.into_iter().for_each(|client| self.mark(client));
    }

    /// Marks clients after a whole database was emptied or replaced; `effect` returns the effect on
    /// each watched key, given whether it had expired when it was first watched.
    pub fn touch_all(&mut self, db: DbIndex, mut effect: impl FnMut(&[u8], bool) -> WatchEffect) {
        let Some(of_db) = self.keys.get_mut(&db) else {
            return;
        };
        let mut touched = Vec::new();
        for (key, places) in of_db {
            touched.extend(decide(places, |was_expired| effect(key, was_expired)));
        }
        touched.into_iter().for_each(|client| self.mark(client));
    }

    /// The keys that a client watches.
    pub fn watched(&self, client: u64) -> &[(DbIndex, Vec<u8>)] {
        self.watchers.get(&client).map_or(&[], |one| &one.keys)
    }

    /// Whether a key that a client watches had expired when it began to.
    pub fn was_expired(&self, client: u64, db: DbIndex, key: &[u8]) -> bool {
        let places = self.keys.get(&db).and_then(|of_db| of_db.get(key));
        let mut places = places.into_iter().flatten();
        places.any(|place| place.client == client && place.was_expired)
    }
}

/// The clients watching a key that are to be marked.
fn decide(places: &mut [Place], mut effect: impl FnMut(bool) -> WatchEffect) -> Vec<u64> {
    let mut touched = Vec::new();
    for place in places {
        match effect(place.was_expired) {
            WatchEffect::Unchanged => place.was_expired = false,
            WatchEffect::Overdue => place.was_expired = true,
            WatchEffect::Changed => touched.push(place.client),
        }
    }
    touched
}

/// Changes of whole databases, and time.
impl WatchIndex {
    /// Marks the clients that watch keys of an emptied or replaced database.
    pub fn touch_database(&mut self, keyspace: &Keyspace, change: DatabaseChange) {
        let mut emptied = |db: DbIndex| {
            self.touch_all(db, |key, was_expired| {
                let was_there = keyspace.shared.to_free.iter().any(|job| {
                    matches!(&job.garbage, Garbage::Entries(of, entries)
                        if *of == db && entries.find(keyspace.hash(key), key).is_some())
                });
                match (was_there, was_expired) {
                    (true, false) => WatchEffect::Changed,
                    _ => WatchEffect::Unchanged,
                }
            });
        };
        match change {
            DatabaseChange::Flushed(db) => emptied(db),
            DatabaseChange::FlushedAll | DatabaseChange::Emptied => {
                (0..keyspace.databases()).for_each(|index| emptied(DbIndex(index)));
            }
            DatabaseChange::Swapped(a, b) => {
                for (db, before) in [(a, b), (b, a)] {
                    self.touch_all(db, |key, was_expired| {
                        let was_there = keyspace.holds(before, key);
                        fate_of_replaced(keyspace, db, key, was_there, was_expired)
                    });
                }
            }
        }
    }

    /// Marks the clients that watch keys whose data set was replaced.
    pub fn touch_exchanged(&mut self, before: &Keyspace, keyspace: &Keyspace) {
        for index in 0..keyspace.databases() {
            let db = DbIndex(index);
            self.touch_all(db, |key, was_expired| {
                let was_there = before.holds(db, key);
                fate_of_replaced(keyspace, db, key, was_there, was_expired)
            });
        }
    }

    /// Whether a key that a client watches has expired since WATCH. It may not be removed yet.
    pub fn has_expired(&self, client: u64, keyspace: &Keyspace) -> bool {
        self.watched(client)
            .iter()
            .any(|(db, key)| keyspace.is_overdue(*db, key) && !self.was_expired(client, *db, key))
    }
}

/// Returns what replacing a whole database means for a watched key.
fn fate_of_replaced(
    keyspace: &Keyspace,
    db: DbIndex,
    key: &[u8],
    was_there: bool,
    was_expired: bool,
) -> WatchEffect {
    let is_there = keyspace.holds(db, key);
    let is_overdue = is_there && keyspace.is_overdue(db, key);
    match (was_there, is_there, was_expired) {
        (false, false, true) => WatchEffect::Overdue,
        (false, false, false) => WatchEffect::Unchanged,
        (true, false, true) => WatchEffect::Unchanged,
        (_, true, true) if is_overdue => WatchEffect::Overdue,
        (false, true, false) if is_overdue => WatchEffect::Overdue,
        _ => WatchEffect::Changed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DB: DbIndex = DbIndex(0);

    #[test]
    fn a_change_marks_all_watching_clients_and_removes_them() {
        let mut index = WatchIndex::default();
        index.watch(4, DB, b"a", false);
        for key in [b"a", b"b", b"b"] {
            index.watch(9, DB, key, false);
        }
        assert_eq!((index.clients(), index.keys()), (2, 2));
        index.touch(DB, b"other", || true);
        assert!(!index.is_dirty(4) && !index.is_dirty(9));
        index.touch(DB, b"b", || true);
        assert!(!index.is_dirty(4) && index.is_dirty(9));
        assert_eq!((index.clients(), index.keys()), (1, 1));
        // A marked client stays marked, and watches nothing.
        index.watch(9, DB, b"c", false);
        assert_eq!(index.watched(9).len(), 0);
        index.forget(9);
        assert!(!index.is_dirty(9));
        index.forget(4);
        assert!(index.is_empty() && index.keys.is_empty() && index.watchers.is_empty());
    }

    #[test]
    fn the_removal_of_an_expired_key_is_no_change() {
        let mut index = WatchIndex::default();
        index.watch(1, DB, b"a", true);
        assert!(index.was_expired(1, DB, b"a"));
        index.touch(DB, b"a", || false);
        assert!(!index.is_dirty(1) && !index.was_expired(1, DB, b"a"));
        index.touch(DB, b"a", || true);
        assert!(index.is_dirty(1));
    }

    #[test]
    fn a_flush_touches_existing_keys() {
        let mut index = WatchIndex::default();
        index.watch(1, DB, b"a", false);
        index.watch(2, DB, b"b", false);
        let effect = |key: &[u8], _| match key {
            b"a" => WatchEffect::Changed,
            _ => WatchEffect::Unchanged,
        };
        index.touch_all(DB, effect);
        assert!(index.is_dirty(1) && !index.is_dirty(2));
        index.touch_all(DbIndex(1), |_, _| WatchEffect::Changed);
        assert!(!index.is_dirty(2));
    }
}
