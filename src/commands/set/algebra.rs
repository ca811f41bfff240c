//! Operations on several sets: intersection, union, difference, and the forms that store.
//!
//! The ways to the result are those of Redis where they show: which encoding a stored result
//! starts with, and which of two ways a difference goes, since a set does not shrink back.

use crate::command::effects::Event;
use crate::command::{Args, CmdError, CmdResult, Cx, Reply};
use crate::commands::put;
use crate::keyspace::set::{SetRef, SetValue};
use crate::keyspace::{DbMut, Deadline, Found, Leave, Tuning};
use crate::types::entries::KeyHasher;
use crate::types::intset;
use crate::types::listpack;
use crate::types::pack::Pack;
use crate::types::value::Kind;
use smallvec::SmallVec;

/// Where the sets of a command are; `None` for those that are not there.
type Places = SmallVec<[Option<Found>; 8]>;
type Keys<'a> = SmallVec<[&'a [u8]; 8]>;

/// The keys that are left.
fn keys<'a>(args: &Args<'a>) -> Keys<'a> {
    args.rest().iter().collect()
}

/// Looks all keys up, which must be sets or nothing.
fn look_up(db: &mut DbMut, keys: &[&[u8]]) -> Result<Places, CmdError> {
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

fn sets<'d>(db: &'d DbMut, places: &Places) -> SmallVec<[Option<SetRef<'d>>; 8]> {
    let set = |found: &Option<Found>| found.and_then(|found| db.set_at(found).ok());
    places.iter().map(set).collect()
}

/// Calls `visit` with every member that all sets have, until it says stop. The first set is the
/// smallest.
fn intersect(sets: &[SetRef], mut visit: impl FnMut(listpack::Item) -> bool) {
    let Some((first, others)) = sets.split_first() else {
        return;
    };
    for item in first.iter() {
        if others.iter().all(|set| set.contains(item)) && !visit(item) {
            return;
        }
    }
}

/// The sets in the order of their size; `None` if one is missing, so that nothing is common.
fn smallest_first<'d>(db: &'d DbMut, places: &Places) -> Option<SmallVec<[SetRef<'d>; 8]>> {
    let mut all: SmallVec<[SetRef; 8]> = sets(db, places).into_iter().collect::<Option<_>>()?;
    all.sort_by_key(|set| set.len());
    Some(all)
}

/// SINTER key [key ...].
pub(super) fn sinter(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
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

/// SINTERCARD numkeys key [key ...] [LIMIT n].
pub(super) fn sintercard(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    const FEW: CmdError = CmdError::Fixed("ERR numkeys should be greater than 0");
    const MANY: CmdError =
        CmdError::Fixed("ERR Number of keys can't be greater than number of args");
    const NEGATIVE: CmdError = CmdError::Fixed("ERR LIMIT can't be negative");
    let number = args.int().ok().filter(|n| *n > 0).ok_or(FEW)?;
    let number = usize::try_from(number).ok().filter(|n| *n <= args.left());
    let number = number.ok_or(MANY)?;
    let keys: Keys = (0..number).map(|_| args.key()).collect();
    let mut limit = 0;
    while args.left() > 0 {
        if args.left() < 2 || !args.word("LIMIT") {
            return Err(CmdError::Syntax);
        }
        limit = args.int().ok().filter(|n| *n >= 0).ok_or(NEGATIVE)?;
    }
    let mut db = cx.db();
    let places = look_up(&mut db, &keys)?;
    let mut count = 0;
    if let Some(sets) = smallest_first(&db, &places) {
        intersect(&sets, |_| {
            count += 1;
            count != limit
        });
    }
    reply.int(count)
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
        cx.db().leave(found, Leave::Deleted);
        cx.changed(Event::DEL, key);
    }
    reply.int(len as i64)
}

/// SINTERSTORE destination key [key ...].
pub(super) fn sinterstore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
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
            result.add(item, tuning, &hasher);
            true
        });
        if !matches!(sets[0], SetRef::Ints(_)) {
            result.prefer_ints(tuning);
        }
    }
    store(cx, key, result, Event::SINTERSTORE, reply)
}

/// What a result is made of, and what of it shows.
struct Making<'t> {
    tuning: &'t Tuning,
    hasher: KeyHasher,
    /// The result will be stored.
    stored: bool,
}

impl Making<'_> {
    /// What a union or a difference starts from.
    fn empty(&self, sets: &[Option<SetRef>]) -> SetValue {
        let ints = |set: &SetRef| matches!(set, SetRef::Ints(_));
        if self.stored || sets.iter().flatten().all(ints) {
            return SetValue::Ints(intset::new());
        }
        SetValue::Table(Box::new(Pack::of_members(self.hasher.clone())))
    }

    fn add(&self, result: &mut SetValue, set: SetRef) {
        for item in set.iter() {
            result.add(item, self.tuning, &self.hasher);
        }
    }

    fn union(&self, sets: &[Option<SetRef>]) -> SetValue {
        let mut result = self.empty(sets);
        sets.iter()
            .flatten()
            .for_each(|set| self.add(&mut result, *set));
        result
    }

    fn difference(&self, sets: &[Option<SetRef>], same: bool) -> SetValue {
        let mut result = self.empty(sets);
        let Some(Some(first)) = sets.first() else {
            return result;
        };
        if same {
            return result;
        }
        let mut others: SmallVec<[SetRef; 8]> = sets[1..].iter().flatten().copied().collect();
        // To ask the others for each member, or to take out what the others have: the first is
        // reckoned half as much work, since it stops early.
        let asking = first.len() * (others.len() + 1) / 2;
        let taking = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
        if asking <= taking {
            others.sort_by_key(|set| std::cmp::Reverse(set.len()));
            let only = |item: &listpack::Item| !others.iter().any(|set| set.contains(*item));
            for item in first.iter().filter(only) {
                result.add(item, self.tuning, &self.hasher);
            }
            return result;
        }
        self.add(&mut result, *first);
        for set in others {
            if result.is_empty() {
                break;
            }
            for item in set.iter() {
                result.remove(item);
            }
        }
        result
    }
}

/// Which operation a result comes from.
#[derive(Clone, Copy, PartialEq)]
enum Operation {
    Union,
    Difference,
}

fn combine(
    cx: &mut Cx,
    keys: &[&[u8]],
    operation: Operation,
    stored: bool,
) -> Result<SetValue, CmdError> {
    let tuning = cx.tuning;
    let mut db = cx.keyspace.db(cx.db);
    let places = look_up(&mut db, keys)?;
    let making = Making {
        tuning,
        hasher: db.entries().hasher().clone(),
        stored,
    };
    let sets = sets(&db, &places);
    Ok(match operation {
        Operation::Union => making.union(&sets),
        Operation::Difference => {
            let same = keys[1..].contains(&keys[0]);
            making.difference(&sets, same)
        }
    })
}

fn answer(result: &SetValue, reply: &mut Reply) -> CmdResult {
    reply.set(result.len())?;
    result.as_ref().iter().try_for_each(|item| reply.item(item))
}

/// SUNION key [key ...].
pub(super) fn sunion(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let result = combine(cx, &keys(args), Operation::Union, false)?;
    answer(&result, reply)
}

/// SUNIONSTORE destination key [key ...].
pub(super) fn sunionstore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let result = combine(cx, &keys(args), Operation::Union, true)?;
    store(cx, key, result, Event::SUNIONSTORE, reply)
}

/// SDIFF key [key ...].
pub(super) fn sdiff(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let result = combine(cx, &keys(args), Operation::Difference, false)?;
    answer(&result, reply)
}

/// SDIFFSTORE destination key [key ...].
pub(super) fn sdiffstore(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let key = args.key();
    let result = combine(cx, &keys(args), Operation::Difference, true)?;
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
