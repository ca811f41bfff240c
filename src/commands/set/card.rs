//! SINTERCARD, SUNIONCARD and SDIFFCARD: the sizes of results, without their members.

use super::algebra::{Keys, Making, intersect, look_up, sets, smallest_first};
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply};
use crate::commands::gathered::Gathered;
use crate::keyspace::set::SetRef;
use smallvec::SmallVec;

/// The arguments: the keys, and the number at which counting ends, 0 for none.
struct Asked<'a> {
    keys: Keys<'a>,
    limit: usize,
}

/// Parses `numkeys key [key …] [LIMIT n]`; `other` takes further options.
fn parse<'a>(
    args: &mut Args<'a>,
    mut other: impl FnMut(&mut Args<'a>) -> bool,
) -> Result<Asked<'a>, CmdError> {
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
        if other(args) {
            continue;
        }
        if args.left() < 2 || !args.word("LIMIT") {
            return Err(CmdError::Syntax);
        }
        let number = args.int().ok().and_then(|n| usize::try_from(n).ok());
        limit = number.ok_or(NEGATIVE)?;
    }
    Ok(Asked { keys, limit })
}

pub(super) const SINTERCARD: DataCommand = Spec {
    name: "sintercard",
    flags: all(&[READONLY, MOVABLEKEYS]),
    keys: &[KeySpec::counted(1, &[RO, ACCESS])],
    usage: "numkeys:integer key:key... [limit:integer@LIMIT]",
    since: "7.0.0",
    summary: "How many members all sets have.",
    complexity: "O(N*M), N the size of the smallest set and M the number of sets",
    ..Spec::of(Group::Set)
}
.runs(sintercard);

fn sintercard(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let Asked { keys, limit } = parse(args, |_| false)?;
    let mut db = cx.db();
    let places = look_up(&mut db, &keys)?;
    let mut count = 0;
    if let Some(sets) = smallest_first(&db, &places) {
        intersect(&sets, |_| {
            count += 1;
            count != limit
        });
    }
    reply.int(count as i64)
}

pub(super) const SUNIONCARD: DataCommand = Spec {
    name: "sunioncard",
    flags: all(&[READONLY, MOVABLEKEYS]),
    keys: &[KeySpec::counted(1, &[RO, ACCESS])],
    usage: "numkeys:integer key:key... [approx=APPROX] [limit:integer@LIMIT]",
    since: "8.10.0",
    summary: "How many members any of the sets has.",
    complexity: "O(N) where N is the total number of elements in all given sets.",
    ..Spec::of(Group::Set)
}
.runs(sunioncard);

/// APPROX allows an estimate; the count is exact all the same.
fn sunioncard(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let Asked { keys, limit } = parse(args, |args| args.word("APPROX"))?;
    let mut db = cx.db();
    let places = look_up(&mut db, &keys)?;
    let mut sets: SmallVec<[SetRef; 8]> = sets(&db, &places).into_iter().flatten().collect();
    // The largest one comes last: its members need not be remembered.
    sets.sort_by_key(|set| set.len());
    let Some((largest, others)) = sets.split_last() else {
        return reply.int(0);
    };
    let room = others.iter().map(|set| set.len()).sum();
    let mut met = Gathered::with_room(room, db.entries().hasher().clone());
    let mut count = largest.len();
    let mut members = others.iter().flat_map(|set| set.iter());
    while limit == 0 || count < limit {
        let Some(item) = members.next() else { break };
        count += usize::from(!largest.contains(item) && met.add(item).1);
    }
    reply.int(if limit > 0 { count.min(limit) } else { count } as i64)
}

pub(super) const SDIFFCARD: DataCommand = Spec {
    name: "sdiffcard",
    flags: all(&[READONLY, MOVABLEKEYS]),
    keys: &[KeySpec::counted(1, &[RO, ACCESS])],
    usage: "numkeys:integer key:key... [limit:integer@LIMIT]",
    since: "8.10.0",
    summary: "How many members the first set has that no other has.",
    complexity: "O(N) where N is the total number of elements in all given sets.",
    ..Spec::of(Group::Set)
}
.runs(sdiffcard);

fn sdiffcard(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let Asked { keys, limit } = parse(args, |_| false)?;
    let mut db = cx.keyspace.db(cx.db);
    let places = look_up(&mut db, &keys)?;
    if keys[1..].contains(&keys[0]) {
        return reply.int(0);
    }
    let sets = sets(&db, &places);
    let mut count = 0;
    if limit == 0 {
        Making::new(cx.tuning, &db).difference(&sets, |_| count += 1);
    } else if let [Some(first), others @ ..] = sets.as_slice() {
        let others: SmallVec<[SetRef; 8]> = others.iter().flatten().copied().collect();
        let alone = first
            .iter()
            .filter(|item| !others.iter().any(|set| set.contains(*item)));
        count = alone.take(limit).count();
    }
    reply.int(count as i64)
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[test]
    fn sizes_are_those_of_the_results() {
        let mut e = Engine::new();
        for (a, b) in [
            ("a b c", "b c d e"),
            ("1 2 3", "2 3 4 5"),
            ("a 1 2", "1 2 b c"),
        ] {
            e.ask("FLUSHALL");
            e.ask(&format!("SADD x {a}"));
            e.ask(&format!("SADD y {b}"));
            for (line, count) in [
                ("SUNIONCARD 2 x y", 5),
                ("SUNIONCARD 2 x y LIMIT 3", 3),
                ("SUNIONCARD 2 x y LIMIT 9 APPROX", 5),
                ("SUNIONCARD 3 x x none LIMIT 0", 3),
                ("SUNIONCARD 1 none", 0),
                ("SDIFFCARD 2 x y", 1),
                ("SDIFFCARD 2 y x", 2),
                ("SDIFFCARD 2 y x LIMIT 1", 1),
                ("SDIFFCARD 1 y LIMIT 3", 3),
                ("SDIFFCARD 3 y none y", 0),
                ("SDIFFCARD 2 none y LIMIT 2", 0),
                ("SINTERCARD 2 x y LIMIT 1", 1),
            ] {
                assert_eq!(e.ask(line), format!(":{count}"), "{line}");
            }
        }
        // Two tables.
        for n in 0..1_000 {
            e.ask(&format!("SADD m member:{n}"));
            e.ask(&format!("SADD n member:{}", n + 250));
        }
        assert_eq!(e.ask("SUNIONCARD 2 m n"), ":1250");
        assert_eq!(e.ask("SDIFFCARD 2 m n"), ":250");
        assert_eq!(e.ask("SDIFFCARD 2 m n LIMIT 7"), ":7");
    }

    #[test]
    fn wrong_forms_are_named() {
        let mut e = Engine::new();
        e.ask("RPUSH l a");
        for (line, error) in [
            ("SUNIONCARD 0 x", "ERR numkeys should be greater than 0"),
            ("SDIFFCARD x x", "ERR numkeys should be greater than 0"),
            (
                "SDIFFCARD 2 x",
                "ERR Number of keys can't be greater than number of args",
            ),
            ("SUNIONCARD 1 x LIMIT -1", "ERR LIMIT can't be negative"),
            ("SUNIONCARD 1 x LIMIT x", "ERR LIMIT can't be negative"),
            ("SUNIONCARD 1 x LIMIT", "ERR syntax error"),
            ("SDIFFCARD 1 x APPROX", "ERR syntax error"),
            (
                "SDIFFCARD 2 x l",
                "WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
        ] {
            assert_eq!(e.ask(line), format!("-{error}"), "{line}");
        }
    }
}
