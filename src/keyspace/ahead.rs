//! Walking over many keys with their memory on its way: MSET, MGET, DEL and their kind.
//!
//! A lookup is two or three cache misses. While key i is worked on, the bucket of key i + 16 and
//! the entry of key i + 8 are being loaded, so the misses overlap instead of adding up.

use super::{DbIndex, Keyspace};
use crate::resp::request::Argv;

/// Keys whose bucket is under way.
const FAR: usize = 16;
/// Keys whose entry is under way.
const NEAR: usize = 8;

/// See `Keyspace::ahead`.
pub struct Ahead<'a> {
    argv: Argv<'a>,
    step: usize,
    db: DbIndex,
    keys: usize,
    next: usize,
    hashed: usize,
    hashes: [u64; FAR],
}

impl Keyspace {
    /// The keys that stand at every `step`th place of `argv`, to be looked up in this order.
    pub fn ahead<'a>(&self, db: DbIndex, argv: Argv<'a>, step: usize) -> Ahead<'a> {
        let keys = argv.len().div_ceil(step);
        let mut ahead = Ahead {
            argv,
            step,
            db,
            keys,
            next: 0,
            hashed: 0,
            hashes: [0; FAR],
        };
        // A single key gains nothing: it is looked up at once.
        if keys > 1 {
            while ahead.hashed < keys.min(FAR) {
                ahead.load_bucket(self);
            }
            for near in 0..keys.min(NEAR) {
                self.view(db).entries().prefetch_entry(ahead.hashes[near]);
            }
        }
        ahead
    }
}

impl<'a> Ahead<'a> {
    fn load_bucket(&mut self, keyspace: &Keyspace) {
        let hash = keyspace.hash(self.argv.at(self.hashed * self.step));
        self.hashes[self.hashed % FAR] = hash;
        keyspace.view(self.db).entries().prefetch_bucket(hash);
        self.hashed += 1;
    }

    /// The next key; its lookup should follow.
    pub fn next(&mut self, keyspace: &mut Keyspace) -> Option<&'a [u8]> {
        if self.next == self.keys {
            return None;
        }
        let key = self.argv.at(self.next * self.step);
        if self.keys > 1 {
            keyspace.hint(key, self.hashes[self.next % FAR]);
            if self.hashed < self.keys {
                self.load_bucket(keyspace);
            }
            if self.next + NEAR < self.hashed {
                let hash = self.hashes[(self.next + NEAR) % FAR];
                keyspace.view(self.db).entries().prefetch_entry(hash);
            }
        }
        self.next += 1;
        Some(key)
    }
}
