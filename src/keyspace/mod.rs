//! The keyspace: the databases, what they share, and every way a key comes and goes.
//!
//! `Keyspace` owns the databases; `DbMut` is one of them together with the shared state (the time
//! of the current unit, aging, counters, values to be dropped). It imports only structures;
//! commands notify listeners of changes (`command::effects`).

pub mod aging;
pub mod array;
pub mod db;
pub mod digest;
pub mod evict;
pub mod expiry;
pub mod fields;
pub mod hash;
pub mod list;
mod load;
pub mod measure;
mod prefetch;
pub mod replica_expires;
pub mod set;
pub mod sizes;
#[cfg(any(test, debug_assertions, feature = "testing"))]
pub mod soundness;
pub mod stream;
pub mod string;
pub mod templates;
pub mod zset;
mod zset_result;

pub use db::{Db, DbMut, Deadline, Found, RemovalReason};

use crate::algo::rng::Rng;
use crate::sys::pages::Reserve;
use crate::types::entries::{Entries, KeyHasher};
use crate::types::stream::Retention;
use crate::types::value::Heap;
use aging::Aging;
use fields::ExpiredFields;
use templates::Templates;

/// The number of a database.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default, PartialOrd, Ord)]
pub struct DbIndex(pub u32);

/// A value of another type than the command works on.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongKind;

/// The configuration of values: encodings and limits.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// The longest string a command may build (`proto-max-bulk-len`), in bytes.
    pub max_string: usize,
    /// Whether DEL and overwrites free on the helper thread regardless of size.
    pub lazy_user_del: bool,
    pub lazy_user_flush: bool,
    /// Whether expired keys, and keys deleted implicitly by commands, are propagated as UNLINK.
    pub lazy_expire: bool,
    /// Whether commands of transactions and scripts remove overdue keys that they were not given by
    /// name (`lazyexpire-nested-arbitrary-keys`).
    pub nested_expiry: bool,
    pub lazy_server_del: bool,
    pub lazy_eviction: bool,
    // Up to where a collection keeps its compact encoding: elements, and bytes of one element.
    pub hash_max_listpack_entries: usize,
    pub hash_max_listpack_value: usize,
    /// How many fields a hash has that gets a template when it is written to: none if the least is 0, any
    /// number from there on if the greatest is 0.
    pub hash_min_template_entries: usize,
    pub hash_max_template_entries: usize,
    pub set_max_intset_entries: usize,
    pub set_max_listpack_entries: usize,
    pub set_max_listpack_value: usize,
    pub zset_max_listpack_entries: usize,
    pub zset_max_listpack_value: usize,
    /// Elements of a list node if positive, a size class (-1 for 4 KiB … -5 for 64 KiB) if negative.
    pub list_max_listpack_size: i32,
    /// Nodes at each end of a list that stay uncompressed; 0 for all.
    pub list_compress_depth: u32,
    /// List elements from this size on are nodes of their own; 0 for those that fit no node (DEBUG
    /// QUICKLIST-PACKED-THRESHOLD).
    pub list_large_element: usize,
    pub stream_node_max_bytes: usize,
    pub stream_node_max_entries: u64,
    /// How long and how many ids of idempotent producers a new stream keeps.
    pub stream_retention: Retention,
    pub hll_sparse_max_bytes: usize,
    /// The slices of arrays.
    pub array: array::Limits,
    // How values become bytes and come back (DUMP and RESTORE).
    pub rdb_versions: RdbVersions,
    pub rdb_compression: bool,
    pub sanitize: Sanitize,
    /// Sums of payloads are not looked at (DEBUG SET-SKIP-CHECKSUM-VALIDATION).
    pub skip_checksum: bool,
}

/// The versions of the RDB format to choose from: the lowest that can hold the data is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RdbVersions {
    pub least: u32,
    pub most: u32,
}

impl RdbVersions {
    /// The version that knows idempotent producers of streams.
    pub const PRODUCERS: u32 = 13;
    /// The version that knows released entries of streams.
    pub const RELEASED: u32 = 15;
    /// The version that knows arrays.
    pub const ARRAYS: u32 = 15;
    /// The version that knows hashes with a template; others hold them as plain hashes.
    pub const TEMPLATES: u32 = 15;

    /// From the last version that Redis and Valkey share to the latest.
    pub const AUTO: RdbVersions = RdbVersions {
        least: 11,
        most: 15,
    };

    /// One version, whatever the data.
    pub const fn exactly(version: u32) -> RdbVersions {
        RdbVersions {
            least: version,
            most: version,
        }
    }
}

impl Default for RdbVersions {
    fn default() -> Self {
        RdbVersions::AUTO
    }
}

/// The sources whose serialized values are checked thoroughly.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sanitize {
    #[default]
    No,
    Yes,
    /// Those of clients, not those of files and of our primary.
    Clients,
}

/// The command that propagates the removal of a key to replicas and the AOF.
fn word_for_gone(lazily: bool) -> &'static [u8] {
    if lazily { b"UNLINK" } else { b"DEL" }
}

impl Tuning {
    /// The same for a key whose deadline has passed.
    pub fn word_for_expired(&self) -> &'static [u8] {
        word_for_gone(self.lazy_expire)
    }

    /// For a key that made room for others.
    pub fn word_for_evicted(&self) -> &'static [u8] {
        word_for_gone(self.lazy_eviction)
    }

    /// For a key that a command deletes as part of something else.
    pub fn word_for_deleted(&self) -> &'static [u8] {
        word_for_gone(self.lazy_server_del)
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            max_string: 512 << 20,
            lazy_user_del: false,
            lazy_user_flush: false,
            lazy_expire: false,
            nested_expiry: true,
            lazy_server_del: false,
            lazy_eviction: false,
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            hash_min_template_entries: 0,
            hash_max_template_entries: 0,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            list_max_listpack_size: -2,
            list_compress_depth: 0,
            list_large_element: 0,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
            stream_retention: Retention::default(),
            hll_sparse_max_bytes: 3000,
            rdb_versions: RdbVersions::AUTO,
            array: array::Limits::default(),
            rdb_compression: true,
            sanitize: Sanitize::No,
            skip_checksum: false,
        }
    }
}

/// A key that a lookup for reading did not find.
#[derive(Debug, PartialEq, Eq)]
pub struct Missed {
    /// Its place among the facts of the command (`Shared::fact`).
    pub seq: u32,
    pub db: DbIndex,
    pub key: Vec<u8>,
}

/// A value to be dropped, by the helper thread if that takes long.
pub struct LazyFree {
    pub garbage: Garbage,
    /// The number of objects it counts for among those freed in the background: the objects that
    /// clients asked to free that way, no matter which thread does it in the end.
    pub objects: u64,
}

impl LazyFree {
    /// Bytes that will be free, as far as they are counted among those in use and quickly known.
    pub fn bytes(&self) -> usize {
        match &self.garbage {
            Garbage::Value(heap) => heap.bytes(),
            Garbage::Entries(..) | Garbage::Foreign(_) => 0,
        }
    }
}

/// The kinds of values to be dropped.
pub enum Garbage {
    Value(Box<Heap>),
    /// All of a database.
    Entries(DbIndex, Box<Entries>),
    /// A value made outside the keyspace: a VM of scripts.
    Foreign(#[allow(dead_code, reason = "held to be dropped")] Box<dyn Send>),
}

/// A key that left without a command naming it: expired, evicted.
#[derive(Debug, PartialEq, Eq)]
pub struct RemovedKey {
    /// Its place among the facts of the command (`Shared::fact`).
    pub seq: u32,
    pub db: DbIndex,
    pub key: Vec<u8>,
    pub why: RemovalReason,
}

/// Counters that INFO shows.
#[derive(Default, Clone, Debug)]
pub struct KeyStats {
    pub hits: u64,
    pub misses: u64,
    pub expired: u64,
    /// Fields of hashes that expired.
    pub expired_fields: u64,
    /// Those of both that left when their time came, not when they were looked for.
    pub expired_actively: u64,
    pub expired_fields_actively: u64,
    pub evicted: u64,
    /// Payloads of RESTORE that were looked at thoroughly.
    pub sanitized: u64,
    /// Active expiry gave up its slice with keys still due.
    pub expiry_cut_short: u64,
}

/// The state that all databases share.
pub struct Shared {
    pub now_ms: i64,
    pub aging: Aging,
    pub stats: KeyStats,
    /// Address, length and hash of a key that was hashed before its command ran.
    hint: (usize, usize, u64),
    /// Values too large to drop on the way.
    pub to_free: Vec<LazyFree>,
    /// The command's reply is deferred until its garbage is freed: a synchronous flush.
    pub await_lazy_free: bool,
    /// Keys that expired, to be propagated and notified. Drained with the effects.
    pub removed_keys: Vec<RemovedKey>,
    /// Set while expired keys are to be recorded.
    pub note_removed_keys: bool,
    /// The same for fields of hashes.
    pub expired_fields: Vec<ExpiredFields>,
    /// Read misses, recorded only while keymiss notifications are enabled. Drained with the
    /// effects.
    pub missed: Vec<Missed>,
    pub note_misses: bool,
    /// Lookups of the current command leave no trace in LRU and LFU (CLIENT NO-TOUCH, TOUCH aside).
    pub no_touch: bool,
    /// Overdue keys are hidden but stay: a replica, a paused or loading server.
    pub hold_expired: bool,
    /// No key counts as overdue: an AOF is being loaded, which contains the removal of its keys, or a
    /// test reads overdue data (DEBUG SET-ALLOW-ACCESS-EXPIRED).
    pub none_overdue: bool,
    /// Keys given a deadline by clients of a writable replica.
    pub replica_expires: replica_expires::ReplicaExpires,
    /// Overdue keys are removed as they become due, not only on access. Off only while a test
    /// wants to see them (DEBUG SET-ACTIVE-EXPIRE).
    pub active_expiry: bool,
    /// The kinds that clients are blocked on: bits of `Kind`, of values that come and of keys that
    /// go.
    pub awaited: u8,
    /// Clients are blocked until a list grows.
    pub awaits_growth: bool,
    /// Keys of which something awaited happened. Drained with the effects.
    pub ready: Vec<(DbIndex, Vec<u8>)>,
    /// Any of the lists above holds something.
    pub stirred: bool,
    /// The number of facts noted so far, so that facts of different lists can be settled in order.
    facts: u32,
    /// The highest RDB version that a value may need, deadlines of hash fields aside. Code that
    /// makes a value which needs more raises it; the flush of the last database lowers it.
    pub rdb_bound: u32,
    /// The names of fields that hashes share.
    pub templates: Templates,
    /// The buffer in which small collections are edited before they go back into their entries.
    scratch: Vec<u8>,
    /// Every key that was looked for or added, for tests of what commands declare.
    #[cfg(test)]
    pub touched: Vec<(DbIndex, Vec<u8>)>,
}

impl Shared {
    /// A value that needs this version of the RDB format is made.
    pub fn raise_rdb_bound(&mut self, version: u32) {
        self.rdb_bound = self.rdb_bound.max(version);
    }

    /// Whether the wheels may be turned.
    fn expires_actively(&self) -> bool {
        self.active_expiry && !self.hold_expired
    }

    /// The place of the next fact.
    #[inline]
    pub fn fact(&mut self) -> u32 {
        self.facts += 1;
        self.facts
    }

    /// All facts are settled: clears the lists.
    pub fn settled(&mut self) {
        self.stirred = false;
        self.facts = 0;
    }
}

/// All databases, and the state they share.
pub struct Keyspace {
    dbs: Vec<Db>,
    pub shared: Shared,
    hasher: KeyHasher,
    /// Memory made ready for all databases.
    reserve: Reserve,
    rng: Rng,
    /// The candidates for eviction.
    pool: evict::Pool,
}

impl Keyspace {
    /// Replaces the generator of random choices. The hash of keys keeps its seed.
    pub fn seed(&mut self, rng: Rng) {
        self.rng = rng;
    }

    /// Forgets the candidates for eviction: another policy judges otherwise.
    pub fn forget_candidates(&mut self) {
        self.pool.clear();
    }

    /// Bytes in use: the general allocator's and the chunks of all databases.
    pub fn used_memory(&self) -> usize {
        let own: usize = self
            .iter()
            .map(|(_, db)| db.entries().entry_bytes() + db.entries().table_bytes())
            .sum();
        crate::sys::memory::used_bytes() + own
    }

    /// `databases` empty databases; the generator seeds the hash and every random pick.
    pub fn new(databases: u32, mut rng: Rng, now_ms: i64) -> Self {
        let reserve = Reserve::default();
        let hasher = KeyHasher::new(std::array::from_fn(|_| rng.next_u64()));
        let shared = Shared {
            now_ms,
            aging: Aging::default(),
            stats: KeyStats::default(),
            hint: (0, 0, 0),
            to_free: Vec::new(),
            await_lazy_free: false,
            removed_keys: Vec::new(),
            note_removed_keys: true,
            expired_fields: Vec::new(),
            missed: Vec::new(),
            note_misses: false,
            no_touch: false,
            hold_expired: false,
            none_overdue: false,
            replica_expires: replica_expires::ReplicaExpires::default(),
            active_expiry: true,
            awaited: 0,
            awaits_growth: false,
            ready: Vec::new(),
            stirred: false,
            facts: 0,
            rdb_bound: 0,
            templates: Templates::new(hasher.clone()),
            scratch: Vec::new(),
            #[cfg(test)]
            touched: Vec::new(),
        };
        let dbs = (0..databases)
            .map(|_| Db::new(hasher.clone(), reserve.clone()))
            .collect();
        Keyspace {
            dbs,
            shared,
            hasher,
            reserve,
            rng,
            pool: evict::Pool::default(),
        }
    }

    pub fn databases(&self) -> u32 {
        self.dbs.len() as u32
    }

    /// The time of the current unit, in Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.shared.now_ms
    }

    /// Fixes the time for the commands that follow.
    #[inline(always)]
    pub fn set_now_ms(&mut self, now_ms: i64) {
        self.shared.now_ms = now_ms;
    }

    #[inline(always)]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash(key)
    }

    /// The next lookup of these very bytes need not hash them again.
    #[inline(always)]
    pub fn hint(&mut self, key: &[u8], hash: u64) {
        self.shared.hint = (key.as_ptr() as usize, key.len(), hash);
    }

    /// Drops the hint. `call` does so before each command, since other bytes may stand at the same
    /// address by now.
    #[inline(always)]
    pub fn forget_hint(&mut self) {
        self.shared.hint = (0, 0, 0);
    }

    /// The database of this number as a client names it, if there is one.
    pub fn index_of(&self, number: i64) -> Option<DbIndex> {
        (0..self.dbs.len() as i64)
            .contains(&number)
            .then_some(DbIndex(number as u32))
    }

    #[inline(always)]
    pub fn db(&mut self, index: DbIndex) -> DbMut<'_> {
        DbMut {
            index,
            db: &mut self.dbs[index.0 as usize],
            shared: &mut self.shared,
        }
    }

    /// One database, for reading.
    #[inline(always)]
    pub fn view(&self, index: DbIndex) -> &Db {
        &self.dbs[index.0 as usize]
    }

    /// All databases with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (DbIndex, &Db)> {
        self.dbs
            .iter()
            .enumerate()
            .map(|(i, db)| (DbIndex(i as u32), db))
    }

    /// Whether a key exists, overdue or not. No lookup is counted, and no key expires.
    pub fn holds(&self, index: DbIndex, key: &[u8]) -> bool {
        self.view(index).entries.find(self.hash(key), key).is_some()
    }

    /// Whether a key is there though its time has come.
    pub fn is_overdue(&self, index: DbIndex, key: &[u8]) -> bool {
        let found = self.view(index).entries.find(self.hash(key), key);
        let deadline_ms = found.and_then(|(_, entry)| entry.deadline_ms());
        deadline_ms.is_some_and(|deadline_ms| deadline_ms < self.shared.now_ms)
    }

    /// Databases beside these, empty, which can take their place (`exchange`).
    pub fn sibling(&mut self) -> Keyspace {
        let mut other = Keyspace::new(self.databases(), self.rng.split(), self.now_ms());
        other.hasher = self.hasher.clone();
        other.reserve = self.reserve.clone();
        for db in &mut other.dbs {
            *db = Db::new(self.hasher.clone(), self.reserve.clone());
        }
        other.shared.aging = self.shared.aging.clone();
        other.shared.hold_expired = true;
        other.shared.note_removed_keys = false;
        other
    }

    /// All databases of a sibling and ours change places.
    pub fn exchange(&mut self, other: &mut Keyspace) {
        std::mem::swap(&mut self.dbs, &mut other.dbs);
        std::mem::swap(&mut self.shared.rdb_bound, &mut other.shared.rdb_bound);
    }

    /// Exchanges the contents of two databases.
    pub fn swap(&mut self, a: DbIndex, b: DbIndex) {
        self.dbs.swap(a.0 as usize, b.0 as usize);
    }

    /// Empties a database and returns how many keys it had. The entries go to `to_free` at once.
    pub fn flush(&mut self, index: DbIndex) -> usize {
        if self.view(index).is_blank() {
            return 0;
        }
        let hasher = self.hasher.clone();
        let db = std::mem::replace(
            &mut self.dbs[index.0 as usize],
            Db::new(hasher, self.reserve.clone()),
        );
        let len = db.len();
        if self.is_empty() {
            self.shared.rdb_bound = 0;
        }
        if len > 0 {
            self.shared.stirred = true;
            self.shared.to_free.push(LazyFree {
                garbage: Garbage::Entries(index, Box::new(db.into_entries())),
                objects: len as u64,
            });
        }
        len
    }

    /// Drops small values at once. The memory of a small database goes back to that database, so
    /// frequent flushes, as in tests, do not wait for the system.
    pub fn drop_quickly(&mut self, garbage: Garbage) {
        if let Garbage::Entries(index, entries) = garbage {
            self.dbs[index.0 as usize].reuse(*entries);
        }
    }

    /// Keys in all databases.
    pub fn len(&self) -> usize {
        self.dbs.iter().map(Db::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The moment from which the next key may be overdue, in Unix milliseconds. There is none
    /// while overdue keys stay: when that ends, the wheels are turned to the present.
    pub fn next_expiry_ms(&self) -> Option<i64> {
        if !self.shared.expires_actively() {
            return None;
        }
        let keys = self.dbs.iter().filter_map(Db::next_expiry_ms);
        let fields = self.dbs.iter().filter_map(fields::wake_ms);
        // The millisecond that a deadline names is still the key's.
        keys.chain(fields).min().map(|ms| ms.saturating_add(1))
    }
}

/// Debug builds check what they are done with.
#[cfg(debug_assertions)]
impl Drop for Keyspace {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_small();
        }
    }
}

#[cfg(test)]
mod tests;
