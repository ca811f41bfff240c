//! Transactions: the queue between MULTI and EXEC, and who watches which key.
//!
//! A client between MULTI and EXEC has a `Transaction`: its commands as they came, each resolved to
//! its place in the command table. What all of them together may do (write, take memory) is kept as
//! one set of flags, because the gates ask EXEC for it.
//!
//! WATCH enters a client under each of its keys. The first change of one of them marks the client
//! and takes it out of all its queues: EXEC will answer nothing, whatever else happens. Whether a
//! key had expired already when it was watched is remembered, for then its removal is no change.
//!
//! ```text
//!   (db 0, "stock") -> client 4, client 9          4 -> [(db 0, "stock")]
//!   (db 2, "cart")  -> client 9                    9 -> [(db 0, "stock"), (db 2, "cart")]
//! ```
//!
//! This knows nothing of commands and databases: `server::commands::transactions` queues and runs,
//! `server::core::unit` says which keys changed.

use crate::command::spec::{Flags, LOADING, STALE};
use crate::keyspace::DbIndex;
use crate::resp::request::OwnedArgv;
use hashbrown::HashMap;

/// A command that waits for EXEC.
#[derive(Debug)]
pub struct Queued {
    /// Its place in the command table.
    pub number: u16,
    /// How many words name it.
    pub skip: usize,
    pub argv: OwnedArgv,
}

/// What a client collects between MULTI and EXEC.
#[derive(Debug)]
pub struct Transaction {
    queue: Vec<Queued>,
    /// Commands queued so far, which stays while EXEC runs them.
    len: usize,
    /// A command could not be queued, so EXEC will refuse.
    pub failed: bool,
    /// What the queued commands are together.
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

/// What a client watches.
#[derive(Default)]
struct Watcher {
    keys: Vec<(DbIndex, Vec<u8>)>,
    /// One of them changed.
    is_dirty: bool,
}

/// See the head of this file.
#[derive(Default)]
pub struct WatchIndex {
    watchers: HashMap<u64, Watcher>,
    /// The clients under each key, in the order in which they came.
    keys: HashMap<DbIndex, HashMap<Vec<u8>, Vec<Place>>>,
    watching: usize,
    watched_keys: usize,
}

/// How it stands with a key when its whole database was emptied or replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It was not there before and is not there now.
    Unchanged,
    /// It came or went, or another took its place.
    Changed,
    /// What stands there now is overdue, and so as good as absent.
    Overdue,
}

impl WatchIndex {
    /// Clients that watch something.
    pub fn clients(&self) -> usize {
        self.watching
    }

    /// Keys that somebody watches.
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

    /// A client watches a key; `was_expired` tells that its time has come already.
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

    /// A client watches nothing more, and what it watched is forgotten.
    pub fn forget(&mut self, client: u64) {
        self.leave_all(client);
        self.watchers.remove(&client);
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

    /// A key changed; `is_there` tells whether it exists now.
    pub fn touch(&mut self, db: DbIndex, key: &[u8], is_there: impl FnOnce() -> bool) {
        let places = self.keys.get_mut(&db).and_then(|of_db| of_db.get_mut(key));
        let Some(places) = places else {
            return;
        };
        // What had expired is removed at last: nothing changed for who watches.
        let fate = match is_there() {
            false => Fate::Unchanged,
            true => Fate::Changed,
        };
        let touched = decide(places, |was_expired| match was_expired {
            true => fate,
            false => Fate::Changed,
        });
        touched.into_iter().for_each(|client| self.mark(client));
    }

    /// A whole database was emptied or replaced; `fate` tells of each watched key what that means,
    /// given whether it had expired when it was first watched.
    pub fn touch_all(&mut self, db: DbIndex, mut fate: impl FnMut(&[u8], bool) -> Fate) {
        let Some(of_db) = self.keys.get_mut(&db) else {
            return;
        };
        let mut touched = Vec::new();
        for (key, places) in of_db {
            touched.extend(decide(places, |was_expired| fate(key, was_expired)));
        }
        touched.into_iter().for_each(|client| self.mark(client));
    }

    /// What a client watches.
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

/// Who among those who watch a key is to be marked.
fn decide(places: &mut [Place], mut fate: impl FnMut(bool) -> Fate) -> Vec<u64> {
    let mut touched = Vec::new();
    for place in places {
        match fate(place.was_expired) {
            Fate::Unchanged => place.was_expired = false,
            Fate::Overdue => place.was_expired = true,
            Fate::Changed => touched.push(place.client),
        }
    }
    touched
}

#[cfg(test)]
mod tests {
    use super::*;

    const DB: DbIndex = DbIndex(0);

    #[test]
    fn a_change_marks_all_who_watch_and_frees_them() {
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
        // Who is marked stays so, and watches nothing.
        index.watch(9, DB, b"c", false);
        assert_eq!(index.watched(9).len(), 0);
        index.forget(9);
        assert!(!index.is_dirty(9));
        index.forget(4);
        assert!(index.is_empty() && index.keys.is_empty() && index.watchers.is_empty());
    }

    #[test]
    fn the_end_of_what_had_expired_is_no_change() {
        let mut index = WatchIndex::default();
        index.watch(1, DB, b"a", true);
        assert!(index.was_expired(1, DB, b"a"));
        index.touch(DB, b"a", || false);
        assert!(!index.is_dirty(1) && !index.was_expired(1, DB, b"a"));
        index.touch(DB, b"a", || true);
        assert!(index.is_dirty(1));
    }

    #[test]
    fn a_flush_touches_what_was_there() {
        let mut index = WatchIndex::default();
        index.watch(1, DB, b"a", false);
        index.watch(2, DB, b"b", false);
        let fate = |key: &[u8], _| match key {
            b"a" => Fate::Changed,
            _ => Fate::Unchanged,
        };
        index.touch_all(DB, fate);
        assert!(index.is_dirty(1) && !index.is_dirty(2));
        index.touch_all(DbIndex(1), |_, _| Fate::Changed);
        assert!(!index.is_dirty(2));
    }
}
