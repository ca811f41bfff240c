//! The keyspace against a simple model: maps of what each key holds and until when.

use super::{DbIndex, Deadline, Keyspace, RemovalReason, string};
use crate::algo::rng::Rng;
use proptest::prelude::*;
use std::collections::HashMap;

const DBS: u32 = 3;
const START_MS: i64 = 1_000_000;

type Model = Vec<HashMap<Vec<u8>, (Vec<u8>, Option<i64>)>>;

#[derive(Debug, Clone)]
enum Op {
    Set(u32, u8, Vec<u8>, Option<i64>),
    Keep(u32, u8, Vec<u8>),
    Delete(u32, u8),
    Expire(u32, u8, i64),
    Persist(u32, u8),
    Rename(u32, u8, u8),
    Move(u32, u8, u32),
    Copy(u32, u8, u32, u8),
    Swap(u32, u32),
    /// Whether what was flushed is dropped at once.
    Flush(u32, bool),
    Advance(i64),
    Active(bool),
    Collect,
}

fn op() -> impl Strategy<Value = Op> {
    let (db, key) = (0..DBS, 0u8..12);
    let ahead = prop_oneof![1i64..50, 1i64..100_000, 1i64..10_000_000_000];
    let value = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..60),
        prop::collection::vec(any::<u8>(), 500..600),
    ];
    let at = (db.clone(), key.clone());
    prop_oneof![
        4 => (db.clone(), key.clone(), value.clone(), prop::option::of(ahead.clone()))
            .prop_map(|(db, key, value, ahead)| Op::Set(db, key, value, ahead)),
        2 => (db.clone(), key.clone(), value).prop_map(|(db, key, v)| Op::Keep(db, key, v)),
        1 => at.clone().prop_map(|(db, key)| Op::Delete(db, key)),
        3 => (db.clone(), key.clone(), ahead.clone())
            .prop_map(|(db, key, ahead)| Op::Expire(db, key, ahead)),
        1 => at.clone().prop_map(|(db, key)| Op::Persist(db, key)),
        2 => (db.clone(), key.clone(), key.clone()).prop_map(|(db, a, b)| Op::Rename(db, a, b)),
        1 => (db.clone(), key.clone(), db.clone()).prop_map(|(a, key, b)| Op::Move(a, key, b)),
        2 => (at.clone(), at).prop_map(|((a, from), (b, to))| Op::Copy(a, from, b, to)),
        1 => (db.clone(), db.clone()).prop_map(|(a, b)| Op::Swap(a, b)),
        1 => (db, any::<bool>()).prop_map(|(db, quickly)| Op::Flush(db, quickly)),
        3 => ahead.prop_map(Op::Advance),
        1 => any::<bool>().prop_map(Op::Active),
        2 => Just(Op::Collect),
    ]
}

fn name(key: u8) -> Vec<u8> {
    // Some short, some with a length that takes four bytes.
    vec![b'a' + key; if key % 4 == 3 { 300 } else { 1 + key as usize }]
}

/// A keyspace and what it should hold.
struct Both {
    real: Keyspace,
    model: Model,
}

impl Both {
    fn new(seed: u64) -> Both {
        Both {
            real: Keyspace::new(DBS, Rng::new(seed), START_MS),
            model: vec![HashMap::new(); DBS as usize],
        }
    }

    fn forget_overdue(&mut self) {
        let now_ms = self.real.now_ms();
        for db in &mut self.model {
            db.retain(|_, (_, deadline)| deadline.is_none_or(|ms| ms >= now_ms));
        }
    }

    fn set(&mut self, db: u32, key: u8, value: Vec<u8>, deadline: Deadline) {
        let key = name(key);
        let mut real = self.real.db(DbIndex(db));
        real.set(&key, string::encode(&value), deadline);
        let model = &mut self.model[db as usize];
        let old = model.get(&key).and_then(|(_, deadline)| *deadline);
        let deadline = match deadline {
            Deadline::Clear => None,
            Deadline::Keep => old,
            Deadline::At(ms) => Some(ms),
        };
        model.insert(key, (value, deadline));
    }

    /// Puts a value that left another place under a name that may be taken.
    fn put(&mut self, from: u32, key: u8, to: u32, new: u8, stays: bool) {
        if (from, key) == (to, new) {
            return;
        }
        let (key, new) = (name(key), name(new));
        let Some(found) = self.real.db(DbIndex(from)).peek(&key) else {
            assert!(!self.model[from as usize].contains_key(&key));
            return;
        };
        let (value, deadline_ms) = match stays {
            true => self.real.db(DbIndex(from)).copy(found),
            false => self.real.db(DbIndex(from)).take(found),
        };
        let mut target = self.real.db(DbIndex(to));
        if let Some(taken) = target.peek(&new) {
            target.remove(taken, RemovalReason::Overwritten);
        }
        target.add_taken(&new, value, deadline_ms);
        let held = self.model[from as usize][&key].clone();
        if !stays {
            self.model[from as usize].remove(&key);
        }
        self.model[to as usize].insert(new, held);
    }

    fn set_deadline(&mut self, db: u32, key: u8, deadline_ms: Option<i64>) {
        let key = name(key);
        let mut real = self.real.db(DbIndex(db));
        let found = real.peek(&key);
        let held = self.model[db as usize].get_mut(&key);
        assert_eq!(found.is_some(), held.is_some());
        if let (Some(found), Some(held)) = (found, held) {
            match deadline_ms {
                Some(deadline_ms) => real.set_deadline(found, deadline_ms),
                None => assert_eq!(real.clear_deadline(found), held.1.is_some()),
            }
            held.1 = deadline_ms;
        }
    }

    fn run(&mut self, op: Op) {
        let now_ms = self.real.now_ms();
        match op {
            Op::Set(db, key, value, ahead) => {
                let deadline = ahead.map_or(Deadline::Clear, |ms| Deadline::At(now_ms + ms));
                self.set(db, key, value, deadline);
            }
            Op::Keep(db, key, value) => self.set(db, key, value, Deadline::Keep),
            Op::Delete(db, key) => {
                let was = self.model[db as usize].remove(&name(key)).is_some();
                assert_eq!(self.real.db(DbIndex(db)).delete(&name(key)), was);
            }
            Op::Expire(db, key, ahead) => self.set_deadline(db, key, Some(now_ms + ahead)),
            Op::Persist(db, key) => self.set_deadline(db, key, None),
            Op::Rename(db, from, to) => self.put(db, from, db, to, false),
            Op::Move(from, key, to) => self.put(from, key, to, key, false),
            Op::Copy(from, key, to, new) => self.put(from, key, to, new, true),
            Op::Swap(a, b) => {
                self.real.swap(DbIndex(a), DbIndex(b));
                self.model.swap(a as usize, b as usize);
            }
            Op::Flush(db, quickly) => {
                self.real.flush(DbIndex(db));
                let job = std::mem::take(&mut self.real.shared.to_free);
                if quickly {
                    let garbage = job.into_iter().map(|job| job.garbage);
                    garbage.for_each(|garbage| self.real.drop_quickly(garbage));
                }
                self.model[db as usize].clear();
            }
            Op::Advance(ms) => {
                self.real.set_now_ms(now_ms + ms);
                self.forget_overdue();
            }
            Op::Active(active) => self.real.shared.active_expiry = active,
            Op::Collect => self.collect(),
        }
    }

    /// Removes overdue keys, and compares counts once all of them are removed.
    fn collect(&mut self) {
        for db in 0..DBS {
            self.real.db(DbIndex(db)).expire_due(|| true);
            if self.real.shared.active_expiry {
                let model = &self.model[db as usize];
                let volatile = model.values().filter(|held| held.1.is_some()).count();
                let real = self.real.view(DbIndex(db));
                assert_eq!((real.len(), real.volatile()), (model.len(), volatile));
            }
        }
    }

    /// Checks that the keyspace equals the model.
    fn compare(&mut self) {
        for db in 0..DBS {
            for key in 0..12 {
                let key = name(key);
                let mut real = self.real.db(DbIndex(db));
                let got = real.peek(&key).map(|found| {
                    let mut buffer = itoa::Buffer::new();
                    let text = real.string_at(found).expect("a string");
                    let text = text.as_bytes(&mut buffer).to_vec();
                    (text, real.get(found).deadline_ms())
                });
                assert_eq!(got.as_ref(), self.model[db as usize].get(&key));
            }
        }
        self.real.shared.active_expiry = true;
        self.collect();
    }

    /// The digest does not depend on how the data came to be.
    fn compare_digest(&self) {
        let mut other = Keyspace::new(DBS, Rng::new(99), self.real.now_ms());
        for (index, db) in self.model.iter().enumerate() {
            for (key, (value, deadline_ms)) in db {
                let value = string::raw(value);
                other
                    .db(DbIndex(index as u32))
                    .add(key, value, *deadline_ms);
            }
        }
        assert_eq!(self.real.digest(), other.digest());
    }
}

proptest! {
    #[test]
    fn behaves_like_maps(seed: u64, ops in prop::collection::vec(op(), 1..200)) {
        let mut both = Both::new(seed);
        for op in ops {
            both.run(op);
            both.real.check();
        }
        both.compare();
        both.compare_digest();
    }
}
