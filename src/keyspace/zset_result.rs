//! Sorted sets in the making: results of commands that store or show one, and what is loaded.

use super::DbMut;
use super::Tuning;
use super::zset::{ZsetRef, fits, large_value, put_score};
use crate::types::entries::KeyHasher;
use crate::types::entry::NewValue;
use crate::types::listpack::{self, Item};
use crate::types::value::{Encoding, Kind};
use crate::types::zset::{SortedSet, rank_of};

/// A sorted set in the making, the result of a STORE command or of an operation on several.
pub struct Build {
    set: SortedSet,
    longest: usize,
}

impl Build {
    pub fn new(hasher: KeyHasher) -> Build {
        Build {
            set: SortedSet::new(hasher),
            longest: 0,
        }
    }

    /// Adds a member or changes its score.
    pub fn update(&mut self, member: &[u8], score: impl FnOnce(Option<f64>) -> f64) {
        self.longest = self.longest.max(member.len());
        self.set.update(member, |old| Some(score(old)));
    }

    pub fn add(&mut self, member: &[u8], score: f64) {
        self.update(member, |_| score);
    }

    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// The result in the encoding for its size.
    pub fn finish(self, tuning: &Tuning) -> Built {
        if !fits(tuning, self.set.len(), self.longest) {
            return Built::Large(large_value(self.set));
        }
        let members = self.set.iter();
        small_of(members.map(|(member, score)| (Item::of(member), score)))
    }
}

/// The result of `Build`.
pub enum Built {
    /// A listpack.
    Small(Vec<u8>),
    Large(NewValue<'static>),
}

impl Built {
    /// Hands the value for the keyspace to `keep`.
    pub fn with_value<R>(self, keep: impl FnOnce(NewValue) -> R) -> R {
        match self {
            Built::Small(lp) => keep(DbMut::compact_value(Kind::Zset, &lp, Encoding::Listpack)),
            Built::Large(value) => keep(value),
        }
    }
}

fn small_of<'d>(members: impl Iterator<Item = (Item<'d>, f64)>) -> Built {
    let mut lp = listpack::new();
    for (member, score) in members {
        listpack::push_back(&mut lp, member);
        put_score(score, |item| listpack::push_back(&mut lp, item));
    }
    Built::Small(lp)
}

/// Members with scores, none twice, in the order of a sorted set. They lie where they come from.
pub struct Ordered<'d>(Vec<(Item<'d>, f64)>);

impl<'d> Ordered<'d> {
    /// Puts members in order, none of which is there twice.
    pub fn new(members: Vec<(Item<'d>, f64)>) -> Ordered<'d> {
        let ranks = || members.iter().map(|(_, score)| rank_of(*score));
        if ranks().is_sorted_by(|a, b| a < b) {
            return Ordered(members);
        }
        // Ranks are compared alone: members would be read from all over.
        let mut order: Vec<(u64, usize)> = ranks().zip(0..).collect();
        order.sort_unstable();
        for equal in order.chunk_by_mut(|a, b| a.0 == b.0) {
            let (mut one, mut other) = (itoa::Buffer::new(), itoa::Buffer::new());
            equal.sort_unstable_by(|a, b| {
                let (a, b) = (&members[a.1].0, &members[b.1].0);
                a.as_bytes(&mut one).cmp(b.as_bytes(&mut other))
            });
        }
        Ordered(order.iter().map(|&(_, at)| members[at]).collect())
    }

    pub fn members(&self) -> &[(Item<'d>, f64)] {
        &self.0
    }

    /// The value for the keyspace, in the encoding for its size.
    pub fn build(&self, tuning: &Tuning, hasher: KeyHasher) -> Built {
        let len = self.0.len();
        let lengths = || self.0.iter().map(|(member, _)| member.len());
        if fits(tuning, len, 0) && fits(tuning, len, lengths().max().unwrap_or(0)) {
            return small_of(self.0.iter().copied());
        }
        let mut buffer = itoa::Buffer::new();
        let set = SortedSet::of_ordered(len, hasher, |add| {
            for (member, score) in &self.0 {
                add(member.as_bytes(&mut buffer), *score);
            }
        });
        Built::Large(large_value(set))
    }
}

/// The large form of a small set's listpack; none if a member is there twice.
pub fn large_of(lp: &[u8], hasher: &KeyHasher) -> Option<NewValue<'static>> {
    let mut set = SortedSet::new(hasher.clone());
    let mut unique = true;
    ZsetRef::Small(lp).all(|member, score| {
        unique &= set.insert(member, score).is_none();
        unique
    });
    unique.then(|| large_value(set))
}
