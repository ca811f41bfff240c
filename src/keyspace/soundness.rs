//! The invariants of every value, walked from end to end: for tests that read bytes of any origin.

use crate::algo::number::parse_f64;
use crate::types::entry::EntryRef;
use crate::types::fields::{self, FieldList};
use crate::types::intset;
use crate::types::listpack::{self, Item};
use crate::types::value::{Encoding, Heap, Kind, Value};
use std::collections::HashSet;

/// Walks over everything that must hold for the value of an entry.
///
/// # Panics
/// Where something does not hold, with what it is.
pub fn check(entry: EntryRef) {
    match entry.value() {
        Value::Int(_) | Value::Text(_) => {}
        Value::Compact(bytes) => compact(entry.kind(), entry.encoding(), bytes),
        Value::Rich(heap) => rich(entry.encoding(), heap),
    }
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
        Heap::Stream(stream) => assert_eq!(stream.check(), Ok(())),
    }
}

fn compact(kind: Kind, encoding: Encoding, bytes: &[u8]) {
    match (kind, encoding) {
        (Kind::Set, Encoding::Intset) => intset::check(bytes),
        (Kind::Set, _) => unique(bytes, 1),
        (Kind::Hash, Encoding::ListpackEx) => {
            let list = FieldList::of(bytes);
            unique(list.listpack(), fields::STEP);
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
        (Kind::String | Kind::Stream, _) => panic!("a {} has no compact form", kind.name()),
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
