//! LMOVEM and BLMOVEM: several elements from one list to another.
//!
//! ```text
//!   source 1 2 3 4    LMOVEM source to LEFT LEFT COUNT 3 OBO     to 3 2 1    one by one
//!                     LMOVEM source to LEFT LEFT COUNT 3 BULK    to 1 2 3    in their order
//! ```

use super::{end_argument, new_list, popped, pushed, settle, with_target};
use crate::algo::number::parse_i64;
use crate::command::blocking::{Unit, parse_timeout};
use crate::command::keys::*;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Cx, DataCommand, Reply, Wait};
use crate::types::quicklist::End;
use crate::types::value::Kind;

/// How many elements move, and in which order they arrive.
struct Move {
    out: End,
    into: End,
    count: usize,
    /// All of them or none.
    exact: bool,
    /// Their order stays; otherwise they are pushed one by one.
    as_block: bool,
}

impl Move {
    /// Parses COUNT|EXACTLY n OBO|BULK behind the ends; without it one element moves.
    fn parse(out: End, into: End, args: &mut Args) -> Result<Move, CmdError> {
        let mut wanted = Move {
            out,
            into,
            count: 1,
            exact: false,
            as_block: true,
        };
        if args.left() == 0 {
            return Ok(wanted);
        }
        if args.left() != 3 {
            return Err(CmdError::Syntax);
        }
        wanted.exact = args.word("EXACTLY");
        if !wanted.exact && !args.word("COUNT") {
            return Err(CmdError::Syntax);
        }
        let count = parse_i64(args.bytes()).and_then(|n| usize::try_from(n).ok());
        wanted.count = count
            .filter(|n| *n > 0)
            .ok_or(CmdError::Fixed("ERR count should be greater than 0"))?;
        wanted.as_block = args.word("BULK");
        if !wanted.as_block && !args.word("OBO") {
            return Err(CmdError::Syntax);
        }
        Ok(wanted)
    }

    /// Whether the elements stand in the destination in the order in which they were taken.
    fn keeps_order(&self) -> bool {
        let end = if self.as_block { self.out } else { self.into };
        match self.as_block {
            true => end == End::Left,
            false => end == End::Right,
        }
    }
}

/// Moves elements and replies with them, in the order of the destination. Returns how many; 0 if
/// there are none, or not enough.
fn move_elements(
    cx: &mut Cx,
    (from, to): (&[u8], &[u8]),
    wanted: &Move,
    reply: &mut Reply,
) -> Result<usize, CmdError> {
    let tuning = cx.tuning;
    let mut db = cx.db();
    let Some(source) = db.write_list(from)? else {
        return Ok(0);
    };
    let len = db.list_at(source)?.len();
    if wanted.exact && len < wanted.count {
        return Ok(0);
    }
    let (source, target) = with_target(&mut db, (from, source), to)?;
    let count = wanted.count.min(len);
    let mut elements: Vec<Vec<u8>> = Vec::with_capacity(count);
    db.list_pop(source, wanted.out, count, |item| {
        elements.push(item.as_bytes(&mut itoa::Buffer::new()).to_vec());
    });
    if !wanted.keeps_order() {
        elements.reverse();
    }
    let target = target.unwrap_or_else(|| new_list(cx, to));
    let mut db = cx.db();
    let items = elements.iter().map(Vec::as_slice);
    match wanted.into {
        End::Right => db.list_push(target, End::Right, items, tuning),
        End::Left => db.list_push(target, End::Left, items.rev(), tuning),
    }
    reply.array(count)?;
    elements
        .iter()
        .try_for_each(|element| reply.bulk(element))?;
    if from == to {
        cx.changed(popped(wanted.out), from);
        cx.also(pushed(wanted.into), to);
        return Ok(count);
    }
    cx.also(pushed(wanted.into), to);
    cx.changed(popped(wanted.out), from);
    let source = cx.db().peek(from).ok_or(CmdError::NoSuchKey)?;
    settle(cx, from, source);
    Ok(count)
}

pub(super) const LMOVEM: DataCommand = Spec {
    name: "lmovem",
    flags: all(&[WRITE, DENYOOM]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE]), KeySpec::at(2, &[RW, INSERT])],
    usage: "source:key destination:key wherefrom(left=LEFT|right=RIGHT) whereto(left=LEFT|right=RIGHT) [how-many{selector(count:integer@COUNT|exactly:integer@EXACTLY) ordering(obo=OBO|bulk=BULK)}]",
    since: "8.10.0",
    summary: "Takes elements from one end of a list and adds them to an end of another.",
    complexity: "O(N) where N is the number of elements moved.",
    ..Spec::of(Group::List)
}
.runs(lmovem);

fn lmovem(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (from, to) = (args.key(), args.key());
    let (out, into) = (end_argument(args)?, end_argument(args)?);
    let wanted = Move::parse(out, into, args)?;
    match move_elements(cx, (from, to), &wanted, reply)? {
        0 => reply.null_array(),
        _ => Ok(()),
    }
}

pub(super) const BLMOVEM: DataCommand = Spec {
    name: "blmovem",
    flags: all(&[WRITE, DENYOOM, BLOCKING]),
    keys: &[KeySpec::at(1, &[RW, ACCESS, DELETE]), KeySpec::at(2, &[RW, INSERT])],
    usage: "source:key destination:key wherefrom(left=LEFT|right=RIGHT) whereto(left=LEFT|right=RIGHT) timeout:double [how-many{selector(count:integer@COUNT|exactly:integer@EXACTLY) ordering(obo=OBO|bulk=BULK)}]",
    since: "8.10.0",
    summary: "As LMOVEM, waiting for the elements if need be.",
    complexity: "O(N) where N is the number of elements moved.",
    ..Spec::of(Group::List)
}
.runs(blmovem);

fn blmovem(cx: &mut Cx, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let (from, to) = (args.key(), args.key());
    // They go on as they were written.
    let words = args.rest();
    let (out, into) = (end_argument(args)?, end_argument(args)?);
    let timeout_ms = parse_timeout(args.bytes(), Unit::Seconds)?;
    let wanted = Move::parse(out, into, args)?;
    let count = move_elements(cx, (from, to), &wanted, reply)?;
    if count == 0 {
        let wait = Wait::new(Kind::List, [from], timeout_ms);
        // A list that is too short ends the wait when it grows.
        return cx.wait(
            if wanted.exact {
                wait.until_grown()
            } else {
                wait
            },
            reply,
        );
    }
    let mut buffer = itoa::Buffer::new();
    let count = buffer.format(count).as_bytes();
    let order = if wanted.as_block {
        b"BULK".as_slice()
    } else {
        b"OBO"
    };
    cx.propagate_as([
        b"LMOVEM",
        from,
        to,
        words.at(0),
        words.at(1),
        b"EXACTLY",
        count,
        order,
    ]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[test]
    fn elements_arrive_one_by_one_or_in_their_order() {
        for (ends, obo, bulk) in [
            ("LEFT RIGHT", "1 2", "1 2"),
            ("LEFT LEFT", "2 1", "1 2"),
            ("RIGHT LEFT", "4 5", "4 5"),
            ("RIGHT RIGHT", "5 4", "4 5"),
        ] {
            for (order, moved) in [("OBO", obo), ("BULK", bulk)] {
                let mut e = Engine::new();
                e.ask("RPUSH s 1 2 3 4 5");
                e.ask("RPUSH d a b");
                let words: Vec<_> = moved.split(' ').map(|w| format!("$1 {w}")).collect();
                let reply = format!("*2 {}", words.join(" "));
                assert_eq!(e.ask(&format!("LMOVEM s d {ends} COUNT 2 {order}")), reply);
                let whole = match ends.ends_with("RIGHT") {
                    true => format!("*4 $1 a $1 b {}", words.join(" ")),
                    false => format!("*4 {} $1 a $1 b", words.join(" ")),
                };
                assert_eq!(e.ask("LRANGE d 0 -1"), whole, "{ends} {order}");
            }
        }
    }

    #[test]
    fn a_list_can_be_its_own_destination() {
        let mut e = Engine::new();
        e.ask("RPUSH s 1 2 3");
        assert_eq!(
            e.ask("LMOVEM s s LEFT LEFT COUNT 9 OBO"),
            "*3 $1 3 $1 2 $1 1"
        );
        assert_eq!(e.outcome().events_text(), "lpop s, lpush s");
        assert_eq!(e.ask("LRANGE s 0 -1"), "*3 $1 3 $1 2 $1 1");
    }

    #[test]
    fn exactly_takes_all_or_none() {
        let mut e = Engine::new();
        e.ask("RPUSH s 1 2 3");
        assert_eq!(e.ask("LMOVEM s d LEFT RIGHT EXACTLY 4 BULK"), "*-1");
        assert_eq!(
            e.ask("LMOVEM s d LEFT RIGHT EXACTLY 3 BULK"),
            "*3 $1 1 $1 2 $1 3"
        );
        assert_eq!(e.outcome().events_text(), "new d, rpush d, lpop s, del s");
        assert_eq!(e.ask("LMOVEM s d LEFT RIGHT"), "*-1");
        assert_eq!(e.ask("LMOVEM d s LEFT RIGHT"), "*1 $1 1");
        assert_eq!(e.outcome().propagated_text(), "LMOVEM d s LEFT RIGHT");
        assert_eq!(
            e.ask("BLMOVEM d s LEFT RIGHT 0 COUNT 9 OBO"),
            "*2 $1 2 $1 3"
        );
        assert_eq!(
            e.outcome().propagated_text(),
            "LMOVEM d s LEFT RIGHT EXACTLY 2 OBO"
        );
    }

    #[test]
    fn wrong_forms_move_nothing() {
        let mut e = Engine::new();
        e.ask("RPUSH s 1");
        for (line, error) in [
            ("s d LEFT foo", "syntax error"),
            ("s d LEFT RIGHT COUNT 1", "syntax error"),
            ("s d LEFT RIGHT what 1 OBO", "syntax error"),
            ("s d LEFT RIGHT COUNT 1 what", "syntax error"),
            (
                "s d LEFT RIGHT COUNT 0 what",
                "count should be greater than 0",
            ),
            (
                "none d LEFT RIGHT COUNT x OBO",
                "count should be greater than 0",
            ),
        ] {
            assert_eq!(e.ask(&format!("LMOVEM {line}")), format!("-ERR {error}"));
        }
        e.ask("SET t x");
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
        assert_eq!(e.ask("LMOVEM s t LEFT RIGHT"), wrong);
        assert_eq!(e.ask("LMOVEM t s LEFT RIGHT"), wrong);
        assert_eq!(e.ask("LMOVEM none t LEFT RIGHT"), "*-1");
        assert_eq!(e.ask("LLEN s"), ":1");
    }
}
