//! Batched lookups with memory prefetching: MSET, MGET, DEL and similar commands.
//!
//! A lookup is two or three cache misses. While key i is worked on, the bucket of key i + 16 and
//! the entry of key i + 8 are being loaded, so the misses overlap instead of adding up.
//!
//! The same for an element that will be looked up in a large collection: first its bucket, then
//! its record.

use super::db::Db;
use super::{DbIndex, Keyspace};
use crate::resp::request::Argv;
use crate::types::listpack::Item;
use crate::types::pack::Pack;
use crate::types::value::Heap;
use crate::types::zset::SortedSet;

/// Keys whose bucket is being loaded.
const FAR: usize = 16;
/// Keys whose entry is being loaded.
const NEAR: usize = 8;

/// See `Keyspace::ahead`.
pub struct Lookahead<'a> {
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
    pub fn ahead<'a>(&self, db: DbIndex, argv: Argv<'a>, step: usize) -> Lookahead<'a> {
        let keys = argv.len().div_ceil(step);
        let mut ahead = Lookahead {
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

impl<'a> Lookahead<'a> {
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

/// Longer elements are not hashed ahead: that would take longer than the wait it saves.
const ELEMENT_MAX: usize = 64;

/// The table of a large collection.
enum Table<'a> {
    Pack(&'a Pack),
    Sorted(&'a SortedSet),
}

impl Db {
    /// The table of the collection that probably lies under the key with this hash.
    #[inline(always)]
    fn table_under(&self, key_hash: u64) -> Option<Table<'_>> {
        match self.entries().candidate(key_hash)?.heap()? {
            Heap::Set(pack) => Some(Table::Pack(pack)),
            Heap::Hash(fields) => Some(Table::Pack(fields.pack())),
            Heap::Zset(set) => Some(Table::Sorted(set)),
            _ => None,
        }
    }

    /// Starts loading the bucket of an element in the collection under a key, whose entry should
    /// have arrived by now. Returns the element's hash there, or 0 if nothing is to be loaded, and
    /// whether that is the hash that packed tables use.
    #[inline]
    pub fn prefetch_element(&self, key_hash: u64, element: &[u8]) -> (u64, bool) {
        if element.len() > ELEMENT_MAX {
            return (0, false);
        }
        match self.table_under(key_hash) {
            None => (0, false),
            Some(Table::Pack(pack)) => {
                let hash = pack.hash(Item::of(element));
                pack.prefetch(hash);
                (hash, true)
            }
            Some(Table::Sorted(set)) => (set.prefetch(element), false),
        }
    }

    /// Starts loading the record of an element whose bucket was loaded.
    #[inline]
    pub fn prefetch_element_record(&self, key_hash: u64, hash: u64) {
        match self.table_under(key_hash) {
            None => {}
            Some(Table::Pack(pack)) => pack.prefetch_record(hash),
            Some(Table::Sorted(set)) => set.prefetch_member(hash),
        }
    }
}
