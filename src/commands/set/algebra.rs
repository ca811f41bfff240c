//! Operations on several sets: intersection, union, difference, and the forms that store.
//!
//! The ways to the result are those of Redis where they show: which encoding a stored result
//! starts with, and which of two ways a difference goes, since a set does not shrink back.

use crate::command::effects::Event;
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::gathered::Gathered;
use crate::commands::put;
use crate::keyspace::set::{SetRef, SetValue};
use crate::keyspace::{DbMut, Deadline, Found, RemovalReason, Tuning};
use crate::types::entries::KeyHasher;
use crate::types::intset;
use crate::types::listpack::{self, Item};
use crate::types::pack::Pack;
use crate::types::value::Kind;
use smallvec::SmallVec;

/// The sets of a command; `None` for missing keys.
pub(super) type Places = SmallVec<[Option<Found>; 8]>;
pub(super) type Keys<'a> = SmallVec<[&'a [u8]; 8]>;

/// The keys that are left.
fn keys<'a>(args: &Args<'a>) -> Keys<'a> {
    args.rest().iter().collect()
}

/// Looks all keys up, which must be sets or nothing.
pub(super) fn look_up(db: &mut DbMut, keys: &[&[u8]]) -> Result<Places, CmdError> {
    let len = db.len();
    let mut places = Places::new();
    for key in keys {
        let found = db.read(key);
        if let Some(found) = found {
            db.set_at(found)?;
        }
        places.push(found);
    }
    // An overdue key that left may have moved those looked up before it.
    if db.len() != len {
        places = keys.iter().map(|key| db.peek(key)).collect();
    }
    Ok(places)
}

pub(super) fn sets<'d>(db: &'d DbMut, places: &Places) -> SmallVec<[Option<SetRef<'d>>; 8]> {
    let set = |found: &Option<Found>| found.and_then(|found| db.set_at(found).ok());
    places.iter().map(set).collect()
}

/// Calls `visit` with every member that all sets have, until it says stop. The first set is the
/// smallest.
pub(super) fn intersect(sets: &[SetRef], mut visit: impl FnMut(Item) -> bool) {
    match sets {
        [] => {}
        [SetRef::Ints(few), SetRef::Ints(many), others @ ..] => {
            intset::common(few, many, |n| {
                let item = Item::Int(n);
                !others.iter().all(|set| set.contains(item)) || visit(item)
            });
        }
        [first, SetRef::Table(second), others @ ..] => {
            let found = |item| others.iter().all(|set| set.contains(item));
            look_ahead(*first, second, |item, there| {
                !(there && found(item)) || visit(item)
            });
        }
        [first, others @ ..] => {
            for item in first.iter() {
                if others.iter().all(|set| set.contains(item)) && !visit(item) {
                    return;
                }
            }
        }
    }
}

/// Tables of up to so many bytes stay in the cache of a core while they are asked for one member after
/// the other: loading ahead would cost more than it saves.
const CACHED_BYTES: usize = 512 << 10;

/// Calls `visit` with every member of a set and whether a table has it, too, until it says stop.
/// Where the table is large, what the lookups of the next members need is loaded meanwhile.
fn look_ahead<'d>(set: SetRef<'d>, table: &Pack, mut visit: impl FnMut(Item<'d>, bool) -> bool) {
    const AHEAD: usize = 16;
    let mut members = set.iter();
    if table.bytes() <= CACHED_BYTES {
        members.all(|item| visit(item, table.contains(item)));
        return;
    }
    let mut coming: SmallVec<[(u64, Item); AHEAD]> = SmallVec::new();
    loop {
        coming.clear();
        for item in members.by_ref().take(AHEAD) {
            let hash = table.hash(item);
            table.prefetch(hash);
            coming.push((hash, item));
        }
        coming
            .iter()
            .for_each(|(hash, _)| table.prefetch_record(*hash));
        for &(hash, item) in &coming {
            if !visit(item, table.find_hashed(hash, item).is_some()) {
                return;
            }
        }
        if coming.len() < AHEAD {
            return;
        }
    }
}

/// The sets in the order of their size; `None` if one is missing, so that nothing is common.
pub(super) fn smallest_first<'d>(
    db: &'d DbMut,
    places: &Places,
) -> Option<SmallVec<[SetRef<'d>; 8]>> {
    let mut all: SmallVec<[SetRef; 8]> = sets(db, places).into_iter().collect::<Option<_>>()?;
    all.sort_by_key(|set| set.len());
    Some(all)
}

pub(super) const SINTER: DataCommand = Spec {
    name: "sinter",
    flags: READONLY,
    keys: &[KeySpec::range(1, -1, 1, &[RO, ACCESS])],
    usage: "key:key...",
    since: "1.0.0",
    summary: "The members that all sets have.",
    complexity: "O(N*M), N the size of the smallest set and M the number of sets",
    tips: &["nondeterministic_output_order"],
    ..Spec::of(Group::Set)
}
.runs(sinter);

fn sinter(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.db();
    let places = look_up(&mut db, &keys(args))?;
    let Some(sets) = smallest_first(&db, &places) else {
        return reply.set(0);
    };
    let (at, mut count) = (reply.deferred(), 0);
    intersect(&sets, |item| {
        count += 1;
        reply.item(item).is_ok()
    });
    reply.close_set(at, count)
}

/// Puts the result of `event` under a key, or nothing if it is empty.
fn store(
    cx: &mut Cx,
    key: &[u8],
    mut result: SetValue,
    event: Event,
    reply: &mut Reply,
) -> CmdResult {
    let len = result.len();
    if len > 0 {
        put(cx, key, result.take(), Kind::Set, Deadline::Clear);
        cx.changed(event, key);
    } else if let Some(found) = cx.db().write(key) {
        cx.db().remove(found, RemovalReason::Deleted);
        cx.changed(Event::DEL, key);
    }
    reply.int(len as i64)
}

pub(super) const SINTERSTORE: DataCommand = Spec {
    name: "sinterstore",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[
        KeySpec::at(1, &[OW, UPDATE]),
        KeySpec::range(2, -1, 1, &[RO, ACCESS]),
    ],
    usage: "destination:key key:key...",
    since: "1.0.0",
    summary: "Stores the members that all sets have.",
    complexity: "O(N*M), N the size of the smallest set and M the number of sets",
    ..Spec::of(Group::Set)
}
.runs(sinterstore);

fn sinterstore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, tuning) = (args.key(), cx.tuning);
    let mut db = cx.keyspace.db(cx.db);
    let places = look_up(&mut db, &keys(args))?;
    let hasher = db.entries().hasher().clone();
    let mut result = SetValue::Ints(intset::new());
    if let Some(sets) = smallest_first(&db, &places) {
        if !matches!(sets[0], SetRef::Ints(_)) {
            result = SetValue::Listpack(listpack::new());
        }
        intersect(&sets, |item| {
            result.add_new(item, tuning, &hasher);
            true
        });
        if !matches!(sets[0], SetRef::Ints(_)) {
            result.prefer_ints(tuning);
        }
    }
    store(cx, key, result, Event::SINTERSTORE, reply)
}

/// The members from the first that may be in others: whether each of them asks the others, or what
/// the others have is taken out. The first is reckoned half as much work, since it stops early.
fn asks(first: SetRef, others: &[SetRef]) -> bool {
    let asking = first.len() * (others.len() + 1) / 2;
    let taking = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    asking <= taking
}

/// The encoding limits with which results are built.
pub(super) struct Making<'t> {
    tuning: &'t Tuning,
    hasher: KeyHasher,
}

impl<'t> Making<'t> {
    pub(super) fn new(tuning: &'t Tuning, db: &DbMut) -> Making<'t> {
        let hasher = db.entries().hasher().clone();
        Making { tuning, hasher }
    }

    /// Adds a member that is not there.
    fn add(&self, result: &mut SetValue, item: Item) {
        result.add_new(item, self.tuning, &self.hasher);
    }

    /// All members of all sets, each once, in the order in which they are met.
    fn union<'d>(&self, sets: &[SetRef<'d>], mut visit: impl FnMut(Item<'d>)) {
        let Some((last, others)) = sets.split_last() else {
            return;
        };
        let count = others.iter().map(|set| set.len()).sum();
        let mut met = Gathered::with_room(count, self.hasher.clone());
        for item in others.iter().flat_map(|set| set.iter()) {
            if met.add(item).1 {
                visit(item);
            }
        }
        for item in last.iter() {
            if others.is_empty() || met.place_of(item).is_none() {
                visit(item);
            }
        }
    }

    /// The members of the first set that no other has.
    pub(super) fn difference<'d>(
        &self,
        sets: &[Option<SetRef<'d>>],
        mut visit: impl FnMut(Item<'d>),
    ) {
        let Some(Some(first)) = sets.first() else {
            return;
        };
        let mut others: SmallVec<[SetRef; 8]> = sets[1..].iter().flatten().copied().collect();
        if asks(*first, &others) {
            others.sort_by_key(|set| std::cmp::Reverse(set.len()));
            if let [SetRef::Table(table), rest @ ..] = others.as_slice() {
                look_ahead(*first, table, |item, there| {
                    if !there && !rest.iter().any(|set| set.contains(item)) {
                        visit(item);
                    }
                    true
                });
                return;
            }
            let only = |item: &Item| !others.iter().any(|set| set.contains(*item));
            return first.iter().filter(only).for_each(visit);
        }
        let mut left = Gathered::with_room(first.len(), self.hasher.clone());
        first.iter().for_each(|item| {
            left.add(item);
        });
        let mut gone = vec![false; left.items().len()];
        for item in others.iter().flat_map(|set| set.iter()) {
            if let Some(place) = left.place_of(item) {
                gone[place] = true;
            }
        }
        let pairs = left.items().iter().zip(gone);
        pairs
            .filter(|(_, gone)| !gone)
            .for_each(|(item, _)| visit(*item));
    }

    /// The difference as it is stored: where members are taken out of a copy of the first set, the
    /// encoding is that of the copy.
    fn store_difference(&self, sets: &[Option<SetRef>], result: &mut SetValue) {
        let Some(Some(first)) = sets.first() else {
            return;
        };
        let others: SmallVec<[SetRef; 8]> = sets[1..].iter().flatten().copied().collect();
        if asks(*first, &others) {
            return self.difference(sets, |item| self.add(result, item));
        }
        first.iter().for_each(|item| self.add(result, item));
        for set in others {
            for item in set.iter() {
                if result.is_empty() {
                    return;
                }
                result.remove(item);
            }
        }
    }
}

/// Whether all sets are of integers alone.
fn all_ints(sets: &[SetRef]) -> bool {
    sets.iter().all(|set| matches!(set, SetRef::Ints(_)))
}

/// The integers of all sets in their order, each once: what Redis would gather in an intset.
fn union_of_ints(sets: &[SetRef]) -> Vec<i64> {
    let items = sets.iter().flat_map(|set| set.iter());
    let ints = items.filter_map(|item| match item {
        Item::Int(n) => Some(n),
        Item::Text(_) => None,
    });
    let mut ints: Vec<i64> = ints.collect();
    ints.sort_unstable();
    ints.dedup();
    ints
}

pub(super) const SUNION: DataCommand = Spec {
    name: "sunion",
    flags: READONLY,
    keys: &[KeySpec::range(1, -1, 1, &[RO, ACCESS])],
    usage: "key:key...",
    since: "1.0.0",
    summary: "The members that any of the sets has.",
    complexity: "O(N), N the size of all sets together",
    tips: &["nondeterministic_output_order"],
    ..Spec::of(Group::Set)
}
.runs(sunion);

fn sunion(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut db = cx.keyspace.db(cx.db);
    let places = look_up(&mut db, &keys(args))?;
    let sets: SmallVec<[SetRef; 8]> = sets(&db, &places).into_iter().flatten().collect();
    if all_ints(&sets) {
        let ints = union_of_ints(&sets);
        reply.set(ints.len())?;
        return ints.iter().try_for_each(|n| reply.item(Item::Int(*n)));
    }
    let making = Making::new(cx.tuning, &db);
    write_members(reply, |visit| making.union(&sets, visit))
}

pub(super) const SDIFF: DataCommand = Spec {
    name: "sdiff",
    flags: READONLY,
    keys: &[KeySpec::range(1, -1, 1, &[RO, ACCESS])],
    usage: "key:key...",
    since: "1.0.0",
    summary: "The members of the first set that no other has.",
    complexity: "O(N), N the size of all sets together",
    tips: &["nondeterministic_output_order"],
    ..Spec::of(Group::Set)
}
.runs(sdiff);

fn sdiff(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let keys = keys(args);
    let mut db = cx.keyspace.db(cx.db);
    let places = look_up(&mut db, &keys)?;
    if keys[1..].contains(&keys[0]) {
        return reply.set(0);
    }
    let making = Making::new(cx.tuning, &db);
    let sets = sets(&db, &places);
    write_members(reply, |visit| making.difference(&sets, visit))
}

/// Replies with the members that `find` shows, as far as they fit.
fn write_members<'d>(reply: &mut Reply, find: impl FnOnce(&mut dyn FnMut(Item<'d>))) -> CmdResult {
    let (at, mut count, mut fits) = (reply.deferred(), 0, Ok(()));
    find(&mut |item| {
        if fits.is_ok() {
            count += 1;
            fits = reply.item(item);
        }
    });
    fits?;
    reply.close_set(at, count)
}

pub(super) const SUNIONSTORE: DataCommand = Spec {
    name: "sunionstore",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[
        KeySpec::at(1, &[OW, UPDATE]),
        KeySpec::range(2, -1, 1, &[RO, ACCESS]),
    ],
    usage: "destination:key key:key...",
    since: "1.0.0",
    summary: "Stores the members that any of the sets has.",
    complexity: "O(N), N the size of all sets together",
    ..Spec::of(Group::Set)
}
.runs(sunionstore);

fn sunionstore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let mut db = cx.keyspace.db(cx.db);
    let places = look_up(&mut db, &keys(args))?;
    let making = Making::new(cx.tuning, &db);
    let sets: SmallVec<[SetRef; 8]> = sets(&db, &places).into_iter().flatten().collect();
    let mut result = SetValue::Ints(intset::new());
    if all_ints(&sets) {
        let ints = union_of_ints(&sets);
        ints.iter()
            .for_each(|n| making.add(&mut result, Item::Int(*n)));
    } else {
        making.union(&sets, |item| making.add(&mut result, item));
    }
    drop(sets);
    store(cx, key, result, Event::SUNIONSTORE, reply)
}

pub(super) const SDIFFSTORE: DataCommand = Spec {
    name: "sdiffstore",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[
        KeySpec::at(1, &[OW, UPDATE]),
        KeySpec::range(2, -1, 1, &[RO, ACCESS]),
    ],
    usage: "destination:key key:key...",
    since: "1.0.0",
    summary: "Stores the members of the first set that no other has.",
    complexity: "O(N), N the size of all sets together",
    ..Spec::of(Group::Set)
}
.runs(sdiffstore);

fn sdiffstore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (key, keys) = (args.key(), keys(args));
    let mut db = cx.keyspace.db(cx.db);
    let places = look_up(&mut db, &keys)?;
    let making = Making::new(cx.tuning, &db);
    let sets = sets(&db, &places);
    let mut result = SetValue::Ints(intset::new());
    if !keys[1..].contains(&keys[0]) {
        making.store_difference(&sets, &mut result);
    }
    drop(sets);
    store(cx, key, result, Event::SDIFFSTORE, reply)
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    fn sorted(reply: String) -> String {
        let mut words: Vec<&str> = reply
            .split(' ')
            .filter(|w| !w.starts_with(['*', '$']))
            .collect();
        words.sort();
        words.join(" ")
    }

    #[test]
    fn results_are_those_of_sets() {
        let mut e = Engine::new();
        e.ask("SADD a 1 2 3 x");
        e.ask("SADD b 2 3 x y");
        e.ask("SADD c 3 x z");
        assert_eq!(sorted(e.ask("SINTER a b c")), "3 x");
        assert_eq!(e.ask("SINTERCARD 3 a b c"), ":2");
        assert_eq!(e.ask("SINTERCARD 3 a b c LIMIT 1"), ":1");
        assert_eq!(sorted(e.ask("SUNION a b nokey")), "1 2 3 x y");
        assert_eq!(sorted(e.ask("SDIFF a b c")), "1");
        assert_eq!(e.ask("SDIFF a a"), "*0");
        assert_eq!(e.ask("SINTER a nokey"), "*0");
        assert_eq!(e.ask("SDIFFSTORE a a b"), ":1");
        assert_eq!(e.outcome().events_text(), "overwritten a, sdiffstore a");
        assert_eq!(e.ask("SINTERSTORE a nokey"), ":0");
        assert_eq!(e.outcome().events_text(), "del a");
        assert_eq!(e.ask("SINTERSTORE a nokey"), ":0");
        assert_eq!(e.outcome().dirty, 0);
    }

    #[test]
    fn common_integers_of_mixed_sets_are_an_intset() {
        let mut e = Engine::new();
        e.ask("SADD a 1 2 x");
        e.ask("SADD b 1 2 y");
        e.ask("SINTERSTORE r a b");
        assert_eq!(e.ask("OBJECT ENCODING r"), "$6 intset");
        e.ask("SADD b x");
        e.ask("SINTERSTORE r a b");
        assert_eq!(e.ask("OBJECT ENCODING r"), "$8 listpack");
    }
}
