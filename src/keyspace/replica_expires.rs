//! Keys that got a deadline from clients of a writable replica.
//!
//! A replica leaves it to its primary to remove what is overdue, but of these keys the primary knows
//! nothing: so they are remembered, and removed here.

use super::{DbIndex, Keyspace};
use hashbrown::HashSet;

/// Keys looked at in one go.
const LOOKS: usize = 1_000;

/// The keys with a deadline set by clients of a writable replica.
#[derive(Default)]
pub struct ReplicaExpires {
    /// Whether deadlines are recorded.
    is_kept: bool,
    keys: HashSet<(DbIndex, Vec<u8>)>,
}

impl ReplicaExpires {
    pub fn set_kept(&mut self, on: bool) {
        self.is_kept = on;
        if !on {
            self.keys = HashSet::new();
        }
    }

    /// Pauses the recording for work not done for a client. Returns the previous state, for
    /// `go_on`.
    pub fn pause(&mut self) -> bool {
        std::mem::take(&mut self.is_kept)
    }

    pub fn go_on(&mut self, was_kept: bool) {
        self.is_kept = was_kept;
    }

    #[inline(always)]
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    #[cold]
    pub fn note(&mut self, db: DbIndex, key: &[u8]) {
        self.keys.insert((db, key.to_vec()));
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl Keyspace {
    /// Removes those of the clients' own keys that are overdue, and forgets those that have no
    /// deadline any more.
    pub fn expire_replica_keys(&mut self) {
        if self.shared.replica_expires.is_empty() {
            return;
        }
        let keys = self.shared.replica_expires.keys.iter().take(LOOKS);
        let (mut overdue, mut gone) = (Vec::new(), Vec::new());
        for (db, key) in keys {
            let found = self.view(*db).entries().find(self.hash(key), key);
            match found.and_then(|(_, entry)| entry.deadline_ms()) {
                Some(ms) if ms >= self.shared.now_ms => {}
                Some(_) => overdue.push((*db, key.clone())),
                None => gone.push((*db, key.clone())),
            }
        }
        let held = std::mem::replace(&mut self.shared.hold_expired, false);
        for (db, key) in overdue {
            // Looking an overdue key up removes it.
            self.db(db).peek(&key);
            gone.push((db, key));
        }
        self.shared.hold_expired = held;
        for key in gone {
            self.shared.replica_expires.keys.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algo::rng::Rng;
    use crate::types::entry::NewValue;

    #[test]
    fn only_own_keys_leave_a_replica_by_themselves() {
        let mut ks = Keyspace::new(1, Rng::new(7), 1_000_000);
        ks.shared.hold_expired = true;
        let db = DbIndex(0);
        ks.db(db).add(b"theirs", NewValue::Int(1), Some(1_000_010));
        ks.shared.replica_expires.set_kept(true);
        ks.db(db).add(b"ours", NewValue::Int(1), Some(1_000_010));
        ks.db(db).add(b"later", NewValue::Int(1), Some(1_000_100));
        assert_eq!(ks.shared.replica_expires.len(), 2);
        ks.set_now_ms(1_000_020);
        ks.expire_replica_keys();
        assert_eq!((ks.view(db).len(), ks.shared.replica_expires.len()), (2, 1));
        assert!(ks.holds(db, b"theirs"));
    }
}
