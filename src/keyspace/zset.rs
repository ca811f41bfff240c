//! Sorted sets in the keyspace: one face for the listpack of a small set and the tree of a large one.
//!
//! A listpack holds members and scores in turn, in order: `member score member score …`, a score
//! being an integer where it reads as one (so a minus zero loses its sign there) and the text of a
//! double otherwise. It becomes a tree when it gets longer, or a member gets longer, than
//! `zset-max-listpack-entries` and `zset-max-listpack-value` say, and never goes back; what a STORE
//! command makes is judged by the finished result (`Build`).
//!
//! Ranges of scores and of members are first turned into numbers of members. So there is one way to
//! walk, to count and to remove, whatever the range was given by.

pub use super::zset_result::{Build, Built, Ordered, large_of};
use super::{DbMut, Found, Tuning, WrongKind};
use crate::algo::number;
use crate::types::entries::KeyHasher;
use crate::types::entry::{EntryRef, NewValue};
use crate::types::listpack::{self, Item};
use crate::types::value::{Encoding, Heap, Kind, Value};
use crate::types::zset::{End, SortedSet};
use std::ops::Range;

/// A range of scores.
#[derive(Clone, Copy, Debug)]
pub struct Scores {
    pub min: f64,
    pub max: f64,
    pub min_open: bool,
    pub max_open: bool,
}

impl Scores {
    fn is_below(&self, score: f64) -> bool {
        score < self.min || self.min_open && score == self.min
    }

    fn is_above(&self, score: f64) -> bool {
        score > self.max || self.max_open && score == self.max
    }

    /// No score can be in it.
    fn is_empty(&self) -> bool {
        self.min > self.max || self.min == self.max && (self.min_open || self.max_open)
    }
}

/// One end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge<'a> {
    Lowest,
    /// The member, and whether it lies outside.
    At(&'a [u8], bool),
    Highest,
}

/// A range of members, where all scores are equal.
#[derive(Clone, Copy, Debug)]
pub struct Members<'a> {
    pub min: Edge<'a>,
    pub max: Edge<'a>,
}

impl Members<'_> {
    fn is_below(&self, member: &[u8]) -> bool {
        match self.min {
            Edge::Lowest => false,
            Edge::Highest => true,
            Edge::At(edge, open) => member < edge || open && member == edge,
        }
    }

    fn is_above(&self, member: &[u8]) -> bool {
        match self.max {
            Edge::Lowest => true,
            Edge::Highest => false,
            Edge::At(edge, open) => member > edge || open && member == edge,
        }
    }

    fn is_empty(&self) -> bool {
        match (self.min, self.max) {
            (Edge::Highest, _) | (_, Edge::Lowest) => true,
            (Edge::At(min, min_open), Edge::At(max, max_open)) => {
                min > max || min == max && (min_open || max_open)
            }
            _ => false,
        }
    }
}

/// A sorted set being read.
#[derive(Clone, Copy)]
pub enum ZsetRef<'a> {
    Small(&'a [u8]),
    Large(&'a SortedSet),
}

/// Passes a score to `write` in the form that a listpack stores.
pub(super) fn put_score<R>(score: f64, write: impl FnOnce(Item) -> R) -> R {
    match number::as_integer(score) {
        Some(n) => write(Item::Int(n)),
        None => write(Item::Text(&number::format_f64(score))),
    }
}

fn score_of(item: Item) -> f64 {
    match item {
        Item::Int(n) => n as f64,
        Item::Text(text) => number::parse_f64(text).unwrap_or(0.0),
    }
}

/// The score behind the member at `at`, and where the next member lies.
#[inline]
fn score_behind(lp: &[u8], at: usize) -> (f64, usize) {
    let score = listpack::skip(lp, at);
    (
        score_of(listpack::get(lp, score)),
        listpack::skip(lp, score),
    )
}

impl<'a> ZsetRef<'a> {
    /// The sorted set in an entry, if it is one.
    pub fn of(entry: EntryRef<'a>) -> Option<ZsetRef<'a>> {
        match entry.value() {
            Value::Compact(lp) if entry.kind() == Kind::Zset => Some(ZsetRef::Small(lp)),
            Value::Rich(Heap::Zset(set)) => Some(ZsetRef::Large(set)),
            _ => None,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            ZsetRef::Small(lp) => listpack::len(lp) / 2,
            ZsetRef::Large(set) => set.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            ZsetRef::Small(lp) => {
                let at = listpack::find(lp, listpack::HEADER, member, 2)?;
                Some(score_behind(lp, at).0)
            }
            ZsetRef::Large(set) => set.score(member),
        }
    }

    /// The number of a member in the order, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let lp = match self {
            ZsetRef::Large(set) => return set.rank(member),
            ZsetRef::Small(lp) => lp,
        };
        let found = listpack::find(lp, listpack::HEADER, member, 2)?;
        let (mut at, mut rank) = (listpack::HEADER, 0);
        while at < found {
            at = listpack::skip(lp, listpack::skip(lp, at));
            rank += 1;
        }
        Some((rank, score_behind(lp, at).0))
    }

    /// Shows the members with these numbers, in order or against it.
    pub fn walk(&self, range: Range<usize>, downwards: bool, mut show: impl FnMut(&[u8], f64)) {
        if range.is_empty() {
            return;
        }
        let lp = match self {
            ZsetRef::Large(set) => {
                let start = if downwards {
                    range.end - 1
                } else {
                    range.start
                };
                let members = set.walk(start, downwards).take(range.len());
                return members.for_each(|(member, score)| show(member, score));
            }
            ZsetRef::Small(lp) => lp,
        };
        let start = if downwards {
            range.end - 1
        } else {
            range.start
        };
        let mut next = listpack::seek(lp, 2 * start as i64);
        let mut buffer = itoa::Buffer::new();
        for _ in range {
            let Some(at) = next else { return };
            let (score, behind) = score_behind(lp, at);
            show(listpack::get(lp, at).as_bytes(&mut buffer), score);
            next = if downwards {
                listpack::prev(lp, at).and_then(|score| listpack::prev(lp, score))
            } else {
                (behind < lp.len() - 1).then_some(behind)
            };
        }
    }

    /// Shows all members, in order, until one of them is not wanted.
    pub fn all(&self, mut show: impl FnMut(&[u8], f64) -> bool) {
        match self {
            ZsetRef::Large(set) => {
                let _ = set.iter().all(|(member, score)| show(member, score));
            }
            ZsetRef::Small(lp) => {
                let mut next = listpack::first(lp);
                let mut buffer = itoa::Buffer::new();
                while let Some(at) = next {
                    let (score, behind) = score_behind(lp, at);
                    if !show(listpack::get(lp, at).as_bytes(&mut buffer), score) {
                        return;
                    }
                    next = (behind < lp.len() - 1).then_some(behind);
                }
            }
        }
    }

    /// The same, as items that stay good as long as the set.
    pub fn items(self, mut show: impl FnMut(Item<'a>, f64) -> bool) {
        match self {
            ZsetRef::Large(set) => {
                let _ = set
                    .iter()
                    .all(|(member, score)| show(Item::of(member), score));
            }
            ZsetRef::Small(lp) => {
                let mut at = listpack::HEADER;
                while at < lp.len() - 1 {
                    let (score, behind) = score_behind(lp, at);
                    if !show(listpack::get(lp, at), score) {
                        return;
                    }
                    at = behind;
                }
            }
        }
    }

    /// The number of members from the start that fulfil `is`.
    fn count_while(&self, mut is: impl FnMut(&[u8], f64) -> bool) -> usize {
        let mut count = 0;
        self.all(|member, score| {
            let yes = is(member, score);
            count += yes as usize;
            yes
        });
        count
    }

    /// The numbers of the members with these scores.
    pub fn in_scores(&self, scores: &Scores) -> Range<usize> {
        if scores.is_empty() {
            return 0..0;
        }
        match self {
            ZsetRef::Large(set) => {
                let start = set.count_below(scores.min, scores.min_open);
                start..set.count_below(scores.max, !scores.max_open).max(start)
            }
            ZsetRef::Small(_) => {
                let start = self.count_while(|_, score| scores.is_below(score));
                start
                    ..self
                        .count_while(|_, score| !scores.is_above(score))
                        .max(start)
            }
        }
    }

    /// The numbers of the members of this range. As Redis does, a listpack whose scores differ is
    /// read from the end one starts at, up to the first member outside.
    pub fn in_members(&self, members: &Members, downwards: bool) -> Range<usize> {
        let len = self.len();
        if members.is_empty() || len == 0 {
            return 0..0;
        }
        let mut outside = false;
        self.walk(len - 1..len, false, |last, _| {
            outside |= members.is_below(last)
        });
        self.walk(0..1, false, |first, _| outside |= members.is_above(first));
        if outside {
            return 0..0;
        }
        match self {
            ZsetRef::Large(set) => {
                let count = |edge: Edge, behind: bool| match edge {
                    Edge::Lowest => 0,
                    Edge::Highest => set.len(),
                    Edge::At(bytes, open) => set.count_before(bytes, open != behind),
                };
                let start = count(members.min, false);
                start..count(members.max, true).max(start)
            }
            ZsetRef::Small(_) => self.in_members_of_listpack(members, downwards),
        }
    }

    fn in_members_of_listpack(&self, members: &Members, downwards: bool) -> Range<usize> {
        let len = self.len();
        if !downwards {
            let start = self.count_while(|member, _| members.is_below(member));
            let mut end = start;
            let mut inside = true;
            self.walk(start..len, false, |member, _| {
                inside &= !members.is_above(member);
                end += inside as usize;
            });
            return start..end;
        }
        let (mut end, mut skipping) = (len, true);
        self.walk(0..len, true, |member, _| {
            skipping &= members.is_above(member);
            end -= skipping as usize;
        });
        let (mut start, mut inside) = (end, true);
        self.walk(0..end, true, |member, _| {
            inside &= !members.is_below(member);
            start -= inside as usize;
        });
        start..end
    }
}

/// Puts a member that is not there where its score belongs.
fn insert(lp: &mut Vec<u8>, member: &[u8], score: f64) {
    let mut at = listpack::HEADER;
    let mut buffer = itoa::Buffer::new();
    while at < lp.len() - 1 {
        let (other, behind) = score_behind(lp, at);
        if other > score || other == score && listpack::get(lp, at).as_bytes(&mut buffer) > member {
            break;
        }
        at = behind;
    }
    if at == lp.len() - 1 {
        listpack::push_back(lp, Item::of(member));
        put_score(score, |item| listpack::push_back(lp, item));
        return;
    }
    put_score(score, |item| {
        listpack::insert(lp, at, listpack::Place::Before, item)
    });
    listpack::insert(lp, at, listpack::Place::Before, Item::of(member));
}

/// Gives the member at `at` another score.
fn rescore(lp: &mut Vec<u8>, at: usize, member: &[u8], score: f64) {
    listpack::remove_range(lp, at, 2);
    insert(lp, member, score);
}

fn to_large(small: ZsetRef, hasher: KeyHasher) -> SortedSet {
    let mut set = SortedSet::new(hasher);
    small.all(|member, score| {
        set.insert(member, score);
        true
    });
    set
}

pub(super) fn large_value(set: SortedSet) -> NewValue<'static> {
    NewValue::Heap(Box::new(Heap::Zset(Box::new(set))), Encoding::Skiplist)
}

pub(super) fn fits(tuning: &Tuning, len: usize, longest: usize) -> bool {
    len <= tuning.zset_max_listpack_entries && longest <= tuning.zset_max_listpack_value
}

impl DbMut<'_> {
    /// The sorted set that was found, or that it is something else.
    pub fn zset_at(&self, found: Found) -> Result<ZsetRef<'_>, WrongKind> {
        ZsetRef::of(self.get(found)).ok_or(WrongKind)
    }

    /// The sorted set at a key, looked up for reading.
    pub fn zset(&mut self, key: &[u8]) -> Result<Option<ZsetRef<'_>>, WrongKind> {
        match self.read(key) {
            Some(found) => self.zset_at(found).map(Some),
            None => Ok(None),
        }
    }

    /// The sorted set at a key, looked up for changing it.
    pub fn zset_to_change(&mut self, key: &[u8]) -> Result<Option<Found>, WrongKind> {
        let Some(found) = self.write(key) else {
            return Ok(None);
        };
        self.zset_at(found).map(|_| Some(found))
    }

    /// Makes a found set a tree, however small it is.
    pub fn zset_to_skiplist(&mut self, found: Found) {
        if let Some(lp) = self.compact(found) {
            let set = to_large(ZsetRef::Small(lp), self.zset_hasher());
            self.exchange(found, large_value(set));
        }
    }

    pub fn zset_hasher(&self) -> KeyHasher {
        self.entries().hasher().clone()
    }

    /// Adds an empty sorted set that expects so many members, of up to `longest` bytes.
    pub fn add_zset(&mut self, key: &[u8], len: usize, longest: usize, tuning: &Tuning) -> Found {
        if fits(tuning, len, longest) {
            let lp = listpack::new();
            let value = DbMut::compact_value(Kind::Zset, &lp, Encoding::Listpack);
            return self.add(key, value, None);
        }
        let set = SortedSet::new(self.zset_hasher());
        self.add(key, large_value(set), None)
    }

    /// Gives a member of a found set the score that `decide` makes of the one it has; none leaves
    /// all as it is. Returns the score before and the new one.
    pub fn zset_update(
        &mut self,
        found: Found,
        member: &[u8],
        tuning: &Tuning,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> (Option<f64>, Option<f64>) {
        self.resized(found, |db| {
            let Some(lp) = db.compact(found) else {
                let set = db.zset_mut(found).expect("the caller saw a sorted set");
                return set.update(member, decide);
            };
            let at = listpack::find(lp, listpack::HEADER, member, 2);
            let old = at.map(|at| score_behind(lp, at).0);
            let Some(new) = decide(old) else {
                return (old, None);
            };
            if let Some(at) = at {
                if old != Some(new) {
                    db.edit_compact(found, Encoding::Listpack, |lp| rescore(lp, at, member, new));
                }
                return (old, Some(new));
            }
            if !fits(tuning, listpack::len(lp) / 2 + 1, member.len()) {
                db.enlarge(found);
                let set = db.zset_mut(found).expect("it was just made one");
                return set.update(member, |_| Some(new));
            }
            db.edit_compact(found, Encoding::Listpack, |lp| insert(lp, member, new));
            (None, Some(new))
        })
    }

    /// Prepares a found set for `len` members about to be added. As Redis does, more than a
    /// listpack may hold make it a tree, whether or not they exist already.
    pub fn zset_expect(&mut self, found: Found, len: usize, tuning: &Tuning) {
        if len > tuning.zset_max_listpack_entries {
            self.enlarge(found);
        }
    }

    /// Makes a tree of a found listpack.
    fn enlarge(&mut self, found: Found) {
        if let Ok(small @ ZsetRef::Small(_)) = self.zset_at(found) {
            let set = to_large(small, self.zset_hasher());
            self.exchange(found, large_value(set));
        }
    }

    fn zset_mut(&mut self, found: Found) -> Option<&mut SortedSet> {
        match self.heap_mut(found) {
            Some(Heap::Zset(set)) => Some(set),
            _ => None,
        }
    }

    /// Removes a member of a found set. Whether it was there.
    pub fn zset_remove(&mut self, found: Found, member: &[u8]) -> bool {
        self.resized(found, |db| {
            if let Some(set) = db.zset_mut(found) {
                return set.remove(member).is_some();
            }
            let lp = db.compact(found).unwrap_or(&[]);
            let Some(at) = (!lp.is_empty())
                .then(|| listpack::find(lp, listpack::HEADER, member, 2))
                .flatten()
            else {
                return false;
            };
            db.edit_compact(found, Encoding::Listpack, |lp| {
                listpack::remove_range(lp, at, 2);
            });
            true
        })
    }

    /// Removes the members of a found set with these numbers.
    pub fn zset_remove_range(&mut self, found: Found, range: Range<usize>) {
        self.resized(found, |db| db.cut_range(found, range));
    }

    /// As `zset_remove_range`, for a caller that counts the length itself.
    fn cut_range(&mut self, found: Found, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        if let Some(set) = self.zset_mut(found) {
            return set.remove_range(range);
        }
        self.edit_compact(found, Encoding::Listpack, |lp| {
            if let Some(at) = listpack::seek(lp, 2 * range.start as i64) {
                listpack::remove_range(lp, at, 2 * range.len());
            }
        });
    }

    /// Removes up to `count` members from an end of a found set, and shows each as it goes.
    pub fn zset_pop(
        &mut self,
        found: Found,
        end: End,
        count: usize,
        mut show: impl FnMut(&[u8], f64),
    ) {
        self.resized(found, |db| {
            if let Some(set) = db.zset_mut(found) {
                for _ in 0..count {
                    if set.pop(end, &mut show).is_none() {
                        return;
                    }
                }
                return;
            }
            let Ok(small) = db.zset_at(found) else {
                return;
            };
            let (len, downwards) = (small.len(), end == End::Max);
            let range = if downwards {
                len - count.min(len)..len
            } else {
                0..count.min(len)
            };
            small.walk(range.clone(), downwards, show);
            db.cut_range(found, range);
        })
    }
}
