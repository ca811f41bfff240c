//! The invariants of values and databases, walked from end to end.
//!
//! For tests after random operations and for those that read bytes of any origin. Debug builds walk
//! over small databases as they go (`Keyspace::check_small`).

use super::db::Db;
use super::expiry::KeyTimer;
use super::hash::HashRef;
use super::sizes::{Size, Sizes};
use super::{Keyspace, fields};
use crate::algo::number::parse_f64;
use crate::types::entry::EntryRef;
use crate::types::fields::{FieldList, STEP};
use crate::types::intset;
use crate::types::listpack::{self, Item};
use crate::types::template::{TemplateRef, ValuesRef, order};
use crate::types::value::{Encoding, Heap, Kind, Value};
use crate::types::wheel::{Bag, Wheel};
use std::collections::{HashMap, HashSet};

/// The largest database that is checked on the way, in keys, and the largest value, in bytes.
const SMALL_DB: usize = 256;
const SMALL_VALUE: usize = 4 << 10;

impl Keyspace {
    /// Checks all databases, and all values.
    ///
    /// # Panics
    /// Where something does not hold, with what it is.
    #[cfg(any(test, feature = "testing"))]
    pub fn check(&self) {
        self.iter().for_each(|(_, db)| db.check(usize::MAX));
    }

    /// Checks databases and values that are small, in a millisecond or two.
    pub fn check_small(&self) {
        let is_small = |db: &Db| db.entries().is_quickly_checked(SMALL_DB);
        let dbs = self.iter().map(|(_, db)| db).filter(|db| is_small(db));
        dbs.for_each(|db| db.check(SMALL_VALUE));
    }
}

impl Db {
    /// Checks entries, counts and timers, and the values of up to so many bytes.
    fn check(&self, value_max: usize) {
        self.entries.check();
        let (mut volatile, mut volatile_hashes) = (0, 0);
        let mut sizes = Sizes::default();
        for entry in self.entries.iter() {
            volatile += usize::from(entry.deadline_ms().is_some());
            volatile_hashes += usize::from(fields::is_counted(entry));
            sizes.enter(Size::of(entry));
            if entry.heap().is_none_or(|heap| heap.bytes() <= value_max) {
                check(entry);
            }
        }
        assert_eq!(volatile, self.volatile, "keys with a deadline");
        assert_eq!(
            volatile_hashes, self.volatile_hashes,
            "hashes with deadlines"
        );
        assert!(sizes == self.sizes, "the sizes of values are counted");
        self.check_timers();
        self.check_field_timers();
    }

    /// Every key with a deadline has an item in the wheel that surfaces no later, or one that waits
    /// to be sorted out.
    fn check_timers(&self) {
        let held = Held::of(self.wheel.as_deref(), &self.sorting);
        let hash =
            |entry: EntryRef| KeyTimer::new(self.entries.hasher().hash(entry.key()), 0).hash();
        let mut named = HashMap::new();
        let with_deadline = || self.entries.iter().filter(|e| e.deadline_ms().is_some());
        for entry in with_deadline() {
            *named.entry(hash(entry)).or_insert(0) += 1;
        }
        for entry in with_deadline() {
            let (hash, deadline_ms) = (hash(entry), entry.deadline_ms().unwrap_or(0));
            assert!(entry.is_armed(), "a key with a deadline is armed");
            // Keys with the same bits may have lost an item to each other.
            if named[&hash] == 1 {
                assert!(
                    held.waiting.contains(&hash) || held.surfaces_by(hash, deadline_ms),
                    "the wheel surfaces a key by its deadline"
                );
            }
        }
    }

    /// The same for hashes whose fields have deadlines.
    fn check_field_timers(&self) {
        let held = Held::of(self.field_wheel.as_deref(), &self.field_sorting);
        for entry in self.entries.iter() {
            let Some(armed) = fields::armed(entry) else {
                continue;
            };
            let due_ms =
                HashRef::of(entry.value(), entry.encoding()).and_then(HashRef::next_due_ms);
            assert_eq!(
                armed.counted,
                due_ms.is_some(),
                "a hash with deadlines is counted"
            );
            let Some(due_ms) = due_ms else { continue };
            let hash = self.entries.hasher().hash(entry.key());
            let timer = KeyTimer::new(hash, armed.armed_ms);
            assert!(
                armed.armed_ms != 0 && armed.armed_ms <= due_ms,
                "a hash is armed for its first deadline"
            );
            assert!(
                held.waiting.contains(&timer.hash())
                    || held.surfaces_by(timer.hash(), armed.armed_ms),
                "the wheel surfaces a hash when it is armed for"
            );
        }
    }
}

/// The items of a wheel, by the bits of the hash that they hold.
#[derive(Default)]
struct Held {
    now_ms: u64,
    /// The moments at which items surface.
    surfaces_ms: HashMap<u64, Vec<u64>>,
    /// Those of items that wait to be sorted out.
    waiting: HashSet<u64>,
}

impl Held {
    fn of(wheel: Option<&Wheel<KeyTimer>>, sorting: &Bag<KeyTimer>) -> Held {
        let mut held = Held::default();
        sorting.check();
        held.waiting = sorting.iter().map(|timer| timer.hash()).collect();
        if let Some(wheel) = wheel {
            held.now_ms = wheel.now_ms();
            wheel.check(|surfaces_ms, timer| {
                let of_hash = held.surfaces_ms.entry(timer.hash()).or_default();
                of_hash.push(surfaces_ms);
            });
        }
        held
    }

    /// Whether an item with this hash surfaces by the deadline, or at once if that is past.
    fn surfaces_by(&self, hash: u64, deadline_ms: i64) -> bool {
        let by_ms = (deadline_ms.max(0) as u64).max(self.now_ms);
        let of_hash = self.surfaces_ms.get(&hash);
        of_hash.is_some_and(|moments| moments.iter().any(|&ms| ms <= by_ms))
    }
}

/// Walks over everything that must hold for the value of an entry.
///
/// # Panics
/// Where something does not hold, with what it is.
pub fn check(entry: EntryRef) {
    match entry.value() {
        Value::Int(_) | Value::Text(_) => {}
        Value::Compact(bytes) => compact(entry.kind(), entry.encoding(), bytes),
        Value::Rich(heap) => rich(entry.encoding(), heap),
        Value::Template(hash) => template(entry.encoding(), hash),
    }
}

fn template(encoding: Encoding, hash: TemplateRef) {
    assert!(hash.len() > 0, "a hash holds something");
    let names: Vec<&[u8]> = hash.template.names().collect();
    assert!(
        names.windows(2).all(|two| order(two[0], two[1]).is_lt()),
        "names are in order"
    );
    assert!(hash.template.is_shared(), "a template is known");
    let count = match hash.values {
        ValuesRef::Packed(lp) => {
            assert_eq!(encoding, Encoding::TemplateListpack);
            listpack::validate(lp, |_| true).expect("a listpack is whole")
        }
        ValuesRef::Spread(values) => {
            assert_eq!(encoding, Encoding::TemplateArray);
            values.len()
        }
    };
    assert_eq!(count, hash.len(), "each name has a value");
}

fn rich(encoding: Encoding, heap: &Heap) {
    match heap {
        Heap::Text(_) => {}
        Heap::Compact(kind, bytes) => compact(*kind, encoding, bytes),
        Heap::List(list) => {
            list.check();
            assert!(!list.is_empty(), "a list holds something");
        }
        Heap::Zset(zset) => zset.check(),
        Heap::Set(pack) => {
            pack.check();
            assert!(pack.len() > 0, "a set holds something");
        }
        Heap::Hash(table) => {
            table.check();
            assert!(table.len() > 0, "a hash holds something");
        }
        Heap::Template(hash) => template(encoding, hash.view()),
        Heap::Stream(stream) => assert_eq!(stream.check(), Ok(())),
        Heap::Array(array) => {
            array.check();
            assert!(!array.is_empty(), "an array holds something");
        }
    }
}

fn compact(kind: Kind, encoding: Encoding, bytes: &[u8]) {
    match (kind, encoding) {
        (Kind::Set, Encoding::Intset) => intset::check(bytes),
        (Kind::Set, _) => unique(bytes, 1),
        (Kind::Hash, Encoding::ListpackEx) => {
            let list = FieldList::of(bytes);
            unique(list.listpack(), STEP);
            let deadlines = list.iter().map(|f| f.deadline_ms.unwrap_or(i64::MAX));
            assert!(deadlines.is_sorted(), "fields are ordered by deadline");
        }
        (Kind::Hash, _) => unique(bytes, 2),
        (Kind::Zset, _) => {
            unique(bytes, 2);
            let mut pairs = Vec::new();
            let mut items = listpack::iter(bytes);
            while let (Some(member), Some(score)) = (items.next(), items.next()) {
                let score = match score {
                    Item::Int(n) => n as f64,
                    Item::Text(text) => parse_f64(text).expect("a score is a number"),
                };
                pairs.push((score, member.to_vec()));
            }
            assert!(pairs.is_sorted(), "members are ordered by score and name");
        }
        (Kind::List, _) => unique(bytes, usize::MAX),
        (Kind::String | Kind::Stream | Kind::Array, _) => {
            panic!("a {} has no compact form", kind.name())
        }
    }
}

/// Walks over a listpack of groups of `step` elements, of which the first is unique.
fn unique(lp: &[u8], step: usize) {
    let count = listpack::validate(lp, |_| true).expect("a listpack is whole");
    assert!(count > 0, "a collection holds something");
    assert!(step == usize::MAX || count % step == 0, "groups are whole");
    let mut seen = HashSet::new();
    for item in listpack::iter(lp).step_by(step) {
        assert!(seen.insert(item.to_vec()), "{item:?} is there twice");
    }
}
